"""One name for one thing: classes, files and the layers between which imports point downward."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from graphlib import TopologicalSorter
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "seamless_server"
FILES = sorted(PACKAGE.rglob("*.py"))

TWICE = {
    "__init__.py": "a package is a folder with this file",
    "stream.py": "commands/ is named after the commands: this one opens a stream on a server",
    "text_decoder.py": "the network, and the agent that asks for its steps",
    "vocoder.py": "the network, and the agent that asks for its samples",
}
"""File names that mean the same thing in two folders, and what that is."""


def test_no_class_name_stands_twice() -> None:
    found = defaultdict(list)
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(f"{path.relative_to(PACKAGE)}:{node.lineno}")
    assert {name: places for name, places in found.items() if len(places) > 1} == {}


def test_a_file_name_that_stands_twice_means_the_same() -> None:
    found = defaultdict(list)
    for path in FILES:
        found[path.name].append(str(path.relative_to(PACKAGE)))
    assert {name for name, places in found.items() if len(places) > 1} == set(TWICE)


TOP = (
    ("__main__", "cli", "commands", "app_pubsub"),
    ("exposure",),
    ("evaluation", "bench", "client", "trial", "diagnosis", "cluster_diagnosis"),
)
"""What nothing below uses; the layers under it are a table of docs/architecture.md."""


def test_imports_point_downward_only() -> None:
    text = (PACKAGE.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = text.partition("## Layers")[2].partition("## Words")[0]
    packages = re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE)
    assert len(packages) > 8
    layers = (*TOP, *(re.findall("`([a-z_]+)`", row) for row in packages))
    level = {name: number for number, names in enumerate(layers) for name in names}
    ground = len(layers) - 1
    upward = []
    for path in FILES:
        here = path.relative_to(PACKAGE).with_suffix("").parts[0]
        tree = ast.parse(path.read_text(encoding="utf-8"))
        only_types = {
            id(inner)
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            for inner in ast.walk(node)
        }
        for node in ast.walk(tree):
            if not isinstance(node, ast.ImportFrom) or id(node) in only_types:
                continue
            root, to, *_ = [*(node.module or "").split("."), ""]
            if root == "seamless_server" and level.get(to, ground) < level.get(here, ground):
                upward.append(f"{path.relative_to(PACKAGE)}:{node.lineno} {node.module}")
    assert upward == []


def test_no_files_import_each_other_in_a_circle() -> None:
    """Not even for types; what a package's `__init__` hands on is looked up in its files."""
    names = {
        ".".join(("seamless_server", *path.relative_to(PACKAGE).with_suffix("").parts))
        for path in FILES
        if path.name != "__init__.py"
    }
    taken: dict[str, set[str]] = {name: set() for name in names}
    for name, imports in taken.items():
        file = PACKAGE.parent / Path(*name.split(".")).with_suffix(".py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                places = [f"{node.module}.{each.name}" for each in node.names]
                imports |= names.intersection([str(node.module), *places])
    TopologicalSorter(taken).prepare()  # CycleError names the files of a circle
