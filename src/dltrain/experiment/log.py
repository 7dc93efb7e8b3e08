"""The messages of a run while it trains: on the console, on the progress bar and in its log file."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from tqdm import tqdm

from dltrain.config.redaction import without
from dltrain.errors import StorageError
from dltrain.runs.folder import RunDir
from dltrain.tasks.metric_table import METRICS
from dltrain.training.loop import Pause, Row

log = logging.getLogger("dltrain")

PROGRESS_LINES = 20  # of a run whose output is not a terminal


def configure_logging(console: bool = True) -> None:
    """Sends messages to standard output and warnings to standard error; without `console`, only warnings."""
    log.handlers.clear()
    log.setLevel(logging.DEBUG)
    log.propagate = False
    if console:
        out = _Console(sys.stdout)
        out.addFilter(lambda record: logging.INFO <= record.levelno < logging.WARNING)
        log.addHandler(out)
    log.addHandler(err := logging.StreamHandler(sys.stderr))
    err.setLevel(logging.WARNING)


class _Console(logging.StreamHandler[TextIO]):
    """Standard output until its reader closes it: a run continues when `| head` has read enough."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        if isinstance(sys.exc_info()[1], BrokenPipeError):
            log.removeHandler(self)
        else:
            super().handleError(record)


def progress(moments: Iterator[Row | Pause], epochs: int, verbosity: int) -> Iterator[Row | Pause]:
    """Yields the rows and pauses, and reports progress: a bar on a terminal, a few lines elsewhere."""
    if sys.stdout.isatty() and verbosity >= logging.INFO and _console_is_on():
        with tqdm(total=epochs, unit="epoch", dynamic_ncols=True, file=sys.stdout) as bar:
            for moment in moments:
                if not isinstance(moment, Pause):
                    bar.update(int(moment["epoch"]) - bar.n)
                    bar.set_postfix_str(_spelled(moment), refresh=False)
                yield moment
        return
    every = max(1, -(-epochs // PROGRESS_LINES))
    for moment in moments:
        if not isinstance(moment, Pause) and (moment["epoch"] % every == 0 or moment["epoch"] in (1, epochs)):
            log.log(verbosity, "epoch   %d/%d  %s", moment["epoch"], epochs, _spelled(moment))
        yield moment


@contextmanager
def logged_to(run: RunDir, secrets: Sequence[str] = ()) -> Iterator[None]:
    """Writes the messages inside the block to the run's log, without the secrets.

    Raises:
        StorageError: the log cannot be written.
    """
    try:
        handler = _RunLog(run.log, secrets)
    except OSError as error:
        raise StorageError(f"cannot write {run.log}: {error.strerror}", fix="free some space") from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        with suppress(OSError):  # the failure to write is reported already
            handler.close()


class _RunLog(logging.FileHandler):
    """A run's log, without secrets; a failure to write ends the run."""

    def __init__(self, path: Path, secrets: Sequence[str]) -> None:
        super().__init__(path, encoding="utf-8")
        self.secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        return without(self.secrets, super().format(record))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        error = sys.exc_info()[1]
        log.removeHandler(self)
        raise StorageError(f"cannot write {self.baseFilename}: {error}", fix="free some space") from error


def _console_is_on() -> bool:
    return any(isinstance(handler, logging.StreamHandler) and handler.stream is sys.stdout for handler in log.handlers)


def _spelled(row: Row) -> str:
    keys = ["train/loss", "val/loss", *(f"val/{name}" for name, info in METRICS.items() if info.headline)]
    return "  ".join(f"{key} {row[key]:.4g}" for key in keys if key in row)
