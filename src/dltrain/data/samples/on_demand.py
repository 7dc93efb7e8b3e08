"""Samples that are generated when a run first needs them, and removed again if the run is refused."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Written:
    """The samples written within `on_approval`, and whether they stay.

    Args:
        paths: files and folders, each with the topmost folder that was created for it.
        accepted: whether they stay.
    """

    paths: list[tuple[Path, Path]] = field(default_factory=list)
    accepted: bool = False

    def accept(self) -> None:
        """Keeps the samples."""
        self.accepted = True


_watching: list[Written] = []


@contextmanager
def on_approval() -> Iterator[Written]:
    """Removes the samples that are written within the context, unless they are accepted before it ends."""
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
    """Records that a sample is being written to `path`, so that it can be removed again."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    if missing:
        for watcher in _watching:
            watcher.paths.append((path, missing[-1]))
    yield


def _remove(path: Path, topmost: Path) -> None:
    """Removes a sample, and the folders that were created for it unless something else is in them."""
    with suppress(OSError):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        for folder in path.parents:
            if not folder.is_relative_to(topmost):
                break
            folder.rmdir()  # fails if it is not empty
