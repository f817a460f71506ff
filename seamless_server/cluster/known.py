"""The engines that this process's handles know of, by name."""

from __future__ import annotations

listed: set[str] = set()
"""They take new streams."""
leaving: set[str] = set()
"""They are to stop, and keep the streams that they have until those have gone."""
