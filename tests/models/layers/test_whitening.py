"""Fixed filters that whiten patches: outputs without correlation, any number of channels and filters, any batches."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from dltrain.models.cnn import CNN
from dltrain.models.layers.pooling import AverageMaxPool
from dltrain.models.layers.whitening import EPSILON, Whitening
from dltrain.types import Spec


def smooth_images(depth: int, count: int = 60, side: int = 20) -> Tensor:
    """Standardised images whose neighbouring pixels and channels are much alike, as in photos."""
    noise = torch.randn(count, depth, side + 2, side + 2, generator=torch.Generator().manual_seed(0))
    images = functional.avg_pool2d(noise, 3, 1)
    images = images + images.mean(dim=1, keepdim=True)
    return (images - images.mean()) / images.std()


def fitted(images: Tensor, filters: int, kernel_size: int = 3, batch: int = 7) -> Whitening:
    layer = Whitening(images.shape[1], filters, kernel_size)
    layer.fit(images.split(batch))
    return layer


@pytest.mark.parametrize(("depth", "kernel_size"), [(1, 3), (3, 1), (3, 3), (4, 3), (1, 5)])
def test_outputs_on_the_patches_it_was_fitted_to_are_white(depth: int, kernel_size: int) -> None:
    images, directions = smooth_images(depth), depth * kernel_size**2
    layer = fitted(images, 2 * directions, kernel_size)
    outputs = functional.conv2d(images, layer.weight).transpose(0, 1).flatten(1)[:directions]
    patches = functional.unfold(images, kernel_size).transpose(0, 1).flatten(1)
    variances = torch.linalg.eigvalsh(patches @ patches.T / patches.shape[1]).flip(0)
    assert variances[0] > 3 * variances[-1]  # so that the patches themselves are far from white
    expected = torch.diag(variances / (variances + EPSILON))
    torch.testing.assert_close(outputs @ outputs.T / outputs.shape[1], expected, atol=1e-3, rtol=0)
    assert expected[0, 0] > 0.99


def test_directions_of_most_variance_come_first_in_both_signs() -> None:
    images = smooth_images(3)
    every, some = fitted(images, 54).weight, fitted(images, 32).weight
    assert torch.equal(some[16:], -some[:16])
    torch.testing.assert_close(some[:16], every[:16])
    lengths = some[:16].flatten(1).norm(dim=1)
    assert bool((lengths.diff() > 0).all())  # what varies less is divided by less


@pytest.mark.parametrize(("filters", "directions"), [(32, 9), (5, 3), (1, 1)])
def test_any_number_of_filters_will_do(filters: int, directions: int) -> None:
    weight = fitted(smooth_images(1), filters).weight.flatten(1)
    assert len(weight) == filters
    pairs = torch.cat([weight[:directions], -weight[:directions]])
    torch.testing.assert_close(weight, pairs.repeat(2, 1)[:filters])
    assert torch.linalg.matrix_rank(weight) == directions


def test_batches_do_not_matter() -> None:
    images = smooth_images(3)
    torch.testing.assert_close(fitted(images, 16, batch=1).weight.abs(), fitted(images, 16, batch=60).weight.abs())


def test_images_smaller_than_a_patch_and_blank_ones_give_filters() -> None:
    for images in (torch.randn(4, 3, 2, 9), torch.zeros(4, 3, 8, 8)):
        layer = fitted(images, 8, kernel_size=5)
        assert bool(layer.weight.isfinite().all())
        assert layer(images).shape == (4, 8, *images.shape[2:])


def test_it_has_a_buffer_in_place_of_parameters() -> None:
    layer = fitted(smooth_images(3), 8)
    assert not list(layer.parameters()) and list(layer.state_dict()) == ["weight"]
    assert not layer.weight.requires_grad


def test_the_mean_and_the_maximum_of_each_channel() -> None:
    x = torch.randn(2, 3, 4, 5)
    pooled = AverageMaxPool()(x)
    assert pooled.shape == (2, 6, 1, 1)
    torch.testing.assert_close(pooled[:, :3, 0, 0], x.mean(dim=(2, 3)))
    torch.testing.assert_close(pooled[:, 3:, 0, 0], x.flatten(2).max(dim=2).values)


def test_directions_that_no_image_has_get_no_filter() -> None:
    grey = torch.rand(4, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    layer = Whitening(3, 32, 3)
    layer.fit([grey.expand(-1, 3, -1, -1)])
    tinted = torch.zeros(1, 3, 12, 12)
    tinted[:, 0], tinted[:, 1] = 1.0, -1.0  # no part of it is grey
    assert layer(tinted)[..., 1:-1, 1:-1].abs().max() < 1e-3


def test_a_network_without_stages_has_nothing_to_whiten() -> None:
    spec = Spec("image", (3, 32, 32), 2, samples=100)
    assert not CNN(spec, channels=()).whiten
    assert not CNN(spec, norm="none").whiten
    assert CNN(spec).whiten
