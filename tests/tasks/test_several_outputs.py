"""Several numbers or labels at once, through the whole program."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest


def write(path: Path, columns: dict[str, object]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*(np.asarray(column).tolist() for column in columns.values()), strict=True))


@pytest.fixture
def inputs() -> dict[str, object]:
    x = np.random.default_rng(0).normal(size=(200, 2)).round(4)
    return {"p": x[:, 0], "q": x[:, 1]}


def test_two_numbers_are_predicted_together(
    dltrain: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inputs: dict
) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("two.csv"), inputs | {"a": 3 * inputs["p"] + 50, "b": 1000 * inputs["q"]})
    called = dltrain("model=linear", "data=csv", "data.path=two.csv", "data.target=[a,b]", "optimizer.lr=0.05")
    assert called.code == 0, called.err
    assert called.result["test"]["r2"] > 0.99
    outputs = called.result["outputs"]
    assert list(outputs) == ["a", "b"]
    assert outputs["b"]["rmse"] > 50 * outputs["a"]["rmse"]
    assert called.result["test"]["rmse"] == pytest.approx((outputs["a"]["rmse"] + outputs["b"]["rmse"]) / 2)
    assert set(called.result["baseline"]) == {"mean", "linear_regression", "nearest_neighbours", "gradient_boosting"}
    rows = list(csv.DictReader(called.run.predictions.read_text("utf-8").splitlines()))
    assert list(rows[0]) == ["id", "true_a", "predicted_a", "true_b", "predicted_b"]
    error = np.mean([(float(row["true_b"]) - float(row["predicted_b"])) ** 2 for row in rows]) ** 0.5
    assert error == pytest.approx(outputs["b"]["rmse"], rel=1e-4)
    assert called.run.report.exists()


def test_labels_are_predicted_each_by_itself(
    dltrain: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inputs: dict
) -> None:
    monkeypatch.chdir(tmp_path)
    tags = [
        "|".join(name for name, has in (("high", p > 0), ("wide", q > 0.5)) if has)
        for p, q in zip(inputs["p"], inputs["q"], strict=True)
    ]
    write(Path("tags.csv"), inputs | {"tags": tags})
    called = dltrain("data=csv", "data.path=tags.csv", "data.target=tags", "task=multilabel", "trainer.epochs=40")
    assert called.code == 0, called.err
    assert called.result["test"]["accuracy"] > 0.8
    assert list(called.result["outputs"]) == ["high", "wide"]
    assert set(called.result["baseline"]) == {
        "commonest_labels",
        "logistic_regression",
        "nearest_neighbours",
        "gradient_boosting",
    }
    rows = list(csv.DictReader(called.run.predictions.read_text("utf-8").splitlines()))
    assert list(rows[0])[:4] == ["id", "true_high", "predicted_high", "score_high"]
    assert all((float(row["score_wide"]) > 0.5) == (row["predicted_wide"] == "1") for row in rows)
    assert "points of accuracy" in called.out
