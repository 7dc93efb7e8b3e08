"""The recommender that suits the data: EASE where items are ranked and it can be solved, else matrix factorisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from torch import nn

from dltrain.models.ease import MOST, MOST_CELLS, Ease
from dltrain.models.recommender import Recommender
from dltrain.types import Range, Spec

WIDTH, MEMBERS = 32, 4
ONCE_USUAL = {  # what configs say that were written while these were the defaults
    "combine": "dot",
    "width": WIDTH,
    "hidden": (64, 32),
    "dropout": 0.0,
    "biases": True,
    "penalty": 0.1,
    "spread": 0.05,
    "members": MEMBERS,
}


def auto_recommender(
    spec: Spec,
    combine: Literal["dot", "concat", "neumf"] | None = None,
    width: Annotated[int, Range(1)] | None = None,
    hidden: Sequence[Annotated[int, Range(1)]] | None = None,
    dropout: Annotated[float, Range(0, 0.99)] | None = None,
    biases: bool | None = None,
    penalty: Annotated[float, Range(0)] | None = None,
    spread: Annotated[float, Range(0, open_low=True)] | None = None,
    members: Annotated[int, Range(1, 1000)] | None = None,
) -> nn.Module:
    """Returns `Ease` where choices that count alike are learned from and are few enough to be solved, else
    `Recommender`, whose arguments these are; whoever gives one of them asks for the latter.

    On a few thousand users or items, learned vectors order choices worse than EASE, and the mean of several
    factorisations predicts ratings better than one of them (docs/results.md).

    Args:
        spec: of the data.
        combine: as in `Recommender`, like all that follow, with its default where it is None.
        width: likewise; None for 32.
        hidden: likewise.
        dropout: likewise.
        biases: likewise.
        penalty: likewise.
        spread: likewise.
        members: likewise; None for 4, and for 1 with layers.
    """
    arguments: dict[str, Any] = {
        "combine": combine,
        "width": width,
        "hidden": None if hidden is None else tuple(hidden),
        "dropout": dropout,
        "biases": biases,
        "penalty": penalty,
        "spread": spread,
        "members": members,
    }
    given = {name: value for name, value in arguments.items() if value is not None}
    users, items = spec.vocab_sizes
    solvable = min(users, items) <= MOST and users * items <= MOST_CELLS
    if not spec.choices or not solvable or given not in ({}, ONCE_USUAL):
        usual = {"width": WIDTH, "members": MEMBERS if combine in (None, "dot") else 1}
        return Recommender(spec, **{**usual, **given})
    model = Ease(spec)
    model.reason = "chosen because items are ranked (model=recommender trains vectors instead)"
    return model


auto_recommender.takes = ("ratings",)  # type: ignore[attr-defined]
