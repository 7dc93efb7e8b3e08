"""Ends this process at a chosen step of saving: `before-rename:2` kills it before its second rename.

`after-write:1:SIGTERM` sends another signal instead. The steps are those of `training/checkpoint.py`, which knows
nothing of this.
"""

from __future__ import annotations

import functools
import os
import shutil
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from dltrain.training import checkpoint


def install(order: str) -> None:
    """Wraps the steps of saving so that the one that is ordered ends this process."""
    place, _, rest = order.partition(":")
    moment, _, operation = place.partition("-")
    number, _, name = rest.partition(":")
    passed: Counter[str] = Counter()

    def end(at: str) -> None:
        passed[at] += 1
        if at == moment and passed[at] == int(number or 1):
            os.kill(os.getpid(), signal.Signals[name or "SIGKILL"])

    def around(step: Callable[..., Any], counts: Callable[..., bool] = lambda *_: True) -> Callable[..., Any]:
        @functools.wraps(step)
        def wrapped(*arguments: Any, **options: Any) -> Any:
            if not counts(*arguments):
                return step(*arguments, **options)
            end("before")
            returned = step(*arguments, **options)
            end("after")
            return returned

        return wrapped

    patches: dict[str, list[tuple[Any, str, Callable[..., bool]]]] = {
        "write": [(checkpoint, "save_file", lambda *_: True), (torch, "save", lambda *_: True)],
        "fsync": [(os, "fsync", lambda *_: True)],
        "rename": [(Path, "rename", lambda _, target: Path(target).name.startswith("step-"))],
        "point": [(Path, "replace", lambda _, target: Path(target).parent.name == "checkpoints")],
        "delete": [(shutil, "rmtree", lambda path, *_: Path(path).name.startswith(".tmp-step-"))],
    }
    for owner, attribute, counts in patches[operation]:
        setattr(owner, attribute, around(getattr(owner, attribute), counts))
