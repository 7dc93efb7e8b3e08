"""The recommender: matrix factorisation and networks over a vector for each user and each item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from dltrain.types import Range, Spec


class Recommender(nn.Module):
    """Scores of users `(B,)` for one item each, `(B,)`, or for several, `(B, N)`, from embeddings of both; `(B, N)`.

    In training the output has one more column, `(B, N + 1)`, the penalty, which the task adds to the loss.

    Row 0 of every embedding stands for users and items that are not in the training split; it stays zero. The score of
    an unknown user is therefore the item's bias, that of an unknown item the user's, and that of both the mean.

    Args:
        spec: of the data, with `vocab_sizes` of users and items.
        combine: `dot` is matrix factorisation (Koren et al., 2009); `concat` puts both vectors through linear layers;
            `neumf` (He et al., 2017) adds to such layers the product of two further vectors.
        width: of each vector.
        hidden: widths of the layers of `concat` and `neumf`; an empty list makes `concat` one linear layer.
        dropout: in these layers.
        biases: whether every user and every item has a bias that is added to the score.
        penalty: weight of the squared embeddings of a sample in the training loss, the mean over its items; unlike
            weight decay it reaches a row only when the row is used.
        spread: standard deviation of the initial embeddings.
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
        self.user, self.item = build_embedding(users, vectors, spread), build_embedding(items, vectors, spread)
        self.user_bias = build_embedding(users, 1, 0.0) if biases else None
        self.item_bias = build_embedding(items, 1, 0.0) if biases else None
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
        self.spread = spread
        self.feature: nn.Embedding | None = None
        self.feature_bias: nn.Embedding | None = None

    def take_item_features(self, features: Sequence[Sequence[int]]) -> None:
        """Adds vectors and biases for features of items: an item has the mean of its features' beside its own.

        Args:
            features: the numbers of the features, from 1, of each item, from item 0, which has none.
        """
        most = max(1, *map(len, features))
        table = torch.zeros(len(features), most, dtype=torch.int64)
        for item, numbers in enumerate(features):
            table[item, : len(numbers)] = torch.tensor(numbers, dtype=torch.int64)
        self.register_buffer("features_of", table)
        rows = int(table.max()) + 1
        self.feature = build_embedding(rows, self.item.embedding_dim, self.spread)
        self.feature_bias = build_embedding(rows, 1, 0.0) if self.item_bias is not None else None

    def describe_items(self, item: Tensor) -> tuple[Tensor, Tensor | None]:
        """Returns the vectors `(..., width)` and the biases `(..., 1)` of items, with those of their features."""
        vector = self.item(item)
        bias = None if self.item_bias is None else self.item_bias(item)
        if self.feature is not None:
            features = self.features_of[item]  # type: ignore[index]
            count = (features > 0).sum(dim=-1, keepdim=True).clamp(min=1)
            vector = vector + self.feature(features).sum(dim=-2) / count
            if bias is not None and self.feature_bias is not None:
                bias = bias + self.feature_bias(features).sum(dim=-2) / count
        return vector, bias

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        user, item = user[:, None], item.view(item.shape[0], -1)
        p = self.user(user)  # (B, 1, width)
        q, item_bias = self.describe_items(item)  # (B, N, width), (B, N, 1)
        rows = [p, q]
        score = p.new_zeros(*item.shape, 1)
        if self.user_bias is not None and item_bias is not None:
            rows += [self.user_bias(user), item_bias]
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
        return torch.cat([score, self.penalty * squares], dim=1)  # (B, N + 1)

    def score_items(self, user: Tensor) -> Tensor:
        """Returns the score of every item for users `(B,)`, `(B, items)`."""
        if self.layers is not None or self.weigh is not None:
            items = torch.arange(self.item.num_embeddings, device=user.device)
            return self(user, items.expand(len(user), -1))
        vectors, biases = self.describe_items(torch.arange(self.item.num_embeddings, device=user.device))
        score: Tensor = self.user(user) @ vectors.T
        return score if self.user_bias is None or biases is None else score + self.user_bias(user) + biases[:, 0]


def build_embedding(rows: int, width: int, spread: float) -> nn.Embedding:
    """Returns an embedding whose rows are drawn from a normal distribution around zero; row 0 is zero and stays so."""
    embedding = nn.Embedding(rows, width, padding_idx=0)
    with torch.no_grad():
        nn.init.normal_(embedding.weight, std=spread) if spread else nn.init.zeros_(embedding.weight)
        embedding.weight[0] = 0.0
    return embedding
