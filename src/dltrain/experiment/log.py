"""The messages of a run while it trains: on the console, on the progress bar and in its log file."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import perf_counter
from typing import TextIO

from tqdm import tqdm

from dltrain.config.redaction import without
from dltrain.drawing.wording import spell_seconds
from dltrain.errors import StorageError
from dltrain.runs.folder import RunDir
from dltrain.tasks.metric_table import METRICS
from dltrain.training.loop import Pause, Row
from dltrain.training.settings import TrainerSettings

log = logging.getLogger("dltrain")

PROGRESS_LINES = 20  # of a run whose output is not a terminal
BAR = "{percentage:3.0f}% |{bar}| {n_fmt}/{total_fmt} epochs, {elapsed}{postfix}"


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


def progress(
    moments: Iterator[Row | Pause], settings: TrainerSettings, verbosity: int, *, behind: int = 0
) -> Iterator[Row | Pause]:
    """Yields the rows and pauses, and reports progress and the time that is left.

    On a terminal it is a bar, elsewhere a few lines.

    Args:
        moments: the rows and pauses of `fit`.
        settings: the trainer's.
        verbosity: the log level of the lines.
        behind: the epochs that were trained before.
    """
    epochs = settings.last_epoch
    left = TimeLeft(settings, behind)
    if sys.stdout.isatty() and verbosity >= logging.INFO and _console_is_on():
        with tqdm(total=epochs, initial=behind, bar_format=BAR, dynamic_ncols=True, file=sys.stdout) as bar:
            for moment in moments:
                if not isinstance(moment, Pause):
                    bar.set_postfix_str("  ".join(filter(None, (left.after(moment), _spelled(moment)))), refresh=False)
                    bar.update(int(moment["epoch"]) - bar.n)
                yield moment
        return
    every = max(1, -(-epochs // PROGRESS_LINES))
    for moment in moments:
        if not isinstance(moment, Pause) and (moment["epoch"] % every == 0 or moment["epoch"] in (1, epochs)):
            words = "  ".join(filter(None, (_spelled(moment), left.after(moment))))
            log.log(verbosity, "epoch   %d/%d  %s", moment["epoch"], epochs, words)
        yield moment


class TimeLeft:
    """The time that training will still take, from the mean duration of its epochs.

    Args:
        settings: the trainer's.
        behind: the epochs that were trained before, by an earlier process.
    """

    def __init__(self, settings: TrainerSettings, behind: int = 0) -> None:
        self.settings, self.behind, self.began = settings, behind, perf_counter()

    def after(self, row: Row) -> str:
        """Returns the time that is left after an epoch, in words; empty after the last one."""
        epochs = self.settings.last_epoch - int(row["epoch"])
        seconds = (perf_counter() - self.began) / max(1, int(row["epoch"]) - self.behind) * epochs
        if self.settings.max_minutes is not None:
            seconds = min(seconds, 60 * self.settings.max_minutes - row["seconds"])
        if epochs <= 0 or seconds <= 0:
            return ""
        most = "" if self.settings.patience is None else "at most "  # it may stop at any epoch
        return f"{most}{spell_seconds(seconds)} left"


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
