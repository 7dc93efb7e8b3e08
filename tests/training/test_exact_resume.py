"""A run that was cut anywhere and goes on from its checkpoint ends with the same bits; without any part of it, not."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dltrain.data.loader import TensorLoader
from dltrain.experiment.build import build_task
from dltrain.tasks.losses import CrossEntropy
from dltrain.tasks.task import Task
from dltrain.training import checkpoint, schedules
from dltrain.training.averaging import Average, moving_average, tail_average
from dltrain.training.checkpoint import load_state, load_weights, pointed
from dltrain.training.loop import Pause, Row, fit
from dltrain.training.saving import Saver, load_into, load_training
from dltrain.training.settings import TrainerSettings
from dltrain.training.state import Plan, TrainState
from dltrain.types import Batch, Facts, Split

CPU = torch.device("cpu")
FACTS = Facts("table", "classification", (4,), classes=("a", "b", "c"), class_counts=(50, 30, 20))
SETTINGS = TrainerSettings(epochs=3, accumulate=2, precision="float16", clip_norm=1.0, patience=9, min_delta=9.0)
STEPS = 5  # an epoch: 9 batches of 11, two a step, the last alone
CLOCKS = {"seconds", "train_seconds"}


class Noisy(nn.Module):
    """Draws from every generator of random numbers, and has a state of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 3))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            x = x + 0.1 * random.random() + 0.1 * float(np.random.rand()) + 0.01 * float(np.random.randn())
        return self.layers(x)


@dataclass
class World:
    """A run as it is built before every start."""

    state: TrainState
    task: Task
    train: TensorLoader
    val: TensorLoader

    def fit(self, settings: TrainerSettings = SETTINGS) -> Iterator[Row | Pause]:
        return fit(self.state, self.task, self.train, self.val, settings)


def averages_exponentially(model: nn.Module) -> Average:
    return moving_average(model, 0.9)


def averages_last(model: nn.Module) -> Average:
    return tail_average(model, STEPS + 3)


def built(
    plan: Plan | None = None,
    seed: int = 0,
    lr: float = 0.1,
    device: torch.device = CPU,
    average: Callable[[nn.Module], Average] = averages_exponentially,
) -> World:
    for seeded in (random.seed, np.random.seed, torch.manual_seed):
        seeded(seed)
    model = Noisy().to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    plan = plan or Plan("sgd", "cosine", 3, STEPS, 11)
    scheduler = schedules.cosine(optimizer, plan.epochs * plan.steps_per_epoch, plan.steps_per_epoch)
    # A scale that doubles within the run, and that no loss survives without.
    scaler = torch.amp.GradScaler(device.type, init_scale=64.0, growth_interval=4)
    state = TrainState(model, optimizer, scheduler, scaler, average(model), plan)
    x = torch.randn(130, 4, generator=torch.Generator().manual_seed(1))
    y = (x[:, 0] > 0).long() + (x[:, 1] > 1).long()
    train, val = Split((x[:99],), y[:99], ("",) * 99), Split((x[99:],), y[99:], ("",) * 31)
    task = build_task(FACTS, CrossEntropy(FACTS))
    return World(state, task, TensorLoader(train, 11, device, seed=3), TensorLoader(val, 10, device))


def plain(value: Any) -> Any:
    """Tensors as bytes, so that == compares bits."""
    if isinstance(value, Tensor):
        return str(value.dtype), tuple(value.shape), value.detach().cpu().flatten().view(torch.uint8).numpy().tobytes()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if key not in CLOCKS}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def finish(world: World, saver: Saver, rows: list[dict[str, float]], settings: TrainerSettings = SETTINGS) -> Any:
    """Everything that must be the same at the end."""
    world.state.pause_at = math.inf
    for row in world.fit(settings):
        rows.append(row)
        saver.after_epoch()
    return plain(
        {"history": rows, "state": world.state.state_dict(), "live": dict(saver.live), "best": dict(saver.best)}
    )


@pytest.fixture(scope="module")
def expected() -> Any:
    world = built()
    return finish(world, Saver(Path("/nowhere"), world.state), [])


def cut(
    tmp_path: Path,
    steps: int,
    device: torch.device = CPU,
    *,
    validated: bool = True,
    average: Callable[[nn.Module], Average] = averages_exponentially,
) -> list[dict[str, float]]:
    """Trains for so many steps, and saves, before or after the validation that follows; the rows until then."""
    world = built(device=device, average=average)
    saver = Saver(tmp_path, world.state)
    rows = []
    world.state.stop_requested = True
    for row in world.fit():
        if not isinstance(row, Pause):
            rows.append(row)
            saver.after_epoch()
        if world.state.step == steps and (not isinstance(row, Pause) or steps % STEPS or not validated):
            saver.save()
            return rows
    raise AssertionError("it never came to that step")


def resumed(tmp_path: Path, average: Callable[[nn.Module], Average] = averages_exponentially) -> tuple[World, Saver]:
    world = built(average=average)
    saver = Saver(tmp_path, world.state)
    assert saver.restore()
    return world, saver


@pytest.mark.parametrize("steps", range(1, 3 * STEPS + 1))
def test_a_run_cut_after_any_step_ends_with_the_same_bits(steps: int, tmp_path: Path, expected: Any) -> None:
    rows = cut(tmp_path, steps)
    world, saver = resumed(tmp_path)
    assert world.state.step == steps
    assert (world.state.running is None) == (steps % STEPS == 0)
    assert finish(world, saver, rows) == expected


@pytest.mark.parametrize("steps", [1, STEPS + 2, STEPS + 3, STEPS + 4, 2 * STEPS, 2 * STEPS + 5])
def test_the_mean_of_the_last_weights_is_the_same_bits_after_a_cut_before_and_after_it_begins(
    steps: int, tmp_path: Path
) -> None:
    whole = built(average=averages_last)
    expected = finish(whole, Saver(Path("/nowhere"), whole.state), [])
    rows = cut(tmp_path, steps, average=averages_last)
    world, saver = resumed(tmp_path, averages_last)
    assert finish(world, saver, rows) == expected


def test_a_run_cut_again_and_again_ends_with_the_same_bits(tmp_path: Path, expected: Any) -> None:
    rows, cuts = cut(tmp_path, 1), 1
    while len(rows) < 3:
        world, saver = resumed(tmp_path)
        validates = world.state.running is not None and world.state.running.batches == len(world.train)
        world.state.stop_requested = not validates
        row = next(world.fit())
        if not isinstance(row, Pause):
            rows.append(row)
            saver.after_epoch()
        saver.save()
        cuts += 1
    assert cuts == 3 * STEPS + 3  # every step, and before every validation
    world, saver = resumed(tmp_path)
    assert finish(world, saver, rows) == expected


def test_what_dies_between_two_batches_of_a_step_goes_on_from_the_step_before(tmp_path: Path, expected: Any) -> None:
    class Dying(TensorLoader):
        def __iter__(self) -> Iterator[Batch]:
            for number, batch in enumerate(super().__iter__()):
                if number == 3:
                    raise MemoryError
                yield batch

    rows = cut(tmp_path, STEPS + 2)
    world, _ = resumed(tmp_path)
    world.train.__class__ = Dying
    with pytest.raises(MemoryError):
        list(world.fit())
    assert world.state.step == STEPS + 3
    world, saver = resumed(tmp_path)
    assert finish(world, saver, rows) == expected


def test_what_dies_between_validation_and_save_validates_again(tmp_path: Path, expected: Any) -> None:
    rows = cut(tmp_path, STEPS - 1)
    world, saver = resumed(tmp_path)
    next(world.fit())
    saver.after_epoch()
    assert world.state.epoch == 1
    world, saver = resumed(tmp_path)
    assert world.state.epoch == 0
    assert finish(world, saver, rows) == expected


@pytest.mark.parametrize("batches", [0, 1, 3])
def test_asked_while_it_validates_a_run_pauses_before_the_next_batch(
    batches: int, tmp_path: Path, expected: Any
) -> None:
    class Asking(TensorLoader):
        def __iter__(self) -> Iterator[Batch]:
            for number, batch in enumerate(super().__iter__()):
                seen.append(number)
                if number == batches:
                    world.state.stop_requested = True
                yield batch

    seen: list[int] = []
    rows = cut(tmp_path, STEPS + 2)
    world, saver = resumed(tmp_path)
    world.val.__class__ = Asking
    assert next(world.fit()) == Pause(2 * STEPS)
    assert seen == list(range(batches + 1))
    saver.save()
    world, saver = resumed(tmp_path)
    assert (world.state.step, world.state.epoch) == (2 * STEPS, 1)
    assert finish(world, saver, rows) == expected


def test_what_was_saved_before_a_validation_makes_way_for_what_is_saved_after_it(
    tmp_path: Path, expected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(folder: Path) -> None:
        hide(folder)
        raise KeyboardInterrupt

    hide = checkpoint._hide
    cut(tmp_path, 2 * STEPS)
    rows = cut(tmp_path, 3 * STEPS, validated=False)
    ends = []
    for dies in (True, False):
        world, saver = resumed(tmp_path)
        assert world.state.epoch == 2  # where it died, the one before is left
        ends.append(finish(world, saver, rows[: world.state.epoch]))
        with monkeypatch.context() as patch:
            if dies:
                patch.setattr(checkpoint, "_hide", die)
                with pytest.raises(KeyboardInterrupt):
                    saver.save()
            else:
                saver.save()
    assert ends == [expected, expected]
    state = load_state(pointed(tmp_path, "last"))
    assert (state["step"], state["epoch"], state["running"]) == (3 * STEPS, 3, None)


PARTS = [
    *("model", "averaged", "optimizer", "scheduler", "scaler", "running", "epoch", "step", "samples"),
    *("best", "best_epoch", "best_step", "stale"),
    *("running.loss", "running.weight", "running.batches", "random.python", "random.numpy", "random.torch"),
    *("weights", "best weights"),
]


@pytest.mark.parametrize("part", PARTS)
def test_without_any_part_of_the_checkpoint_the_bits_differ(part: str, tmp_path: Path, expected: Any) -> None:
    """The control of the tests above: each part is left as it is freshly built, in turn."""
    steps = 2 * STEPS + 2
    rows = cut(tmp_path, steps)
    last, best = pointed(tmp_path, "last"), pointed(tmp_path, "best")
    world = built(seed=5)  # nothing may come out right by chance
    saver = Saver(tmp_path, world.state)
    saved, fresh = load_state(last), built(seed=5).state.state_dict()
    group, _, name = part.partition(".")
    if name:
        fresh_part = {"loss": 0.0, "weight": 0.0, "batches": 0} if group == "running" else fresh[group]
        saved[group][name] = fresh_part[name]
    elif part in saved:
        saved[part] = fresh[part]
    if part != "weights":
        load_into(saver.live, load_weights(last), last)
    if part != "best weights":
        load_into(saver.best, load_weights(best), best)
    named = tmp_path / f"step-{saved['step']:08d}"
    load_training(world.state, saved, named)
    if part == "best_step":
        assert world.state.best_step == 0 != saved["best_epoch"]
    assert finish(world, saver, rows) != expected


def test_the_number_of_threads_comes_back(tmp_path: Path) -> None:
    torch.set_num_threads(2)
    cut(tmp_path, 3)
    torch.set_num_threads(1)
    resumed(tmp_path)
    assert torch.get_num_threads() == 2


def test_with_another_plan_the_schedule_stands_where_it_would_have_come_to(tmp_path: Path) -> None:
    cut(tmp_path, 7)
    longer = Plan("sgd, lr 0.2", "cosine", 6, STEPS, 11)
    world = built(longer, lr=0.2)
    Saver(tmp_path, world.state).restore()
    whole = built(longer, lr=0.2)
    rates = []
    for _ in range(9):
        rates.append(whole.state.optimizer.param_groups[0]["lr"])
        whole.state.optimizer.step()
        whole.state.scheduler.step()
    settings = TrainerSettings(epochs=6, accumulate=2)
    world.state.stop_requested = True
    next(world.fit(settings))
    assert world.state.running.lr == rates[7]
    assert world.state.optimizer.param_groups[0]["lr"] == rates[8]
    momentum = [values["momentum_buffer"] for values in world.state.optimizer.state.values()]
    assert all(tensor.any() for tensor in momentum)


def test_an_epoch_whose_batches_have_changed_begins_again(tmp_path: Path) -> None:
    cut(tmp_path, 7)
    world = built(Plan("sgd", "cosine", 3, 10, 5))
    Saver(tmp_path, world.state).restore()
    assert world.state.running is None
    assert (world.state.epoch, world.state.step) == (1, 7)


def test_a_rollback_halves_the_rate_wherever_the_schedule_goes(tmp_path: Path) -> None:
    cut(tmp_path, 4)
    world, saver = resumed(tmp_path)
    before = [world.state.optimizer.param_groups[0]["lr"]]
    world.state.stop_requested = True
    next(world.fit())
    before.append(world.state.optimizer.param_groups[0]["lr"])
    for times in (1, 2):
        saver.roll_back()
        assert (world.state.rollbacks, world.state.step) == (times, 4)
        assert world.state.optimizer.param_groups[0]["lr"] == pytest.approx(before[0] / 2**times)
    next(world.fit())
    assert world.state.optimizer.param_groups[0]["lr"] == pytest.approx(before[1] / 4)
    saver.save()
    again, _ = resumed(tmp_path)
    assert again.state.rollbacks == 2
    assert again.state.optimizer.param_groups[0]["lr"] == pytest.approx(before[1] / 4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("steps", [1, STEPS - 1, STEPS, STEPS + 3])
def test_on_cuda_the_bits_are_the_same_where_algorithms_are_deterministic(
    steps: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    try:
        ends = []
        for stop in (None, steps):
            world = built(device=torch.device("cuda"))
            saver, rows = Saver(tmp_path / "checkpoints", world.state), []
            if stop is not None:
                rows = cut(tmp_path / "checkpoints", stop, torch.device("cuda"))
                assert saver.restore()
            ends.append(finish(world, saver, rows))
        assert ends[0] == ends[1]
    finally:
        torch.use_deterministic_algorithms(False)
