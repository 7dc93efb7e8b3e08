"""Items in the order of what a user is expected to like: where the true one stands, and which come first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from dltrain.tasks.losses import Loss
from dltrain.tasks.metrics import NOTHING, hits
from dltrain.tasks.task import Predictions
from dltrain.types import Facts, Split

Score = Callable[[Tensor, Tensor], Tensor]  # users (B,) and items (B,) to scores (B,), on the CPU
PAIRS = 100_000  # scored at once


class Ranking:
    """Which items a user chooses first: scores `(B, 1 + N)` of the chosen item and of others drawn beside it.

    In training an output may have columns after these, a penalty as in `Rating`. What is measured is where the chosen
    item stands among all that the user has not rated, `Predictions.places`, which is too dear for every epoch. With one
    chosen item a user, recall is the hit rate.
    """

    metric_names: ClassVar[tuple[str, ...]] = ()
    measure: ClassVar[str] = "ndcg@10"
    each_position: ClassVar[bool] = False
    takes_penalty: ClassVar[bool] = True  # a last column of an output in training

    def __init__(self, facts: Facts, loss: Loss) -> None:
        self.loss = loss
        self.metric = NOTHING
        self.candidates = 1 + int(facts.preprocessing["negatives"])

    def objective(self, output: Tensor, target: Tensor) -> Tensor:
        penalty = output[:, self.candidates :].sum() / len(output)
        return self.loss(output[:, : self.candidates], target) + penalty

    def merged(self, output: Tensor) -> Tensor:
        return output if output.dim() == 2 else output.mean(dim=1)

    def point(self, output: Tensor) -> Tensor:
        return output[:, :1]

    def predict(self, output: Tensor) -> Predictions:
        return Predictions(self.point(output).float().cpu())

    def finish(self, predictions: Predictions, target: Tensor) -> dict[str, float]:
        return {} if predictions.places is None else hits(predictions.places)


def put_in_order(split: Split, kept: Mapping[str, Tensor], count: int, score: Score) -> Predictions:
    """Where each sample's item stands among those that its user has not rated.

    Args:
        split: whose samples are meant.
        kept: the items that each user has rated, as `data.ratings.rated_items` keeps them.
        count: of items, with item 0.
        score: of pairs of users and items.

    Returns:
        The item that comes first, `(N, 1)`, and the true one's place, float64, the best at 1, a tie at the mean of its
        places; an item without a training rating is last.
    """
    firsts, places = [], []
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
        places.append(torch.where(known, 1 + above + 0.5 * level, last).double())
        firsts.append(torch.where(known & (own >= best), true, first))
    return Predictions(torch.cat(firsts)[:, None], places=torch.cat(places))


def count_rated(inputs: tuple[Tensor, ...], kept: Mapping[str, Tensor], count: int) -> int:
    """How many pairs of users `(N,)` and items `(N,)`, of `count` items with item 0, are among those that are kept."""
    user, item = inputs
    rated, each = kept["rated"].long(), kept["rated_until"].diff()
    owner = torch.arange(1, len(each) + 1).repeat_interleave(each)
    return int(torch.isin(user * count + item, owner * count + rated).sum())


def rated_by(user: int, kept: Mapping[str, Tensor]) -> Tensor:
    """Indices of the items that a user has rated; of user 0, who is not known, none."""
    until = kept["rated_until"]
    return kept["rated"][int(until[user - 1]) : int(until[user])].long() if user else kept["rated"][:0].long()


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
    scores[rated_by(user, kept)] = -torch.inf
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
