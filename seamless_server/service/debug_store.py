"""The folder of debug recordings: made, bounded by size and age, and never left by a path."""

from __future__ import annotations

import logging
import re
import secrets
import shutil
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

logger = logging.getLogger(__name__)

_RECORDING = re.compile(r"\d{8}T\d{6}Z_[A-Za-z0-9-]{1,64}_[A-Za-z0-9]{12}")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,80}\.(?:wav|jsonl|html|json)")


@dataclass(frozen=True, slots=True)
class DebugStore:
    """Recordings below `root`, one folder each.

    Only folders that carry this class's own name pattern are ever read or removed.
    """

    root: Path
    max_mb: float = 2_000.0
    max_days: float = 14.0
    min_free_mb: float = 500.0

    def create(self, room_id: str) -> Path:
        """A new folder `<utc time>_<room>_<id>`.

        Raises:
            OSError: it cannot be made, or the disk is too full.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        if not self.has_space():
            raise OSError(f"less than {self.min_free_mb:g} MB are left on the disk")
        self.prune()
        now = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        room = re.sub(r"[^A-Za-z0-9-]", "-", room_id)[:64] or "room"
        folder = self.root / f"{now}_{room}_{secrets.token_hex(6)}"
        folder.mkdir()
        return folder

    def has_space(self) -> bool:
        """Whether the disk has as much left as recordings must leave."""
        return shutil.disk_usage(self.root).free >= self.min_free_mb * 1e6

    def recordings(self) -> list[Path]:
        """All recordings, oldest first."""
        if not self.root.is_dir():
            return []
        return sorted(
            path
            for path in self.root.iterdir()
            if _RECORDING.fullmatch(path.name) and path.is_dir() and not path.is_symlink()
        )

    def prune(self) -> int:
        """Removes what is too old and, oldest first, what is too much; returns how many."""
        kept = []
        removed = 0
        oldest = time.time() - self.max_days * 86_400
        for folder in self.recordings():
            if folder.stat().st_mtime < oldest:
                shutil.rmtree(folder, ignore_errors=True)
                removed += 1
            else:
                kept.append((folder, _size(folder)))
        total = sum(size for _, size in kept)
        # The newest one may still be written.
        for folder, size in kept[:-1]:
            if total <= self.max_mb * 1e6:
                break
            shutil.rmtree(folder, ignore_errors=True)
            total -= size
            removed += 1
        if removed:
            logger.info("removed %d old recordings", removed)
        return removed

    def folder(self, recording: str) -> Path | None:
        """The folder of that name, if it is one of ours."""
        if not _RECORDING.fullmatch(recording):
            return None
        path = self.root / recording
        return path if path.is_dir() and not path.is_symlink() else None

    def file(self, recording: str, name: str) -> Path | None:
        """A file of a recording, if both names are ones that recordings have."""
        folder = self.folder(recording)
        if folder is None or not _FILE.fullmatch(name):
            return None
        path = folder / name
        return path if path.is_file() and not path.is_symlink() else None


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
