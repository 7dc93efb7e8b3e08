"""Items in the order of what a user is expected to like: where the true one stands, and which come first."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from dltrain.tasks.predictions import Predictions
from dltrain.types import Split

Score = Callable[[Tensor, Tensor], Tensor]  # users (B,) and items (B,) to scores (B,), on the CPU
PAIRS = 100_000  # scored at once


def rank_items(split: Split, kept: Mapping[str, Tensor], count: int, score: Score) -> Predictions:
    """Finds where each sample's item stands among those that its user has not rated.

    Args:
        split: whose samples are meant.
        kept: the items that each user has rated, as the kind `ratings` keeps them.
        count: of items, with item 0.
        score: of pairs of users and items.

    Returns:
        The item that comes first, `(N, 1)`, and the true one's rank, float64, the best at 1, a tie at the mean of its
        ranks; an item without a training rating is last.
    """
    firsts, ranks = [], []
    size = max(1, PAIRS // count)
    for user, true in zip(*(tensor.split(size) for tensor in split.inputs), strict=True):
        scores = score_all(user, count, score)  # (B, items)
        for row, rated in zip(scores, user.tolist(), strict=True):
            row[rated_by(rated, kept)] = -torch.inf
        rows = torch.arange(len(true))
        own = score(user, true).double()
        scores[rows, true] = -torch.inf  # it is not its own rival
        best, first = scores.max(dim=1)
        known = true > 0
        above, level = ((compared(scores, own[:, None])).sum(dim=1) for compared in (torch.gt, torch.eq))
        last = scores.isfinite().sum(dim=1) + 1
        ranks.append(torch.where(known, 1 + above + 0.5 * level, last).double())
        firsts.append(torch.where(known & (own >= best), true, first))
    return Predictions(torch.cat(firsts)[:, None], ranks=torch.cat(ranks))


def count_rated(inputs: tuple[Tensor, ...], kept: Mapping[str, Tensor], count: int) -> int:
    """Counts the pairs of users `(N,)` and items `(N,)`, of `count` items with item 0, that are among those kept."""
    user, item = inputs
    rated, each = kept["rated"].long(), kept["rated_until"].diff()
    owner = torch.arange(1, len(each) + 1).repeat_interleave(each)
    return int(torch.isin(user * count + item, owner * count + rated).sum())


def rated_by(user: int, kept: Mapping[str, Tensor]) -> Tensor:
    """Returns the indices of the items that a user has rated; of user 0, who is not known, none."""
    until = kept["rated_until"]
    return kept["rated"][int(until[user - 1]) : int(until[user])].long() if user else kept["rated"][:0].long()


def score_all(users: Tensor, count: int, score: Score) -> Tensor:
    """Returns scores `(B, count)` of every item for each user; item 0, which is none, has minus infinity."""
    items = torch.arange(count)
    scores = score(users.repeat_interleave(count), items.repeat(len(users))).double().view(len(users), count)
    scores[:, 0] = -torch.inf
    return scores


def top_items(user: int, kept: Mapping[str, Tensor], count: int, score: Score, top: int) -> tuple[Tensor, Tensor]:
    """Returns the items that a user has not rated and is expected to like best.

    Args:
        user: index, 0 for one who is not known.
        kept: the items that each user has rated, as the kind `ratings` keeps them.
        count: of items, with item 0.
        score: of pairs of users and items.
        top: how many items at most.

    Returns:
        Their indices and their scores, the best first.
    """
    (scores,) = score_all(torch.tensor([user]), count, score)
    scores[rated_by(user, kept)] = -torch.inf
    values, items = scores.sort(descending=True, stable=True)
    shown = values.isfinite()
    return items[shown][:top], values[shown][:top]


def scored_by(model: nn.Module, device: torch.device) -> Score:
    """Returns what scores pairs by a model, before it is held within any range, so that fewer items tie."""

    @torch.inference_mode()
    def score(users: Tensor, items: Tensor) -> Tensor:
        model.eval()
        pairs = zip(users.split(PAIRS), items.split(PAIRS), strict=True)
        return torch.cat([model(user.to(device), item.to(device))[:, 0].float().cpu() for user, item in pairs])

    return score
