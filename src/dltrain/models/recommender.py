"""The recommender: matrix factorisation and networks over a vector for each user and each item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from dltrain.errors import ConfigError
from dltrain.types import Range, Spec

EPOCHS = 20


class Recommender(nn.Module):
    """Scores of users `(B,)` for one item each, `(B,)`, or for several, `(B, N)`, from embeddings of both; `(B, N)`.

    In training the output has one more column, `(B, N + 1)`, the penalty, which the task adds to the loss; of several
    members `(B, members, N + 1)`, each of which has a loss of its own. Their mean is the score.

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
        members: number of factorisations side by side, each with vectors and biases of its own; for `dot`.

    Raises:
        ConfigError: several members are to have layers.
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
        members: Annotated[int, Range(1, 1000)] = 1,
    ) -> None:
        super().__init__()
        if members > 1 and combine != "dot":
            raise ConfigError(
                f"{combine} has layers, and several members are products alone",
                where="model.members",
                fix="take one",
                override="model.members=1",
            )
        users, items = spec.vocab_sizes
        self.width, self.penalty, self.members = width, penalty, members
        # Of neumf one half is for the product and one for the layers; members stand one behind the other.
        vectors = 2 * width if combine == "neumf" else members * width
        self.user, self.item = build_embedding(users, vectors, spread), build_embedding(items, vectors, spread)
        self.user_bias = build_embedding(users, members, 0.0) if biases else None
        self.item_bias = build_embedding(items, members, 0.0) if biases else None
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
        self.user_feature: nn.Embedding | None = None
        self.user_feature_bias: nn.Embedding | None = None

    @staticmethod
    def budget(**config: object) -> Mapping[str, int]:
        """Returns how long to train, as arguments of a `Budget`."""
        return {"fewest": EPOCHS, "most": EPOCHS}

    def take_item_features(self, features: Sequence[Sequence[int]]) -> None:
        """Adds vectors and biases for features of items: an item has the mean of its features' beside its own.

        Args:
            features: the numbers of the features, from 1, of each item, from item 0, which has none.
        """
        self.register_buffer("features_of", table := feature_table(features))
        self.feature, self.feature_bias = self._build_features(table, self.item, self.item_bias)

    def take_user_features(self, features: Sequence[Sequence[int]], trained: int) -> None:
        """Adds vectors and biases for features of users likewise.

        Args:
            features: as above, of each user, from user 0, who has none.
            trained: number of users with training samples, from 1; the others have no vectors of their own.
        """
        self.register_buffer("user_features_of", table := feature_table(features))
        self.user_feature, self.user_feature_bias = self._build_features(table, self.user, self.user_bias)
        with torch.no_grad():
            self.user.weight[trained + 1 :] = 0.0

    def _build_features(
        self, table: Tensor, own: nn.Embedding, bias: nn.Embedding | None
    ) -> tuple[nn.Embedding, nn.Embedding | None]:
        rows = int(table.max()) + 1
        vectors = build_embedding(rows, own.embedding_dim, self.spread)
        return vectors, None if bias is None else build_embedding(rows, self.members, 0.0)

    def describe_items(self, item: Tensor) -> tuple[Tensor, Tensor | None]:
        """Returns the vectors `(..., members · width)` and the biases `(..., members)` of items, with those of their
        features."""
        vector = self.item(item)
        bias = None if self.item_bias is None else self.item_bias(item)
        if self.feature is None:
            return vector, bias
        return add_features(vector, bias, self.features_of[item], self.feature, self.feature_bias)  # type: ignore[index]

    def describe_users(self, user: Tensor) -> tuple[Tensor, Tensor | None]:
        """Returns the vectors and the biases of users likewise."""
        vector = self.user(user)
        bias = None if self.user_bias is None else self.user_bias(user)
        if self.user_feature is None:
            return vector, bias
        features = self.user_features_of[user]  # type: ignore[index]
        return add_features(vector, bias, features, self.user_feature, self.user_feature_bias)

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        user, item = user[:, None], item.view(item.shape[0], -1)
        p, user_bias = self.describe_users(user)  # (B, 1, width), (B, 1, 1)
        q, item_bias = self.describe_items(item)  # (B, N, width), (B, N, 1)
        if self.members > 1:
            return self._of_members(p, q, user_bias, item_bias)
        rows = [p, q]
        score: Tensor = p.new_zeros(*item.shape, 1)
        if user_bias is not None and item_bias is not None:
            rows += [user_bias, item_bias]
            score = user_bias + item_bias
        if self.product:
            both = p[..., : self.width] * q[..., : self.width]
            score = score + (both.sum(dim=2, keepdim=True) if self.weigh is None else self.weigh(both))
        if self.layers is not None:
            pairs = p[..., -self.width :].expand(*item.shape, -1), q[..., -self.width :]
            score = score + self.layers(torch.cat(pairs, dim=2))
        score = score.squeeze(2)  # (B, N)
        if not self.training or not self.penalty:
            return score
        squares = sum((row.square().sum(dim=2).mean(dim=1, keepdim=True) for row in rows), start=score.new_zeros(()))
        return torch.cat([score, self.penalty * squares], dim=1)  # (B, N + 1)

    def _of_members(self, p: Tensor, q: Tensor, user_bias: Tensor | None, item_bias: Tensor | None) -> Tensor:
        """Returns the mean of the members' scores, `(B, N)`; in training their own scores and penalties,
        `(B, members, N + 1)`."""
        p, q = (rows.unflatten(2, (self.members, self.width)) for rows in (p, q))  # (B, 1, members, width), (B, N, ...)
        score = (p * q).sum(dim=3)  # (B, N, members)
        squares = p.square().sum(dim=3) + q.square().sum(dim=3)
        if user_bias is not None and item_bias is not None:
            score = score + user_bias + item_bias
            squares = squares + user_bias.square() + item_bias.square()
        if not self.training:
            return score.mean(dim=2)
        if not self.penalty:
            return score.transpose(1, 2)
        return torch.cat([score, self.penalty * squares.mean(dim=1, keepdim=True)], dim=1).transpose(1, 2)

    def score_items(self, user: Tensor) -> Tensor:
        """Returns the score of every item for users `(B,)`, `(B, items)`."""
        if self.layers is not None or self.weigh is not None:
            items = torch.arange(self.item.num_embeddings, device=user.device)
            return self(user, items.expand(len(user), -1))
        vectors, biases = self.describe_items(torch.arange(self.item.num_embeddings, device=user.device))
        own, own_bias = self.describe_users(user)
        score: Tensor = own @ vectors.T / self.members
        if own_bias is None or biases is None:
            return score
        return score + own_bias.mean(dim=1, keepdim=True) + biases.mean(dim=1)


def feature_table(features: Sequence[Sequence[int]]) -> Tensor:
    """Returns the numbers of the features of each item or user as a table, `(N, M)`, with 0 for none."""
    table = torch.zeros(len(features), max(1, *map(len, features)), dtype=torch.int64)
    for row, numbers in enumerate(features):
        table[row, : len(numbers)] = torch.tensor(numbers, dtype=torch.int64)
    return table


def add_features(
    vector: Tensor, bias: Tensor | None, features: Tensor, vectors: nn.Embedding, biases: nn.Embedding | None
) -> tuple[Tensor, Tensor | None]:
    """Returns vectors `(..., width)` and biases `(..., members)`, each with the mean of its features' `(..., M)`."""
    count = (features > 0).sum(dim=-1, keepdim=True).clamp(min=1)
    vector = vector + vectors(features).sum(dim=-2) / count
    if bias is not None and biases is not None:
        bias = bias + biases(features).sum(dim=-2) / count
    return vector, bias


def build_embedding(rows: int, width: int, spread: float) -> nn.Embedding:
    """Returns an embedding whose rows are drawn from a normal distribution around zero; row 0 is zero and stays so."""
    embedding = nn.Embedding(rows, width, padding_idx=0)
    with torch.no_grad():
        nn.init.normal_(embedding.weight, std=spread) if spread else nn.init.zeros_(embedding.weight)
        embedding.weight[0] = 0.0
    return embedding
