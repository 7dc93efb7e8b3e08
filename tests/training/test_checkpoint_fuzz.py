"""Whatever happens to a run's checkpoints: what is restored is one of them as it was saved, or nothing."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from dltrain.errors import CheckpointError
from dltrain.training.saving import Saver
from dltrain.training.state import TrainState

STEPS = (3, 4, 5)


def new_state(seed: int = 0) -> TrainState:
    torch.manual_seed(seed)
    model = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return TrainState(model, optimizer, None, torch.amp.GradScaler("cpu", enabled=False))


def take_steps(state: TrainState, steps: int) -> None:
    for _ in range(steps):
        state.model(torch.ones(4, 3)).square().sum().backward()
        state.optimizer.step()
        state.optimizer.zero_grad()
        state.step, state.epoch = state.step + 1, state.epoch + 1
        state.judge(state.step % 4, "min", 0.0)  # step 4 is the best of all, 1 of the first three


def weights(state: TrainState) -> tuple[int, list[float]]:
    return state.step, state.model.weight.flatten().tolist()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[int, Any]]:
    """A folder of checkpoints, and what each of them holds."""
    root = tmp_path_factory.mktemp("saved") / "checkpoints"
    state = new_state()
    saver = Saver(root, state)
    held = {}
    for steps in (1, 1, 1, 1, 1):
        take_steps(state, steps)
        saver.after_epoch()
        if state.step in STEPS:
            saver.save()
            held[state.step] = weights(state)
    return root, held


FILES = st.tuples(st.sampled_from(STEPS), st.sampled_from(["model.safetensors", "state.pt", "manifest.json"]))
PLACE = st.floats(0, 1, exclude_max=True)
DAMAGES = st.one_of(
    st.tuples(st.just("flip"), FILES, PLACE, st.integers(0, 7)),
    st.tuples(st.just("truncate"), FILES, PLACE),
    st.tuples(st.just("append"), FILES, st.binary(min_size=1, max_size=50)),
    st.tuples(st.just("replace"), FILES, st.binary(max_size=200)),
    st.tuples(st.just("delete"), FILES),
    st.tuples(st.just("swap"), FILES, FILES),
    st.tuples(st.just("swap folders"), FILES, FILES),
    st.tuples(st.just("copy folder"), FILES, st.integers(0, 12)),
    st.tuples(st.just("pointer"), st.sampled_from(["last", "best"]), st.binary(max_size=40)),
)


def exchange(one: Path, other: Path) -> None:
    if one != other and one.exists() and other.exists():
        aside = one.with_name("aside")
        one.rename(aside)
        other.rename(one)
        aside.rename(other)


def damage(root: Path, kind: str, what: Any, *rest: Any) -> None:
    if kind == "pointer":
        (root / what).write_bytes(rest[0])
        return
    path = root / f"step-{what[0]:08d}" / what[1]
    if kind in ("swap", "swap folders"):
        other = root / f"step-{rest[0][0]:08d}" / rest[0][1]
        exchange(path, other) if kind == "swap" else exchange(path.parent, other.parent)
    elif kind == "copy folder":
        target = root / f"step-{rest[0]:08d}"
        if path.parent.exists() and not target.exists():
            shutil.copytree(path.parent, target)
    elif path.exists():
        content = bytearray(path.read_bytes())
        if kind == "flip" and content:
            content[int(rest[0] * len(content))] ^= 1 << rest[1]
        elif kind == "truncate":
            content = content[: int(rest[0] * len(content))]
        elif kind == "append":
            content += rest[0]
        elif kind == "replace":
            content = bytearray(rest[0])
        if kind == "delete":
            path.unlink()
        else:
            path.write_bytes(content)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(DAMAGES, min_size=1, max_size=4))
def test_what_is_restored_is_what_was_saved_or_nothing(
    saved: tuple[Path, dict[int, Any]], tmp_path: Path, damages: list[Any]
) -> None:
    root, held = saved
    shutil.rmtree(tmp_path / "checkpoints", ignore_errors=True)
    shutil.copytree(root, tmp_path / "checkpoints")
    for one in damages:
        damage(tmp_path / "checkpoints", *one)
    state = new_state(seed=9)
    fresh = weights(state)
    saver = Saver(tmp_path / "checkpoints", state)
    try:
        found = saver.restore()
    except CheckpointError:
        return
    if not found:
        assert not list((tmp_path / "checkpoints").glob("step-*/state.pt"))
        assert weights(state) == fresh
        return
    assert weights(state) == held[state.step]
    assert state.best_step == {3: 1, 4: 4, 5: 4}[state.step]
    # What lies there now can be gone on with.
    take_steps(state, 1)
    saver.after_epoch()
    saver.save()
    again = new_state(seed=9)
    assert Saver(tmp_path / "checkpoints", again).restore()
    assert weights(again) == weights(state)
