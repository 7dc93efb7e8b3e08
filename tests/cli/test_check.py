from __future__ import annotations

import json
from collections.abc import Callable


def test_check_builds_and_times_and_writes_nothing(dltrain: Callable) -> None:
    called = dltrain("check", "model=mlp", "data=wine", "trainer.epochs=7")
    assert called.code == 0, called.err
    for words in ("data ", "model   MLP", "step    32 samples", "for 7 epochs", "passed; nothing was written"):
        assert words in called.out
    assert list(called.folder.iterdir()) == []


def test_check_answers_in_json(dltrain: Callable) -> None:
    answer = json.loads(dltrain("check", "model=linear", "data=iris", "--json").out)
    assert answer["parameters"] == 4 * 3 + 3
    assert answer["splits"] == {"train": 120, "val": 15, "test": 15}
    assert any("only 15 samples" in finding for finding in answer["findings"])
    assert 0 < answer["step_seconds"] < answer["seconds"]


def test_check_refuses_what_training_would(dltrain: Callable) -> None:
    called = dltrain("check", "model=cnn", "data=iris")
    assert called.code == 2
    assert "dltrain check model=mlp data=iris" in called.err


def test_check_builds_every_job_of_a_sweep(dltrain: Callable) -> None:
    called = dltrain("check", "-m", "model=linear", "data=iris", "seed=1,2", "optimizer.lr=0.1,0.01")
    assert (called.code, "sweep   4 jobs, each built and tried" in called.out) == (0, True), called.err
    called = dltrain("check", "-m", "model=mlp", "data=iris", "model.dropout=0.1,2")
    assert (called.code, "model.dropout" in called.err) == (2, True)
    assert list(called.folder.iterdir()) == []
