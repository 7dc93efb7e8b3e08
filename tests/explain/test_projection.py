"""The projection: scikit-learn's principal components, of inputs and of an image model's last layer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import Tensor, nn

from dltrain.explain.projection import project_features, project_inputs


@pytest.mark.parametrize("width", [5, 700])
def test_it_is_scikit_learns(width: int) -> None:
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(300, width)) @ rng.normal(size=(width, width))).astype(np.float32)
    found = project_inputs(torch.from_numpy(x))
    assert found is not None
    reference = PCA(2, svd_solver="full").fit((x - x.mean(axis=0)) / x.std(axis=0))
    expected = reference.transform((x - x.mean(axis=0)) / x.std(axis=0))
    np.testing.assert_allclose(np.abs(found.points), np.abs(expected), rtol=1e-3, atol=1e-3)
    assert found.explained == pytest.approx(reference.explained_variance_ratio_.tolist(), rel=1e-4)


def test_yes_or_no_inputs_stay_as_they_are() -> None:
    x = torch.zeros(100, 3)
    x[:, 0], x[:, 1], x[0, 2] = torch.linspace(0, 500, 100), torch.linspace(3, -3, 100), 1.0  # one rare yes
    found = project_inputs(x)
    assert found is not None
    assert found.explained[0] > 0.99
    x[:, 2] = 7.0  # constant
    assert project_inputs(x) is not None


def test_of_many_rows_some_are_taken() -> None:
    found = project_inputs(torch.randn(5000, 3))
    assert found is not None
    assert (len(found.rows), found.rows[0], found.rows[-1]) == (2000, 0, 4999)


@pytest.mark.parametrize("x", [torch.randn(2, 4), torch.randn(9, 1), torch.ones(9, 4), torch.full((9, 4), torch.nan)])
def test_what_has_no_plane_has_no_projection(x: Tensor) -> None:
    assert project_inputs(x) is None


def test_images_are_projected_by_what_the_last_layer_is_given() -> None:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Flatten(), nn.Linear(12, 6), nn.ReLU(), nn.Linear(6, 3))
    x = torch.randn(300, 3, 2, 2)
    found = project_features(body, (x,), None, 60)
    assert found is not None
    expected = PCA(2, svd_solver="full").fit_transform(body[:3](x).detach().double().numpy())
    np.testing.assert_allclose(np.abs(found.points), np.abs(expected), rtol=1e-4, atol=1e-5)
    assert not body[3]._forward_pre_hooks
    assert project_features(nn.Flatten(), (x,), None, 60) is None
    assert project_features(body, (x,), None, 0) is None
