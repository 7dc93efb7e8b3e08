"""Samples that are written when a run first asks for them; where the run is refused, they go again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Written:
    """What was written meanwhile, and whether it may stay.

    Args:
        paths: files and folders, each with the topmost folder that had to be made for it.
        accepted: whether they stay.
    """

    paths: list[tuple[Path, Path]] = field(default_factory=list)
    accepted: bool = False

    def accept(self) -> None:
        """Lets what was written stay."""
        self.accepted = True


_watching: list[Written] = []


@contextmanager
def on_approval() -> Iterator[Written]:
    """Removes the samples that are written meanwhile, unless they are accepted before it ends."""
    written = Written()
    _watching.append(written)
    try:
        yield written
    finally:
        _watching.remove(written)
        if not written.accepted:
            for path, topmost in reversed(written.paths):
                _remove(path, topmost)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Notes that a sample is being written to `path`, for whoever may have to remove it."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    if missing:
        for watcher in _watching:
            watcher.paths.append((path, missing[-1]))
    yield


def _remove(path: Path, topmost: Path) -> None:
    with suppress(OSError):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        for folder in path.parents:
            if not folder.is_relative_to(topmost):
                break
            folder.rmdir()  # fails where something else lies in it
