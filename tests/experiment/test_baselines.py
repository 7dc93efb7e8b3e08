from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dltrain.experiment import baselines
from dltrain.experiment.baselines import BaselineSettings, run_baselines
from dltrain.experiment.build import build_loss, build_task
from dltrain.kinds import estimators
from dltrain.kinds.corpus.load import verse
from dltrain.kinds.image.digits import digits
from dltrain.kinds.image.kind import thumbnails
from dltrain.kinds.kind import kind_of
from dltrain.kinds.series.load import series
from dltrain.kinds.table.formulas import regression
from dltrain.kinds.table.load import table
from dltrain.kinds.table.scikit_learn import toy_table
from dltrain.tasks.comparison import Baseline
from dltrain.types import Data


def measured(data: Data, seconds: float = 60) -> list[Baseline]:
    return run_baselines(data, build_task(data.facts, build_loss({}, data.facts)), "test", seconds)


def found(data: Data, seconds: float = 60) -> dict[str, dict[str, float]]:
    return {one.name: one.metrics for one in measured(data, seconds)}


def test_a_table_is_held_against_four_methods_with_scikit_learns_own_numbers() -> None:
    data = toy_table(name="breast_cancer")
    metrics = found(data)
    assert list(metrics) == ["majority", "logistic_regression", "nearest_neighbours", "gradient_boosting"]
    train, test = data.splits["train"], data.splits["test"]
    frame = load_breast_cancer(as_frame=True).data
    x, new = (frame.iloc[[int(row) for row in split.ids]] for split in (train, test))
    for name, method in (
        ("logistic_regression", make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))),
        ("gradient_boosting", HistGradientBoostingClassifier(random_state=0)),
    ):
        said = method.fit(x, train.target.numpy()).predict(new)
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
    assert found(toy_table(name="iris"), seconds=0) == {}


def test_the_time_limit_follows_the_training_and_in_short_runs_the_whole_run() -> None:
    assert BaselineSettings().limit(4.0, 9.0) == 1.0
    assert BaselineSettings().limit(2.0, 4.2) == pytest.approx(0.7)
    assert BaselineSettings().limit(0.1, 0.9) == 0.5
    assert BaselineSettings().limit(100.0, 130.0) == 12.0
    assert BaselineSettings(7.0).limit(100.0, 130.0) == 7.0


def towns(rows: int) -> pd.DataFrame:
    random = np.random.default_rng(0)
    worth, town = random.normal(size=300), random.integers(300, size=rows)
    frame = pd.DataFrame({"town": [f"T{code}" for code in town], "size": random.normal(size=rows)})
    frame["price"] = worth[town] + frame["size"] + 0.1 * random.normal(size=rows)
    frame.loc[::9, "size"] = np.nan
    return frame


def test_baselines_see_the_raw_columns_with_all_levels() -> None:
    metrics = found(table(towns(3000), target="price"))
    assert metrics["linear_regression"]["r2"] > 0.8
    assert metrics["gradient_boosting"]["r2"] > 0.8


def test_what_takes_too_long_is_fitted_to_a_sample_and_says_so() -> None:
    data = table(towns(6000), target="price")
    notes = {method.name: method.note for method in kind_of(data.facts).baselines(data, "test", 1e-3)}
    assert notes["mean"] == ""
    assert notes["gradient_boosting"] == "fitted to 1,200 of the 4,800 samples, to save time"


def test_many_samples_are_measured_in_part_and_the_note_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "MOST_MEASURED", 50)
    monkeypatch.setattr(baselines, "FEWEST_MEASURED", 10)
    data = table(towns(900), target="price")
    for one in measured(data):
        assert len(one.predictions.values) == 50
        assert one.note.endswith("measured on 50 of the 90 samples, to save time")
    windows = series(rows=600, window=24)
    assert [one.name for one in measured(windows)] == ["last_value", "seasonal", "theta", "ridge"]
    letters = verse(rows=60)
    assert len(measured(letters)[0].predictions.values) == len(letters.splits["test"])  # windows follow each other


def test_methods_that_fit_each_class_are_left_out_for_many_and_a_note_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(estimators.MOST_CLASSES, "gradient_boosting", 2)
    first, *others = measured(toy_table(name="iris"))
    assert first.note == "gradient boosting is not fitted to more than 2 classes"
    assert [one.name for one in others] == ["logistic_regression", "nearest_neighbours"]


def test_a_run_says_how_it_stands_against_the_best_of_them(dltrain: Callable) -> None:
    called = dltrain("model=linear", "data=regression", "trainer.epochs=3", "baseline.seconds=60")
    assert set(called.result["baseline"]) == {"mean", "linear_regression", "nearest_neighbours", "gradient_boosting"}
    assert called.result["comparison"]["baseline"] == "linear_regression"
    assert "linear regression beats Linear by" in called.out
    assert "Linear regression beats Linear by" in called.run.report.read_text("utf-8")
    assert dltrain("data=iris", "trainer.epochs=1", "baseline=none", "hydra.run.dir=x", "--json").code == 0


@pytest.mark.parametrize("gaps", [False, True])
def test_several_numbers_are_predicted_from_categories_of_many_levels(gaps: bool) -> None:
    random = np.random.default_rng(0)
    town = random.integers(0, 300, 2000)
    made = pd.DataFrame({"x": random.normal(size=2000), "town": [f"town{number}x" for number in town]})
    made["a"], made["b"] = random.normal(size=300)[town] + made["x"], made["x"] + 0.1 * random.normal(size=2000)
    if gaps:
        made.loc[::3, "a"] = np.nan
    boosted = found(table(made, target=["a", "b"]))["gradient_boosting"]
    assert boosted["r2"] > 0.8
