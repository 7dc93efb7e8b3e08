from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from dltrain.data.balance import balanced_order
from dltrain.data.loader import TensorLoader
from dltrain.types import Split

TARGET = torch.tensor([0] * 90 + [1] * 27 + [3] * 3)


def test_every_class_is_seen_equally_often() -> None:
    for epoch in range(20):
        order = balanced_order(TARGET, 0, epoch)
        assert len(order) == len(TARGET)
        assert (TARGET[order].bincount()[[0, 1, 3]] - 40).abs().max() <= 1


def test_no_sample_of_a_class_is_drawn_twice_more_than_another() -> None:
    times = balanced_order(TARGET, 0, 0).bincount(minlength=len(TARGET))
    for label, expected in ((0, 40 / 90), (1, 40 / 27), (3, 40 / 3)):
        of_class = times[label == TARGET]
        assert of_class.min() >= int(expected)
        assert of_class.max() <= int(expected) + 1


def test_all_samples_take_their_turn_over_the_epochs() -> None:
    times = sum(balanced_order(TARGET, 0, epoch).bincount(minlength=len(TARGET)) for epoch in range(100))
    assert isinstance(times, torch.Tensor)
    assert times[:90].min() > 25 and times[:90].max() < 65  # 44 are expected


def test_what_is_drawn_is_a_function_of_seed_and_epoch() -> None:
    assert torch.equal(balanced_order(TARGET, 1, 2), balanced_order(TARGET, 1, 2))
    assert not torch.equal(balanced_order(TARGET, 1, 2), balanced_order(TARGET, 1, 3))
    assert not torch.equal(balanced_order(TARGET, 1, 2), balanced_order(TARGET, 2, 2))
    first = TARGET[balanced_order(TARGET, 0, 0)][:40].bincount(minlength=4)
    assert (first[[0, 1, 3]] > 5).all(), "the classes are mixed"


@pytest.mark.parametrize("batch_size", [32, 120])
def test_the_training_loader_balances_and_the_others_do_not(batch_size: int) -> None:
    split = Split((torch.arange(120.0)[:, None],), TARGET, ("",) * 120)
    loader = TensorLoader(split, batch_size, torch.device("cpu"), seed=0, balance=True)
    seen = torch.cat([batch.target for batch in loader])
    assert (seen.bincount()[[0, 1, 3]] - 40).abs().max() <= 1
    assert torch.equal(torch.cat([batch.target for batch in loader.in_order()]), TARGET)


@pytest.fixture
def rare(tmp_path: Path) -> None:
    """A class that a tenth of the rows has, told apart by a noisy number."""
    noise = torch.randn(400, generator=torch.Generator().manual_seed(0)).tolist()
    rows = [f"{x + (i % 10 == 0):.4f},{'rare' if i % 10 == 0 else 'common'}" for i, x in enumerate(noise)]
    (tmp_path / "table.csv").write_text("x,y\n" + "\n".join(rows) + "\n")


def test_balancing_finds_more_of_the_rare_class(dltrain: Callable, rare: None) -> None:
    arguments = (
        "model=linear",
        "data=csv",
        "data.path=table.csv",
        "data.target=y",
        "optimizer.lr=0.05",
        "baseline=none",
    )
    recall = {}
    for name, more in {
        "plain": [],
        "resample": ["trainer.balance=resample"],
        "weights": ["loss=cross_entropy", "loss.class_weights=balanced"],
    }.items():
        called = dltrain(*arguments, f"hydra.run.dir={name}", *more)
        assert called.code == 0, called.err
        assert "trainer.balance=resample" in called.out
        recall[name] = json.loads(Path(name, "result.json").read_text())["train"]["recall"]
        assert json.loads(Path(name, "facts.json").read_text())["classes"][1] == "rare"
    assert recall["resample"] > recall["plain"] + 0.2
    assert recall["weights"] > recall["plain"] + 0.2


def test_numbers_cannot_be_balanced(dltrain: Callable) -> None:
    called = dltrain("data=cubic", "trainer.balance=resample")
    assert called.code == 2
    assert "trainer.balance=none" in called.err
