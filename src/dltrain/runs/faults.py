"""Kills the process at a chosen moment, for tests: `DLTRAIN_FAULT=before-rename:2` does so before its second rename.

`DLTRAIN_FAULT=after-write:1:SIGTERM` sends another signal instead. Nothing else reads the variable.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

VARIABLE = "DLTRAIN_FAULT"

_passed: Counter[str] = Counter()


@contextmanager
def around(operation: str) -> Iterator[None]:
    """Marks an operation on the disk, so that a test can kill the process before or after it."""
    _reach(f"before-{operation}")
    yield
    _reach(f"after-{operation}")


def _reach(point: str) -> None:
    wanted, number, name = _ordered()
    if point == wanted:
        _passed[point] += 1
        if _passed[point] == number:
            os.kill(os.getpid(), signal.Signals[name])


@cache
def _ordered() -> tuple[str, int, str]:
    point, _, rest = os.environ.get(VARIABLE, "").partition(":")
    number, _, name = rest.partition(":")
    return point, int(number or 1), name or "SIGKILL"
