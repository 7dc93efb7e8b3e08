"""A method that a model is compared with."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from dltrain.tasks.predictions import Predictions


class Method(NamedTuple):
    """A baseline that has not been fitted yet.

    Args:
        name: of the baseline, in snake case.
        predict: fits it to the training split, and returns its predictions of another split.
        note: what a reader must know about it, such as that it was fitted to a sample; mostly empty.
    """

    name: str
    predict: Callable[[], Predictions]
    note: str = ""
