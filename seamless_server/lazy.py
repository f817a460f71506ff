"""Names of a package that are imported when somebody asks for them (PEP 562)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from importlib import import_module
from typing import Any


def names_in(package: str, names: Collection[str], *modules: str) -> Callable[[str], Any]:
    """A package's ``__getattr__``, which finds these names in its modules."""

    def get(name: str) -> Any:
        if name in names:
            for module in modules:
                found = import_module(f"{package}.{module}")
                if hasattr(found, name):
                    return getattr(found, name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return get
