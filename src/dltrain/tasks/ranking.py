"""Items in the order of what a user is expected to give them: where the true one stands, and which come first."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from dltrain.types import Data, SplitName

Score = Callable[[Tensor, Tensor], Tensor]  # users (B,) and items (B,) to scores (B,), on the CPU
PAIRS = 100_000  # scored at once


def places_of_truth(data: Data, split: SplitName, score: Score) -> Tensor | None:
    """Where each sample's item stands among those that its user had not rated in an earlier split.

    Args:
        data: ratings.
        split: whose samples are meant.
        score: of pairs of users and items.

    Returns:
        `(N,)` float64, the best at 1, a tie at the mean of its places, an item without a training rating last; `None`
        where the split is not of each user's last rating.
    """
    if data.facts.kind != "ratings" or data.facts.preprocessing.get("split") != "leave_last" or split == "train":
        return None
    earlier: tuple[SplitName, ...] = ("train",) if split == "val" else ("train", "val")
    known = [data.splits[name].inputs for name in earlier if name in data.splits]
    users, items = (torch.cat(parts) for parts in zip(*known, strict=True))
    user, item = data.splits[split].inputs
    count = data.facts.vocab_sizes[1]
    found = []
    for start in range(0, len(user), max(1, PAIRS // count)):
        some, true = user[start:][: max(1, PAIRS // count)], item[start:][: max(1, PAIRS // count)]
        scores = score_all(some, count, score)  # (B, items)
        row = torch.full((data.facts.vocab_sizes[0],), -1)
        row[some] = torch.arange(len(some))
        at = row[users]
        scores[at[at >= 0], items[at >= 0]] = -torch.inf
        own = score(some, true)[:, None].double()
        above = (scores > own).sum(dim=1)
        scores[torch.arange(len(some)), true] = -torch.inf  # it is not its own rival
        place = 1 + above + 0.5 * (scores == own).sum(dim=1).double()
        found.append(torch.where(true == 0, scores.isfinite().sum(dim=1).double() + 1, place))
    return torch.cat(found)


def score_all(users: Tensor, count: int, score: Score) -> Tensor:
    """Scores `(B, count)` of every item for each user; item 0, which is none, has minus infinity."""
    items = torch.arange(count)
    scores = score(users.repeat_interleave(count), items.repeat(len(users))).double().view(len(users), count)
    scores[:, 0] = -torch.inf
    return scores


def top_items(user: int, kept: Mapping[str, Tensor], count: int, score: Score, top: int) -> tuple[Tensor, Tensor]:
    """The items that a user has not rated and is expected to like best.

    Args:
        user: index, 0 for one who is not known.
        kept: the items that each user has rated, as `data.ratings.rated_items` keeps them.
        count: of items, with item 0.
        score: of pairs of users and items.
        top: how many items at most.

    Returns:
        Their indices and their scores, the best first.
    """
    (scores,) = score_all(torch.tensor([user]), count, score)
    if user:
        until = kept["rated_until"]
        scores[kept["rated"][int(until[user - 1]) : int(until[user])].long()] = -torch.inf
    values, items = scores.sort(descending=True, stable=True)
    shown = values.isfinite()
    return items[shown][:top], values[shown][:top]


def scored_by(model: nn.Module, device: torch.device) -> Score:
    """What a model says of pairs, before it is held within any range, so that fewer items tie."""

    @torch.inference_mode()
    def score(users: Tensor, items: Tensor) -> Tensor:
        model.eval()
        pairs = zip(users.split(PAIRS), items.split(PAIRS), strict=True)
        return torch.cat([model(user.to(device), item.to(device))[:, 0].float().cpu() for user, item in pairs])

    return score
