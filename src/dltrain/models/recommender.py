"""Recommenders: a user and an item, each a vector, and what the one would give the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from dltrain.types import Range, Spec


class Recommender(nn.Module):
    """Embeddings of users `(B,)` and of one item each, `(B,)`, or of several, `(B, N)`, combined to a number a pair.

    Row 0 of every embedding stands for whoever was not in the training split; it is zero and stays so. An unknown user
    is therefore met with the item's bias alone, an unknown item with the user's, and two unknowns with the mean.

    Args:
        spec: of the data, with `vocab_sizes` of users and items.
        combine: `dot` is matrix factorisation; `concat` puts both vectors through linear layers; `neumf` (He et al.,
            2017) adds to such layers the product of two further vectors.
        width: of each vector.
        hidden: widths of the layers of `concat` and `neumf`; with none `concat` is one linear layer.
        dropout: in these layers.
        biases: whether every user and every item has a number of its own to add.
        penalty: weight of the squares of a sample's own rows in the training loss, the mean over its items, which pulls
            rows as often as they are seen.
        spread: standard deviation of the embeddings at the start.
    """

    takes = ("ratings",)

    def __init__(
        self,
        spec: Spec,
        combine: Literal["dot", "concat", "neumf"] = "dot",
        width: Annotated[int, Range(1)] = 64,
        hidden: Sequence[Annotated[int, Range(1)]] = (64, 32),
        dropout: Annotated[float, Range(0, 0.99)] = 0.0,
        biases: bool = True,
        penalty: Annotated[float, Range(0)] = 0.1,
        spread: Annotated[float, Range(0, open_low=True)] = 0.05,
    ) -> None:
        super().__init__()
        users, items = spec.vocab_sizes
        self.width, self.penalty = width, penalty
        vectors = 2 * width if combine == "neumf" else width  # one half for the product, one for the layers
        self.user, self.item = table(users, vectors, spread), table(items, vectors, spread)
        self.user_bias = table(users, 1, 0.0) if biases else None
        self.item_bias = table(items, 1, 0.0) if biases else None
        self.product = combine != "concat"
        self.layers: nn.Sequential | None = None
        if combine != "dot":
            layers: list[nn.Module] = []
            size = 2 * width
            for next_size in hidden:
                layers += [nn.Linear(size, next_size), nn.ReLU(), *[nn.Dropout(dropout)] * (dropout > 0)]
                size = next_size
            layers.append(nn.Linear(size, spec.out_features))
            self.layers = nn.Sequential(*layers)
        self.weigh = nn.Linear(width, spec.out_features, bias=False) if combine == "neumf" else None

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        user, item = user[:, None], item.view(item.shape[0], -1)
        p, q = self.user(user), self.item(item)  # (B, 1, width), (B, N, width)
        rows = [p, q]
        score = p.new_zeros(*item.shape, 1)
        if self.user_bias is not None and self.item_bias is not None:
            rows += [self.user_bias(user), self.item_bias(item)]
            score = rows[2] + rows[3]
        if self.product:
            both = p[..., : self.width] * q[..., : self.width]
            score = score + (both.sum(dim=2, keepdim=True) if self.weigh is None else self.weigh(both))
        if self.layers is not None:
            pairs = p[..., -self.width :].expand(*item.shape, -1), q[..., -self.width :]
            score = score + self.layers(torch.cat(pairs, dim=2))
        score = score.squeeze(2)  # (B, N)
        if not self.training or not self.penalty:
            return score
        squares = sum(row.square().sum(dim=2).mean(dim=1, keepdim=True) for row in rows)
        return torch.cat([score, self.penalty * squares], dim=1)  # (B, N + 1): what it costs to have such rows


def table(rows: int, width: int, spread: float) -> nn.Embedding:
    """A vector a row, drawn around zero; row 0 is zero and stays so."""
    embedding = nn.Embedding(rows, width, padding_idx=0)
    with torch.no_grad():
        nn.init.normal_(embedding.weight, std=spread) if spread else nn.init.zeros_(embedding.weight)
        embedding.weight[0] = 0.0
    return embedding
