"""What is shipped: the wheel, the locked versions, the image's recipe and its replay."""

import ast
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from dockerfile_parse import DockerfileParser
from huggingface_hub import SpaceCard
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from seamless_server.errors import SIMULEVAL_REMEDY, SIMULEVAL_VERSION

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
REPLAY = ROOT / "scripts" / "replay_dockerfile.py"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def requirements(path: Path) -> list[Requirement]:
    lines = [line.partition("#")[0].strip() for line in path.read_text().splitlines()]
    return [Requirement(line) for line in lines if line]


def declared() -> list[Requirement]:
    extras = [text for group in PROJECT["optional-dependencies"].values() for text in group]
    return [Requirement(text) for text in (*PROJECT["dependencies"], *extras)]


def wheel_of(project: Path, folder: Path) -> set[str]:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=project, check=True, capture_output=True, timeout=120)
    (wheel,) = folder.glob("*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


def test_the_wheel_holds_the_package_with_its_data(tmp_path: Path) -> None:
    names = wheel_of(ROOT, tmp_path)
    assert "seamless_server/data/languages.tsv" in names
    assert "seamless_server/py.typed" in names
    assert not [name for name in names if name.startswith(("tests/", "training/"))]


def test_the_wheel_takes_the_page_and_small_models_but_no_published_weights(
    tmp_path: Path,
) -> None:
    project = tmp_path / "project"
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "LICENSE-WEIGHTS.md"):
        project.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, project / name)
    for name in (
        "seamless_server/__init__.py",
        "streaming-react-app/dist/index.html",
        "streaming-react-app/dist/assets/app.js",
        "models/mini/config.json",
        "models/mini/model.safetensors",
        "models/mini/vocoder_v2.pt",
    ):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("x")
    with (project / "models" / "mini" / "large.safetensors").open("wb") as sparse:
        sparse.truncate(200_000_000)
    names = wheel_of(project, tmp_path / "out")
    assert {name for name in names if "dist-info" not in name} == {
        "seamless_server/__init__.py",
        "seamless_server/page/index.html",
        "seamless_server/page/assets/app.js",
        "seamless_server/models/mini/config.json",
        "seamless_server/models/mini/model.safetensors",
    }


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13"])
def test_every_dependency_is_locked_once_for_each_python(python: str) -> None:
    pins: dict[str, list[Requirement]] = {}
    for pin in requirements(ROOT / "constraints.txt"):
        environment = {
            "python_version": python,
            "python_full_version": f"{python}.9",
            "sys_platform": "linux",
            "platform_machine": "x86_64",
        }
        if pin.marker is None or pin.marker.evaluate(environment):
            pins.setdefault(canonicalize_name(pin.name), []).append(pin)
    for wanted in declared():
        if wanted.marker is not None and not wanted.marker.evaluate({"python_version": python}):
            continue
        (pin,) = pins[canonicalize_name(wanted.name)]
        (version,) = [one.version for one in pin.specifier]
        assert version in wanted.specifier, f"{pin} does not meet {wanted}"


NAMED_OTHERWISE = {"piper": "piper-tts", "pyworld": "pyworld-prebuilt"}
"""Distributions of modules that are not installed for the tests."""


def imported(folder: str) -> dict[str, str]:
    """Top-level modules from elsewhere that the folder's files import, each with such a file."""
    own = {path.stem for path in (ROOT / folder).rglob("*.py")} | {folder, "seamless_server"}
    own |= {path.name for path in (ROOT / folder).rglob("*") if path.is_dir()}
    own |= {"simuleval", "training", "benchmarks", "scripts", "tests", "conftest"}
    own |= set(sys.stdlib_module_names)
    found = {}
    for file in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [node.module]
            for name in names:
                top = name.partition(".")[0]
                if top not in own:
                    found[top] = str(file.relative_to(ROOT))
    return found


@pytest.mark.parametrize(
    "folder", ["seamless_server", "tests", "scripts", "training", "benchmarks"]
)
def test_everything_imported_is_declared(folder: str) -> None:
    names = {canonicalize_name(requirement.name) for requirement in declared()}
    owners = packages_distributions()
    for module, file in imported(folder).items():
        candidates = {
            canonicalize_name(owner)
            for owner in owners.get(module, [NAMED_OTHERWISE.get(module, module)])
        }
        assert candidates & names, f"{file} imports {module}, which pyproject.toml does not declare"


def test_simuleval_has_one_version_and_one_way_in() -> None:
    (pin,) = requirements(ROOT / "requirements-simuleval.txt")
    assert str(pin) == f"simuleval=={SIMULEVAL_VERSION}"
    names = {canonicalize_name(wanted.name) for wanted in declared()}
    assert "simuleval" not in names
    assert {"pandas", "pyyaml", "requests", "textgrid", "tornado", "tqdm", "sacrebleu"} <= names
    for page in ("README.md", "docs/installation.md"):
        assert SIMULEVAL_REMEDY in (ROOT / page).read_text(), page
    assert "--no-deps -r requirements-simuleval.txt" in (ROOT / "Dockerfile").read_text()


def test_simuleval_imports_with_what_is_declared() -> None:
    modules = "agents, cli, utils.agent, evaluator, data.segments, agents.service"
    script = "; ".join(f"import simuleval.{name}" for name in modules.split(", "))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_dockerfile_passes_the_linter() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [hadolint, "--failure-threshold", "style", ROOT / "Dockerfile"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_the_image_runs_unprivileged_on_the_port_that_the_space_expects() -> None:
    steps = DockerfileParser(path=str(ROOT / "Dockerfile"), cache_content=True).structure
    values = {step["instruction"]: step["value"] for step in steps}
    assert values["USER"] == "1000"
    assert values["EXPOSE"] == "7860"
    assert values["VOLUME"] == "/data"
    assert "/healthz" in values["HEALTHCHECK"]
    # The published model takes 104 s to load on two cores.
    (patience,) = re.findall(r"--start-period=(\d+)s", values["HEALTHCHECK"])
    assert int(patience) >= 2 * 104
    space = SpaceCard.load(ROOT / "README.md", ignore_metadata_errors=False).data
    assert (space.sdk, space.app_port) == ("docker", int(values["EXPOSE"]))
    assert len(space.to_dict()["short_description"]) <= 60  # the Space's host refuses longer ones
    sources = [
        source
        for step in steps
        if step["instruction"] == "COPY" and "--from" not in step["value"]
        for source in step["value"].split()[:-1]
    ]
    assert len(sources) > 5
    for source in sources:
        assert (ROOT / source).exists(), source


TINY = """\
FROM python:3.11-slim AS build
WORKDIR /make
COPY a.txt .
RUN python -c "import sys, pathlib; pathlib.Path('/make/prefix').write_text(sys.prefix)" \\
    && tr a-z A-Z < /make/a.txt > b.txt

FROM python:3.11-slim
ENV PLACE=/data/here EMPTY="" \\
    TWICE="$PLACE"
WORKDIR /app
COPY tree tree
COPY --from=build /make/b.txt /make/prefix ./
RUN mkdir -p "$PLACE" && echo "$TWICE" > /data/place && cat /etc/hostname > /dev/null
USER 1000
EXPOSE 8123
HEALTHCHECK --interval=1s CMD ["python", "-c", "import urllib.request as r; \
r.urlopen('http://127.0.0.1:8123/b.txt').read()"]
CMD ["python", "-m", "http.server", "--bind", "127.0.0.1", "8123"]
"""


def replay(folder: Path, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "Dockerfile").write_text(text)
    (folder / ".dockerignore").write_text("# no logs\ntree/*.log\n**/cache\n")
    (folder / "a.txt").write_text("hello")
    (folder / "tree" / "cache").mkdir(parents=True)
    for name in ("keep.txt", "drop.log", "cache/x"):
        (folder / "tree" / name).write_text(name)
    command = [REPLAY, folder / "Dockerfile", "--prefix", folder / "out", *options]
    words = [sys.executable, *map(str, command)]
    return subprocess.run(words, capture_output=True, text=True, timeout=200)


def test_the_replay_builds_stages_in_clean_folders_and_serves(tmp_path: Path) -> None:
    done = replay(tmp_path, TINY, "--serve")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "--- healthy" in done.stdout
    app, data = tmp_path / "out" / "stage1" / "app", tmp_path / "out" / "stage1" / "data"
    assert (app / "b.txt").read_text() == "HELLO"
    assert (app / "prefix").read_text().startswith(str(tmp_path / "out" / "build"))
    assert sorted(path.name for path in (app / "tree").iterdir()) == ["keep.txt"]
    assert (data / "place").read_text().strip() == str(data / "here")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("FROM node:22\nWORKDIR /app\nRUN false\n", "this step failed"),
        ("FROM node:22\nCOPY nothing.txt .\n", "nothing.txt does not exist"),
        ("FROM alpine\n", "only python: and node: images"),
        ("FROM node:22\nONBUILD RUN true\n", "ONBUILD is not supported"),
    ],
)
def test_the_replay_stops_at_a_step_that_fails(tmp_path: Path, text: str, reason: str) -> None:
    done = replay(tmp_path, text)
    assert done.returncode == 1
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


def test_continuous_integration_runs_make_test_on_every_python_that_is_claimed() -> None:
    claimed = [
        classifier.rpartition(" ")[2]
        for classifier in PROJECT["classifiers"]
        if re.search(r"Python :: 3\.\d+$", classifier)
    ]
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())
    job = workflow["jobs"]["test"]
    assert job["strategy"]["matrix"]["python"] == claimed
    assert ".ci/run" in [step.get("run") for step in job["steps"]]
    *_, command = (ROOT / ".ci" / "run").read_text().splitlines()
    assert command == "exec make test"
    allowed = SpecifierSet(PROJECT["requires-python"])
    minors = [f"3.{minor}" for minor in range(30)]
    assert [version for version in minors if f"{version}.9" in allowed] == claimed


def test_the_checks_before_a_commit_are_well_formed() -> None:
    command = [sys.executable, "-m", "pre_commit", "validate-config", ".pre-commit-config.yaml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
