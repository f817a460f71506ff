"""Puts into the wheel what lies outside the package: the built page and the embedded models.

Both are optional: a wheel built before `make setup` simply has no page.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

LARGEST = 100_000_000
"""Files of models above this are published weights that somebody put there: never shipped."""


class CustomBuildHook(BuildHookInterface[Any]):
    """Adds `seamless_server/page` and `seamless_server/models`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before the files are gathered."""
        if version == "editable":
            return  # a checkout has them beside the package
        root = Path(self.root)
        page = root / "streaming-react-app" / "dist"
        if (page / "index.html").is_file():
            build_data["force_include"][str(page)] = "seamless_server/page"
        for file in sorted((root / "models").rglob("*")):
            if file.is_file() and file.stat().st_size < LARGEST and file.suffix != ".pt":
                inside = file.relative_to(root)
                build_data["force_include"][str(file)] = f"seamless_server/{inside}"
