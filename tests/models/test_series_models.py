"""Models of series: what they compute, of each column apart, and of what is known ahead."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from dltrain.errors import ConfigError
from dltrain.models.dlinear import DLinear
from dltrain.models.nhits import NHiTS
from dltrain.models.patchtst import PatchTST
from dltrain.models.ridge import PENALTIES, Ridge, Windows
from dltrain.models.tide import TiDE
from dltrain.types import Spec

PLAIN = Spec("series", (20, 3), 12, steps=20, columns=3)  # four steps of three columns
AHEAD = Spec("series", (24, 5), 12, steps=20, columns=3)  # with two more channels, which the horizon has too
FAMILIES: tuple[Callable[..., nn.Module], ...] = (DLinear, TiDE, PatchTST, NHiTS)


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


@pytest.mark.parametrize("name", ["dlinear", "tide", "patchtst", "nhits"])
def test_a_run_is_trained_loaded_and_exported(name: str, dltrain: Callable) -> None:
    options = ("data=series", "data.rows=300", "data.horizon=3", "data.window=12", "trainer.epochs=2", "baseline=none")
    assert dltrain(f"model={name}", *options, "hydra.run.dir=run").code == 0
    assert dltrain("predict", "run", "--steps", "3").code == 0
    assert dltrain("export", "run", "--format", "torch-export").code == 0
    refused = dltrain(f"model={name}", "data=iris")
    assert refused.code == 2
    assert "takes series data" in refused.err


def test_nhits_pools_by_maxima_and_its_blocks_explain_what_is_left() -> None:
    torch.manual_seed(0)
    model = NHiTS(Spec("series", (10, 1), 6, steps=10, columns=1), pools=(4, 1), apart=(5, 1), hidden=(7,))
    coarse, fine = (block.dense for block in model.blocks)
    x = torch.randn(3, 10)
    pooled = torch.stack([x[:, 0:4].amax(1), x[:, 4:8].amax(1), x[:, 8:10].amax(1)], dim=1)
    back, ahead = coarse(pooled).split([2, 2], dim=1)  # ceil(10 / 5) and ceil(6 / 5) numbers

    def line(ends: torch.Tensor, steps: int) -> torch.Tensor:
        return torch.stack([torch.lerp(ends[:, 0], ends[:, 1], at / (steps - 1)) for at in range(steps)], dim=1)

    rest, last = fine(x - line(back, 10)).split([10, 6], dim=1)
    torch.testing.assert_close(model(x[..., None]), line(ahead, 6) + last)
    assert rest.shape == (3, 10)


def test_nhits_takes_as_many_pools_as_distances() -> None:
    with pytest.raises(ConfigError, match="2 pools and 1 distances"):
        NHiTS(PLAIN, pools=(2, 1), apart=(3,))
    assert NHiTS(Spec("series", (3, 1), 1, steps=3, columns=1))(torch.randn(2, 3, 1)).shape == (2, 1)


def windows_of(x: torch.Tensor, target: torch.Tensor) -> Windows:
    return Windows(x, target, torch.rand(len(x), target.shape[2]) + 0.5)


def test_ridge_finds_a_map_of_each_column_alike_or_of_all_at_once() -> None:
    torch.manual_seed(0)
    spec = Spec("series", (5, 2), 6, steps=5, columns=2)
    x = torch.randn(500, 5, 2)
    alike, together = torch.randn(5, 3), torch.randn(10, 6)
    for target in (
        (x.transpose(1, 2) @ alike + 2).transpose(1, 2),
        (x.flatten(1) @ together - 1).unflatten(1, (3, 2)),
    ):
        model = Ridge(spec)
        model.solve(windows_of(x, target).part(slice(400)), windows_of(x, target).part(slice(400, None)))
        torch.testing.assert_close(model(x), target.flatten(1), atol=1e-3, rtol=1e-3)
    assert not list(model.parameters())


def test_ridge_minimises_the_weighted_error_with_the_penalty_that_validation_chooses() -> None:
    torch.manual_seed(0)
    x, slope = torch.randn(40, 30, 1), torch.randn(30, 1)
    target = (x[..., 0] @ slope + 8 * torch.randn(40, 1))[..., None]
    others = torch.randn(2000, 30, 1)
    train, val = windows_of(x, target), windows_of(others, (others[..., 0] @ slope)[..., None])
    model = Ridge(Spec("series", (30, 1), 1, steps=30, columns=1))
    model.solve(train, val)
    share = train.size.double().square() / train.size.double().square().sum()
    inputs, answer = x[..., 0].double(), target[:, 0].double()
    centred = inputs - (share * inputs).sum(0)
    gram, moment = centred.T @ (share * centred), centred.T @ (share * (answer - (share * answer).sum(0)))

    def error(penalty: float) -> float:
        weights = torch.linalg.solve(gram + penalty * gram.trace() / 30 * torch.eye(30), moment)
        predicted = (others[..., 0].double() - (share * inputs).sum(0)) @ weights + (share * answer).sum(0)
        return float(((predicted - val.target[:, 0]) * val.size).square().mean())

    best = min(map(error, PENALTIES))
    assert best < 0.8 * error(PENALTIES[0])
    found = float(((model(others) - val.target[:, 0]) * val.size).square().mean())
    assert found == pytest.approx(best, rel=1e-4)


def test_ridge_takes_fewer_windows_than_inputs_and_finds_quantiles_beside_its_forecast() -> None:
    torch.manual_seed(0)
    model = Ridge(Spec("series", (40, 1), 6, steps=40, columns=1))
    x = torch.randn(5000, 40, 1)
    target = x[:, -2:] + torch.randn(5000, 2, 1)
    few = Windows(x, target, torch.ones(5000, 1))
    model.solve(few.part(slice(30)), few.part(slice(30, 3000)), levels=(0.05, 0.95))
    middle, low, high = model(x[3000:]).chunk(3, dim=1)
    true = target[3000:, :, 0]
    assert float((true < low).float().mean()) == pytest.approx(0.05, abs=0.02)
    assert float((true < high).float().mean()) == pytest.approx(0.95, abs=0.02)
    assert float((true - middle).square().mean()) < float(target.square().mean())


@pytest.mark.parametrize(
    ("model", "keys"),
    [
        (lambda: PatchTST(PLAIN, patch_steps=10**9, stride=10**9), ["patch_steps", "stride"]),
        (lambda: NHiTS(PLAIN, pools=[10**12, 1, 1], apart=[24, 10**12, 1]), ["pools", "apart"]),
        (lambda: PatchTST(AHEAD, patch_steps=24), []),
        (lambda: PatchTST(PLAIN), []),
        (lambda: NHiTS(PLAIN), []),
    ],
)
def test_more_steps_than_a_window_has_are_said(model: Callable[[], nn.Module], keys: list[str]) -> None:
    notes = model().notes
    assert [note.split()[0] for note in notes] == [f"model.{key}" for key in keys]
    assert all("does what 20 do" in note for note in notes)
