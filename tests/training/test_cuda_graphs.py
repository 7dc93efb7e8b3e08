"""Steps that are recorded and replayed; without a GPU, what is recorded is done again in place of a CUDA graph."""

from __future__ import annotations

import gc
import logging
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from typing import Any
from weakref import ref

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dltrain.data.loader import TensorLoader
from dltrain.data.stacked_loader import StackedLoader
from dltrain.experiment.build import build_task
from dltrain.kinds.image.mixing import Mix
from dltrain.models.mlp import MLP
from dltrain.tasks.losses import CrossEntropy
from dltrain.training import cuda_graphs, schedules
from dltrain.training.cuda_graphs import MOST_SHAPES, PLAIN_STEPS, Losses, RecordedUpdate, copies_of, tensors_of
from dltrain.training.device_rates import DeviceRates, basis_of, changed_by, why_not_recorded
from dltrain.training.gradients import forget_gradients
from dltrain.training.loop import Learner, epochs_of, loss_of, train_epochs
from dltrain.training.settings import TrainerSettings
from dltrain.training.stack import Stack
from dltrain.training.state import Running, TrainState
from dltrain.types import Batch, Facts, Mixing, Spec, Split

CPU, GPU = torch.device("cpu"), torch.device("cuda")
FACTS = Facts("table", "classification", (4,), classes=("a", "b", "c"), class_counts=(50, 30, 20))
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def learner_of(
    device: torch.device = CPU,
    *,
    model: Callable[[], nn.Module] | None = None,
    optimizer: Callable[..., Any] = torch.optim.AdamW,
    dropout: float = 0.0,
    rows: int = 103,
    **settings: Any,
) -> tuple[Learner, TensorLoader]:
    torch.manual_seed(0)
    built = MLP(Spec("table", (4,), 3), hidden=(8, 8), dropout=dropout, embed=None) if model is None else model()
    built.to(device)
    x = torch.randn(rows, 4, generator=torch.Generator().manual_seed(0))
    split = Split((x,), (x[:, 0] > 0).long() + (x[:, 1] > 1).long(), ("",) * rows)
    train = TensorLoader(split, 16, device, seed=1)
    chosen = TrainerSettings(**{"epochs": 4, "monitor": "train/loss", **settings})
    made = optimizer(built.parameters(), lr=0.01, fused=True)
    scheduler = schedules.cosine(made, 4 * len(train), len(train))
    state = TrainState(built, made, scheduler, torch.amp.GradScaler(device.type, enabled=False))
    return Learner(state, build_task(FACTS, CrossEntropy(FACTS).to(device)), None, chosen), train


def repeating(learner: Learner) -> Callable[[Callable[[], Losses]], tuple[Losses, Callable[[], None]]]:
    """Records without a GPU: nothing stays done of what is recorded, and the replay writes the same tensors."""

    def record(work: Callable[[], Losses]) -> tuple[Losses, Callable[[], None]]:
        tensors = changed_by(learner.state.model, learner.state.optimizer)
        before = [tensor.detach().clone() for tensor in tensors]
        losses = work()
        with torch.no_grad():
            for tensor, value in zip(tensors, before, strict=True):
                tensor.copy_(value)

        def replay() -> None:
            for static, mean in zip(losses.means, work().means, strict=True):
                static.copy_(mean)

        return losses, replay

    return record


def record_steps(learner: Learner) -> RecordedUpdate:
    """Lets a learner of the CPU record its steps."""
    optimizer = learner.state.optimizer
    rates = DeviceRates(optimizer, CPU)
    recorded = RecordedUpdate(
        lambda batches: learner.update(batches, rates),
        (learner.state.model, learner.task.loss),
        changed=lambda: changed_by(learner.state.model, optimizer),
        forget=lambda: forget_gradients(optimizer),
        basis=lambda: basis_of(optimizer),
        prepare=rates.follow,
        record=repeating(learner),
    )
    learner.__dict__["recorded"] = recorded
    return recorded


def losses_of(learner: Learner, train: TensorLoader) -> list[float]:
    return [row["train/loss"] for row in epochs_of(train_epochs(learner, train, learner.settings))]


def weights_of(learner: Learner) -> list[Tensor]:
    return [parameter.detach().cpu() for parameter in learner.state.model.parameters()]


@contextmanager
def said(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    with caplog.at_level(logging.INFO, logger="dltrain"):
        words: list[str] = []
        yield words
        words += [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize("settings", [{}, {"accumulate": 2}, {"clip_norm": 0.1, "l1": 0.01, "l2": 0.01}], ids=str)
def test_replayed_steps_are_those_of_the_model(settings: dict[str, Any]) -> None:
    (plain, train), (fast, same) = learner_of(**settings), learner_of(**settings)
    recorded = record_steps(fast)
    assert losses_of(fast, same) == pytest.approx(losses_of(plain, train), rel=1e-6)
    for one, other in zip(weights_of(plain), weights_of(fast), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)
    assert recorded.reason == ""
    assert any(shape.is_sound for shape in recorded.shapes.values())


def test_the_learning_rate_of_each_step_is_that_of_the_schedule() -> None:
    learner, train = learner_of(optimizer=torch.optim.SGD)
    recorded, used = record_steps(learner), []
    update = recorded.update

    def watched(batches: tuple[Batch, ...]) -> Losses:
        used.append(learner.state.optimizer.param_groups[0]["lr"])
        return update(batches)

    recorded.update = watched
    losses_of(learner, train)
    rates = {rate for rate in used if isinstance(rate, float)}
    assert len(rates) > 2  # the groups keep the schedule's numbers
    assert all(isinstance(group["lr"], float) for group in learner.state.optimizer.param_groups)


class Draws(nn.Module):
    """Decides by chance in Python."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) * random.choice([1.0, 2.0])


class Counts(Draws):
    """Counts its steps in Python."""

    calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls = self.calls + 1
        return self.layer(x)


class Drifts(Draws):
    """Changes a number in a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = {"factor": 1.0}

    def forward(self, x: Tensor) -> Tensor:
        self.memory["factor"] *= 0.9
        return self.layer(x) * self.memory["factor"]


class Remembers(Draws):
    """Keeps a tensor from step to step."""

    def __init__(self) -> None:
        super().__init__()
        self.last = torch.zeros(3)

    def forward(self, x: Tensor) -> Tensor:
        self.last = self.layer(x).detach().mean(0)
        return self.layer(x) + self.last


class DrawsItsOwn(Draws):
    """Decides by a generator of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.random = np.random.default_rng(0)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) * (1 + self.random.integers(2))


class Anneals(CrossEntropy):
    """A loss that counts its steps."""

    calls = 0

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        self.calls += 1
        return super().forward(output, target) * (1 + self.calls / 10_000)


def test_a_loss_that_changes_from_step_to_step_is_not_recorded() -> None:
    learner, train = learner_of()
    learner = replace(learner, task=build_task(FACTS, Anneals(FACTS)))
    recorded = record_steps(learner)
    losses_of(learner, train)
    assert "the loss keeps something of its own" in recorded.reason


def test_numbers_of_the_optimizer_that_change_in_each_step_end_the_recording() -> None:
    learner, train = learner_of(epochs=2)
    recorded = record_steps(learner)
    for number, batch in enumerate(train):
        learner.state.optimizer.param_groups[0]["weight_decay"] = 0.01 * number
        for _ in range(2):
            learner.state.optimizer.param_groups[0]["eps"] *= 1.01
            recorded((batch,))
    assert recorded.reason == "the optimizer's numbers change from step to step"


def test_a_failed_recording_leaves_no_gradients() -> None:
    (plain, train), (fast, same) = learner_of(), learner_of()
    recorded = record_steps(fast)

    def fails(work: Callable[[], Losses]) -> Any:
        with torch.enable_grad():
            loss_of(fast.state.model, fast.task, next(iter(same))).backward()
        raise RuntimeError("not permitted")

    recorded.record = fails
    assert losses_of(fast, same) == pytest.approx(losses_of(plain, train), rel=1e-6)


def test_a_model_is_freed_after_its_training() -> None:
    learner, train = learner_of(epochs=1)
    losses_of(learner, train)
    model = ref(learner.state.model)
    gc.disable()
    try:
        del learner
        assert model() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (Remembers, "keeps something of its own from step to step"),
        (DrawsItsOwn, "keeps something of its own from step to step"),
        (Draws, "draws random numbers on the CPU"),
        (Counts, "keeps something of its own from step to step"),
        (Drifts, "keeps something of its own from step to step"),
    ],
)
def test_steps_in_which_python_changes_something_are_not_recorded(
    model: type[nn.Module], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    learner, train = learner_of(model=model)
    recorded = record_steps(learner)
    with said(caplog) as words:
        losses_of(learner, train)
    assert reason in recorded.reason
    assert [sentence for sentence in words if sentence.startswith("steps ")] == [
        f"steps   are not recorded as CUDA graphs: {recorded.reason}"
    ]


def test_a_recording_that_computes_something_else_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    (plain, train), (fast, same) = learner_of(), learner_of()
    recorded = record_steps(fast)
    record = recorded.record

    def stale(work: Callable[[], Losses]) -> tuple[Losses, Callable[[], None]]:
        losses, replay = record(work)

        def twice() -> None:
            replay()
            replay()

        return losses, twice

    recorded.record = stale
    assert losses_of(fast, same) == pytest.approx(losses_of(plain, train), rel=1e-6)
    assert recorded.reason == "a recorded step computes something else"


def test_what_cannot_be_recorded_is_computed_one_by_one() -> None:
    (plain, train), (fast, same) = learner_of(), learner_of()
    recorded = record_steps(fast)

    def fails(work: Callable[[], Losses]) -> tuple[Losses, Callable[[], None]]:
        raise RuntimeError("operation not permitted\nwhen stream is capturing")

    recorded.record = fails
    assert losses_of(fast, same) == pytest.approx(losses_of(plain, train), rel=1e-6)
    assert recorded.reason == "operation not permitted when stream is capturing"


@pytest.mark.parametrize(
    "change",
    [
        lambda optimizer: optimizer.load_state_dict(optimizer.state_dict()),
        lambda optimizer: optimizer.param_groups[0].update(weight_decay=10.0),
    ],
    ids=["its state is loaded", "a number of a group changes"],
)
def test_after_a_change_of_the_optimizer_steps_are_recorded_anew(change: Callable[[Any], None]) -> None:
    learner, train = learner_of(epochs=2)
    recorded = record_steps(learner)
    losses_of(learner, train)
    batch = next(iter(train))
    recorded((batch,))
    assert [shape.is_sound for shape in recorded.shapes.values()] == [True, False]  # the last batch is smaller
    change(learner.state.optimizer)
    recorded((batch,))
    assert [(shape.steps, shape.recording) for shape in recorded.shapes.values()] == [(1, None)]


@pytest.mark.parametrize(
    "attribute", [2.0, [1, 2], {"a": 1.0}, torch.zeros(2)], ids=["number", "list", "dict", "tensor"]
)
def test_a_model_that_another_epoch_finds_changed_is_recorded_anew(attribute: Any) -> None:
    learner, train = learner_of(epochs=1)
    learner.state.model.own = attribute
    recorded = record_steps(learner)
    losses_of(learner, train)
    learner.begin_epoch()
    assert any(shape.is_sound for shape in recorded.shapes.values())
    learner.state.model.own = copy(attribute) if isinstance(attribute, Tensor) else [attribute, 3]
    learner.begin_epoch()
    assert recorded.shapes == {}


def test_the_batch_of_every_step_is_copied_once_unless_it_is_changed() -> None:
    learner, _ = learner_of(rows=16)
    recorded = record_steps(learner)
    x, y = torch.randn(16, 4), torch.randint(3, (16,))
    batch = Batch((x,), y)
    for _ in range(PLAIN_STEPS + 3):
        recorded((batch,))
    (shape,) = recorded.shapes.values()
    assert shape.recording is not None
    inputs = shape.recording.inputs
    inputs[0].zero_()  # what would be seen if it were copied again
    recorded((batch,))
    assert not inputs[0].any()
    x += 1
    recorded((batch,))
    assert torch.equal(inputs[0], x)
    other = x.clone()
    recorded((Batch((other,), y),))
    del other
    recorded((Batch((x * 2,), y),))
    assert torch.equal(inputs[0], x * 2)


def test_ever_new_shapes_are_not_recorded() -> None:
    learner, train = learner_of()
    recorded = record_steps(learner)
    batch = next(iter(train))
    for size in range(2, 2 + 2 * MOST_SHAPES):
        part = Batch(tuple(tensor[:size] for tensor in batch.inputs), batch.target[:size])
        for _ in range(PLAIN_STEPS):
            recorded((part,))
    assert len(recorded.shapes) == MOST_SHAPES


def test_shares_of_mixed_samples_are_numbers_on_the_device() -> None:
    x = torch.rand(6, 3, 8, 8)
    (mixed,), mixing = Mix(mixup=0.4, cutmix=0.0)((x,), 0, 0, 0)
    batch = Batch((mixed,), torch.zeros(6), None, mixing)
    (static,) = copies_of((batch,))
    assert static.mixing is not None
    assert isinstance(static.mixing.share, Tensor)
    assert static.mixing.share.item() == mixing.share
    assert float(1 - static.mixing.share) == torch.tensor(1 - mixing.share).item()
    other = batch._replace(mixing=Mixing(mixing.partners.flip(0), 0.25))
    for held, given in zip(tensors_of((static,)), tensors_of((other,)), strict=True):
        held.copy_(given)
    assert static.mixing.share.item() == 0.25
    assert torch.equal(static.mixing.partners, other.mixing.partners)


@pytest.mark.parametrize(
    ("optimizer", "reason"),
    [
        (lambda p: torch.optim.RMSprop(p), "RMSprop is none of"),
        (lambda p: torch.optim.AdamW(p, fused=False), "optimizer.fused=true"),
        (lambda p: torch.optim.AdamW(p, fused=True), ""),
        (lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, fused=True), ""),
    ],
)
def test_optimizers_that_cannot_be_recorded_are_named(optimizer: Callable[..., Any], reason: str) -> None:
    found = why_not_recorded(optimizer([nn.Parameter(torch.zeros(1))]))
    assert (reason in found) if reason else found == ""


@needs_gpu
@pytest.mark.parametrize("optimizer", [torch.optim.AdamW, torch.optim.Adam, torch.optim.SGD])
@pytest.mark.parametrize("settings", [{}, {"accumulate": 2}, {"clip_norm": 0.1, "l1": 0.01, "l2": 0.01}], ids=str)
def test_on_a_gpu_replayed_steps_have_the_bits_of_plain_ones(
    optimizer: Callable[..., Any], settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    fast, train = learner_of(GPU, optimizer=optimizer, dropout=0.3, **settings)
    rows = losses_of(fast, train)
    assert fast.recorded is not None
    assert fast.recorded.reason == ""
    assert any(shape.is_sound for shape in fast.recorded.shapes.values())
    monkeypatch.setattr(cuda_graphs, "PLAIN_STEPS", 10**9)
    plain, same = learner_of(GPU, optimizer=optimizer, dropout=0.3, **settings)
    assert losses_of(plain, same) == rows
    assert all(map(torch.equal, weights_of(plain), weights_of(fast)))


@needs_gpu
@pytest.mark.parametrize("steps", [1, PLAIN_STEPS, PLAIN_STEPS + 1, PLAIN_STEPS + 2, 9])
def test_on_a_gpu_a_resumed_training_has_the_same_bits(steps: int) -> None:
    whole, train = learner_of(GPU, dropout=0.3)
    batches = list(train)[:-1] * 3
    cut, _ = learner_of(GPU, dropout=0.3)
    for learner, given in ((whole, batches), (cut, batches[:steps])):
        torch.manual_seed(5)
        learner.state.running = Running()
        for batch in given:
            learner.take_step((batch,))
    random = torch.cuda.get_rng_state()  # where `cut` stands
    resumed, _ = learner_of(GPU, dropout=0.3)
    resumed.state.running = Running()
    for part in ("model", "optimizer", "scheduler"):
        getattr(resumed.state, part).load_state_dict(getattr(cut.state, part).state_dict())
    torch.cuda.set_rng_state(random)
    for batch in batches[steps:]:
        resumed.take_step((batch,))
    assert all(map(torch.equal, weights_of(whole), weights_of(resumed)))


@needs_gpu
@pytest.mark.parametrize("optimizer", [torch.optim.AdamW, torch.optim.SGD])
def test_on_a_gpu_models_that_train_at_once_are_replayed_too(
    optimizer: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = []
    for plain_steps in (PLAIN_STEPS, 10**9):
        monkeypatch.setattr(cuda_graphs, "PLAIN_STEPS", plain_steps)
        pairs = [learner_of(GPU, optimizer=optimizer, clip_norm=1.0) for _ in range(3)]
        stack = Stack([one for one, _ in pairs], lambda pace: schedules.cosine(pace, 28, 7))
        rows = list(train_epochs(stack, StackedLoader([train for _, train in pairs]), pairs[0][0].settings))
        stack.write_back()
        assert stack.recorded is not None
        assert stack.recorded.reason == ""
        ends.append(([[row["train/loss"] for row in each] for each in rows], weights_of(pairs[2][0])))
    assert ends[0][0] == ends[1][0]
    assert all(map(torch.equal, ends[0][1], ends[1][1]))


@needs_gpu
@pytest.mark.parametrize("graphs", [True, False])
def test_on_a_gpu_no_step_waits_for_it(graphs: bool) -> None:
    learner, train = learner_of(GPU, dropout=0.3, clip_norm=1.0, l2=0.01, cuda_graphs=graphs)
    losses_of(learner, train)
    batches = list(train)[:-1]  # the last one is smaller
    learner.state.running = Running()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for batch in batches:
            learner.take_step((batch,))
    finally:
        torch.cuda.set_sync_debug_mode("default")


@needs_gpu
def test_on_a_gpu_a_step_that_waits_is_not_recorded() -> None:
    class Waits(Draws):
        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x) if x.sum().item() < 1e9 else x

    learner, train = learner_of(GPU, model=Waits)
    assert losses_of(learner, train)[-1] < 2
    assert learner.recorded is not None
    assert learner.recorded.reason != ""
    assert torch.isfinite(torch.rand(3, device=GPU)).all()  # the generator is whole
