"""When weights are kept and when they reach the disk."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import nn

from dltrain.errors import StorageError
from dltrain.training import checkpoint, saving
from dltrain.training.checkpoint import load_weights, pointed, verify
from dltrain.training.saving import Saver
from dltrain.training.state import TrainState


def new_state() -> TrainState:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return TrainState(model, optimizer, None, torch.amp.GradScaler("cpu", enabled=False))


def copied(state: TrainState) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in state.model.state_dict().items()}


def train(state: TrainState, saver: Saver, values: Sequence[float]) -> list[dict[str, torch.Tensor]]:
    """An epoch of one step for each monitored value; the weights after each."""
    after = []
    for value in values:
        state.model.train()
        state.model(torch.randn(8, 3)).square().sum().backward()
        state.optimizer.step()
        state.optimizer.zero_grad()
        state.step, state.epoch = state.step + 1, state.epoch + 1
        state.judge(value, "min", 0.0)
        saver.after_epoch()
        if saver.is_due:
            saver.save()
        after.append(copied(state))
    return after


def assert_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name


def test_the_best_weights_are_those_of_the_best_epoch(tmp_path: Path) -> None:
    state = new_state()
    saver = Saver(tmp_path, state)
    after = train(state, saver, [3, 1, 2, 1.5])
    assert_equal(saver.best, after[1])
    assert not torch.equal(after[1]["0.weight"], after[3]["0.weight"])
    assert_equal(copied(state), after[3])
    saver.load_best()
    assert_equal(copied(state), after[1])
    assert int(state.model.state_dict()["1.num_batches_tracked"]) == 2


def test_best_and_last_reach_the_disk_at_the_end(tmp_path: Path) -> None:
    state = new_state()
    saver = Saver(tmp_path, state)
    after = train(state, saver, [3, 1, 2])
    assert list(tmp_path.iterdir()) == []
    saver.save()
    best, last = pointed(tmp_path, "best"), pointed(tmp_path, "last")
    assert_equal(load_weights(best), after[1])
    assert_equal(load_weights(last), after[2])
    assert (verify(best)["step"], verify(best)["epoch"], verify(last)["step"]) == (2, 2, 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best", "last", "step-00000002", "step-00000003"]
    saved = torch.load(last / "state.pt", weights_only=True)
    assert (saved["epoch"], saved["best"], saved["best_epoch"], saved["stale"]) == (3, 1, 2, 1)
    assert not (best / "state.pt").exists()


def test_one_checkpoint_is_enough_where_the_last_is_the_best(tmp_path: Path) -> None:
    state = new_state()
    saver = Saver(tmp_path, state)
    train(state, saver, [3, 2, 1])
    saver.save()
    assert pointed(tmp_path, "best") == pointed(tmp_path, "last") == tmp_path / "step-00000003"


def test_without_a_best_epoch_the_last_alone_is_saved_and_nothing_is_loaded(tmp_path: Path) -> None:
    state = new_state()
    saver = Saver(tmp_path, state)
    after = train(state, saver, [math.nan, math.nan])
    saver.save()
    saver.load_best()
    assert_equal(copied(state), after[1])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["last", "step-00000002"]


def test_older_checkpoints_are_deleted_and_the_best_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = new_state()
    saver = Saver(tmp_path, state, every_epochs=1)
    after = train(state, saver, [3, 1, 2, 2, 2])
    kept = ["step-00000002", "step-00000004", "step-00000005"]  # the best, and two to go on from
    assert sorted(path.name for path in tmp_path.glob("step-*")) == kept
    assert_equal(load_weights(pointed(tmp_path, "best")), after[1])
    assert_equal(load_weights(pointed(tmp_path, "last")), after[4])


def test_at_most_one_save_every_few_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, saves = [100.0], []
    monkeypatch.setattr(saving, "perf_counter", lambda: now[0])
    state = new_state()
    saver = Saver(tmp_path, state)
    save = saver.save
    monkeypatch.setattr(saver, "save", lambda: (saves.append(now[0] - 100), save()))
    for _ in range(120):
        now[0] += 0.125
        train(state, saver, [1.0])
    assert saves == [5.0, 10.0, 15.0]


def test_epochs_longer_than_the_interval_are_all_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(saving, "perf_counter", lambda: now[0])
    state = new_state()
    saver = Saver(tmp_path, state)
    for number in range(1, 4):
        now[0] += 60
        train(state, saver, [1.0])
        assert verify(pointed(tmp_path, "last"))["epoch"] == number


def test_saving_again_without_a_step_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = new_state()
    saver = Saver(tmp_path, state)
    train(state, saver, [1.0])
    saver.save()
    monkeypatch.setattr(saving, "save_checkpoint", lambda *_: pytest.fail("it wrote again"))
    saver.save()


def test_the_seconds_of_saving_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(saving, "perf_counter", lambda: now[0])
    state = new_state()
    saver = Saver(tmp_path, state)
    monkeypatch.setattr(saving, "remove_others", lambda _: now.__setitem__(0, now[0] + 3))
    train(state, saver, [1.0])
    saver.save()
    assert saver.seconds == 3


@pytest.mark.parametrize("failing", ["save_file", "set_pointer"])
def test_a_save_that_fails_leaves_what_was_saved_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def refuse(*_: object) -> None:
        raise StorageError("full") if failing == "set_pointer" else OSError(28, "No space left on device")

    state = new_state()
    saver = Saver(tmp_path, state)
    after = train(state, saver, [2, 1])
    saver.save()
    train(state, saver, [3, 0.5])
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint if failing == "save_file" else saving, failing, refuse)
        with pytest.raises(StorageError):
            saver.save()
    assert_equal(load_weights(pointed(tmp_path, "last")), after[1])
    assert_equal(load_weights(pointed(tmp_path, "best")), after[1])
    saver.save()
    assert verify(pointed(tmp_path, "last"))["epoch"] == 4


def test_saved_weights_are_those_of_the_model_that_resumed(tmp_path: Path) -> None:
    """Loading weights in place keeps what the saver holds on to in step."""
    state = new_state()
    saver = Saver(tmp_path, state)
    other = {name: torch.ones_like(tensor) for name, tensor in state.model.state_dict().items()}
    state.model.load_state_dict(other)
    state.step = 1
    saver.save()
    assert_equal(load_weights(pointed(tmp_path, "last")), other)
