"""The loop against plain loops written by hand: the same numbers, bit for bit."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from dltrain.data.loader import TensorLoader, permutation
from dltrain.errors import Diverged
from dltrain.experiment.build import build_loss, build_task
from dltrain.kinds.table.formulas import cubic
from dltrain.models.mlp import MLP
from dltrain.tasks.evaluation import evaluate, evaluate_fully
from dltrain.tasks.losses import CrossEntropy, MeanSquaredError
from dltrain.tasks.task import Task
from dltrain.training import schedules
from dltrain.training.averaging import average_of, first_averaged, moving_average
from dltrain.training.checkpoint import load_weights, pointed
from dltrain.training.loop import Row, fit
from dltrain.training.saving import Saver
from dltrain.training.settings import TrainerSettings
from dltrain.training.state import TrainState
from dltrain.types import Batch, Facts, Spec, Split

CPU = torch.device("cpu")
REGRESSION = Facts("table", "regression", (4,))
CLASSES = Facts("table", "classification", (4,), classes=("a", "b", "c"), class_counts=(50, 30, 20))


def new_state(model: nn.Module, optimizer: torch.optim.Optimizer, **options: Any) -> TrainState:
    scaler = torch.amp.GradScaler("cpu", enabled=options.pop("scaled", False))
    return TrainState(model, optimizer, options.pop("scheduler", None), scaler)


def numbers(rows: int = 100) -> Split:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(rows, 4, generator=generator)
    y = (x * torch.tensor([1.0, -2.0, 0.5, 3.0])).sum(dim=1, keepdim=True) + torch.randn(rows, 1, generator=generator)
    return Split((x,), y, ("",) * rows)


def labels(rows: int = 100) -> Split:
    split = numbers(rows)
    return Split(split.inputs, (split.inputs[0][:, 0] > 0).long() + (split.inputs[0][:, 1] > 1).long(), split.ids)


def regression_task() -> Task:
    return build_task(REGRESSION, MeanSquaredError(REGRESSION))


def linear() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(4, 1)


def noisy(width: int = 1) -> nn.Sequential:
    """A model with random numbers and a state of its own."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, width))


def assert_equal_weights(one: nn.Module, other: nn.Module) -> None:
    for (name, tensor), twin in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(tensor, twin), name


def test_the_cubic_equals_a_plain_loop_bit_for_bit() -> None:
    data = cubic(rows=400)
    train, val, facts = data.splits["train"], data.splits["val"], data.facts
    torch.manual_seed(7)
    model = MLP(Spec("table", (1,), 1), hidden=(128, 128), dropout=0)
    state = new_state(model, torch.optim.Adam(model.parameters(), lr=1e-3))
    loaders = [TensorLoader(split, len(split), CPU, seed=seed) for split, seed in ((train, 0), (val, None))]
    task = build_task(facts, build_loss({}, facts))
    rows = list(fit(state, task, *loaders, TrainerSettings(epochs=50)))

    torch.manual_seed(7)
    net = nn.Sequential(nn.Linear(1, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 1))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    x, y = train.inputs[0], (train.target - facts.target_mean) / facts.target_std
    losses = []
    for _ in range(50):
        loss = functional.mse_loss(net(x), y)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    assert [row["train/loss"] for row in rows] == losses
    assert losses[-1] < losses[0] / 2
    assert_equal_weights(model, net)
    with torch.no_grad():
        predicted = net(val.inputs[0]) * facts.target_std + facts.target_mean
    assert rows[-1]["val/rmse"] == pytest.approx(functional.mse_loss(predicted, val.target).sqrt().item(), rel=1e-5)


def test_shuffled_batches_equal_a_plain_loop_bit_for_bit() -> None:
    split = labels()
    model = noisy(3)
    state = new_state(model, torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9))
    torch.manual_seed(1)
    loader = TensorLoader(split, 32, CPU, seed=5)
    task = build_task(CLASSES, CrossEntropy(CLASSES))
    rows = list(fit(state, task, loader, None, TrainerSettings(epochs=5, monitor="train/loss")))

    net = noisy(3)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    torch.manual_seed(1)
    losses = []
    for epoch in range(5):
        total = 0.0
        for chosen in permutation(100, 5, epoch).split(32):
            loss = functional.cross_entropy(net(split.inputs[0][chosen]), split.target[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(chosen)
        losses.append(total / 100)
    assert [row["train/loss"] for row in rows] == losses
    assert [(row["epoch"], row["step"]) for row in rows] == [(n, 4 * n) for n in range(1, 6)]
    assert_equal_weights(model, net)


@pytest.mark.parametrize("weights", [None, [1.0, 5.0, 0.2]])
@pytest.mark.parametrize("rows", [96, 100, 70])  # 100: the last group holds 4 of 32; 70: 6
def test_accumulated_batches_equal_one_large_batch(weights: list[float] | None, rows: int) -> None:
    task = build_task(CLASSES, CrossEntropy(CLASSES, weights))
    models = []
    for batch_size, accumulate in ((32, 1), (8, 4)):
        torch.manual_seed(0)
        model = nn.Linear(4, 3)
        state = new_state(model, torch.optim.SGD(model.parameters(), lr=0.5))
        loader = TensorLoader(labels(rows), batch_size, CPU, seed=2)
        settings = TrainerSettings(epochs=3, accumulate=accumulate, monitor="train/loss")
        losses = [row["train/loss"] for row in fit(state, task, loader, None, settings)]
        assert state.step == 3 * math.ceil(rows / 32)
        models.append((model, losses))
    (one, losses), (other, accumulated) = models
    torch.testing.assert_close(other.weight, one.weight, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(other.bias, one.bias, rtol=1e-5, atol=1e-6)
    assert accumulated == pytest.approx(losses, rel=1e-5)


def fitted(split: Split, batch_size: int, accumulate: int = 1) -> tuple[nn.Linear, list[float]]:
    """A linear model after three epochs, and the losses in training and of the same samples in validation."""
    model = linear()
    state = new_state(model, torch.optim.SGD(model.parameters(), lr=0.1))
    loaders = TensorLoader(split, batch_size, CPU), TensorLoader(split, 32, CPU)
    rows = list(fit(state, regression_task(), *loaders, TrainerSettings(epochs=3, accumulate=accumulate)))
    return model, [row[name] for row in rows for name in ("train/loss", "val/loss", "val/rmse", "val/r2")]


@pytest.mark.parametrize(("batch_size", "accumulate"), [(100, 1), (32, 4), (7, 15)])
def test_a_weight_of_two_is_the_row_twice_over_ragged_batches_too(batch_size: int, accumulate: int) -> None:
    split, copies = numbers(), torch.arange(100) % 3 + 1
    at = torch.arange(100).repeat_interleave(copies)
    twice = Split((split.inputs[0][at],), split.target[at], ("",) * len(at))
    model, losses = fitted(replace(split, weight=copies.float()), batch_size, accumulate)
    other, repeated = fitted(twice, len(at))
    torch.testing.assert_close(model.weight, other.weight, rtol=1e-5, atol=1e-6)
    assert losses == pytest.approx(repeated, rel=1e-5)


def test_a_weight_of_one_changes_nothing_and_a_missing_number_costs_nothing() -> None:
    split = numbers()
    model, losses = fitted(split, 32)
    ones, same = fitted(replace(split, weight=torch.ones(100)), 32)
    torch.testing.assert_close(ones.weight, model.weight, rtol=1e-5, atol=1e-6)
    assert same == pytest.approx(losses, rel=1e-5)

    gaps = split.target.clone()
    gaps[::2] = torch.nan
    masked, some = fitted(replace(split, target=gaps), 100)
    half, expected = fitted(Split((split.inputs[0][1::2],), split.target[1::2], ("",) * 50), 50)
    torch.testing.assert_close(masked.weight, half.weight, rtol=1e-5, atol=1e-6)
    assert some == pytest.approx(expected, rel=1e-5)


def one_step(**settings: Any) -> tuple[nn.Linear, nn.Linear]:
    """A linear model before and after one full step of gradient descent at rate 1."""
    before, model = linear(), linear()
    state = new_state(model, torch.optim.SGD(model.parameters(), lr=1.0))
    loader = TensorLoader(numbers(), 100, CPU)
    list(fit(state, regression_task(), loader, None, TrainerSettings(epochs=1, monitor="train/loss", **settings)))
    return before, model


def moved(models: tuple[nn.Linear, nn.Linear]) -> Tensor:
    before, after = (torch.cat([model.weight.detach().flatten(), model.bias.detach()]) for model in models)
    return before - after  # the gradient


def test_clipping_limits_the_norm_and_keeps_the_direction() -> None:
    free, clipped = moved(one_step()), moved(one_step(clip_norm=0.5))
    assert free.norm() > 1
    assert clipped.norm().item() == pytest.approx(0.5, rel=1e-4)
    torch.testing.assert_close(clipped / clipped.norm(), free / free.norm(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(moved(one_step(clip_norm=1e6)), free)


def test_clipping_limits_the_gradient_and_not_its_scaled_form() -> None:
    before, model = linear(), linear()
    scaler = torch.amp.GradScaler("cpu", init_scale=64.0)
    state = TrainState(model, torch.optim.SGD(model.parameters(), lr=1.0), None, scaler)
    settings = TrainerSettings(epochs=1, monitor="train/loss", clip_norm=0.5, precision="float16")
    list(fit(state, regression_task(), TensorLoader(numbers(), 100, CPU), None, settings))
    assert moved((before, model)).norm().item() == pytest.approx(0.5, rel=1e-3)


@pytest.mark.parametrize(("l1", "l2"), [(0.3, 0.0), (0.0, 0.7), (0.3, 0.7)])
@pytest.mark.parametrize("batches", [{}, {"accumulate": 3}])
def test_penalties_add_their_gradients_and_leave_biases_alone(l1: float, l2: float, batches: dict[str, int]) -> None:
    plain, penalised = one_step(**batches), one_step(l1=l1, l2=l2, **batches)
    weight = plain[0].weight.detach()
    added = plain[1].weight - penalised[1].weight
    torch.testing.assert_close(added.detach(), l1 * weight.sign() + 2 * l2 * weight, rtol=1e-4, atol=1e-5)
    assert torch.equal(plain[1].bias, penalised[1].bias)


def test_the_training_loss_is_that_of_the_data_alone() -> None:
    losses = []
    for settings in ({}, {"l1": 10.0, "l2": 10.0}):
        model = linear()
        state = new_state(model, torch.optim.SGD(model.parameters(), lr=0.0))
        options = TrainerSettings(epochs=1, monitor="train/loss", **settings)
        losses.append(
            next(fit(state, regression_task(), TensorLoader(numbers(), 32, CPU), None, options))["train/loss"]
        )
    assert losses[0] == losses[1]


def test_a_loss_that_is_no_number_stops_it() -> None:
    model = linear()
    state = new_state(model, torch.optim.SGD(model.parameters(), lr=1e20))
    with pytest.raises(Diverged) as stopped:
        list(
            fit(state, regression_task(), TensorLoader(numbers(), 10, CPU), None, TrainerSettings(monitor="train/loss"))
        )
    assert "lr 1e+20" in stopped.value.what
    assert "step 2 (epoch 1, batch 2," in stopped.value.what  # weights of 1e20, whose squared error float32 lacks
    assert stopped.value.exit_code == 3
    assert stopped.value.where == "optimizer.lr"
    assert float(stopped.value.override.removeprefix("optimizer.lr=")) <= 1e-3


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_low_precision_learns_as_well(precision: Any) -> None:
    model = nn.Linear(4, 1)
    state = new_state(model, torch.optim.Adam(model.parameters(), lr=0.1), scaled=precision == "float16")
    settings = TrainerSettings(epochs=40, precision=precision)
    loader = TensorLoader(numbers(), 20, CPU, seed=0)
    losses = [row["val/loss"] for row in fit(state, regression_task(), loader, loader.in_order(), settings)]
    assert losses[-1] < losses[0] / 3
    assert model.weight.dtype == torch.float32


def test_metrics_in_low_precision_are_those_of_the_predictions() -> None:
    facts = Facts("table", "regression", (4,), target_mean=1000.0, target_std=1.0)
    split = numbers()
    split = Split(split.inputs, split.target / 4 + 1000, split.ids)
    task = build_task(facts, MeanSquaredError(facts))
    metrics, said = evaluate_fully(linear(), task, TensorLoader(split, 40, CPU), "bfloat16")
    assert metrics["mse"] == pytest.approx(functional.mse_loss(said.values, split.target).item(), rel=1e-4)


@pytest.mark.parametrize("facts", [REGRESSION, CLASSES])
@pytest.mark.parametrize("weighted", [False, True])
def test_evaluation_is_exact_for_ragged_batches(facts: Facts, weighted: bool) -> None:
    classifies = facts.task == "classification"
    split = labels() if classifies else numbers()
    loss = CrossEntropy(facts, "balanced" if weighted else None) if classifies else MeanSquaredError(facts)
    model, task = noisy(loss.out_features).double(), build_task(facts, loss.double())
    split = Split((split.inputs[0].double(),), split.target if classifies else split.target.double(), split.ids)
    (whole, said), (ragged, parts) = (evaluate_fully(model, task, TensorLoader(split, size, CPU)) for size in (100, 7))
    assert ragged == pytest.approx(whole, rel=1e-12)
    assert set(task.metric_names) | {"loss"} <= set(whole)
    assert ("roc_auc" in whole) == classifies
    torch.testing.assert_close(said.values, parts.values)
    assert evaluate(model, task, TensorLoader(split, 7, CPU)).items() <= ragged.items()
    with torch.no_grad():
        assert whole["loss"] == pytest.approx(
            task.objective(model.eval()(*split.inputs), split.target).item(), rel=1e-6
        )


def test_evaluation_changes_nothing() -> None:
    model = noisy()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    random = torch.get_rng_state()
    evaluate_fully(model, regression_task(), TensorLoader(numbers(), 7, CPU))
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    assert not torch.is_inference_mode_enabled()


def test_training_is_the_same_with_and_without_validation() -> None:
    """Dropout draws the same numbers, and BatchNorm sees the same batches."""
    models, losses = [], []
    for val in (None, TensorLoader(numbers(30), 30, CPU)):
        model = noisy()
        state = new_state(model, torch.optim.Adam(model.parameters()))
        settings = TrainerSettings(epochs=4, monitor="train/loss")
        rows = list(fit(state, regression_task(), TensorLoader(numbers(), 32, CPU, seed=0), val, settings))
        models.append(model)
        losses.append([row["train/loss"] for row in rows])
    assert losses[0] == losses[1]
    assert_equal_weights(*models)


def test_steps_are_in_train_mode_and_evaluation_in_eval_mode() -> None:
    class Noting(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            seen.append((self.training, torch.is_grad_enabled()))
            return super().forward(x)

    seen: list[tuple[bool, bool]] = []
    model = Noting(4, 1)
    state = new_state(model, torch.optim.SGD(model.parameters(), lr=0.01))
    list(fit(state, regression_task(), *[TensorLoader(numbers(), 50, CPU)] * 2, TrainerSettings(epochs=2)))
    assert seen == [(True, True)] * 2 + [(False, False)] * 2 + [(True, True)] * 2 + [(False, False)] * 2


def test_an_abandoned_fit_goes_on_from_where_it_stands() -> None:
    loader, settings = TensorLoader(numbers(), 32, CPU, seed=0), TrainerSettings(epochs=6, monitor="train/loss")

    def train(*takes: int) -> tuple[nn.Module, list[Row]]:
        model = noisy()
        state = new_state(model, torch.optim.Adam(model.parameters()))
        rows: list[Row] = []
        for take in takes:
            rows += islice(fit(state, regression_task(), loader, None, settings), take)
        return model, rows

    whole, rows = train(6)
    broken, parts = train(2, 1, 9)
    keys = ("epoch", "step", "lr", "train/loss")
    assert [[row[key] for key in keys] for row in parts] == [[row[key] for key in keys] for row in rows]
    assert_equal_weights(whole, broken)


def test_nothing_is_left_to_do_after_the_last_epoch() -> None:
    model = linear()
    state = new_state(model, torch.optim.SGD(model.parameters(), lr=0.1))
    state.epoch = 3
    loader = TensorLoader(numbers(), 50, CPU)
    assert list(fit(state, regression_task(), loader, None, TrainerSettings(epochs=3, monitor="train/loss"))) == []


def test_rows_hold_the_rate_that_the_last_step_was_taken_with() -> None:
    model = linear()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    state = new_state(model, optimizer, scheduler=schedules.step(optimizer, 6, 2, every=1, gamma=0.1))
    settings = TrainerSettings(epochs=3, monitor="train/loss")
    rows = list(fit(state, regression_task(), TensorLoader(numbers(), 50, CPU), None, settings))
    assert [row["lr"] for row in rows] == pytest.approx([1.0, 0.1, 0.01])


@pytest.mark.parametrize("monitor", ["val/loss", "val/r2", "train/loss"])
def test_a_plateau_follows_what_is_monitored(monitor: str) -> None:
    model = linear()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    scheduler = schedules.plateau(optimizer, 8, 1, patience=1, factor=0.5)
    state = new_state(model, optimizer, scheduler=scheduler)
    settings = TrainerSettings(epochs=8, monitor=monitor)
    loader = TensorLoader(numbers(), 100, CPU)
    rows = list(fit(state, regression_task(), loader, loader, settings))
    assert {row["lr"] for row in rows} == {0.01}  # it gets better all the time
    assert state.best_epoch == 8
    best = -rows[-1][monitor] if monitor == "val/r2" else rows[-1][monitor]
    assert scheduler.best == best


def test_early_stop_is_told_by_the_state() -> None:
    model = linear()
    state = new_state(model, torch.optim.SGD(model.parameters(), lr=0.0))
    loader = TensorLoader(numbers(), 100, CPU)
    rows = fit(state, regression_task(), loader, loader, TrainerSettings(epochs=9, patience=3))
    stale = [state.stale for _ in islice(rows, 4)]
    assert (stale, state.best_epoch) == ([0, 1, 2, 3], 1)


def test_a_validation_metric_that_is_no_number_counts_against_patience() -> None:
    class Holes(TensorLoader):
        def __iter__(self) -> Iterator[Batch]:
            for batch in super().__iter__():
                yield Batch((batch.inputs[0] * math.nan,), batch.target)

    model = linear()
    state = new_state(model, torch.optim.SGD(model.parameters(), lr=0.01))
    loader = TensorLoader(numbers(), 100, CPU)
    rows = list(fit(state, regression_task(), loader, Holes(numbers(), 100, CPU), TrainerSettings(epochs=3)))
    assert math.isnan(rows[-1]["val/loss"])
    assert (state.best, state.best_epoch, state.stale) == (None, 0, 3)


def test_seconds_add_up() -> None:
    model = linear()
    state = new_state(model, torch.optim.SGD(model.parameters(), lr=0.01))
    loader = TensorLoader(numbers(), 10, CPU)
    rows = list(fit(state, regression_task(), loader, loader, TrainerSettings(epochs=4)))
    seconds = [row["seconds"] for row in rows]
    assert seconds == sorted(seconds)
    assert 0 < sum(row["train_seconds"] for row in rows) < seconds[-1]


def test_inputs_prepared_first_in_evaluation_can_be_learned_from() -> None:
    """What is cached while nothing is recorded must not break a later backward pass."""
    from dltrain.kinds.image.pixels import Normalize

    pixels = torch.randint(256, (20, 3, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    split = Split((pixels,), labels(20).target, ("",) * 20)
    loader = TensorLoader(split, 10, CPU, prepare=Normalize((0.123, 0.2, 0.3), (0.4, 0.5, 0.6)))
    model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(72, 3))
    task = build_task(CLASSES, CrossEntropy(CLASSES))
    evaluate(model, task, loader)
    state = new_state(model, torch.optim.SGD(model.parameters(), lr=0.01))
    (row,) = fit(state, task, loader, None, TrainerSettings(epochs=1, monitor="train/loss"))
    assert math.isfinite(row["train/loss"])


def test_the_average_of_the_weights_is_what_is_evaluated_and_kept(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1))
    state = new_state(model, torch.optim.SGD(model.parameters(), lr=0.05))
    state.average = moving_average(model, 0.3)
    expected = None
    split = numbers(20)
    saver = Saver(tmp_path, state)
    settings = TrainerSettings(epochs=6, batch_size="full", monitor="train/loss")
    for row in fit(state, regression_task(), TensorLoader(split, 20, CPU), TensorLoader(split, 20, CPU), settings):
        current = model[0].weight.detach().clone()
        count = row["step"] - 1
        decay = min(0.3, (1 + count) / (10 + count))
        expected = current if expected is None else decay * expected + (1 - decay) * current
        judged = evaluate(state.judged, regression_task(), TensorLoader(split, 20, CPU))
        assert row["val/loss"] == judged["loss"]
        saver.after_epoch()
        if saver.is_due:
            saver.save()
    assert expected is not None
    torch.testing.assert_close(state.judged[0].weight, expected)
    assert not torch.equal(state.judged[0].weight, model[0].weight)
    saver.save()
    assert torch.equal(load_weights(pointed(tmp_path, "last"))["0.weight"], state.judged[0].weight)


def test_the_mean_of_the_last_weights_is_what_is_evaluated_and_until_it_begins_the_weights_are() -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1))
    state = new_state(model, torch.optim.SGD(model.parameters(), lr=0.05))
    state.average = average_of(model, TrainerSettings(swa=0.5), steps=6)
    weights = []
    split = numbers(20)
    settings = TrainerSettings(epochs=6, batch_size="full", monitor="train/loss")
    for row in fit(state, regression_task(), TensorLoader(split, 20, CPU), TensorLoader(split, 20, CPU), settings):
        weights.append(model[0].weight.detach().clone())
        expected = torch.stack(weights[3:] or weights[-1:]).mean(dim=0)
        torch.testing.assert_close(state.judged[0].weight, expected)
        assert row["val/loss"] == evaluate(state.judged, regression_task(), TensorLoader(split, 20, CPU))["loss"]
    assert not torch.equal(state.judged[0].weight, model[0].weight)


@pytest.mark.parametrize(("share", "steps", "first"), [(0.25, 100, 76), (1.0, 100, 1), (0.001, 100, 100), (0.5, 1, 1)])
def test_a_share_of_the_steps_is_the_last_ones_at_least_one(share: float, steps: int, first: int) -> None:
    assert first_averaged(share, steps) == first


def test_time_that_is_over_ends_an_epoch_and_the_run() -> None:
    model = torch.nn.Linear(4, 1)
    state = new_state(model, torch.optim.SGD(model.parameters(), lr=0.01))
    settings = TrainerSettings(epochs=100, monitor="train/loss", max_minutes=1e-9)
    (row,) = fit(state, regression_task(), TensorLoader(numbers(40), 4, CPU), None, settings)
    assert (row["epoch"], row["step"], state.samples) == (1, 1, 4)
