"""What a page says of its limits follows from the run, and from nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from dltrain.report.sections.limits import limits
from dltrain.runs.folder import RunDir
from dltrain.runs.reader import Run

MakeRun = Callable[..., RunDir]


def change(run: RunDir, **values: Any) -> None:
    run.result.write_text(json.dumps(json.loads(run.result.read_text()) | values))


def said(run: RunDir) -> str:
    return " ".join(limits(Run(run), {}).notes)


@pytest.mark.parametrize(
    ("splits", "keep", "monitor", "sentence"),
    [
        (("train", "val"), "best", "val/loss", "also decided which epoch is best"),
        (("train", "val"), "last", "val/loss", ""),
        (("train", "val"), "best", "train/loss", ""),
        (("train", "val", "test"), "best", "val/loss", ""),
        (("train",), "best", "train/loss", "No sample was held out"),
    ],
)
def test_what_the_shown_split_has_decided_is_said(
    make_run: MakeRun, splits: tuple[str, ...], keep: str, monitor: str, sentence: str
) -> None:
    run = make_run(classes=["cat", "dog"], splits=splits)
    change(run, keep=keep, monitor=monitor)
    text = said(run)
    assert sentence in text
    assert ("decided which epoch is best" in text) == ("decided which epoch is best" in sentence)
    assert ("with 95 % confidence" in text) == (splits != ("train",))


@pytest.mark.parametrize(
    ("difference", "sentence"),
    [(-5.0, "logistic regression is clearly better"), (1.0, "not clearly better than logistic"), (5.0, "")],
)
def test_a_plain_method_that_is_not_beaten_is_named(make_run: MakeRun, difference: float, sentence: str) -> None:
    run = make_run(classes=["cat", "dog"])
    change(run, comparison={"baseline": "logistic_regression", "difference": difference, "margin": 2.0, "words": "w"})
    text = said(run)
    assert sentence in text
    assert ("logistic" in text) == bool(sentence)


def test_rare_and_missed_classes_are_named(make_run: MakeRun) -> None:
    run = make_run(classes=["cat", "dog", "owl"], facts={"class_counts": [200, 190, 9]})
    rows = ["a,cat,cat,1,0,0"] * 10 + ["b,dog,dog,0,1,0"] * 10 + ["c,owl,dog,0,1,0"] * 6 + ["d,owl,owl,0,0,1"] * 2
    run.predictions.write_text("id,true,predicted,score_cat,score_dog,score_owl\n" + "\n".join(rows) + "\n")
    text = said(run)
    assert "few training samples of owl (9)." in text
    assert "Always answering cat would have an accuracy of 0.357." in text
    assert "Of 8 samples of owl the model recognises 2 (25%) and most often takes the others for dog." in text
    assert "samples of cat it finds" not in text


def test_an_even_run_that_does_well_has_little_to_say(make_run: MakeRun) -> None:
    run = make_run(classes=["cat", "dog"], facts={"class_counts": [900, 900]})
    change(run, data={"fingerprint": "", "rows": 3000, "splits": {"train": 1800, "val": 200, "test": 1000}})
    rows = ["a,cat,cat,1,0"] * 500 + ["b,dog,dog,0,1"] * 500
    run.predictions.write_text("id,true,predicted,score_cat,score_dog\n" + "\n".join(rows) + "\n")
    notes = limits(Run(run), {}).notes
    assert [note.split()[0] for note in notes] == ["Accuracy", "Whatever"]


def test_errors_of_a_regression_are_told_by_their_size(make_run: MakeRun) -> None:
    run = make_run()
    run.predictions.write_text("id,true,predicted\n" + "".join(f"{n},0,{n}\n" for n in range(101)))
    assert "Half of the predictions are off by more than 50.0, a tenth by more than 90.0." in said(run)


def test_what_was_seen_of_each_column_is_in_its_own_unit(make_run: MakeRun) -> None:
    number = {"kind": "numeric", "fill": None, "interpolate": False, "limits": None}
    columns = [
        number | {"name": "Age", "indicator": True, "mean": 0.0, "std": 1.0, "edges": [0.5, 80.0], "scores": [-1, 1]},
        {"kind": "categorical", "name": "Sex", "levels": ["f", "m"], "other": True, "missing": False, "fill": None},
        number | {"name": "Fare", "indicator": False, "mean": 10.0, "std": 2.0, "edges": [], "scores": []},
    ]
    bins = [[-1, 0, 1], [], [], [], [], [-2.5, 0, 3.0]]
    run = make_run(features=["x"] * 6, facts={"preprocessing": {"columns": columns}, "bins": bins})
    (table,) = limits(Run(run), {}).tables
    assert [list(row) for row in table.rows] == [
        ["Age", "0.5000 to 80.00, with gaps"],
        ["Sex", "f · m, rare ones as one"],
        ["Fare", "5.000 to 16.00"],
    ]
    assert "nearest end" in table.caption
    assert "extrapolates" in table.caption


def test_a_run_cut_short_says_so(make_run: MakeRun) -> None:
    run = make_run()
    change_of = {"key": "trainer.limit_batches", "default": "null", "value": "2"}
    run.changes.write_text(json.dumps({"changes": [change_of]}))
    assert "The run used only 2 batches of each split" in said(run)
