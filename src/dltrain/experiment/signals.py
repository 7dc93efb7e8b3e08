"""Handles SIGINT and SIGTERM: they end the process, but in training the first one lets the step finish."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, Protocol

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(KeyboardInterrupt):
    """Raised when a signal asks the process to end.

    Args:
        number: the number of the signal.
    """

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__(number)
        self.exit_code = 128 + number
        self.status: Mapping[str, Any] = {}  # the content of status.json, if a run was ended


class Stoppable(Protocol):
    """Work in steps that checks after each step whether to stop."""

    stop_requested: bool


@dataclass
class StopRequest:
    """A request to end the process: the number of the signal, 0 for none."""

    number: int = 0


_heard = StopRequest()  # the last signal that raised `Stopped`


@contextmanager
def heard() -> Iterator[None]:
    """Makes both signals raise `Stopped` inside the block, wherever the program is."""
    _heard.number = 0

    def stop(number: int, frame: FrameType | None) -> None:
        _heard.number = number
        raise Stopped(number)

    try:
        with _handled_by(stop), no_error_after_a_signal():
            yield
    finally:
        _heard.number = 0


@contextmanager
def no_error_after_a_signal() -> Iterator[None]:
    """Raises `Stopped` in place of an error that follows a signal: an import that it interrupted is half done, and
    another package may have swallowed `Stopped`."""
    try:
        yield
    except Exception as error:
        if _heard.number:
            raise Stopped(_heard.number) from error
        raise


@contextmanager
def deferred() -> Iterator[None]:
    """Makes a signal wait until the block has ended, then raises `Stopped`.

    Raises:
        Stopped: a signal came.
    """
    request = StopRequest()

    def note(number: int, frame: FrameType | None) -> None:
        request.number = number

    with _handled_by(note):
        yield
    if request.number:
        raise Stopped(request.number)


@contextmanager
def finishing(work: Stoppable) -> Iterator[StopRequest]:
    """Makes the first signal inside the block only request that `work` stop after its step; the second one raises.

    Raises:
        Stopped: a second signal came, the work ended in spite of the first, or one came before the block and another
            package swallowed it.
    """
    if _heard.number:
        raise Stopped(_heard.number)
    request = StopRequest()

    def ask(number: int, frame: FrameType | None) -> None:
        if request.number:
            raise Stopped(number)
        request.number, work.stop_requested = number, True

    with _handled_by(ask):
        yield request
    if request.number:
        raise Stopped(request.number)


@contextmanager
def _handled_by(handler: signal._HANDLER) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread can handle signals
        return
    before = [signal.signal(number, handler) for number in SIGNALS]
    try:
        yield
    finally:
        for number, old in zip(SIGNALS, before, strict=True):
            signal.signal(number, old)
