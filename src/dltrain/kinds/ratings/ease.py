"""EASE (Steck, 2019): an item's score is a weighted sum of the items that a user has chosen, fitted in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

PENALTIES = (10.0, 30.0, 100.0, 300.0, 1000.0)
MOST = 4000  # of users or items, whichever are fewer: an eigenvalue problem of that size takes about half a minute
TOP = 10  # places by which penalties are compared
AT_ONCE = 256  # users that are scored, or items that are summed up

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Ease:
    """The item weights of EASE.

    They follow from the inverse of the items' products. Where there are fewer users, that of the users' products says
    the same.

    Args:
        chosen: `(users, items)` of 0 and 1.
        inverse: of the products, with the penalty on their diagonal, `(items, items)` or `(users, users)`.
        diagonal: of the inverse of the items' products, `(items,)`.
    """

    chosen: csr_array
    inverse: Floats
    diagonal: Floats

    @classmethod
    def fit(cls, user: Indices, item: Indices, sizes: tuple[int, ...], seed: int = 0) -> Ease:
        """Fits the weights, with the penalty that orders one held-out choice of each user best.

        Args:
            user: `(N,)` of each training choice.
            item: `(N,)` likewise.
            sizes: the number of users and of items.
            seed: of the held-out choices.
        """
        order = np.random.default_rng(seed).permutation(len(user))
        held_out = np.zeros(len(user), dtype=bool)
        held_out[order[np.unique(user[order], return_index=True)[1]]] = True
        held_out &= np.bincount(user, minlength=sizes[0])[user] > 1
        best = PENALTIES[len(PENALTIES) // 2]
        if held_out.any():
            rest = Products.of(user[~held_out], item[~held_out], sizes)
            gains = [mean_gain(cls.of(rest, penalty), user[held_out], item[held_out]) for penalty in PENALTIES]
            best = PENALTIES[int(np.argmax(gains))]
        return cls.of(Products.of(user, item, sizes), best)

    @classmethod
    def of(cls, products: Products, penalty: float) -> Ease:
        """Returns the weights for a penalty of their squares."""
        chosen, inverse = products.chosen, products.inverse(penalty)
        if not products.by_user:
            return cls(chosen, inverse, np.diag(inverse))
        columns, diagonal = chosen.tocsc(), np.ones(chosen.shape[1])
        for start in range(0, chosen.shape[1], AT_ONCE):
            part = columns[:, start : start + AT_ONCE].toarray()
            diagonal[start : start + AT_ONCE] -= (part * (inverse @ part)).sum(axis=0)
        return cls(chosen, inverse, diagonal / penalty)

    def scores(self, users: Indices) -> Floats:
        """Returns the score of every item for users, `(B, items)`; of items that they have chosen it means nothing."""
        if len(self.inverse) == self.chosen.shape[1]:
            product = self.chosen[users] @ self.inverse
        else:
            product = (self.chosen.T @ self.inverse[users].T).T
        return np.asarray(-product / np.maximum(self.diagonal, 1e-12))


@dataclass(frozen=True)
class Products:
    """The products of the users, or of the items, with each other: their eigenvectors and eigenvalues."""

    chosen: csr_array
    vectors: Floats
    values: Floats
    by_user: bool

    @classmethod
    def of(cls, user: Indices, item: Indices, sizes: tuple[int, ...]) -> Products:
        """Returns the products of those that are fewer."""
        chosen = csr_array((np.ones(len(user)), (user, item)), shape=sizes)
        by_user = sizes[0] < sizes[1]
        values, vectors = np.linalg.eigh((chosen @ chosen.T if by_user else chosen.T @ chosen).toarray())
        return cls(chosen, vectors, np.maximum(values, 0.0), by_user)

    def inverse(self, penalty: float) -> Floats:
        """Returns the inverse of the products with a penalty on their diagonal."""
        return np.asarray((self.vectors / (self.values + penalty)) @ self.vectors.T)


def mean_gain(model: Ease, users: Indices, items: Indices) -> float:
    """Returns the mean gain of held-out choices, by their places among all items that their users have not chosen."""
    gains = []
    for start in range(0, len(users), AT_ONCE):
        user, item = users[start : start + AT_ONCE], items[start : start + AT_ONCE]
        scores = model.scores(user)
        own = scores[np.arange(len(user)), item]
        scores[model.chosen[user].toarray() > 0] = -np.inf
        places = (scores > own[:, None]).sum(axis=1)
        gains.append(np.where(places < TOP, 1 / np.log2(places + 2), 0.0))
    return float(np.concatenate(gains).mean())
