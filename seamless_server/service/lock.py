"""The server's lock: one owner has the server to itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Holder:
    """Who asked for the server."""

    name: str
    key: str


class OwnerLock:
    """Held by one owner at a time."""

    def __init__(self) -> None:
        self.holder: Holder | None = None

    def held_by(self, key: str) -> bool:
        """Whether this owner holds it."""
        return self.holder is not None and self.holder.key == key

    def take(self, name: str, key: str) -> bool:
        """Takes it, or renames it; `False` if another owner has it."""
        if self.holder is not None and self.holder.key != key:
            return False
        self.holder = Holder(name, key)
        return True

    def release(self, key: str) -> None:
        """Gives it back, if this owner has it."""
        if self.held_by(key):
            self.holder = None

    def remove(self) -> None:
        """Takes it from whoever has it."""
        self.holder = None
