"""Weights of rows: a column that weighs them in the loss, in metrics and in baselines, and is no input."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import metrics as sk

from dltrain.errors import DataError
from dltrain.experiment.baselines import run_baselines
from dltrain.experiment.build import build_loss, build_task
from dltrain.kinds.kind import kind_of
from dltrain.kinds.table.load import table
from dltrain.types import Data

ROWS = 240


def frame(rows: int = ROWS, **columns: Any) -> pd.DataFrame:
    random = np.random.default_rng(0)
    x, z = random.normal(size=(2, rows)).round(4)
    y = (3 * x + random.normal(size=rows)).round(4)
    w = random.choice([0.5, 1.0, 4.0], rows)
    made = {"x": x, "z": z, "y": y, "c": np.where(y > 0, "up", "down"), "w": w}
    return pd.DataFrame(made | columns)


def weighed(made: pd.DataFrame, **options: Any) -> Data:
    return table(made, **{"target": "y", "drop": ["c"], "weight": "w"} | options)


def refusal(made: pd.DataFrame, **options: Any) -> DataError:
    with pytest.raises(DataError) as refused:
        weighed(made, **options)
    return refused.value


def test_a_weight_goes_with_its_row_and_is_no_input() -> None:
    made = frame()
    data = weighed(made)
    assert data.facts.features == ("x", "z")
    assert data.facts.weight == "w"
    for split in data.splits.values():
        assert split.weight is not None
        np.testing.assert_array_equal(split.weight, made["w"].to_numpy(np.float32)[[int(row) for row in split.ids]])
    assert "weighs rows by w, 0.5 to 4, in the loss and in metrics" in data.notes
    assert "dropped w: data.weight, which weighs the rows" in data.notes
    plain = weighed(made, weight=None, drop=["c", "w"])
    for name, split in plain.splits.items():
        assert split.weight is None
        assert torch.equal(split.inputs[0], data.splits[name].inputs[0])


def test_a_row_of_weight_0_is_as_if_it_were_absent() -> None:
    made = frame()
    made.loc[::5, "w"] = 0
    made.loc[::10, "y"] = 1e6
    data, without = weighed(made), weighed(made[made["w"] > 0])
    assert f"left out {ROWS // 5} of {ROWS} rows of weight 0" in data.notes
    assert data.facts == without.facts
    numbers = made.index[made["w"] > 0]
    for name, split in data.splits.items():
        other = without.splits[name]
        assert torch.equal(split.inputs[0], other.inputs[0]) and torch.equal(split.target, other.target)
        assert torch.equal(split.weight, other.weight)
        assert [int(row) for row in split.ids] == [numbers[int(row)] for row in other.ids]


def test_weights_are_read_in_the_number_format_of_their_column() -> None:
    texts = [f"1.{500 + row % 3:03d},25" for row in range(ROWS)]
    data = weighed(frame(w=texts))
    train = data.splits["train"]
    assert train.weight is not None
    assert train.weight[0] == 1500.25 + int(train.ids[0]) % 3
    encoder = kind_of(data.facts).encoder(data.facts)
    np.testing.assert_array_equal(encoder.weights(pd.DataFrame({"w": ["1.500,25", "2.000"]})), [1500.25, 2000])
    assert encoder.weights(pd.DataFrame({"x": ["1"]})) is None


@pytest.mark.parametrize(
    ("cell", "what"),
    [
        ("-1", "'-1' is no weight"),
        ("inf", "'inf' is no weight"),
        ("heavy", "'heavy' is no weight"),
        ("", "an empty cell"),
    ],
)
def test_what_is_no_weight_is_refused_with_its_row(cell: str, what: str) -> None:
    weights = ["2"] * ROWS
    weights[7] = cell
    error = refusal(frame(w=weights))
    assert error.what.startswith(what)
    assert (error.where, error.override) == ("row 9, column 'w'", "data.weight=null")


def test_other_columns_of_weights_are_refused_with_a_command_that_works() -> None:
    made = frame()
    assert refusal(made, weight="W").override == "data.weight=w"
    both = refusal(made, weight="y")
    assert "both the target and data.weight" in both.what and both.override == "data.weight=null"
    assert "every weight in 'w' is 0" in refusal(frame(w=0)).what
    assert weighed(made, weight=None).splits["train"].weight is None


@pytest.mark.parametrize("target", ["y", "c"])
def test_baselines_are_fitted_and_measured_with_the_weights(target: str) -> None:
    made = frame()
    data = weighed(made, target=target, drop=["y", "c"][target == "y" :][:1])
    task = build_task(data.facts, build_loss({}, data.facts))
    found = {one.name: one for one in run_baselines(data, task, "test", 60)}
    assert [name for name, one in found.items() if one.note] == ["nearest_neighbours"]
    train, test = data.splits["train"], data.splits["test"]
    assert train.weight is not None and test.weight is not None
    w, heavy = test.weight.numpy(), train.weight.numpy()
    if target == "y":
        mean = np.average(train.target[:, 0], weights=heavy)
        expected = sk.root_mean_squared_error(test.target[:, 0], np.full(len(test), mean), sample_weight=w)
        assert found["mean"].metrics["rmse"] == pytest.approx(expected, rel=1e-5)
        said = found["linear_regression"].predictions.values.numpy()
        assert found["linear_regression"].metrics["r2"] == pytest.approx(
            sk.r2_score(test.target, said, sample_weight=w), rel=1e-5
        )
    else:
        share = np.average(train.target, weights=heavy)
        assert found["majority"].predictions.probabilities[0, 1] == pytest.approx(share, rel=1e-5)
        said = found["gradient_boosting"].predictions.values
        assert found["gradient_boosting"].metrics["accuracy"] == pytest.approx(
            sk.accuracy_score(test.target, said, sample_weight=w)
        )


def test_a_run_measures_by_weight_and_new_files_are_weighed_as_they_say(dltrain: Callable, tmp_path: Path) -> None:
    made = frame()
    made.to_csv(tmp_path / "t.csv", index=False)
    called = dltrain(
        "data=csv", "data.path=t.csv", "data.target=y", "data.drop=[c]", "data.weight=w", "trainer.epochs=5"
    )
    assert called.code == 0, called.err
    rows = pd.read_csv(called.run.predictions)
    w = made["w"].to_numpy()[rows["id"]]
    rmse = sk.root_mean_squared_error(rows["true"], rows["predicted"], sample_weight=w)
    result = called.result
    assert result["test"]["rmse"] == pytest.approx(rmse, rel=1e-4)
    assert result["test"]["rmse"] != pytest.approx(
        sk.root_mean_squared_error(rows["true"], rows["predicted"]), rel=1e-3
    )
    assert "They weigh samples by w" in called.run.report.read_text("utf-8")

    def evaluated(test: pd.DataFrame) -> dict[str, Any]:
        test.to_csv(tmp_path / "new.csv", index=False)
        return dict(json.loads(dltrain("evaluate", str(folder), "data.path=new.csv", "--json").out))

    folder, test = called.run.path, made.loc[rows["id"]]
    answer = evaluated(test)
    assert answer["metrics"] == {name: pytest.approx(value, abs=1e-5) for name, value in result["test"].items()}
    assert answer["notes"] == ["samples are weighed by w"]
    assert answer["interval"]["low"] < rmse < answer["interval"]["high"]

    alike = evaluated(test.drop(columns="w"))
    plain = sk.root_mean_squared_error(rows["true"], rows["predicted"])
    assert alike["metrics"]["rmse"] == pytest.approx(plain, rel=1e-4)
    assert alike["notes"] == ["there is no column w, so all samples count alike"]

    test["w"] = np.where(np.arange(len(test)) < 10, 1, 0)
    some = evaluated(test)
    assert some["samples"] == 10 and f"left out {len(test) - 10} samples of weight 0" in some["notes"]
    bad = test.assign(w=-1.0)
    bad.to_csv(tmp_path / "bad.csv", index=False)
    refused = dltrain("evaluate", str(folder), "data.path=bad.csv")
    assert refused.code == 2 and "is no weight" in refused.err


def test_a_held_out_file_without_weights_counts_alike_and_it_is_said() -> None:
    made = frame()
    data = weighed(made, held_out={"test": made.drop(columns="w")})
    assert "the test file has no column w, so all its rows count alike" in data.notes
    weight = data.splits["test"].weight
    assert weight is not None and (weight == 1).all()
