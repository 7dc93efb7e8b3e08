"""The recommender that suits the data: EASE where items are ranked and it can be solved, else matrix factorisation."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Annotated, Literal

from torch import nn

from dltrain.models.ease import MOST, Ease
from dltrain.models.recommender import Recommender
from dltrain.types import Range, Spec


def auto_recommender(
    spec: Spec,
    combine: Literal["dot", "concat", "neumf"] = "dot",
    width: Annotated[int, Range(1)] = 64,
    hidden: Sequence[Annotated[int, Range(1)]] = (64, 32),
    dropout: Annotated[float, Range(0, 0.99)] = 0.0,
    biases: bool = True,
    penalty: Annotated[float, Range(0)] = 0.1,
    spread: Annotated[float, Range(0, open_low=True)] = 0.05,
) -> nn.Module:
    """Returns `Ease` where choices that count alike are learned from and are few enough to be solved, else
    `Recommender`, whose arguments these are; another value than the default of one of them asks for the latter.

    On a few thousand users or items, learned vectors order choices worse than EASE (docs/results.md).

    Args:
        spec: of the data.
        combine: as in `Recommender`, like all that follow.
    """
    arguments = {
        "combine": combine,
        "width": width,
        "hidden": tuple(hidden),
        "dropout": dropout,
        "biases": biases,
        "penalty": penalty,
        "spread": spread,
    }
    usual = {name: one.default for name, one in inspect.signature(Recommender).parameters.items() if name != "spec"}
    if not spec.choices or min(spec.vocab_sizes) > MOST or arguments != usual:
        return Recommender(spec, **arguments)  # type: ignore[arg-type]
    model = Ease(spec)
    model.reason = "chosen because items are ranked (model=recommender trains vectors instead)"
    return model
