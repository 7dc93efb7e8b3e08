"""Models that train at once against the same models one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dltrain.data.loader import TensorLoader
from dltrain.data.stacked_loader import StackedLoader
from dltrain.errors import Diverged
from dltrain.experiment.build import build_task
from dltrain.models.cnn import CNN
from dltrain.models.mlp import MLP
from dltrain.tasks.losses import CrossEntropy, Focal
from dltrain.training import schedules
from dltrain.training.loop import Learner, Pause, Row, fit, train_epochs
from dltrain.training.settings import TrainerSettings
from dltrain.training.stack import Rows, Stack
from dltrain.training.stackable import disagreement, why_not_stacked
from dltrain.training.state import TrainState
from dltrain.types import Facts, Spec, Split

CPU = torch.device("cpu")
FACTS = Facts("table", "classification", (4,), classes=("a", "b", "c"), class_counts=(50, 30, 20))
EPOCHS, BATCH = 3, 16


def drawn(rows: int, seed: int = 0) -> Split:
    x = torch.randn(rows, 4, generator=torch.Generator().manual_seed(seed))
    return Split((x,), (x[:, 0] > 0).long() + (x[:, 1] > 1).long(), ("",) * rows)


TRAIN, VAL = drawn(100), drawn(40, 1)


def learner(
    seed: int,
    *,
    loss: Callable[[Facts], Any] = CrossEntropy,
    schedule: Callable = schedules.constant,
    split: Split = TRAIN,
    model: Callable[[], nn.Module] | None = None,
    lr: float = 0.01,
    **settings: Any,
) -> tuple[Learner, TensorLoader]:
    torch.manual_seed(seed)
    built = MLP(Spec("table", (4,), 3), hidden=(8,), dropout=0.0, embed=None) if model is None else model()
    optimizer = torch.optim.AdamW(built.parameters(), lr=lr, weight_decay=0.1 * seed)
    loader = TensorLoader(split, BATCH, CPU, seed=seed)
    steps = EPOCHS * len(loader)
    state = TrainState(
        built, optimizer, schedule(optimizer, steps, len(loader)), torch.amp.GradScaler("cpu", enabled=False)
    )
    task = build_task(FACTS, loss(FACTS))
    return Learner(state, task, TensorLoader(VAL, 40, CPU), TrainerSettings(epochs=EPOCHS, **settings)), loader


def together(
    pairs: Sequence[tuple[Learner, TensorLoader]], schedule: Callable = schedules.constant
) -> tuple[Stack, StackedLoader]:
    steps = EPOCHS * len(pairs[0][1])
    stack = Stack([one for one, _ in pairs], partial(schedule, total_steps=steps, steps_per_epoch=len(pairs[0][1])))
    return stack, StackedLoader([loader for _, loader in pairs])


def epochs(stack: Stack, loader: StackedLoader) -> list[Rows]:
    rows = [rows for rows in train_epochs(stack, loader, stack.learners[0].settings) if not isinstance(rows, Pause)]
    stack.write_back()
    return rows


def assert_same(row: Row | Diverged, alone: Row, tolerance: float = 1e-5) -> None:
    assert isinstance(row, dict)
    timed = ("seconds", "train_seconds")
    assert row.keys() == alone.keys()
    for name in row.keys() - set(timed):
        assert row[name] == pytest.approx(alone[name], rel=tolerance, abs=tolerance), name


@pytest.mark.parametrize("schedule", [schedules.constant, schedules.step, schedules.cosine, schedules.one_cycle])
def test_each_model_trains_as_it_does_alone(schedule: Callable) -> None:
    def made() -> list[tuple[Learner, TensorLoader]]:
        return [
            learner(0, schedule=schedule),
            learner(1, schedule=schedule, lr=0.03, l1=1e-3, loss=Focal),
            learner(2, schedule=schedule, l2=1e-2, clip_norm=0.1, split=drawn(100, 7)),
            learner(3, schedule=schedule, loss=partial(CrossEntropy, label_smoothing=0.2)),
            learner(4, schedule=schedule, accumulate=1, loss=partial(CrossEntropy, class_weights=(1.0, 2.0, 3.0))),
        ]

    alone = [(one, list(fit(one.state, one.task, loader, one.val, one.settings))) for one, loader in made()]
    stack, loader = together(made(), schedule)
    for epoch, rows in enumerate(epochs(stack, loader)):
        for row, (_, expected) in zip(rows, alone, strict=True):
            assert isinstance(expected[epoch], dict)
            assert_same(row, expected[epoch])
    for member, (single, _) in zip(stack.learners, alone, strict=True):
        for name, tensor in single.state.model.state_dict().items():
            torch.testing.assert_close(member.state.model.state_dict()[name], tensor, rtol=1e-4, atol=1e-5)
        before, after = single.state.state_dict(), member.state.state_dict()
        for name in ("epoch", "step", "samples", "best_epoch", "best_step", "stale"):
            assert before[name] == after[name], name
        assert member.state.best == pytest.approx(single.state.best, rel=1e-5)
        rates = [state.optimizer.param_groups[0]["lr"] for state in (single.state, member.state)]
        assert rates[0] == pytest.approx(rates[1])
        if single.state.scheduler is not None:
            follows = {name: value for name, value in after["scheduler"].items() if name != "_last_lr"}
            assert follows == {name: value for name, value in before["scheduler"].items() if name != "_last_lr"}


def test_the_first_steps_of_convolutions_and_batch_norms_are_those_of_each_alone() -> None:
    images = torch.randn(64, 1, 8, 8, generator=torch.Generator().manual_seed(3))
    split = Split((images,), (images.mean((1, 2, 3)) > 0).long(), ("",) * 64)
    make = partial(CNN, Spec("image", (1, 8, 8), 3), channels=(4, 8), dropout=0.0)

    def made() -> list[tuple[Learner, TensorLoader]]:
        pairs = [learner(seed, split=split, model=make, lr=0.001 * (1 + seed)) for seed in range(3)]
        return [(replace(one, val=TensorLoader(split, 64, CPU)), loader) for one, loader in pairs]

    alone = []
    for one, train in made():
        alone.append((one, next(iter(fit(one.state, one.task, train, one.val, one.settings)))))
    stack, loader = together(made())
    assert disagreement(stack, next(iter(loader))) == ""
    rows = next(iter(train_epochs(stack, loader, stack.learners[0].settings)))
    stack.write_back()
    assert isinstance(rows, tuple)
    for row, member, (single, expected) in zip(rows, stack.learners, alone, strict=True):
        assert isinstance(expected, dict)
        assert_same(row, expected, 1e-4)  # after four steps
        for name, tensor in single.state.model.state_dict().items():  # running means and variances as well
            torch.testing.assert_close(member.state.model.state_dict()[name], tensor, rtol=1e-3, atol=1e-4)


class Tied(nn.Module):
    """Two layers that share their weights."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.second(self.first(x).tanh()).tanh())


def test_layers_that_share_their_weights_share_them_in_a_stack() -> None:
    single, train = learner(1, model=Tied)
    expected = list(fit(single.state, single.task, train, single.val, single.settings))
    stack, loader = together([learner(0, model=Tied), learner(1, model=Tied)])
    for rows, row in zip(epochs(stack, loader), expected, strict=True):
        assert isinstance(row, dict)
        assert_same(rows[1], row)


def test_accumulated_batches_make_one_step_of_each() -> None:
    single, train = learner(1, accumulate=3)
    expected = list(fit(single.state, single.task, train, single.val, single.settings))
    stack, loader = together([learner(0, accumulate=3), learner(1, accumulate=3)])
    for rows, row in zip(epochs(stack, loader), expected, strict=True):
        assert isinstance(row, dict)
        assert_same(rows[1], row)


def test_a_model_goes_on_alone_from_where_the_stack_left_it() -> None:
    single, train = learner(1, schedule=schedules.cosine)
    expected = list(fit(single.state, single.task, train, single.val, single.settings))
    stack, loader = together(
        [learner(0, schedule=schedules.cosine), learner(1, schedule=schedules.cosine)], schedules.cosine
    )
    next(train_epochs(stack, loader, stack.learners[0].settings))
    stack.write_back()
    fresh, train = learner(1, schedule=schedules.cosine)
    fresh.state.model.load_state_dict(stack.learners[1].state.model.state_dict())
    fresh.state.load_state_dict(stack.learners[1].state.state_dict())
    rows = list(fit(fresh.state, fresh.task, train, fresh.val, fresh.settings))
    assert len(rows) == EPOCHS - 1
    assert isinstance(rows[-1], dict) and isinstance(expected[-1], dict)
    assert_same(rows[-1], expected[-1])


def test_a_pause_in_an_epoch_changes_nothing() -> None:
    plain = epochs(*together([learner(0), learner(1)]))
    stack, loader = together([learner(0), learner(1)])
    stack.state.stop_requested = True
    moments = list(train_epochs(stack, loader, stack.learners[0].settings))
    assert sum(isinstance(moment, Pause) for moment in moments) == EPOCHS * (len(loader) - 1)
    rows = [moment for moment in moments if not isinstance(moment, Pause)]
    for some, others in zip(rows, plain, strict=True):
        for one, other in zip(some, others, strict=True):
            assert isinstance(other, dict)
            assert_same(one, other)


def test_a_model_that_diverges_or_stops_leaves_the_others_as_they_are() -> None:
    single, train = learner(2)
    expected = list(fit(single.state, single.task, train, single.val, single.settings))
    stack, loader = together([learner(0, lr=1e30), learner(1), learner(2)])
    rows: list[Rows] = []
    for moment in train_epochs(stack, loader, stack.learners[0].settings):
        assert not isinstance(moment, Pause)
        rows.append(moment)
        if len(rows) == 1:
            assert isinstance(moment[0], Diverged)
            assert "lr 1e+30" in moment[0].what
            stack.keep([2])
            loader.keep([2])
    for (*_, row), other in zip(rows, expected, strict=True):
        assert isinstance(other, dict)
        assert_same(row, other)


def test_each_model_drops_its_own_share_at_random() -> None:
    shares = (0.1, 0.5, 0.9)

    def dropping(share: float) -> nn.Module:
        return nn.Sequential(nn.Linear(4, 3), nn.Dropout(share))

    pairs = [learner(0, model=partial(dropping, share)) for share in shares]
    assert why_not_stacked([one for one, _ in pairs]) == ""
    stack, _ = together(pairs)
    torch.manual_seed(0)
    stack.model.train()
    inputs = torch.ones(3, 4000, 4)

    def output_of(weights: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor) -> Tensor:
        return torch.func.functional_call(stack.model, (weights, buffers), (x,))

    outputs = torch.func.vmap(output_of, randomness="different")(stack.weights, stack.buffers, inputs)
    assert (outputs == 0).float().mean(dim=(1, 2)).tolist() == pytest.approx(shares, abs=0.02)
    kept = [output[output[:, 0] != 0, 0].mean() * (1 - share) for output, share in zip(outputs, shares, strict=True)]
    stack.model.eval()
    whole = torch.func.vmap(output_of)(stack.weights, stack.buffers, inputs)[:, 0, 0]
    torch.testing.assert_close(torch.stack(kept), whole)
    assert not torch.equal(outputs[1] == 0, outputs[0] == 0)


class Bent(nn.Module):
    """A model whose outputs depend on a number that no layer holds in a tensor."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.layer, self.slope = nn.Linear(4, 3), slope

    def forward(self, x: Tensor) -> Tensor:
        return self.slope * self.layer(x)


class Hidden(Bent):
    """The same, with the number where comparing attributes does not find it."""

    def __init__(self, slope: float) -> None:
        super().__init__(1.0)
        self.slopes = [slope]

    def forward(self, x: Tensor) -> Tensor:
        return self.slopes[0] * self.layer(x)


def test_models_that_are_not_of_one_structure_say_why() -> None:
    def why(*models: Callable[[], nn.Module], **settings: Any) -> str:
        return why_not_stacked([learner(0, model=model, **settings)[0] for model in models])

    assert why(partial(nn.Linear, 4, 3), partial(nn.Linear, 4, 3)) == ""
    assert why(partial(Bent, 1.0), partial(Bent, 2.0)) == "the models differ in slope"
    assert "schedule" in why(partial(Bent, 1.0), schedule=schedules.plateau)
    assert "max_minutes" in why(partial(Bent, 1.0), max_minutes=1.0)
    assert "bfloat16" in why(partial(Bent, 1.0), precision="bfloat16")


def test_a_trial_finds_models_that_compute_something_else_when_stacked() -> None:
    pairs = [learner(0, model=partial(Hidden, slope)) for slope in (1.0, 2.0)]
    assert why_not_stacked([one for one, _ in pairs]) == ""
    stack, loader = together(pairs)
    assert "something else" in disagreement(stack, next(iter(loader)))
    stack, loader = together([learner(seed) for seed in range(3)])
    weights = {name: tensor.clone() for name, tensor in stack.weights.items()}
    assert disagreement(stack, next(iter(loader))) == ""
    assert all(torch.equal(stack.weights[name], tensor) for name, tensor in weights.items())
    assert all(tensor.grad is None for tensor in stack.weights.values())


def test_a_layer_without_a_batching_rule_is_named() -> None:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.last = nn.LSTM(4, 5, batch_first=True), nn.Linear(5, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.last(self.lstm(x[:, None])[0][:, -1])

    stack, loader = together([learner(seed, model=Recurrent) for seed in range(2)])
    assert "lstm" in disagreement(stack, next(iter(loader)))
