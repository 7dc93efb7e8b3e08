"""Sections that rest on what was measured at the end of training, on the config and on the folder's place."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import yaml

from dltrain.drawing.style import Drawing, Lettering
from dltrain.drawing.wording import is_code
from dltrain.report.figures import inputs, weights
from dltrain.report.sections.data import changed
from dltrain.report.sections.predictions import importance
from dltrain.report.sections.use import use
from dltrain.runs.folder import RunDir
from dltrain.runs.reader import Run
from dltrain.tasks.registry import page_of

MakeRun = Callable[..., RunDir]
Draw = Callable[[RunDir, str], Drawing | None]


def change(run: RunDir, **values: Any) -> Run:
    run.result.write_text(json.dumps(json.loads(run.result.read_text()) | values))
    return Run(run)


@pytest.mark.parametrize(("count", "lines"), [(2, 1), (3, 3)])
def test_two_classes_have_one_curve_above_its_base_rate(make_run: MakeRun, draw: Draw, count: int, lines: int) -> None:
    run = make_run(classes=[str(n) for n in range(count)], target="Survived")
    drawing = draw(run, "precision_recall")
    assert drawing is not None
    labels = [str(line.get_label()) for line in drawing.figure.axes[0].lines]
    assert len([label for label in labels if not label.startswith("base rate")]) == lines
    assert ("base rate" in drawing.words) == (count == 2)
    assert any(label.startswith("Survived = 1 ") for label in labels) == (count == 2)


@pytest.mark.parametrize("name", ["0", "1.5", "-1", "A", "yes", "False", "否"])
def test_codes_need_their_target(name: str) -> None:
    assert is_code(name)


@pytest.mark.parametrize("name", ["setosa", "良", "A+", "1st", "Adelie", ""])
def test_names_speak_for_themselves(name: str) -> None:
    assert not is_code(name)


def test_importance_is_drawn_and_told_in_points(make_run: MakeRun) -> None:
    run = make_run(classes=["cat", "dog"], features=["a", "b", "c", "d"])
    found = [("Sex", 0.25, 0.01), ("Age", 0.01, 0.02), ("Fare", -0.02, 0.001)]
    read = change(run, importance=[{"name": name, "drop": drop, "spread": spread} for name, drop, spread in found])
    drawing = weights.draw_importance(read, Lettering([]))
    assert drawing is not None
    bars = drawing.figure.axes[0].patches
    assert [bar.get_width() for bar in bars] == pytest.approx([25, 1, -2])  # type: ignore[attr-defined]
    section = importance(read, {"importance": []})
    assert "beyond chance: Age, Fare." in section.notes[0]
    assert "Of 4 columns, the 3" in section.notes[1]
    assert list(section.tables[0].rows[0]) == ["Sex", "25.0", "1.00"]
    assert importance(Run(make_run("none")), {"importance": []}).empty


@pytest.mark.parametrize("names", [(), ("cat", "dog"), tuple(f"class {n}" for n in range(20))])
def test_the_projection_marks_what_is_wrong(make_run: MakeRun, names: tuple[str, ...]) -> None:
    run = make_run(classes=names)
    rows = [f"{row},{row * 0.5},{-row}" for row in range(0, 40, 2)]
    run.projection.write_text("\n".join(["row,x,y", *rows]) + "\n")
    read = change(run, projection={"explained": [0.5, 0.25], "source": "inputs"})
    drawing = inputs.draw_projection(read, Lettering([]))
    assert drawing is not None
    assert "20 test samples" in drawing.words and "75% of the variance" in drawing.words
    axes = drawing.figure.axes[0]
    assert axes.get_xlabel() == "first component, 50% of the variance"
    (crosses,) = [line for line in axes.lines if line.get_marker() == "x"]
    said = page_of(read.facts).predicted(read)
    assert said is not None
    if names:
        wrong = [row for row in range(0, 40, 2) if said.true[row] != said.predicted[row]]
        assert np.asarray(crosses.get_xdata()).tolist() == [row * 0.5 for row in wrong]
    else:
        assert len(np.asarray(crosses.get_xdata())) == 2  # the largest tenth of 20


def test_a_projection_of_other_predictions_is_not_drawn(make_run: MakeRun) -> None:
    run = make_run(samples=10)
    run.projection.write_text("row,x,y\n10,0,0\n")
    assert (
        inputs.draw_projection(change(run, projection={"explained": [1, 0], "source": "inputs"}), Lettering([])) is None
    )


def test_what_was_changed_is_a_table(make_run: MakeRun) -> None:
    run = make_run()
    assert changed(Run(run), {}).empty
    said = {"key": "data.path", "default": "", "value": "成绩.csv"}
    run.changes.write_text(json.dumps({"changes": [said]}), encoding="utf-8")
    assert [list(row) for row in changed(Run(run), {}).tables[0].rows] == [["data.path", "–", "成绩.csv"]]
    run.changes.write_text('{"changes": []}')
    assert "every value is the default" in changed(Run(run), {}).notes[0]


def test_commands_name_the_run_from_where_it_was_started(make_run: MakeRun) -> None:
    run = make_run("a run", kind="image", classes=["cat", "dog"])
    assert f"dltrain predict '{run.path.resolve()}' image.jpg" in [code.text for code in use(Run(run), {}).codes]
    started = {"hydra": {"runtime": {"cwd": str(run.path.resolve().parent)}}}
    (run.hydra / "hydra.yaml").write_text(yaml.safe_dump(started))
    run.config.write_text("data: {path: images}\ntrainer: {epochs: 20}\n")
    assert [code.text for code in use(Run(run), {}).codes] == [
        "dltrain predict 'a run' image.jpg",
        "dltrain evaluate 'a run' data.path=labelled/",
        "dltrain export 'a run' --format onnx",
        "dltrain resume 'a run' trainer.epochs=40",  # 5 epochs sufficed, of the 20 that were allowed
        'import dltrain\n\nprint(dltrain.load("a run").predict("image.jpg"))',
    ]
