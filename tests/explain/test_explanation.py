"""A whole run explains itself at its end, and a smoke test does not."""

from __future__ import annotations

import csv
from collections.abc import Callable
from typing import Any

import pytest
from torch import nn

from dltrain.explain import importance


def test_a_run_keeps_what_it_rests_on_and_where_its_samples_lie(dltrain: Callable[..., Any]) -> None:
    called = dltrain("data=iris", "model=linear", "trainer.epochs=30", "optimizer.lr=0.1", "--quiet")
    assert called.code == 0, called.err
    result = called.result
    assert len(result["importance"]) == 4
    assert [one["drop"] for one in result["importance"]] == sorted(
        (one["drop"] for one in result["importance"]), reverse=True
    )
    assert result["importance"][0]["drop"] > 0.05
    with called.run.projection.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["row"]) for row in rows] == list(range(result["data"]["splits"]["test"]))
    assert 0.5 < sum(result["projection"]["explained"]) <= 1


def test_images_lie_where_the_last_layer_puts_them(dltrain: Callable[..., Any]) -> None:
    called = dltrain("data=digits", "model=cnn", "trainer.epochs=1", "baseline=none", "--quiet")
    assert called.code == 0, called.err
    assert called.result["projection"]["source"] == "last layer's inputs"
    assert called.result["importance"] == []


def test_a_smoke_test_explains_nothing(dltrain: Callable[..., Any]) -> None:
    called = dltrain("data=iris", "model=linear", "debug=smoke", "--quiet")
    assert (called.result["importance"], called.result["projection"]) == ([], None)
    assert not called.run.projection.exists()


def test_a_model_that_cannot_be_explained_is_trained_all_the_same(
    dltrain: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(model: nn.Module, *others: Any) -> float:
        raise RuntimeError("no")

    monkeypatch.setattr(importance, "_measure", fail)
    called = dltrain("data=iris", "model=linear", "trainer.epochs=1", "--quiet")
    assert called.code == 0
    assert "cannot be explained: RuntimeError: no" in called.err
    assert called.result["test"]["accuracy"] is not None
