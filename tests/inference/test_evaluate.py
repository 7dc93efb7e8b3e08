from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import dltrain as package
from dltrain.experiment.build import build_loss, build_task
from dltrain.inference.evaluate import interval_of
from dltrain.kinds.table.load import table
from dltrain.tasks.predictions import Predictions


@pytest.fixture
def run(people_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(people_run, tmp_path / "run"))


def test_the_metrics_of_the_test_rows_are_those_of_training(
    dltrain: Callable, run: Path, people_csv: Path, tmp_path: Path
) -> None:
    ids = [int(row) for row in pd.read_csv(run / "predictions.csv")["id"]]
    pd.read_csv(people_csv, dtype=str).iloc[ids].to_csv(tmp_path / "test.csv", index=False)
    called = dltrain("evaluate", str(run), "data.path=test.csv", "--json")
    assert called.code == 0
    answer = json.loads(called.out)
    trained = json.loads((run / "result.json").read_text("utf-8"))["test"]
    assert answer["metrics"] == {name: pytest.approx(value, abs=1e-6) for name, value in trained.items()}
    assert "test.csv" in Path(answer["report"]).read_text("utf-8")
    assert (run / "evaluations" / "test" / "predictions.csv").exists()
    assert dltrain("report", str(run / "evaluations" / "test")).code == 0


def test_groups_are_measured_apart(dltrain: Callable, run: Path, people_csv: Path) -> None:
    called = dltrain("evaluate", str(run), f"data.path={people_csv}", "--slices", "city", "--json")
    assert "Calibration" in Path(json.loads(called.out)["report"]).read_text("utf-8")
    groups = {group["name"]: group for group in json.loads(called.out)["groups"]}
    frame = pd.read_csv(people_csv, dtype=str)
    said = package.load(run).predict(frame.drop(columns="stays"))
    for city, rows in frame.groupby("city"):
        right = (said.loc[rows.index, "predicted"] == rows["stays"]).mean()
        assert groups[city]["samples"] == len(rows)
        assert groups[city]["metrics"]["accuracy"] == pytest.approx(right)


def test_rows_without_a_label_are_left_out_and_counted(
    dltrain: Callable, run: Path, people_csv: Path, tmp_path: Path
) -> None:
    frame = pd.read_csv(people_csv, dtype=str)
    frame.loc[:9, "stays"] = None
    frame.to_csv(tmp_path / "some.csv", index=False)
    answer = json.loads(dltrain("evaluate", str(run), "data.path=some.csv", "--json").out)
    assert answer["samples"] == 110
    assert answer["notes"] == ["left out 10 samples without a label"]


def test_data_that_is_gone_is_said_with_what_was_measured_and_the_fix(dltrain: Callable, run: Path) -> None:
    called = dltrain("evaluate", str(run))
    assert called.code == 2
    assert "own data cannot be read" in called.err and "accuracy" in called.err and "data.path=" in called.err


def test_the_runs_own_test_split_is_evaluated_where_its_data_is_there_and_unchanged(
    dltrain: Callable, people_csv: Path, tmp_path: Path
) -> None:
    shutil.copy(people_csv, tmp_path / "mine.csv")
    data = ["data=csv", "data.path=mine.csv", "data.target=stays", "trainer.epochs=1", "baseline=none"]
    assert dltrain("model=linear", *data, "hydra.run.dir=run").code == 0
    answer = json.loads(dltrain("evaluate", "run", "--slices", "city", "--json").out)
    trained = json.loads((tmp_path / "run" / "result.json").read_text("utf-8"))["test"]
    assert answer["metrics"] == {name: pytest.approx(value, abs=1e-6) for name, value in trained.items()}
    assert sum(group["samples"] for group in answer["groups"]) == answer["samples"]
    with (tmp_path / "mine.csv").open("a") as file:
        file.write("1,30,Ulm,1,yes\n")
    changed = dltrain("evaluate", "run")
    assert changed.code == 2 and "the data has changed since the run was trained" in changed.err


def test_images_are_labelled_by_their_folders(dltrain: Callable, image_run: Path, image_folder: Path) -> None:
    called = dltrain("evaluate", str(image_run), f"data.path={image_folder}", "-o", "page", "--json")
    assert json.loads(called.out)["samples"] == 20
    assert dltrain("evaluate", str(image_run), f"data.path={image_folder}", "-o", str(image_run)).code == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--slices", "City"], "did you mean city?"),
        (["data.pth=x"], "data.path"),
    ],
)
def test_misspelt_arguments_are_answered(
    dltrain: Callable, run: Path, people_csv: Path, arguments: list[str], said: str
) -> None:
    called = dltrain("evaluate", str(run), f"data.path={people_csv}", *arguments)
    assert called.code == 2 and said in called.err


def test_the_interval_of_an_accuracy_is_that_of_its_binomial() -> None:
    frame = pd.DataFrame({"x": np.arange(40) % 7, "y": np.where(np.arange(40) % 2, "a", "b")})
    facts = table(frame, target="y").facts
    task = build_task(facts, build_loss({}, facts))
    target = torch.zeros(400, dtype=torch.long)
    values = (torch.arange(400) < 80).long()  # 80 % right
    interval = interval_of(task, Predictions(values), target)
    assert interval is not None and interval.measure == "accuracy"
    margin = 1.96 * (0.8 * 0.2 / 400) ** 0.5
    assert interval.low == pytest.approx(0.8 - margin, abs=0.01)
    assert interval.high == pytest.approx(0.8 + margin, abs=0.01)
    none = interval_of(task, Predictions(torch.ones(5, dtype=torch.long)), target[:5])
    assert none is not None and none.low == 0 and none.high == pytest.approx(0.434, abs=1e-3)
