"""The documentation points at things that exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from seamless_server.doors.socketio.schema import INBOUND, OUTBOUND
from seamless_server.rooms.rights import RIGHTS

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "CODE_OF_CONDUCT.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "LICENSE-WEIGHTS.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_to_files(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        if anchor and file.suffix == ".md":
            headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}
            assert anchor in slugs, target


def test_every_page_is_reachable_from_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "index.md" or f"({page.name})" in index, page.name


def test_every_metric_is_explained() -> None:
    table = (ROOT / "docs" / "debugging.md").read_text(encoding="utf-8")
    metrics = (ROOT / "seamless_server" / "metrics.py").read_text(encoding="utf-8")
    for name in re.findall(r'"(seamless_\w+)"', metrics):
        assert re.search(rf"`{name}(_total)?`", table), name


def test_make_targets_that_the_readme_names_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = re.search(r"`make` lists everything.*?: (.*?)\.\n", readme, re.DOTALL)
    assert named is not None
    for target in re.findall(r"`([\w-]+)`", named[1]):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_python_example_runs() -> None:
    page = (ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    recordings = ROOT / "tests" / "recordings"
    here = {
        "SeamlessStreaming-mini": str(recordings / "checkpoint"),
        "talk_16k_mono.wav": str(recordings / "audio" / "human_short.flac"),
    }
    for name, path in here.items():
        assert name in example
        example = example.replace(name, path)
    done = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"^ *\d+\.\d\d s  \S", done.stdout, re.MULTILINE)) >= 3


def test_every_event_is_in_the_protocol_and_every_route_among_the_doors() -> None:
    protocol = (ROOT / "docs" / "protocol.md").read_text("utf-8")
    assert [event for event in (*INBOUND, *OUTBOUND) if f"`{event}`" not in protocol] == []
    doors = (ROOT / "docs" / "api.md").read_text("utf-8")
    routes = [what for what in RIGHTS if " " in what]
    assert [route for route in routes if f"`{route}" not in doors] == []
