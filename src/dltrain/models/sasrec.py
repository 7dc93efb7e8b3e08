"""SASRec: what a user chooses next, by a causal transformer over what the user has chosen last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, cast

import torch
from torch import Tensor, nn

from dltrain.models.layers.heads import check_heads
from dltrain.models.layers.histories import Histories
from dltrain.models.recommender import build_embedding
from dltrain.models.transformer import Block
from dltrain.types import Depth, InputFormat, Range, Spec

SAMPLES = 800_000  # over all epochs
NEGATIVES = 64  # with 16, validation hit 0.105 of movielens-small instead of 0.130


class SASRec(nn.Module):
    """Self-attentive sequential recommendation (Kang and McAuley, 2018).

    A user is the output of the transformer at their latest choice; in training, at the choice before the one to
    predict. Items have the same vectors as input and as output, and a bias. A new user needs no training: their choices
    are enough.

    Args:
        spec: of the data, with `vocab_sizes` of users and items.
        width: of the vectors of items.
        layers: number of blocks.
        heads: of each block's attention; their number divides the width.
        length: number of the latest choices that are read.
        dropout: of the vectors and in the blocks.
        spread: standard deviation of the initial vectors of items.
    """

    takes = ("ratings",)
    formats = ("safetensors",)  # what it looks up in histories cannot be traced
    needs_order = True
    causal: Tensor  # (length, length), whether a place reads another

    def __init__(
        self,
        spec: Spec,
        width: Annotated[int, Range(1)] = 64,
        layers: Depth = 1,
        heads: Annotated[int, Range(1, 1024)] = 1,
        length: Annotated[int, Range(1)] = 20,
        dropout: Annotated[float, Range(0, 0.99)] = 0.2,
        spread: Annotated[float, Range(0, open_low=True)] = 0.05,
    ) -> None:
        super().__init__()
        check_heads(width, heads)
        users, items = spec.vocab_sizes
        self.length, self.scale = length, width**0.5
        self.histories = Histories(users, items)
        self.item, self.item_bias = build_embedding(items, width, spread), build_embedding(items, 1, 0.0)
        self.positions = nn.Parameter(spread * torch.randn(length, width))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(Block(width, heads, width, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.register_buffer("causal", torch.ones(length, length, dtype=torch.bool).tril(), persistent=False)

    @staticmethod
    def input_format(**config: object) -> InputFormat:
        """Returns how many items each chosen one should be held against."""
        return InputFormat({"negatives": NEGATIVES})

    @staticmethod
    def budget(**config: object) -> Mapping[str, int]:
        """Returns how long to train, as arguments of a `Budget`."""
        return {"samples": SAMPLES}

    def remember(self, inputs: tuple[Tensor, ...], target: Tensor) -> None:
        """Stores the training choices, users `(N,)` and items `(N,)`, from the first to the last."""
        self.histories.store(*inputs)

    def make_room(self, saved: Mapping[str, Tensor]) -> None:
        """Stores zeros in the shapes of a saved model's tensors, given by their names."""
        self.histories.make_room(saved, "histories")

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        """Returns the scores of items `(B,)` or `(B, N)` for users `(B,)`, `(B, N)`, at the time before the first item
        if the user has chosen it in training, else after all choices."""
        item = item.view(len(item), -1)
        before = self.histories.age(user, item[:, 0]) + 1
        vectors = self.read(self.histories.latest(user, self.length, before))
        return (self.item(item) @ vectors[:, :, None])[:, :, 0] + self.item_bias(item)[:, :, 0]

    def score_items(self, user: Tensor) -> Tensor:
        """Returns the score of every item for users `(B,)`, `(B, items)`."""
        return self._score_all(self.histories.latest(user, self.length, torch.zeros_like(user)))

    def score_after(self, items: Tensor) -> Tensor:
        """Returns the score of every item, `(items,)`, for a new user who has chosen items `(N,)` in this order."""
        window = items.new_zeros(1, self.length)
        latest = items[-self.length :]
        window[0, self.length - len(latest) :] = latest
        return self._score_all(window)[0]

    def read(self, window: Tensor) -> Tensor:
        """Returns the vectors of users, `(B, width)`, by their latest choices `(B, length)`, 0 before the first."""
        x = self.dropout(self.scale * self.item(window) + self.positions)  # (B, length, width)
        chosen = (window > 0)[:, None, None] | torch.eye(self.length, dtype=torch.bool, device=window.device)
        *lower, highest = self.blocks
        for block in lower:
            x = block(x, chosen & self.causal, False, None)
        vectors: Tensor = self.norm(cast(Block, highest).read_last(x, chosen[:, :, -1:])[:, 0])
        return vectors

    def _score_all(self, window: Tensor) -> Tensor:
        return self.read(window) @ self.item.weight.T + self.item_bias.weight[:, 0]
