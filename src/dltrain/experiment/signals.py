"""What SIGINT and SIGTERM do: they end what is under way, but in training the first one lets the step finish."""

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
    """The process was asked to end.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__(number)
        self.exit_code = 128 + number
        self.status: Mapping[str, Any] = {}  # what a run that was ended says of itself


class Stoppable(Protocol):
    """What works in steps, and looks after each of them whether it is asked to stop."""

    stop_requested: bool


@dataclass
class StopRequest:
    """Whether the process was asked to end: the number of the signal, or 0."""

    number: int = 0


@contextmanager
def heard() -> Iterator[None]:
    """Meanwhile both signals raise `Stopped`, wherever the program is."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped(number)

    with _handled_by(stop):
        yield


@contextmanager
def finishing(work: Stoppable) -> Iterator[StopRequest]:
    """Meanwhile the first signal only asks `work` to stop after its step; the second raises `Stopped`.

    Raises:
        Stopped: the work came to its end without having heeded the signal.
    """
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
        yield  # Python lets nothing else handle signals
        return
    before = [signal.signal(number, handler) for number in SIGNALS]
    try:
        yield
    finally:
        for number, old in zip(SIGNALS, before, strict=True):
            signal.signal(number, old)
