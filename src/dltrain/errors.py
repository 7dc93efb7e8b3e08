"""The ways in which dltrain refuses or fails, each with its exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class DltrainError(Exception):
    """What went wrong, where, and what to do about it.

    Args:
        what: the fault in a few words, with the offending value.
        where: the config key, file, row or picture it was found at.
        fix: what the user can do, in words.
        override: the argument that mends it, `key=value`, or a key alone that is to take over the old value;
            the command line shows the whole corrected command.
        replaces: the arguments that it takes the place of; by default the one with the same key.
    """

    exit_code = 2
    state = "failed"

    def __init__(self, what: str, where: str = "", fix: str = "", override: str = "", replaces: str = "") -> None:
        self.what, self.where, self.fix, self.override, self.replaces = what, where, fix, override, replaces
        super().__init__(what)
        for note in (where and f"at {where}", fix and f"fix: {fix}", override and f"with {override}"):
            if note:
                self.add_note(note)  # what Python's own traceback shows


class ConfigError(DltrainError):
    """A config that cannot be run."""


class DataError(DltrainError):
    """Data that cannot be read, or that the chosen model cannot take."""


@contextmanager
def named_by(key: str) -> Iterator[None]:
    """Lets an error of a reader, who takes every file for that of `data.path`, name the key that holds the file."""
    try:
        yield
    except DataError as error:
        where, override = error.where.replace("data.path", key), error.override.replace("data.path=", f"{key}=")
        raise DataError(error.what, where, error.fix, override) from None


class CheckpointError(DltrainError):
    """A checkpoint or run folder that is damaged, foreign or unfinished."""


class Diverged(DltrainError):
    """Training left the finite numbers."""

    exit_code = 3
    state = "diverged"


class StorageError(DltrainError):
    """A file that could not be written."""

    exit_code = 4


class OutOfMemory(DltrainError):
    """The device's memory did not suffice."""

    exit_code = 5


def explained(error: Exception) -> DltrainError | None:
    """What an error of Python's, torch's or the system's means here; `None` for one that only a fault in the program
    explains."""
    if isinstance(error, DltrainError):
        return error
    text = str(error)
    lacks_memory = isinstance(error, RuntimeError) and any(words in text for words in _NO_MEMORY)
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or lacks_memory:
        return OutOfMemory("the memory did not suffice", where="trainer.batch_size", fix="give a smaller one")
    if isinstance(error, OSError) and not isinstance(error, ConnectionError | TimeoutError):
        where = f" {error.filename}" if error.filename else ""
        fix = "free some space, or run in a folder that you may write to"
        return StorageError(f"cannot read or write{where}: {error.strerror or text}", fix=fix)
    return None


_NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")
