"""What a logger offers, and all loggers of a run as one, of which one that fails stops nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

log = logging.getLogger("dltrain")

_reported: set[tuple[Path, str]] = set()  # folders of sweeps, and loggers that failed in one of their jobs


@dataclass(frozen=True)
class LoggedRun:
    """What a logger is told of a run before an epoch is trained.

    Args:
        name: of the run's folder; of a job, behind the name of its sweep.
        folder: the run's folder, in which a logger may keep files of its own.
        sweep: the name of the run's sweep; empty for a run of its own.
        config: all keys of its config, without secrets.
        changes: the values that are not the defaults, by dotted key.
        epoch: the number of epochs behind it. A resumed run logs the epochs after its checkpoint again.
    """

    name: str
    folder: Path
    sweep: str
    config: Mapping[str, Any]
    changes: Mapping[str, str]
    epoch: int = 0


class Logger:
    """Writes a run to another place, such as a tracking server. What a method need not do, it leaves out.

    A logger is called as `Logger(**config)` when the config is checked: a missing package is refused there. Nothing is
    written before `begin`. Whatever a method raises is reported once, and the run goes on without this logger.
    """

    def begin(self, run: LoggedRun) -> str:
        """Opens the log, and returns in a few words where it can be read.

        It is called again, without `close`, where a run goes back to an earlier epoch after divergence; and, after
        `close`, when plots are drawn for the best job of a sweep.
        """
        return ""

    def log(self, row: Mapping[str, float]) -> None:
        """Logs the row of an epoch: `epoch`, `step`, `seconds`, `lr`, `train/loss`, and `val/...` if there is one."""

    def finish(self, result: Mapping[str, float], plots: Mapping[str, Path]) -> None:
        """Logs what the stored weights reach, as `test/accuracy`, and the plots, PNG files by their names."""

    def close(self, state: str) -> None:
        """Closes the log of a run that is `done`, `failed`, `diverged`, `pruned` or `interrupted`."""


class Loggers:
    """The loggers of a run as one. Each that fails is named in one warning, and not called again in this run; the jobs
    of a sweep in one process share the warning.

    Args:
        loggers: by their names in the config.
    """

    def __init__(self, loggers: Mapping[str, Logger]) -> None:
        self.loggers = dict(loggers)
        self.begun = False
        self.sweep: Path | None = None

    def __bool__(self) -> bool:
        return bool(self.loggers)

    def begin(self, run: LoggedRun, verbosity: int = logging.INFO) -> None:
        """Opens each log, and reports where it can be read, at that log level."""

        def begin(name: str, logger: Logger) -> None:
            place = logger.begin(run)
            if place:
                log.log(verbosity, "logger  %s: %s", name, place)

        self.begun, self.sweep = True, run.folder.parent if run.sweep else None
        self._each(begin)

    def log(self, row: Mapping[str, float]) -> None:
        """Logs the row of an epoch."""
        self._each(lambda _, logger: logger.log(row))

    def finish(self, result: Mapping[str, float], plots: Mapping[str, Path]) -> None:
        """Logs results and plots of a run that has begun."""
        if self.begun:
            self._each(lambda _, logger: logger.finish(result, plots))

    @contextmanager
    def closed_after(self) -> Iterator[None]:
        """Closes the logs that were begun when the block ends, however it does."""
        state = "failed"
        try:
            yield
            state = "done"
        except BaseException as error:
            stopped = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            state = str(getattr(error, "state", stopped))
            raise
        finally:
            if self.begun:
                self._each(lambda _, logger: logger.close(state))
            self.begun = False

    def _each(self, call: Callable[[str, Logger], None]) -> None:
        for name, logger in list(self.loggers.items()):
            try:
                call(name, logger)
            except Exception as error:  # a full disk, a server that is gone, a bug: the run is worth more
                del self.loggers[name]
                reason = " ".join(str(error).split()) or "no reason given"
                level, others = logging.WARNING, ""
                if self.sweep is not None:
                    level = logging.DEBUG if (self.sweep, name) in _reported else logging.WARNING
                    others = ", and so in each other job that it fails in"
                    _reported.add((self.sweep, name))
                what = f"{type(error).__name__}: {reason}"
                log.log(level, "warning the logger %s is left out from here on%s: %s", name, others, what)
