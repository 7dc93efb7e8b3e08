"""Data from formulas: the values, and a truth that the plainest method recovers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from dltrain.kinds.table.formulas import cubic, regression
from dltrain.types import Data


def raw_inputs(data: Data, name: Any) -> torch.Tensor:
    """The inputs before they were standardised, in float64."""
    x = data.splits[name].inputs[0].double()
    scaling = data.facts.preprocessing
    return x * torch.tensor(scaling["std"]) + torch.tensor(scaling["mean"]) if "mean" in scaling else x


def test_the_cubic_holds_evenly_spaced_points_and_their_cubes() -> None:
    data = cubic(rows=201, scale=False)
    rows = np.concatenate([np.array(split.ids, dtype=int) for split in data.splits.values()])
    x = torch.cat([split.inputs[0] for split in data.splits.values()])[:, 0].numpy()
    y = torch.cat([split.target for split in data.splits.values()])[:, 0].numpy()
    assert sorted(rows) == list(range(201))
    np.testing.assert_allclose(x, -10 + 0.1 * rows, atol=1e-5)
    np.testing.assert_allclose(y, (-10 + 0.1 * rows) ** 3, rtol=1e-4, atol=1e-4)
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 161, "val": 20, "test": 20}
    assert (data.facts.features, data.facts.target, data.facts.task) == (("x",), "y", "regression")


def test_targets_stay_in_their_own_unit_whatever_is_scaled() -> None:
    for scale in (True, False):
        data = cubic(rows=50, scale=scale, scale_target=scale)
        torch.testing.assert_close(
            data.splits["train"].target.double(), raw_inputs(data, "train") ** 3, rtol=1e-3, atol=1e-2
        )


@pytest.mark.parametrize("scale", [True, False])
def test_least_squares_recover_the_truth(scale: bool) -> None:
    data = regression(rows=300, features=4, noise=0, bias=-2.5, scale=scale, seed=3)
    x, y = raw_inputs(data, "train"), data.splits["train"].target.double()
    solution = torch.linalg.lstsq(torch.cat([x, torch.ones(len(x), 1)], dim=1), y).solution[:, 0].numpy()
    np.testing.assert_allclose(solution[:4], data.facts.truth["coefficients"], rtol=1e-4)
    assert solution[4] == pytest.approx(-2.5, abs=1e-3)
    assert data.facts.truth["bias"] == -2.5


def test_one_feature_has_a_list_of_one_coefficient() -> None:
    assert len(regression(rows=20, features=1).facts.truth["coefficients"]) == 1


@pytest.mark.parametrize("make", [cubic, regression])
def test_scaling_is_fitted_on_the_training_split_alone(make: Any) -> None:
    data = make(rows=120, seed=2)
    train, facts = data.splits["train"], data.facts
    x = train.inputs[0].double()
    torch.testing.assert_close(x.mean(dim=0), torch.zeros(x.shape[1]).double(), atol=1e-5, rtol=0)
    torch.testing.assert_close(x.std(dim=0, correction=0), torch.ones(x.shape[1]).double(), atol=1e-5, rtol=0)
    everything = torch.cat([split.inputs[0] for split in data.splits.values()])
    assert (everything.mean(dim=0).abs() > 1e-4).any()
    assert facts.target_mean == pytest.approx(float(train.target.double().mean()), rel=1e-4, abs=1e-4)
    assert facts.target_std == pytest.approx(float(train.target.double().std(correction=0)), rel=1e-5)


@pytest.mark.parametrize("make", [cubic, regression])
def test_nothing_is_scaled_that_should_not_be(make: Any) -> None:
    facts = make(rows=60, scale=False, scale_target=False).facts
    assert (facts.target_mean, facts.target_std) == (0.0, 1.0)
    assert set(facts.preprocessing) == {"low", "high"}


@pytest.mark.parametrize("make", [cubic, regression])
def test_splits_are_of_the_fractions_and_the_seed(make: Any) -> None:
    data = make(rows=100, val_fraction=0.2, test_fraction=0.05)
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 75, "val": 20, "test": 5}
    assert set(make(rows=100, val_fraction=0, test_fraction=0).splits) == {"train"}
    again, other = make(rows=100, val_fraction=0.2, test_fraction=0.05), make(rows=100, seed=1)
    assert torch.equal(again.splits["val"].inputs[0], data.splits["val"].inputs[0])
    assert again.splits["val"].ids == data.splits["val"].ids
    assert other.splits["val"].ids != data.splits["val"].ids


def test_noise_spreads_the_target_around_the_truth() -> None:
    data = regression(rows=2000, features=3, noise=4.0, scale=False)
    truth = torch.tensor(data.facts.truth["coefficients"], dtype=torch.float64)
    split = data.splits["train"]
    rest = split.target[:, 0].double() - split.inputs[0].double() @ truth - data.facts.truth["bias"]
    assert float(rest.std()) == pytest.approx(4.0, rel=0.05)


def test_tensors_are_of_the_types_that_a_split_promises() -> None:
    for data in (cubic(rows=20), regression(rows=20)):
        for split in data.splits.values():
            assert split.inputs[0].dtype == split.target.dtype == torch.float32
            assert split.target.shape == (len(split.ids), 1)
            assert split.inputs[0].shape == (len(split.ids), *data.facts.input_shape)
