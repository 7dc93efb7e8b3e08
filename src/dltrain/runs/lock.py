"""Reserves a folder for one run: its name is taken at once, and a lock keeps other processes out."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dltrain.errors import CheckpointError, ConfigError
from dltrain.runs.folder import SCHEMA, RunDir, advise_restart, utc_now
from dltrain.storage import make_folder, unwritable

held: set[int] = set()  # descriptors of the folders that this process has locked


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Locks a run's folder for this process; the system releases the lock however the process ends.

    A process that is forked from it does not hold the lock, so that none that outlives it does.

    Yields:
        Whether the folder's file system supports locks.

    Raises:
        CheckpointError: there is no such folder.
        ConfigError: another process has the lock.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise CheckpointError(
            f"{path} is not a run folder: {error.strerror}", fix="name a folder below outputs/"
        ) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        supported = True
    except BlockingIOError:
        os.close(descriptor)
        raise ConfigError(f"another process is writing into {path}", fix="wait until it ends, or stop it") from None
    except OSError:
        supported = False  # new runs still get folders of their own, by their names
    held.add(descriptor)
    try:
        yield supported
    finally:
        if descriptor in held:
            held.remove(descriptor)
            os.close(descriptor)


def _forget_locks() -> None:
    while held:
        os.close(held.pop())


os.register_at_fork(after_in_child=_forget_locks)


def state_of(run: RunDir) -> str:
    """Returns the state in a run's status.json, or `killed` if that says `running` and no process holds the lock.

    Raises:
        CheckpointError: this is not a run folder.
    """
    state = str(run.read_status()["state"])
    if state != "running":
        return state
    try:
        with locked(run.path) as supported:
            return "killed" if supported else state
    except ConfigError:
        return state


def check_writable(path: Path) -> None:
    """Checks that a folder can be made at `path`, and leaves nothing there.

    Raises:
        StorageError: it cannot be made.
    """
    parent = next(folder for folder in [path, *path.parents] if folder.exists())
    try:
        Path(tempfile.mkdtemp(prefix=".dltrain-", dir=parent)).rmdir()
    except OSError as error:
        raise unwritable(path, error) from error


def reserve(path: Path) -> Path:
    """Makes the folder `path` for a new run, or `path-2`, `path-3` ... if it exists already, and returns its path.

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
    """Takes the folder that the user named for a new run, makes it if need be, and returns its path.

    Raises:
        ConfigError: it holds a run already, or it is a file.
        StorageError: it cannot be made or written to.
    """
    what = "is a file" if path.is_file() else "already contains a run"
    taken = ConfigError(f"{path} {what}", where="hydra.run.dir", fix=f"choose another folder, such as {path}-2")
    if (path / "status.json").exists():
        if not (path / "config.yaml").exists():  # a live run may be about to write it, so the folder stays taken
            taken.what = f"{path} contains a run without a config: it is only starting, or was killed before it began"
            taken.fix = advise_restart(path)
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
