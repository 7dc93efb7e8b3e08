"""Several numbers or labels at once, through the whole program."""

from __future__ import annotations

import csv
import json
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

SURELY = ("baseline.seconds=60",)  # whatever else the machine does


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
    called = dltrain(
        "model=linear", "data=csv", "data.path=two.csv", "data.target=[a,b]", "baseline.seconds=60", "optimizer.lr=0.05"
    )
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
    called = dltrain(
        "data=csv",
        "data.path=tags.csv",
        "data.target=tags",
        "task=multilabel",
        "trainer.epochs=40",
        "baseline.seconds=60",
    )
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


def test_a_missing_number_costs_only_itself(
    dltrain: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inputs: dict
) -> None:
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(1)
    a = [
        f"{value:.4f}" if here else ""
        for value, here in zip(3 * inputs["p"] + 50, random.random(200) < 0.6, strict=True)
    ]
    b = [f"{value:.4f}" if here else "" for value, here in zip(9 * inputs["q"], random.random(200) < 0.3, strict=True)]
    write(Path("gaps.csv"), inputs | {"a": a, "b": b})
    lost = sum(not one and not other for one, other in zip(a, b, strict=True))
    called = dltrain(
        "model=linear", "data=csv", "data.path=gaps.csv", "data.target=[a,b]", "baseline.seconds=60", "optimizer.lr=0.2"
    )
    assert called.code == 0, called.err
    assert sum(called.result["data"]["splits"].values()) == 200 - lost
    assert called.result["test"]["r2"] > 0.9
    assert "missing targets, of which the row's other targets are still used: a (" in called.out

    rows = list(csv.DictReader(called.run.predictions.read_text("utf-8").splitlines()))
    for name, cells in (("a", a), ("b", b)):
        assert [row[f"true_{name}"] and f"{float(row[f'true_{name}']):.4f}" for row in rows] == [
            cells[int(row["id"])] for row in rows
        ]
        assert "" in [row[f"true_{name}"] for row in rows]
    outputs = called.result["outputs"]
    for name in "ab":
        errors = [float(row[f"true_{name}"]) - float(row[f"predicted_{name}"]) for row in rows if row[f"true_{name}"]]
        assert outputs[name]["rmse"] == pytest.approx(np.mean(np.square(errors)) ** 0.5, rel=1e-4)
    assert called.result["test"]["rmse"] == pytest.approx((outputs["a"]["rmse"] + outputs["b"]["rmse"]) / 2)

    assert set(called.result["baseline"]) == {"mean", "linear_regression", "nearest_neighbours", "gradient_boosting"}
    assert called.result["baseline"]["linear_regression"]["r2"] > 0.999
    assert called.result["comparison"]["baseline"] == "linear_regression"
    assert "nan" not in json.dumps(called.result).lower()
    page = called.run.report.read_text("utf-8")
    assert "Predicted against true" in page and ">nan<" not in page

    trained, ids = called.result["test"], {int(row["id"]) for row in rows}
    kept = [row for row in range(200) if row in ids or not (a[row] or b[row])]
    columns = inputs | {"a": a, "b": b}
    write(Path("new.csv"), {name: [column[row] for row in kept] for name, column in columns.items()})
    answer = json.loads(dltrain("evaluate", str(called.run.path), "data.path=new.csv", "--json").out)
    assert answer["metrics"] == {name: pytest.approx(value, abs=1e-5) for name, value in trained.items()}
    assert answer["notes"] == [f"left out {lost} samples without a label"]
    assert answer["interval"]["low"] < trained["rmse"] < answer["interval"]["high"]


def test_a_missing_label_costs_only_itself(
    dltrain: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inputs: dict
) -> None:
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(1)
    warm = [
        "yes" if p > 0 else "no" if here else "" for p, here in zip(inputs["p"], random.random(200) < 0.6, strict=True)
    ]
    wet = [str(int(q > 0.3)) if here else "" for q, here in zip(inputs["q"], random.random(200) < 0.4, strict=True)]
    write(Path("gaps.csv"), inputs | {"warm": warm, "wet": wet})
    lost = sum(not one and not other for one, other in zip(warm, wet, strict=True))
    called = dltrain("data=csv", "data.path=gaps.csv", "data.target=[warm,wet]", "trainer.epochs=40", *SURELY)
    assert called.code == 0, called.err
    assert sum(called.result["data"]["splits"].values()) == 200 - lost
    assert "the row's other targets are still used: warm" in called.out

    rows = list(csv.DictReader(called.run.predictions.read_text("utf-8").splitlines()))
    assert {row["true_wet"] for row in rows} == {"", "0", "1"}
    known = [row for row in rows if row["true_wet"]]
    right = np.mean([row["true_wet"] == row["predicted_wet"] for row in known])
    assert called.result["outputs"]["wet"]["accuracy"] == pytest.approx(right)
    every = [all(row[f"true_{name}"] in ("", row[f"predicted_{name}"]) for name in ("warm", "wet")) for row in rows]
    assert called.result["test"]["accuracy"] == pytest.approx(np.mean(every))
    assert np.mean(every) > 0.8
    assert set(called.result["baseline"]) == {
        "commonest_labels",
        "logistic_regression",
        "nearest_neighbours",
        "gradient_boosting",
    }
    assert called.result["baseline"]["logistic_regression"]["roc_auc"] > 0.9
    page = called.run.report.read_text("utf-8")
    assert "of which it is known whether they have it" in page and ">nan<" not in page


def test_a_loss_of_ones_own_that_cannot_leave_out_numbers_is_refused_with_a_command_that_works(
    dltrain: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inputs: dict
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own_loss.py").write_text(
        "from dltrain.tasks.losses import RegressionLoss\n\n"
        "class Own(RegressionLoss):\n"
        "    def forward(self, output, target):\n        return (output - target).abs().mean()\n"
    )
    gaps = ["", *np.asarray(inputs["q"]).astype(str)[1:]]
    write(Path("gaps.csv"), inputs | {"a": inputs["p"], "b": gaps})
    arguments = ["model=linear", "data=csv", "data.path=gaps.csv", "data.target=[a,b]", "debug=smoke"]
    refused = dltrain(*arguments, "+loss._target_=own_loss.Own")
    assert refused.code == 2
    assert "the loss Own cannot weigh samples, nor leave out missing numbers" in refused.err
    proposed = shlex.split(refused.err.split(": dltrain ")[1].splitlines()[0])
    assert dltrain(*proposed).code == 0
