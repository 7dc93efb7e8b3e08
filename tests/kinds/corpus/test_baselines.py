"""The n-gram model against the formula written out, and its probabilities as such."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from dltrain.kinds.corpus.baselines import kneser_ney

RNG = np.random.default_rng(0)
TRAIN = RNG.integers(0, 4, 300) * RNG.integers(0, 2, 300)


def by_hand(train: list[int], context: tuple[int, ...], token: int, order: int, top: int, vocab: int) -> float:
    """One probability of an interpolated Kneser-Ney model, by recursion."""
    if order == 0:
        return 1 / vocab
    context = context[len(context) - (order - 1) :] if order > 1 else ()
    padded = [-1] * top + train  # what stands before the first token is a context too
    grams = [tuple(padded[end - order : end]) for end in range(top + 1, len(padded) + 1)]
    if order == top:
        counts = Counter(grams)
    else:
        longer = {tuple(padded[end - order - 1 : end]) for end in range(top + 1, len(padded) + 1)}
        counts = Counter(gram[1:] for gram in longer)
    once, twice = (sum(count == n for count in counts.values()) for n in (1, 2))
    discount = once / (once + 2 * twice) if once and twice else 0.5
    after = {gram[-1]: count for gram, count in counts.items() if gram[:-1] == context}
    lower = by_hand(train, context, token, order - 1, top, vocab)
    if not after:
        return lower
    total = sum(after.values())
    return (max(after.get(token, 0) - discount, 0) + discount * len(after) * lower) / total


@pytest.mark.parametrize("order", [1, 2, 3])
def test_probabilities_are_those_of_the_formula(order: int) -> None:
    held_out = RNG.integers(0, 5, 40)
    found = kneser_ney(TRAIN, held_out, order, 5)
    for place in range(order, 40):
        context = tuple(held_out[place - order + 1 : place].tolist())
        expected = by_hand(TRAIN.tolist(), context, int(held_out[place]), order, order, 5)
        assert found[place] == pytest.approx(expected)


@pytest.mark.parametrize("order", [1, 2, 5])
@pytest.mark.parametrize("context", [[1, 0, 2, 0], [4, 4, 4, 4], [0, 0, 0, 3]])
def test_the_probabilities_of_all_tokens_add_up_to_one(order: int, context: list[int]) -> None:
    found = [kneser_ney(TRAIN, np.array([*context, token]), order, 5)[-1] for token in range(5)]
    assert sum(found) == pytest.approx(1)
    assert min(found) > 0


def test_what_follows_always_is_almost_certain() -> None:
    cycle = np.arange(1000) % 7
    assert kneser_ney(cycle, cycle[:50], 5, 7)[10:].min() > 0.95
