"""One name for one thing: classes, files and the layers between which imports point downward."""

from __future__ import annotations

import ast
from collections import defaultdict
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
