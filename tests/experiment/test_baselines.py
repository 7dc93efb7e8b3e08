from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dltrain.experiment.baselines import BaselineSettings, run_baselines
from dltrain.experiment.build import build_loss, build_task
from dltrain.kinds.image.digits import digits
from dltrain.kinds.image.kind import thumbnails
from dltrain.kinds.table.formulas import regression
from dltrain.kinds.table.scikit_learn import toy_table
from dltrain.types import Data

SETTINGS = BaselineSettings(seconds=60)


def found(data: Data, settings: BaselineSettings = SETTINGS) -> dict[str, dict[str, float]]:
    task = build_task(data.facts, build_loss({}, data.facts))
    return {one.name: one.metrics for one in run_baselines(data, task, "test", settings)}


def test_a_table_is_held_against_four_methods_with_scikit_learns_own_numbers() -> None:
    data = toy_table(name="breast_cancer")
    metrics = found(data)
    assert list(metrics) == ["majority", "logistic_regression", "nearest_neighbours", "gradient_boosting"]
    train, test = data.splits["train"], data.splits["test"]
    x, y = train.inputs[0].numpy(), train.target.numpy()
    for name, method in (
        ("logistic_regression", make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))),
        ("gradient_boosting", HistGradientBoostingClassifier(random_state=0)),
    ):
        said = method.fit(x, y).predict(test.inputs[0].numpy())
        assert metrics[name]["accuracy"] == pytest.approx(np.mean(said == test.target.numpy()))
    majority = torch.mode(train.target).values
    assert metrics["majority"]["accuracy"] == pytest.approx((test.target == majority).double().mean().item())


def test_a_regression_is_held_against_the_mean_and_lines() -> None:
    metrics = found(regression())
    assert list(metrics) == ["mean", "linear_regression", "nearest_neighbours", "gradient_boosting"]
    assert metrics["linear_regression"]["r2"] > 0.999
    assert abs(metrics["mean"]["r2"]) < 0.1
    assert metrics["linear_regression"]["rmse"] == pytest.approx(1, abs=0.3)


def test_images_are_seen_as_small_grey_ones_and_not_by_trees() -> None:
    data = digits(size=32, channels=3)
    assert thumbnails(data.splits["test"]).shape == (len(data.splits["test"]), 256)
    metrics = found(data)
    assert list(metrics) == ["majority", "logistic_regression", "nearest_neighbours"]
    assert metrics["nearest_neighbours"]["accuracy"] > 0.95


def test_a_class_of_one_sample_does_not_stop_the_neighbours() -> None:
    data = toy_table(name="iris")
    train = data.splits["train"]
    keep = torch.cat([torch.flatten(torch.nonzero(train.target < 2)), torch.nonzero(train.target == 2)[0]])
    small = type(train)((train.inputs[0][keep],), train.target[keep], tuple(train.ids[i] for i in keep.tolist()))
    metrics = found(Data(data.facts, {**data.splits, "train": small}))
    assert metrics["nearest_neighbours"]["accuracy"] > 0.3


def test_no_time_means_no_baseline() -> None:
    assert found(toy_table(name="iris"), BaselineSettings(seconds=0)) == {}


def test_a_run_says_how_it_stands_against_the_best_of_them(dltrain: Callable) -> None:
    called = dltrain("model=linear", "data=regression", "trainer.epochs=3")
    assert set(called.result["baseline"]) == {"mean", "linear_regression", "nearest_neighbours", "gradient_boosting"}
    assert called.result["comparison"]["baseline"] == "linear_regression"
    assert "linear regression beats Linear by" in called.out
    assert "Linear regression beats Linear by" in called.run.report.read_text("utf-8")
    assert dltrain("data=iris", "trainer.epochs=1", "baseline=none", "hydra.run.dir=x", "--json").code == 0
