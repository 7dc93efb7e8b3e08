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
    width: Annotated[int, Range(1)] = 32,
    hidden: Sequence[Annotated[int, Range(1)]] = (64, 32),
    dropout: Annotated[float, Range(0, 0.99)] = 0.0,
    biases: bool = True,
    penalty: Annotated[float, Range(0)] = 0.1,
    spread: Annotated[float, Range(0, open_low=True)] = 0.05,
    members: Annotated[int, Range(1, 1000)] = 4,
) -> nn.Module:
    """Returns `Ease` where choices that count alike are learned from and are few enough to be solved, else
    `Recommender`, whose arguments these are; another value than the default of one of them asks for the latter.

    On a few thousand users or items, learned vectors order choices worse than EASE, and the mean of several
    factorisations predicts ratings better than one of them (docs/results.md).

    Args:
        spec: of the data.
        combine: as in `Recommender`, like all that follow; with layers there is one member.
    """
    arguments = {
        "combine": combine,
        "width": width,
        "hidden": tuple(hidden),
        "dropout": dropout,
        "biases": biases,
        "penalty": penalty,
        "spread": spread,
        "members": members if combine == "dot" else 1,
    }
    usual = {name: one.default for name, one in inspect.signature(auto_recommender).parameters.items()}
    is_usual = all(value == usual[name] for name, value in arguments.items())
    if not (spec.choices and is_usual) or min(spec.vocab_sizes) > MOST:
        return Recommender(spec, **arguments)  # type: ignore[arg-type]
    model = Ease(spec)
    model.reason = "chosen because items are ranked (model=recommender trains vectors instead)"
    return model


auto_recommender.takes = ("ratings",)  # type: ignore[attr-defined]
