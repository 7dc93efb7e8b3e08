"""Predictions of new samples as a table."""

from __future__ import annotations

import torch

from dltrain.inference.frames import with_remarks
from dltrain.tasks.predictions import Predictions
from dltrain.types import Encoded, Remark


def test_a_prediction_that_is_no_number_has_a_remark() -> None:
    encoded = Encoded((torch.zeros(3, 1),), ("a", "b", "c"), ((Remark("x outside 0 to 1", "7"),), (), ()))
    values, probabilities = torch.tensor([0, 1, 1]), torch.tensor([[torch.nan, 0.5], [0.5, 0.5], [0.5, torch.inf]])
    of_classes = with_remarks(encoded, Predictions(values, probabilities)).remarks
    assert [[remark.what for remark in remarks] for remarks in of_classes] == [
        ["x outside 0 to 1", "the model's output is NaN or infinite"],
        [],
        ["the model's output is NaN or infinite"],
    ]
    of_numbers = with_remarks(encoded, Predictions(torch.tensor([[1.0], [torch.nan], [2.0]]))).remarks
    assert [len(remarks) for remarks in of_numbers] == [1, 1, 0]
