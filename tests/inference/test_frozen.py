"""Run folders of older versions must go on working. tests/frozen/schema_N was written by the first version of schema N:

dltrain model=mlp data=csv data.path=people.csv data.target=stays model.hidden=[8] trainer.epochs=3 baseline=none
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dltrain.inference.load import load
from dltrain.runs.folder import SCHEMA

FROZEN = Path(__file__).parents[1] / "frozen"
RUNS = sorted(FROZEN.glob("schema_*"))


def test_every_schema_has_a_frozen_run() -> None:
    assert [run.name for run in RUNS] == [f"schema_{number + 1}" for number in range(SCHEMA)]
    for number, run in enumerate(RUNS, 1):
        for name in ("facts.json", "result.json", "status.json"):
            assert json.loads((run / name).read_text("utf-8"))["schema"] == number


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_a_frozen_run_still_predicts_what_it_predicted(run: Path) -> None:
    said = load(run).predict(str(FROZEN / "people.csv")).set_index("id")
    with (run / "predictions.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            assert said.loc[row["id"], "predicted"] == row["predicted"]
            assert said.loc[row["id"], "score_yes"] == pytest.approx(float(row["score_yes"]), abs=1e-5)


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_a_frozen_run_is_still_evaluated_exported_and_listed(dltrain: Callable, run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "outputs" / run.name)
    copy = f"outputs/{run.name}"
    assert dltrain("evaluate", copy, f"data.path={FROZEN / 'people.csv'}").code == 0
    assert dltrain("export", copy, "--format", "torch-export").code == 0
    assert run.name in dltrain("runs").out
