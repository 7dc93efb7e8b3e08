"""Models of series: what they compute, of each column apart, and of what is known ahead."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from dltrain.models.dlinear import DLinear
from dltrain.models.patchtst import PatchTST
from dltrain.models.tide import TiDE
from dltrain.types import Spec

PLAIN = Spec("series", (20, 3), 12, steps=20, columns=3)  # four steps of three columns
AHEAD = Spec("series", (24, 5), 12, steps=20, columns=3)  # with two more channels, which the horizon has too
FAMILIES: tuple[Callable[..., nn.Module], ...] = (DLinear, TiDE, PatchTST)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("spec", [PLAIN, AHEAD])
def test_a_column_depends_on_itself_alone_and_columns_share_everything(
    family: Callable[..., nn.Module], spec: Spec
) -> None:
    torch.manual_seed(0)
    model = family(spec).eval()
    window = torch.randn(5, *spec.input_shape)
    forecast = model(window).unflatten(1, (4, 3))
    changed = window.clone()
    changed[:, :20, 2] += torch.randn(5, 20)
    other = model(changed).unflatten(1, (4, 3))
    torch.testing.assert_close(other[:, :, :2], forecast[:, :, :2])
    assert not torch.allclose(other[:, :, 2], forecast[:, :, 2])
    order = [1, 2, 0, *range(3, window.shape[2])]
    torch.testing.assert_close(model(window[:, :, order]).unflatten(1, (4, 3)), forecast[:, :, [1, 2, 0]])


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_known_ahead_changes_a_forecast(family: Callable[..., nn.Module]) -> None:
    torch.manual_seed(0)
    model = family(AHEAD).eval()
    for parameter in model.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    window = torch.randn(2, 24, 5)
    changed = window.clone()
    changed[:, -1, 3] += 3
    assert not torch.allclose(model(changed), model(window), atol=1e-5)


def test_dlinear_is_two_linear_layers_of_a_moving_average_and_the_rest() -> None:
    torch.manual_seed(0)
    model = DLinear(Spec("series", (9, 1), 2, steps=9, columns=1), kernel=3)
    nn.init.normal_(model.trend.weight)
    nn.init.normal_(model.rest.weight)
    x = torch.arange(9.0) ** 1.5
    padded = [x[0], *x, x[-1]]
    trend = torch.stack([sum(padded[at : at + 3]) / 3 for at in range(9)])  # type: ignore[arg-type]
    expected = model.trend(trend) + model.rest(x - trend)
    torch.testing.assert_close(model(x[None, :, None])[0], expected)
    mean = DLinear(Spec("series", (9, 1), 2, steps=9, columns=1))
    nn.init.zeros_(mean.trend.bias)
    nn.init.zeros_(mean.rest.bias)
    torch.testing.assert_close(mean(x[None, :, None])[0], x.mean().expand(2))


def test_patches_overlap_and_the_last_step_is_repeated() -> None:
    model = PatchTST(Spec("series", (20, 1), 4, steps=20, columns=1), patch_steps=8, stride=4)
    assert model.positions.shape == (5, 16)
    seen: list[torch.Tensor] = []
    model.embed.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model.eval()(torch.arange(20.0)[None, :, None])
    assert seen[0][0, 0].tolist() == list(range(8))
    assert seen[0][0, 1].tolist() == list(range(4, 12))
    assert seen[0][0, 4].tolist() == [16, 17, 18, 19, 19, 19, 19, 19]
    short = PatchTST(Spec("series", (5, 1), 4, steps=5, columns=1))
    assert short(torch.randn(3, 5, 1)).shape == (3, 4)


@pytest.mark.parametrize("name", ["dlinear", "tide", "patchtst"])
def test_a_run_is_trained_loaded_and_exported(name: str, dltrain: Callable) -> None:
    options = ("data=series", "data.rows=300", "data.horizon=3", "data.window=12", "trainer.epochs=2", "baseline=none")
    assert dltrain(f"model={name}", *options, "hydra.run.dir=run").code == 0
    assert dltrain("predict", "run", "--steps", "3").code == 0
    assert dltrain("export", "run", "--format", "torch-export").code == 0
    refused = dltrain(f"model={name}", "data=iris")
    assert refused.code == 2
    assert "takes series data" in refused.err
