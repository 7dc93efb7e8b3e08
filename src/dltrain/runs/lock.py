"""A folder for one run alone: reserved by its name, kept by a lock."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dltrain.errors import CheckpointError, ConfigError
from dltrain.runs.folder import SCHEMA, RunDir, anew, make_folder, unwritable, utc_now


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Keeps a run's folder for this process alone; the system frees it however the process ends.

    Yields:
        Whether the folder's file system knows locks.

    Raises:
        ConfigError: another process has it.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise CheckpointError(
            f"{path} is no run folder: {error.strerror}", fix="name a folder below outputs/"
        ) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        known = True
    except BlockingIOError:
        os.close(descriptor)
        raise ConfigError(f"another process is writing into {path}", fix="wait until it ends, or end it") from None
    except OSError:
        known = False  # the folder's own name still keeps runs apart
    try:
        yield known
    finally:
        os.close(descriptor)


def state_of(run: RunDir) -> str:
    """The state that a run's status.json tells, or `killed` where it tells of a process that is gone.

    Raises:
        CheckpointError: this is no run folder.
    """
    state = str(run.read_status()["state"])
    if state != "running":
        return state
    try:
        with locked(run.path) as known:
            return "killed" if known else state
    except ConfigError:
        return state


def check_writable(path: Path) -> None:
    """Tries whether a folder can be made at `path`, and leaves nothing there.

    Raises:
        StorageError: it cannot.
    """
    parent = next(folder for folder in [path, *path.parents] if folder.exists())
    try:
        Path(tempfile.mkdtemp(prefix=".dltrain-", dir=parent)).rmdir()
    except OSError as error:
        raise unwritable(path, error) from error


def reserve(path: Path) -> Path:
    """Makes the folder `path` for a new run, or `path-2`, `path-3` ... where it exists already.

    Raises:
        StorageError: the folder cannot be made.
    """
    make_folder(path.parent, parents=True)
    for candidate in _numbered(path):
        try:
            candidate.mkdir()
            return candidate
        except FileExistsError:
            continue
        except OSError as error:
            raise unwritable(candidate, error) from error
    raise AssertionError("unreachable")


def claim(path: Path) -> Path:
    """Makes the folder that the user named, or takes it where it holds no run yet.

    Raises:
        ConfigError: it holds a run, or it is a file.
        StorageError: it cannot be made or written to.
    """
    what = "is a file" if path.is_file() else "holds a run already"
    taken = ConfigError(f"{path} {what}", where="hydra.run.dir", fix=f"choose another folder, such as {path}-2")
    if (path / "status.json").exists():
        if not (path / "config.yaml").exists():  # it may also be about to write that, so the folder is left to it
            taken.what, taken.fix = f"{path} holds a run that has not begun, or was killed before", anew(path)
        raise taken
    try:
        path.mkdir(parents=True, exist_ok=True)
        with (path / "status.json").open("x", encoding="utf-8") as file:
            file.write(json.dumps({"schema": SCHEMA, "state": "running", "updated": utc_now()}))
    except FileExistsError:
        raise taken from None
    except OSError as error:
        raise unwritable(path, error) from error
    return path


def _numbered(path: Path) -> Iterator[Path]:
    yield path
    number = 2
    while True:
        yield path.with_name(f"{path.name}-{number}")
        number += 1
