"""Rows of batches in one tensor."""

from __future__ import annotations

import torch

from dltrain.data.growing import Growing
from dltrain.tasks.predictions import Predictions, join


def test_rows_are_those_of_all_batches() -> None:
    parts = [torch.randn(size, 3, dtype=torch.float64) for size in (4, 4, 1, 7, 2)]
    growing = Growing()
    for part in parts:
        growing.add(part)
    assert torch.equal(growing.whole(), torch.cat(parts))
    assert growing.whole().dtype == torch.float64


def test_predictions_of_batches_become_one() -> None:
    parts = [Predictions(torch.arange(size), ranks=torch.ones(size)) for size in (3, 2)]
    whole = join(parts)
    assert whole.values.tolist() == [0, 1, 2, 0, 1]
    assert whole.ranks is not None and len(whole.ranks) == 5
    assert whole.probabilities is None
