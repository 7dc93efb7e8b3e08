"""Runs of several outputs, of several labels, and of kinds that the report has never heard of."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support, r2_score, roc_auc_score

from dltrain.drawing.style import Drawing
from dltrain.report.page import write_report
from dltrain.report.sections.predictions import predictions, worst_examples
from dltrain.runs.folder import RunDir
from dltrain.runs.reader import Run

MakeRun = Callable[..., RunDir]
Draw = Callable[[RunDir, str], Drawing | None]
pytestmark = pytest.mark.usefixtures("rendered_plots")
PLOTS: dict[str, list[Any]] = {"predictions": []}


def write_predictions(run: RunDir, columns: dict[str, Any]) -> None:
    rows = zip(*columns.values(), strict=True)
    lines = [",".join(map(str, (number, *row))) for number, row in enumerate(rows)]
    run.predictions.write_text("\n".join([",".join(["id", *columns]), *lines]) + "\n", encoding="utf-8")


@pytest.fixture
def labelled(make_run: MakeRun) -> tuple[RunDir, Any, Any, Any]:
    random = np.random.default_rng(0)
    true = random.integers(0, 2, (60, 3))
    scores = np.clip(true * 0.4 + random.random((60, 3)) * 0.6, 0, 1).round(4)
    predicted = (scores > 0.5).astype(int)
    run = make_run(facts={"task": "multilabel", "outputs": ["red", "蓝", "big"], "target": "red, 蓝, big"})
    columns: dict[str, Any] = {}
    for place, name in enumerate(("red", "蓝", "big")):
        columns |= {f"true_{name}": true[:, place], f"predicted_{name}": predicted[:, place]}
        columns |= {f"score_{name}": scores[:, place]}
    write_predictions(run, columns)
    (run.examples / "examples.csv").write_text('id,true,predicted,error\n0,"red, big",red,0.5\n', encoding="utf-8")
    return run, true, predicted, scores


def test_labels_are_scored_one_by_one(labelled: tuple[RunDir, Any, Any, Any]) -> None:
    run, true, predicted, scores = labelled
    (table,) = predictions(Run(run), PLOTS).tables
    assert list(table.head) == ["Label", "Precision", "Recall", "F1", "ROC AUC", "Samples"]
    precision, recall, f1, support = precision_recall_fscore_support(true, predicted)
    for place, row in enumerate(table.rows):
        area = roc_auc_score(true[:, place], scores[:, place])
        expected = [f"{value:.3f}" for value in (precision[place], recall[place], f1[place], area)]
        assert list(row)[1:] == [*expected, str(support[place])]


def test_a_page_of_labels_is_whole(labelled: tuple[RunDir, Any, Any, Any], caplog: pytest.LogCaptureFixture) -> None:
    run, true, predicted, _ = labelled
    with caplog.at_level(logging.WARNING, "dltrain"):
        write_report(run)
    assert not [record for record in caplog.records if "no font" not in record.message]
    assert {"roc.png", "precision_recall.png"} <= {path.name for path in run.plots.iterdir()}
    text = run.report.read_text(encoding="utf-8")
    assert f"The share of samples with all labels right is {(true == predicted).all(axis=1).mean():.3f}" in text
    assert "red, big" in text


@pytest.mark.parametrize("count", [2, 8])
def test_several_numbers_have_a_panel_and_a_row_each(
    make_run: MakeRun, draw: Draw, caplog: pytest.LogCaptureFixture, count: int
) -> None:
    random = np.random.default_rng(0)
    names = [f"out {n}" for n in range(count)]
    facts = {"outputs": names, "target": ", ".join(names), "target_mean": [0.0] * count, "target_std": [1.0] * count}
    run = make_run(facts=facts)
    true, predicted = random.normal(size=(2, 30, count)).round(5)
    columns = {}
    for place, name in enumerate(names):
        columns |= {f"true_{name}": true[:, place], f"predicted_{name}": predicted[:, place]}
    write_predictions(run, columns)
    drawing = draw(run, "predicted_against_true")
    assert drawing is not None
    drawn = [axes for axes in drawing.figure.axes if axes.get_visible()]
    assert len(drawn) == min(count, 6)
    assert [axes.get_xlabel() for axes in drawn[:: len(drawn) - 1]] == ["true out 0", f"true out {count - 1}"]
    (table,) = predictions(Run(run), PLOTS).tables
    rmse = float(np.square(true[:, 1] - predicted[:, 1]).mean() ** 0.5)
    assert float(table.rows[1][1]) == pytest.approx(rmse, rel=1e-3)
    assert float(table.rows[1][3].replace("−", "-")) == pytest.approx(r2_score(true[:, 1], predicted[:, 1]), rel=1e-3)
    said = [", ".join(["1.5"] * count), ", ".join(["1.5"] * (count - 1) + ["-2"])]
    (run.examples / "examples.csv").write_text(f'id,true,predicted,error\n0,"{said[0]}","{said[1]}",0.5\n', "utf-8")
    (table,) = worst_examples(Run(run), {"examples": []}).tables
    assert table.rows == [["0", names[-1], "1.500", "−2.000", "0.500"]]
    with caplog.at_level(logging.WARNING, "dltrain"):
        write_report(run)
    assert not caplog.records
    assert "Mean R² 0.500" in run.report.read_text(encoding="utf-8")


def test_what_is_not_known_here_still_has_its_page(make_run: MakeRun, caplog: pytest.LogCaptureFixture) -> None:
    run = make_run(kind="sound", facts={"task": "next_noise", "input_shape": [7, 5], "preprocessing": {"voices": 3}})
    result = json.loads(run.result.read_text())
    for split in ("train", "val", "test"):
        result[split] = {"loss": 1.0, "perplexity": 7.25}
    result["baseline"] = {"silence": {"perplexity": 9.5}}
    run.result.write_text(json.dumps(result))
    run.history.write_text("epoch,train/loss,val/loss,val/perplexity\n1,2,2,8\n2,1,1,7\n")
    run.predictions.write_text("id,heard\n0,boom\n")
    with caplog.at_level(logging.WARNING, "dltrain"):
        write_report(run)
    assert not caplog.records
    text = run.report.read_text(encoding="utf-8")
    assert "Perplexity 7.25" in text
    assert text.index("this model") < text.index("silence")
    assert "7 × 5" in text
    assert "dltrain predict" not in text
