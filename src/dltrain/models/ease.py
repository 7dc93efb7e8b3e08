"""EASE (Steck, 2019) with recency: an item's score is a weighted sum of the items that a user has chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from dltrain.errors import ConfigError
from dltrain.models.layers.histories import Histories
from dltrain.types import Range, Spec

MOST = 4000  # of users or items, whichever are fewer: they are solved for in about half a minute
MOST_CELLS = 250_000_000  # of a user with an item, up to which it is chosen by default
START = 2.0  # logarithm of the sharpness before training
FAINTEST = 1e-6  # the weight of a choice, below which it is left out


class Ease(nn.Module):
    """Scores of items for users by a linear model between items, whose weights are solved in closed form.

    The weight of a choice halves with every `half_life` later choices of the user, so that what was chosen last says
    most. The one trained parameter is how sure scores are, which changes the loss alone. A new user needs no training:
    their choices are enough.

    The weights between items are `factors · scales · factorsᵀ · shares`, where the scales belong to the columns of the
    factors and the shares to the scored item, except that an item says nothing of itself.

    Args:
        spec: of the data, with `vocab_sizes` of users and items.
        penalty: of the squared weights; `auto` if the validation split chooses it.
        half_life: number of later choices that halve the weight of one; 0 if all weigh alike; `auto` if the validation
            split chooses it.

    Raises:
        ConfigError: there are too many users and items.
    """

    takes = ("ratings",)
    formats = ("safetensors",)  # what it looks up in histories cannot be traced
    needs_order = False
    reason = ""  # why this model was chosen, where the user has not picked it
    factors: Tensor  # (items, K), with as many columns as there are users or items, whichever are fewer
    scales: Tensor  # (K,)
    shares: Tensor  # (items,)
    popularity: Tensor  # (items,), for users without choices
    decay: Tensor  # (), from one choice to the one before

    def __init__(
        self,
        spec: Spec,
        penalty: Annotated[float, Range(0, open_low=True)] | Literal["auto"] = "auto",
        half_life: Annotated[float, Range(0)] | Literal["auto"] = "auto",
    ) -> None:
        super().__init__()
        users, items = spec.vocab_sizes
        if min(users, items) > MOST:
            raise ConfigError(
                f"{users - 1:,} users and {items - 1:,} items are too many: either must be at most {MOST:,}",
                where="model",
                fix="choose a model that is trained",
                override="model=recommender",
            )
        self.penalty, self.half_life = penalty, half_life
        self.histories = Histories(users, items)
        self.sharpness = nn.Parameter(torch.tensor(START))
        self.register_buffer("factors", torch.zeros(items, min(users, items)))
        self.register_buffer("scales", torch.zeros(min(users, items)))
        self.register_buffer("shares", torch.zeros(items))
        self.register_buffer("popularity", torch.zeros(items))
        self.register_buffer("decay", torch.ones(()))

    @staticmethod
    def budget(**config: object) -> Mapping[str, int]:
        """Returns how long to train, as arguments of a `Budget`: an epoch, which changes no order."""
        return {"fewest": 1, "most": 1}

    def remember(self, inputs: tuple[Tensor, ...], target: Tensor) -> None:
        """Stores the training choices, users `(N,)` and items `(N,)`, from the first to the last."""
        user, item = inputs
        self.histories.store(user, item)
        counts = torch.bincount(item, minlength=len(self.popularity)).float()
        self.popularity.copy_((1 + counts).log() / (1 + counts).log().max())

    def make_room(self, saved: Mapping[str, Tensor]) -> None:
        """Stores zeros in the shapes of a saved model's tensors, given by their names."""
        self.histories.make_room(saved, "histories")

    def take(self, factors: Tensor, scales: Tensor, shares: Tensor) -> None:
        """Stores the weights between items, as in the class."""
        for own, solved in ((self.factors, factors), (self.scales, scales), (self.shares, shares)):
            own.copy_(solved)

    def take_half_life(self, half_life: float) -> None:
        """Stores how fast choices lose weight; 0 for not at all."""
        self.decay.fill_(0.5 ** (1 / half_life) if half_life else 1.0)

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        """Returns the scores of items `(B,)` or `(B, N)` for users `(B,)`, `(B, N)`; those of training choices without
        what these say of themselves."""
        with torch.no_grad():
            item = item.view(len(item), -1)
            some, place = user.unique(return_inverse=True)
            vectors = self._vectors(some)[place]  # (B, K)
            of_items = self.factors[item]  # (B, N, K)
            score = (of_items @ vectors[:, :, None])[:, :, 0]
            age = self.histories.age(user[:, None], item)
            own = torch.where(age >= 0, self.decay ** age.clamp(min=0), 0.0)
            score = (score - own * (of_items.square() @ self.scales)) * self.shares[item]
            score = self._or_popularity(score, self.histories.lengths(user), self.popularity[item])
        return self.sharpness.exp() * score

    def score_items(self, user: Tensor) -> Tensor:
        """Returns the score of every item for users `(B,)`, `(B, items)`; that of an item that a user has chosen means
        nothing."""
        score = (self._vectors(user) @ self.factors.T) * self.shares
        return self.sharpness.exp() * self._or_popularity(score, self.histories.lengths(user), self.popularity)

    def score_after(self, items: Tensor) -> Tensor:
        """Returns the score of every item, `(items,)`, for a new user who has chosen items `(N,)` in this order."""
        weights = self.decay ** torch.arange(len(items) - 1, -1, -1, device=items.device)
        score: Tensor = ((weights @ self.factors[items]) * self.scales) @ self.factors.T * self.shares
        return self.sharpness.exp() * score

    def _or_popularity(self, score: Tensor, lengths: Tensor, popularity: Tensor) -> Tensor:
        return torch.where((lengths > 0)[:, None], score, popularity)

    def _vectors(self, user: Tensor) -> Tensor:
        """Returns the weighted sums of the factors of users' choices, scaled, `(B, K)`."""
        lengths = self.histories.lengths(user)
        if self.decay < 1:
            longest = torch.tensor(FAINTEST).log() / self.decay.log()
            lengths = lengths.clamp(max=int(longest) + 1)
        starts = lengths.cumsum(0) - lengths
        ages = torch.arange(int(lengths.sum()), device=user.device) - starts.repeat_interleave(lengths)
        chosen = self.histories.items[self.histories.ends[user].repeat_interleave(lengths) - 1 - ages]
        summed = functional.embedding_bag(chosen, self.factors, starts, mode="sum", per_sample_weights=self.decay**ages)
        return summed * self.scales
