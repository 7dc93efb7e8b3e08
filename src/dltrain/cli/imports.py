"""Keeps Python's garbage collector from searching what is imported, which takes as long as half of the imports."""

from __future__ import annotations

import atexit
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from dltrain.memory import uncollected

REPORTING = frozenset(["onnx", "triton"])  # made with nanobind, which prints what is alive at the end


@contextmanager
def imports() -> Iterator[None]:
    """Imports what the block imports without searching it for garbage, neither now nor later.

    Does nothing in a process that has imported torch already, whose other objects may be garbage.
    """
    if "torch" in sys.modules or not gc.isenabled():
        yield
        return
    with uncollected():
        try:
            yield
        finally:
            gc.freeze()
            atexit.register(_freeze_at_end)


def _freeze_at_end() -> None:
    """Saves the last search of all that was imported, unless a module would report what it left."""
    if sys.modules.keys().isdisjoint(REPORTING):
        gc.freeze()
