"""Augmented texts: functions of seed, epoch and batch; what goes, what stays."""

from __future__ import annotations

import pytest
import torch

from dltrain.kinds.text.augment import AugmentText

LENGTHS = torch.tensor([12, 1, 7] * 50)
TOKENS = (torch.arange(3, 15).expand(150, 12) + 20 * torch.arange(150)[:, None]).masked_fill(
    torch.arange(12) >= LENGTHS[:, None], 0
)


def test_the_same_numbers_change_the_same_words() -> None:
    change = AugmentText(dropout=0.2, deletion=0.2, swap=0.2)
    one, same, other = (change((TOKENS, LENGTHS), 0, epoch, 3) for epoch in (1, 1, 2))
    assert torch.equal(one[0], same[0])
    assert torch.equal(one[1], same[1])
    assert not torch.equal(one[0], other[0])


def test_hidden_words_become_unknown_and_padding_stays() -> None:
    tokens, lengths = AugmentText(dropout=0.3)((TOKENS, LENGTHS), 0, 0, 0)
    assert torch.equal(lengths, LENGTHS)
    hidden = tokens == 1
    assert torch.equal(tokens[~hidden], TOKENS[~hidden])
    assert not hidden[TOKENS == 0].any()
    assert float(hidden.sum() / (TOKENS > 0).sum()) == pytest.approx(0.3, abs=0.05)


def test_words_that_go_leave_the_others_in_order() -> None:
    tokens, lengths = AugmentText(dropout=0, deletion=0.5)((TOKENS, LENGTHS), 0, 0, 0)
    assert int(lengths.min()) >= 1
    for before, after, length in zip(TOKENS, tokens, lengths.tolist(), strict=True):
        kept = after[:length].tolist()
        assert kept == [token for token in before.tolist() if token in kept]
        assert not after[length:].any()
    assert float(lengths.sum() / LENGTHS.sum()) == pytest.approx(0.5, abs=0.08)


def test_swapped_words_change_places_with_a_neighbour() -> None:
    tokens, lengths = AugmentText(dropout=0, swap=0.5)((TOKENS, LENGTHS), 0, 0, 0)
    assert torch.equal(lengths, LENGTHS)
    assert torch.equal(tokens.sort(dim=1).values, TOKENS.sort(dim=1).values)
    moved = tokens - TOKENS
    assert set(moved.unique().tolist()) == {-1, 0, 1}  # neighbours differ by one
    assert not AugmentText(dropout=0)
