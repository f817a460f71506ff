"""The files with which a cluster is run name what exists."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from seamless_server.cli import app
from seamless_server.cluster.deploy import build
from seamless_server.metrics import Metrics
from seamless_server.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "deploy" / "helm" / "seamless-server"


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def serve_flags() -> set[str]:
    command: Any = get_command(app)
    return {flag for parameter in command.commands["serve"].params for flag in parameter.opts}


def test_compose_starts_commands_that_exist() -> None:
    services = read(ROOT / "compose.cluster.yaml")["services"]
    assert {"engines", "front-1", "front-2", "nginx", "redis"} <= set(services)
    for name in ("engines", "front-1", "front-2"):
        line = services[name]["command"]
        _, _, serve = line.partition("seamless-server serve")
        flags = [word for word in shlex.split(serve.replace('"', "")) if word.startswith("--")]
        assert "--role" in flags
        assert set(flags) <= serve_flags(), name
        for variable in services[name]["environment"]:
            if variable.startswith("SEAMLESS_"):
                assert variable.removeprefix("SEAMLESS_").lower() in Settings.model_fields
    for service in services.values():
        for volume in service.get("volumes", ()):
            source = str(volume).partition(":")[0]
            assert not source.startswith("./") or (ROOT / source).exists(), source
    gpu = read(ROOT / "compose.cluster.gpu.yaml")["services"]
    assert set(gpu) == {"engines"}


def test_nginx_and_prometheus_reach_the_fronts_of_compose() -> None:
    nginx = (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")
    targets = read(ROOT / "deploy" / "prometheus.yml")["scrape_configs"][0]["static_configs"]
    assert set(re.findall(r"server (front-\d:\d+)", nginx)) == set(targets[0]["targets"])


def test_the_dashboard_shows_metrics_that_exist() -> None:
    exposed = set(re.findall(r"^# HELP (\w+)", Metrics().render().decode(), re.MULTILINE))
    path = ROOT / "deploy" / "grafana" / "dashboards" / "seamless-server.json"
    asked = set()
    for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
        for target in panel["targets"]:
            asked |= set(re.findall(r"\b((?:seamless|process)_\w+)", target["expr"]))
    assert len(asked) > 10
    assert {re.sub(r"_bucket$", "", name) for name in asked} <= exposed


def test_fronts_are_scaled_by_metrics_that_exist() -> None:
    exposed = set(re.findall(r"^# HELP (\w+)", Metrics().render().decode(), re.MULTILINE))
    scaling = (CHART / "templates" / "scaling.yaml").read_text(encoding="utf-8")
    queries = re.findall(r"query: (.*)", scaling)
    asked = {name for query in queries for name in re.findall(r"seamless_\w+", query)}
    assert asked == {"seamless_connections", "seamless_slots", "seamless_slots_used"}
    assert asked <= exposed


@pytest.mark.skipif(shutil.which("helm") is None, reason="helm is not installed")
@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ([], {"HorizontalPodAutoscaler"}),
        (["keda.enabled=true"], {"ScaledObject"}),
        (["ingress.enabled=true", "ingress.tlsSecret=tls"], {"HorizontalPodAutoscaler", "Ingress"}),
    ],
)
def test_helm_finds_nothing_wrong_with_the_chart(changes: list[str], kinds: set[str]) -> None:
    options = [word for change in changes for word in ("--set", change)]
    helm("lint", "--strict", str(CHART), *options)
    made = [one for one in yaml.safe_load_all(helm("template", "it", str(CHART), *options)) if one]
    always = {"RayService", "Deployment", "Service", "PodDisruptionBudget"}
    assert {one["kind"] for one in made} == always | kinds


def helm(*words: str) -> str:
    done = subprocess.run(["helm", *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_chart_gives_settings_that_exist() -> None:
    values = read(CHART / "values.yaml")
    template = (CHART / "templates" / "engines.yaml").read_text(encoding="utf-8")
    arguments = re.search(r"args:\n((?: {10}\w+: .*\n)+)", template)
    assert arguments is not None
    names = re.findall(r"^ +(\w+):", arguments[1], re.MULTILINE)
    assert set(names) <= set(Settings.model_fields)
    engines = values["engines"]
    build(
        {
            "models": values["models"],
            "engines": f"{engines['min']}..{engines['max']}",
            "engine_places": engines["places"],
            "engine_gpus": engines["gpus"],
            "engine_cpus": engines["cpus"],
        }
    )
    used = "\n".join(path.read_text("utf-8") for path in (CHART / "templates").iterdir())
    for path in re.findall(r"\.Values\.([\w.]+)", used):
        found: Any = values
        for part in path.split("."):
            assert part in found, path
            found = found[part]
