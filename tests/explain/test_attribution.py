"""Where a model looks: what a map names matters to the model, more than random places do, and to no other model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from dltrain.explain.attribution import attribute
from dltrain.models.cnn import CNN
from dltrain.models.mlp import MLP
from dltrain.types import Spec

torch.set_num_threads(1)
SIDE, RADIUS = 32, 5
CPU = torch.device("cpu")
SPEC = Spec("image", (1, SIDE, SIDE), 2)
MODELS: dict[str, Callable[[], nn.Module]] = {
    "cnn": lambda: CNN(SPEC),
    "whitened": lambda: CNN(SPEC, whiten=True),
    "mlp": lambda: MLP(SPEC, hidden=[64]),
}


def drawn(count: int, seed: int, form: str) -> tuple[Tensor, Tensor, Tensor]:
    """Noise with two objects: one that says the class, a disc or a cross, or a light or a dark disc, in one half, and a
    striped square in the other, whatever the class; images, classes, and where the first object is."""
    random = np.random.default_rng(seed)
    images = random.normal(0, 0.3, (count, 1, SIDE, SIDE)).astype(np.float32)
    classes = random.integers(0, 2, count)
    y, x = np.mgrid[:SIDE, :SIDE]
    inside = np.zeros((count, SIDE, SIDE), dtype=bool)
    for index, label in enumerate(classes):
        (row, other), half = random.integers(RADIUS + 1, SIDE - RADIUS - 1, 2), random.integers(0, 2)
        column = random.integers(RADIUS + 1, SIDE // 2 - RADIUS) + half * SIDE // 2
        beside = random.integers(RADIUS + 1, SIDE // 2 - RADIUS) + (1 - half) * SIDE // 2
        square = (abs(y - other) <= RADIUS) & (abs(x - beside) <= RADIUS)
        images[index, 0] += np.where(square, np.where((y - other) % 4 < 2, 2.0, -2.0), 0)
        disc = (y - row) ** 2 + (x - column) ** 2 <= RADIUS**2
        cross = (abs(abs(y - row) - abs(x - column)) <= 1) & (abs(y - row) <= RADIUS)
        shape = cross if form != "mlp" and label else disc
        images[index, 0][shape] += -2.0 if form == "mlp" and label else 2.0
        inside[index] = disc | cross
    return torch.from_numpy(images), torch.from_numpy(classes), torch.from_numpy(inside)


def score(output: Tensor) -> Tensor:
    return output.amax(dim=1)


@cache
def trained(form: str) -> nn.Module:
    torch.manual_seed(0)
    model = MODELS[form]()
    x, y, _ = drawn(1500, 0, form)
    if isinstance(model, CNN) and model.whiten:
        model.initialise_from([(x,)])
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for _ in range(15 if form == "mlp" else 4):
        for at in torch.randperm(len(x)).split(50):
            optimizer.zero_grad()
            functional.cross_entropy(model(x[at]), y[at]).backward()
            optimizer.step()
    return model.eval()


@cache
def explained(form: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """New images that the model is right about, their classes, where the object is, and where the model looks."""
    model = trained(form)
    x, y, inside = drawn(60, 1, form)
    with torch.no_grad():
        right = model(x).argmax(dim=1) == y
    assert right.float().mean() > 0.9
    x, y, inside = x[right], y[right], inside[right]
    return x, y, inside, attribute(model, score, (x,), None, CPU)


def probability(model: nn.Module, x: Tensor, y: Tensor) -> float:
    with torch.no_grad():
        return float(model(x).softmax(dim=1).gather(1, y[:, None]).mean())


def top(places: Tensor, share: float) -> Tensor:
    """The pixels with the largest values, `(N, 1, H, W)`."""
    flat = places.flatten(1)
    chosen = torch.zeros_like(flat, dtype=torch.bool)
    chosen.scatter_(1, flat.argsort(dim=1, descending=True)[:, : int(share * flat.shape[1])], True)
    return chosen.view_as(places)[:, None]


def random_places(count: int, seed: int) -> Tensor:
    """Smooth random maps, whose places hang together as those of a map do."""
    coarse = torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(seed))
    return functional.interpolate(coarse, size=(SIDE, SIDE), mode="bilinear")[:, 0]


@pytest.mark.parametrize("form", MODELS)
def test_maps_are_from_0_to_1_and_of_the_images_size(form: str) -> None:
    x, _, _, places = explained(form)
    assert places.shape == (len(x), SIDE, SIDE)
    assert bool(((places >= 0) & (places <= 1)).all())
    assert float(places.amax(dim=(1, 2)).min()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("form", MODELS)
def test_without_the_named_places_the_model_is_less_sure_than_without_random_ones(form: str) -> None:
    x, y, _, places = explained(form)
    model, share = trained(form), 0.15
    before = probability(model, x, y)
    drop = before - probability(model, x.masked_fill(top(places, share), 0), y)
    others = [
        before - probability(model, x.masked_fill(top(random_places(len(x), seed), share), 0), y) for seed in range(5)
    ]
    assert drop > 2 * max(*others, 0.02)


@pytest.mark.parametrize("form", MODELS)
def test_the_named_places_alone_make_the_model_surer_than_random_ones(form: str) -> None:
    x, y, _, places = explained(form)
    model, share = trained(form), 0.3
    alone = probability(model, x.masked_fill(~top(places, share), 0), y)
    others = [probability(model, x.masked_fill(~top(random_places(len(x), seed), share), 0), y) for seed in range(5)]
    assert alone > max(others) + 0.05


@pytest.mark.parametrize("form", MODELS)
def test_the_maps_lie_on_the_object(form: str) -> None:
    _, _, inside, places = explained(form)
    share = (places * inside).sum() / places.sum()
    assert share > 2 * inside.float().mean()


@pytest.mark.parametrize("form", MODELS)
def test_a_model_with_random_weights_has_other_maps(form: str) -> None:
    x, _, _, places = explained(form)
    torch.manual_seed(1)
    other = attribute(MODELS[form]().eval(), score, (x,), None, CPU)
    again = attribute(trained(form), score, (x,), None, CPU)
    torch.testing.assert_close(again, places)
    alike = [float(np.corrcoef(one.flatten(), two.flatten())[0, 1]) for one, two in zip(places, other, strict=True)]
    assert np.mean(alike) < 0.4


def test_an_explanation_leaves_the_model_as_it_was() -> None:
    model = trained("cnn")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    attribute(model, score, (drawn(4, 2, "cnn")[0],), None, CPU)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


def test_frozen_models_are_explained_and_time_is_kept() -> None:
    torch.manual_seed(0)
    model = CNN(SPEC).eval().requires_grad_(False)
    x = drawn(9, 2, "cnn")[0]
    assert len(attribute(model, score, (x,), None, CPU)) == 9
    assert 0 < len(attribute(model, score, (x,), None, CPU, seconds=0)) < 9


def test_a_transformer_is_explained_by_its_gradients() -> None:
    class Patches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Conv2d(1, 8, 4, 4)
            self.blocks = nn.Sequential(*(nn.Sequential(nn.Linear(8, 8), nn.GELU()) for _ in range(6)), nn.Linear(8, 2))

        def forward(self, x: Tensor) -> Tensor:
            return self.blocks(self.embed(x).flatten(2).transpose(1, 2)).mean(dim=1)

    torch.manual_seed(0)
    x = torch.zeros(2, 1, SIDE, SIDE)
    x[0, 0, 8:12, 20:24] = 3  # all else is the mean, which integrated gradients leave at exactly 0
    places = attribute(Patches().eval(), score, (x,), None, CPU)
    assert bool((places[1] == 0).all())
    assert bool((places[0][:4] == 0).all())


def test_a_map_of_several_networks_is_of_all_of_them_and_not_mirrored() -> None:
    x, _, _, places = explained("cnn")
    one = trained("cnn")
    several = CNN(replace(SPEC, mirror=True), members=2, mirror=True).eval()
    for network in several.models:
        network.load_state_dict(one.state_dict())
    torch.testing.assert_close(attribute(several, _score_of_members, (x[:8],), None, CPU), places[:8])
    nn.init.zeros_(several.models[1].head[-1].weight)  # so that it looks nowhere
    torch.testing.assert_close(attribute(several, _score_of_members, (x[:8],), None, CPU), places[:8])
    nn.init.zeros_(several.models[0].head[-1].weight)
    several.models[1].load_state_dict(one.state_dict())
    torch.testing.assert_close(attribute(several, _score_of_members, (x[:8],), None, CPU), places[:8])


def _score_of_members(output: Tensor) -> Tensor:
    """The score of the class of an image itself, whose outputs are the last two members."""
    return output[:, 2:].sum(dim=1).amax(dim=1)
