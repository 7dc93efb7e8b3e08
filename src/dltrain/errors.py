"""The errors of dltrain, each with its exit code."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager

LEAVE_OUT = "~"  # as `override`: the arguments are left out, because dltrain does what they ask for anyway


class DltrainError(Exception):
    """The base class of all errors: what went wrong, where, and how to fix it.

    Args:
        what: the fault in a few words, with the faulty value.
        where: the config key, file, row or image in which it was found.
        fix: what the user can do, in words.
        override: the argument that fixes it: `key=value`, a key alone that takes over the old value, or `LEAVE_OUT`;
            the command line prints the whole corrected command. Empty if no correction is certain.
        replaces: the arguments that `override` replaces; by default the one with the same key.
    """

    exit_code = 2
    state = "failed"

    def __init__(self, what: str, where: str = "", fix: str = "", override: str = "", replaces: str = "") -> None:
        self.what, self.where, self.fix, self.override, self.replaces = what, where, fix, override, replaces
        super().__init__(what)
        argument = override not in ("", LEAVE_OUT) and f"with {override}"
        for note in (where and f"at {where}", fix and f"fix: {fix}", argument):
            if note:
                self.add_note(note)  # for Python's own traceback


class ConfigError(DltrainError):
    """A config or a command line that cannot be run."""


class DataError(DltrainError):
    """Data that cannot be read, or that the chosen model cannot use."""


@contextmanager
def named_by(key: str) -> Iterator[None]:
    """Replaces `data.path`, which readers of files name in their errors, by the key that holds the file."""
    try:
        yield
    except DataError as error:
        where, override = error.where.replace("data.path", key), error.override.replace("data.path=", f"{key}=")
        raise DataError(error.what, where, error.fix, override) from None


class CheckpointError(DltrainError):
    """A checkpoint or run folder that is damaged, unfinished or not trusted."""

    def __init__(
        self,
        what: str,
        where: str = "",
        fix: str = "restore the run's folder from a copy, or train again",
        override: str = "",
        replaces: str = "",
    ) -> None:
        super().__init__(what, where, fix, override, replaces)


class Diverged(DltrainError):
    """A training whose loss or weights are no longer finite."""

    exit_code = 3
    state = "diverged"


class StorageError(DltrainError):
    """A file that cannot be read or written."""

    exit_code = 4


class OutOfMemory(DltrainError):
    """A step or a data set that needs more memory than there is."""

    exit_code = 5


def explained(error: Exception) -> DltrainError | None:
    """Returns the error that stands for one of Python's, torch's or the system's; `None` if it is a bug."""
    if isinstance(error, DltrainError):
        return error
    text = str(error)
    lacks_memory = isinstance(error, RuntimeError) and any(words in text for words in _NO_MEMORY)
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or lacks_memory:
        return OutOfMemory("there is not enough memory", where="trainer.batch_size", fix="give a smaller batch size")
    if isinstance(error, OSError) and not isinstance(error, ConnectionError | TimeoutError):
        where = f" {error.filename}" if error.filename else ""
        fix = "free some space, or run in a folder that you may write to"
        return StorageError(f"cannot read or write{where}: {error.strerror or text}", fix=fix)
    return None


_NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")


def require(
    package: str, extra: str, purpose: str, error: type[DltrainError], *, where: str = "", fix: str = ""
) -> None:
    """Imports a package that only some uses need.

    Args:
        package: by the name that it is imported by.
        extra: of dltrain's own, which installs it.
        purpose: what needs it, in words that follow the package's name.
        error: the class of the error.
        where: the key or flag that asks for it.
        fix: what to do, where installing the extra is not all.

    Raises:
        DltrainError: it is not installed; of the class `error`.
    """
    try:
        importlib.import_module(package)
    except ImportError:
        fix = fix or f"pip install 'dltrain[{extra}]' (or pip install {package})"
        raise error(f"{package}, which {purpose}, is not installed", where=where, fix=fix) from None
