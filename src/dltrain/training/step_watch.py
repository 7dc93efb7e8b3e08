"""Notices what a training step does besides computing on a GPU: a recorded step would not do it again."""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

OF_TORCH = vars(nn.Module()).keys() - {"training"}  # attributes of every module: hooks, and what is looked at by itself


class Attribute(NamedTuple):
    """An attribute of a part of a model or of a loss, or one of its parameters and buffers.

    Args:
        by: what holds it by its name.
        name: of the attribute.
        value: at some time; of a list or dictionary a copy, so that it also keeps tensors from being freed.
        state: of a random generator at that time; `None` of other values.
    """

    by: dict[str, Any]
    name: str
    value: Any
    state: Any

    def is_changed(self) -> bool:
        """Tells whether it has another value now: other numbers, another tensor, or a generator that has been drawn
        from."""
        now = self.by.get(self.name, self)
        if now is self.value and self.state is None:
            return False
        return not is_same(now, self.value) or state_of(now) != self.state

    def restore(self) -> None:
        """Gives it the value that it had."""
        if self.is_changed():
            self.by[self.name] = self.value


def attributes_of(roots: Iterable[nn.Module]) -> list[Attribute]:
    """Returns what the parts of modules hold now: numbers, switches, names, tensors and generators of random numbers,
    also in lists and dictionaries."""
    parts = [part for root in roots for part in root.modules()]
    holders = [holder for part in parts for holder in (vars(part), part._parameters, part._buffers)]
    return [
        Attribute(holder, name, copied(value), state_of(value))
        for holder in holders
        for name, value in holder.items()
        if name not in OF_TORCH and is_watched(value)
    ]


def is_watched(value: object) -> bool:
    """Tells whether a value is a number, a switch, a name, nothing, a tensor or a generator, or a list or dictionary of
    them."""
    plain = (bool, int, float, str, type(None), Tensor, random.Random, np.random.Generator, torch.Generator)
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else [value]
    return all(isinstance(part, plain) for part in parts)


def copied(value: Any) -> Any:
    """Returns a list or dictionary of the same values, and any other value itself."""
    return value.copy() if isinstance(value, list | dict) else value


def is_same(one: Any, other: Any) -> bool:
    """Tells whether two values are the same tensors, and equal otherwise; no number equals no number."""
    if one is other:
        return not isinstance(one, list | dict)
    if type(one) is not type(other) or isinstance(one, Tensor):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(is_same(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(is_same, one, other))
    return bool(one == other) or (one != one and other != other)


def state_of(value: object) -> Any:
    """Returns the state of a generator of random numbers, to be compared; `None` of anything else."""
    if isinstance(value, random.Random):
        return value.getstate()
    if isinstance(value, np.random.Generator):
        return repr(value.bit_generator.state)
    return bytes(value.get_state().numpy()) if isinstance(value, torch.Generator) else None


@contextmanager
def noticing_waits(device: torch.device) -> Iterator[list[str]]:
    """Yields a list that holds, after the block, a line for each time that Python waited for a GPU in it."""
    waits: list[str] = []
    if device.type != "cuda":
        yield waits
        return
    mode = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield waits
        finally:
            torch.cuda.set_sync_debug_mode(mode)
    for warning in caught:
        words = str(warning.message)
        if "called a synchronizing" in words:
            waits.append(words)
        elif "ynchronization debug mode" not in words:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
