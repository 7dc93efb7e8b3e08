"""Run folders of older versions must go on working.

tests/frozen/schema_1 was written by the first version of schema 1:

dltrain model=mlp data=csv data.path=people.csv data.target=stays model.hidden=[8] trainer.epochs=3 baseline=none

The others, of every kind of data, were written by the last version whose configs named its own modules, pairs and words
by the first version that had them, with what their .hydra/overrides.yaml says. NAME.out is what that version printed
for `dltrain predict NAME` and the words below, and targets.txt lists every target that the configs of the last version
with modules could name.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import pytest
import yaml

from dltrain.config.built_in import BUILT_IN, MOVED, current_target
from dltrain.experiment.targets import SLOTS, resolve
from dltrain.inference.load import load
from dltrain.kinds.kind import BUILT_IN as KINDS
from dltrain.runs.config import RunConfig
from dltrain.runs.folder import SCHEMA, RunDir
from dltrain.runs.result import Result

FROZEN = Path(__file__).parents[1] / "frozen"
RUNS = [path.name for path in sorted(FROZEN.glob("schema_*")) if path.is_dir()]
PREDICTIONS = {
    "schema_1_corpus": ("--prompt", "春风", "--steps", "8", "--temperature", "0"),
    "schema_1_image": ("pictures",),
    "schema_1_pairs": ("--prompt", "twelve thousand seven"),
    "schema_1_ranking": ("--user", "u1", "--top", "3"),
    "schema_1_ratings": ("--user", "u1", "--top", "3"),
    "schema_1_series": ("--steps", "4"),
    "schema_1_table": ("people.csv",),
    "schema_1_text": ("reviews.csv",),
    "schema_1_words": ("--likes", "in", "--top", "3"),
}


@pytest.fixture
def run(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A copy of a frozen run, in a folder that holds the data of all of them."""
    for name in ("people.csv", "reviews.csv"):
        shutil.copy(FROZEN / name, tmp_path)
    shutil.copytree(FROZEN / "pictures", tmp_path / "pictures")
    shutil.copytree(FROZEN / request.param, tmp_path / "outputs" / request.param)
    return f"outputs/{request.param}"


def read(path: Path) -> dict[str, object]:
    return dict(json.loads(path.read_text("utf-8")))


def same_cells(said: str, wanted: str) -> None:
    """Compares CSV cell by cell, numbers as nearly as another processor computes them."""
    rows, expected = (list(csv.reader(text.splitlines())) for text in (said, wanted))
    assert [len(row) for row in rows] == [len(row) for row in expected]
    for cell, other in zip(chain(*rows), chain(*expected), strict=True):
        try:
            assert float(cell) == pytest.approx(float(other), rel=1e-4, abs=1e-5)
        except ValueError:
            assert cell == other


def test_every_schema_and_every_kind_of_data_has_a_frozen_run() -> None:
    for number in range(1, SCHEMA + 1):
        assert f"schema_{number}" in RUNS
    for name in RUNS:
        for file in ("facts.json", "result.json", "status.json"):
            assert read(FROZEN / name / file)["schema"] == int(name.split("_")[1])
    assert {read(FROZEN / name / "facts.json")["kind"] for name in RUNS} == set(KINDS)
    assert {name for name in RUNS if name.count("_") > 1} == set(PREDICTIONS)


def test_the_first_frozen_run_still_predicts_what_it_predicted() -> None:
    run = FROZEN / "schema_1"
    said = load(run).predict(str(FROZEN / "people.csv")).set_index("id")
    with (run / "predictions.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            assert said.loc[row["id"], "predicted"] == row["predicted"]
            assert said.loc[row["id"], "score_yes"] == pytest.approx(float(row["score_yes"]), abs=1e-5)


@pytest.mark.parametrize("run", PREDICTIONS, indirect=True)
def test_a_frozen_run_says_what_it_said(dltrain: Callable, run: str) -> None:
    name = Path(run).name
    called = dltrain("predict", run, *PREDICTIONS[name])
    assert called.code == 0, called.err
    same_cells(called.out, (FROZEN / f"{name}.out").read_text("utf-8"))


@pytest.mark.parametrize("run", RUNS, indirect=True)
def test_a_frozen_run_is_still_evaluated_exported_and_listed(dltrain: Callable, run: str, tmp_path: Path) -> None:
    called = dltrain("evaluate", run, "--json")
    assert called.code == 0, called.err
    found, measured = json.loads(called.out)["metrics"], Result.read(RunDir(tmp_path / run)).test
    assert found == pytest.approx({name: measured[name] for name in found}, rel=1e-4)
    assert measured.keys() - found.keys() <= {"loss"}  # that of an order needs items drawn beside each
    exported = dltrain("export", run, "--format", "torch-export")
    assert exported.code == 0, exported.err
    assert Path(run).name in dltrain("runs").out


# The first version's runs have no plan to go on by, and no later version has resumed them.
@pytest.mark.parametrize("run", PREDICTIONS, indirect=True)
def test_a_frozen_run_is_still_resumed(dltrain: Callable, run: str, tmp_path: Path) -> None:
    folder = RunDir(tmp_path / run)
    before = folder.read_history()
    called = dltrain("resume", run, f"trainer.epochs={len(before) + 1}", "--quiet")
    assert called.code == 0, called.err
    after = folder.read_history()
    assert [row["train/loss"] for row in after[:-1]] == [row["train/loss"] for row in before]
    assert len(after) == len(before) + 1
    assert folder.read_status()["state"] == "done"


def test_every_target_of_the_version_before_is_built_in_under_a_short_name() -> None:
    names = {short for slot in BUILT_IN.values() for short in slot}
    for target in (FROZEN / "targets.txt").read_text("utf-8").split():
        assert MOVED[target] in names


def test_a_replaced_short_name_still_leads_to_its_target() -> None:
    assert current_target("known_pictures") in BUILT_IN["data"]
    assert current_target("pictures") in BUILT_IN["augment"]


def test_the_targets_of_frozen_runs_are_found() -> None:
    for name in RUNS:
        for slot, node in yaml.safe_load((FROZEN / name / "config.yaml").read_text("utf-8")).items():
            if slot in SLOTS and "_target_" in node:
                target = MOVED.get(node["_target_"], node["_target_"])
                assert callable(resolve(slot, {"_target_": target}))


def test_a_network_of_an_older_version_stays_one() -> None:
    node = RunConfig(RunDir(FROZEN / "schema_1_image")).node("model")
    assert (node["members"], node["mirror"]) == (1, False)
