"""Orders items by their scores for a user: the ranks of true items, and the items that come first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from dltrain.tasks.predictions import Predictions
from dltrain.types import Split

Score = Callable[[Tensor, Tensor], Tensor]  # users (B,) and items (B,) to scores (B,), on the CPU
PAIRS = 100_000  # number of pairs that are scored at once


@runtime_checkable
class ScoresItems(Protocol):
    """A model that scores all items for users in a way of its own, which is faster than pair by pair."""

    def score_items(self, user: Tensor) -> Tensor:
        """Returns the score of every item for users `(B,)`, `(B, items)`."""
        ...


@runtime_checkable
class ScoresAfter(Protocol):
    """A model that scores items for new users by what these have chosen."""

    def score_after(self, items: Tensor) -> Tensor:
        """Returns the score of every item, `(items,)`, for a user who has chosen items `(N,)` in this order."""
        ...


def rank_items(split: Split, stored: Mapping[str, Tensor], count: int, score: Score) -> Predictions:
    """Ranks each sample's item among all items that its user has not rated.

    Args:
        split: the samples.
        stored: the items that each user has rated, as the kind `ratings` stores them.
        count: number of items, with item 0.
        score: scores pairs of users and items.

    Returns:
        The first item of each order, `(N, 1)`, and the rank of the sample's item, float64: the best is 1, ties have the
        mean of their ranks, and an item without a training rating is last.
    """
    firsts, ranks = [], []
    size = max(1, PAIRS // count)
    for user, true in zip(*(tensor.split(size) for tensor in split.inputs), strict=True):
        scores = score_all(user, count, score)  # (B, items)
        for row, rated in zip(scores, user.tolist(), strict=True):
            row[rated_by(rated, stored)] = -torch.inf
        rows = torch.arange(len(true))
        own = score(user, true).double()
        scores[rows, true] = -torch.inf  # an item is not compared with itself
        best, first = scores.max(dim=1)
        trained = true > 0
        above, level = ((compare(scores, own[:, None])).sum(dim=1) for compare in (torch.gt, torch.eq))
        last = scores.isfinite().sum(dim=1) + 1
        ranks.append(torch.where(trained, 1 + above + 0.5 * level, last).double())
        firsts.append(torch.where(trained & (own >= best), true, first))
    return Predictions(torch.cat(firsts)[:, None], ranks=torch.cat(ranks))


def count_rated(inputs: tuple[Tensor, ...], stored: Mapping[str, Tensor], count: int) -> int:
    """Returns how many pairs of users `(N,)` and items `(N,)` are stored; `count` is that of items, with item 0."""
    user, item = inputs
    rated, items_of_user = stored["rated"].long(), stored["rated_until"].diff()
    owner = torch.arange(1, len(items_of_user) + 1).repeat_interleave(items_of_user)
    return int(torch.isin(user * count + item, owner * count + rated).sum())


def rated_by(user: int, stored: Mapping[str, Tensor]) -> Tensor:
    """Returns the indices of the items that a user has rated; none of user 0, who is unknown."""
    until = stored["rated_until"]
    return stored["rated"][int(until[user - 1]) : int(until[user])].long() if user else stored["rated"][:0].long()


def score_all(users: Tensor, count: int, score: Score) -> Tensor:
    """Returns scores `(B, count)` of every item for each user; item 0, the unknown one, has minus infinity."""
    items = torch.arange(count)
    scores = score(users.repeat_interleave(count), items.repeat(len(users))).double().view(len(users), count)
    scores[:, 0] = -torch.inf
    return scores


def top_items(user: int, stored: Mapping[str, Tensor], count: int, score: Score, top: int) -> tuple[Tensor, Tensor]:
    """Returns the items with the highest scores that a user has not rated.

    Args:
        user: index; 0 for an unknown user.
        stored: the items that each user has rated, as the kind `ratings` stores them.
        count: number of items, with item 0.
        score: scores pairs of users and items.
        top: largest number of items to return.

    Returns:
        Their indices and their scores, the best first.
    """
    (scores,) = score_all(torch.tensor([user]), count, score)
    scores[rated_by(user, stored)] = -torch.inf
    values, items = scores.sort(descending=True, stable=True)
    finite = values.isfinite()
    return items[finite][:top], values[finite][:top]


def scored_by(model: nn.Module, device: torch.device) -> Score:
    """Returns a function that scores pairs by a model, without clamping them to a range, so that fewer items tie.

    A model that knows new users by their choices reads these once for all of a user's pairs.
    """

    @torch.no_grad()
    def score_by_user(users: Tensor, items: Tensor) -> Tensor:
        assert isinstance(model, ScoresItems)
        model.eval()
        some, place = users.unique(return_inverse=True)
        return model.score_items(some.to(device)).float().cpu()[place, items]

    if isinstance(model, ScoresItems) and isinstance(model, ScoresAfter):
        return score_by_user

    @torch.no_grad()
    def score(users: Tensor, items: Tensor) -> Tensor:
        model.eval()
        pairs = zip(users.split(PAIRS), items.split(PAIRS), strict=True)
        return torch.cat([model(user.to(device), item.to(device))[:, 0].float().cpu() for user, item in pairs])

    return score
