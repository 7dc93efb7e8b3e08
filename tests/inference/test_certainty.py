"""How sure predictions are, through the whole program: intervals, temperature, sets, thresholds."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray

from dltrain import load, train
from dltrain.inference.load import LoadedModel

Floats = NDArray[np.float64]
Noise = Callable[[np.random.Generator, Floats], Floats]

NOISES: Mapping[str, Noise] = {
    "normal": lambda random, x: random.normal(size=len(x)),
    "uniform": lambda random, x: random.uniform(-1, 1, len(x)),
    "none": lambda random, x: np.zeros(len(x)),
    "laplace": lambda random, x: random.laplace(size=len(x)),
    "heavy tails": lambda random, x: random.standard_t(2, len(x)),
    "no variance": lambda random, x: random.standard_t(1.2, len(x)),
    "skewed": lambda random, x: random.lognormal(0, 1, len(x)),
    "larger for large a": lambda random, x: np.exp(x[:, 0]) * random.normal(size=len(x)),
    "larger far from 0": lambda random, x: np.abs(x[:, 1]) * random.standard_t(3, len(x)),
    "rare outliers": lambda random, x: random.normal(size=len(x)) * np.where(random.random(len(x)) < 0.05, 20, 1),
}


def draw(noise: str, rows: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 3))
    y = 2 * x[:, 0] - x[:, 1] + x[:, 2] ** 2 + NOISES[noise](random, x)
    return pd.DataFrame(x, columns=list("abc")).assign(y=y).round(6)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to train in, without plots."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("dltrain.experiment.run.write_page", lambda run, setup: None)
    return tmp_path


def fit(frame: pd.DataFrame, *overrides: str) -> LoadedModel:
    """Trains on a table in the current folder, quickly."""
    frame.to_csv("table.csv", index=False)
    shutil.rmtree("run", ignore_errors=True)
    fixed = ("data=csv", "data.path=table.csv", "baseline=none", "hydra.run.dir=run", "data.val_fraction=0.4")
    return train(*fixed, *overrides, quiet=True)


def coverage(model: LoadedModel, new: pd.DataFrame, interval: float | None = None) -> float:
    predicted = model.predict(new.drop(columns="y"), interval=interval)
    return float(((predicted["low"] <= new["y"]) & (new["y"] <= predicted["high"])).mean())


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("noise", NOISES)
def test_intervals_hold_nine_of_ten_new_values(noise: str) -> None:
    number = list(NOISES).index(noise)
    model = fit(draw(noise, 5000, number), "data.target=y", "model=linear", "trainer.epochs=10")
    new = draw(noise, 4000, 100 + number)
    assert 0.87 <= coverage(model, new) <= 0.93
    assert 0.45 <= coverage(model, new, interval=0.5) <= 0.55
    measured = model.result["certainty"]["measured"]
    assert measured["level"] == 0.9
    assert 0.83 <= measured["coverage"] <= 0.97  # of 500 test rows


@pytest.mark.usefixtures("here")
def test_few_rows_are_enough() -> None:
    found = []
    for seed in range(3):
        model = fit(draw("normal", 100, seed), "data.target=y", "model=linear", "trainer.epochs=10")
        found.append(coverage(model, draw("normal", 2000, 9)))
    assert np.mean(found) == pytest.approx(0.9, abs=0.07)  # 40 validation rows leave 5 % of doubt in each


@pytest.mark.usefixtures("here")
def test_intervals_are_wide_where_the_noise_is_large() -> None:
    model = fit(draw("larger for large a", 3000, 1), "data.target=y", "model=linear", "trainer.epochs=10")
    new = draw("larger for large a", 3000, 2)
    predicted = model.predict(new.drop(columns="y"))
    width, inside = predicted["high"] - predicted["low"], predicted["low"].le(new["y"]) & predicted["high"].ge(new["y"])
    low, high = new["a"] < -0.5, new["a"] > 1
    assert width[high].mean() > 1.5 * width[low].mean()
    assert inside[high].mean() > 0.8  # a constant width holds 64 % there


def test_predict_writes_low_and_high_and_refuses_what_it_cannot_hold(dltrain: Callable, pay_run: Path) -> None:
    rows = pd.read_csv(pay_run / "predictions.csv")
    Path("new.csv").write_text("number,年龄,city,stays\n1,30,Ulm,yes\n2,50,Bonn,no\n", encoding="utf-8")
    called = dltrain("predict", str(pay_run), "new.csv", "-o", "out.csv", "--interval", "0.5")
    assert called.code == 0, called.err
    out = pd.read_csv("out.csv")
    assert list(out.columns) == ["id", "predicted", "low", "high", "remarks"]
    assert (out["low"] < out["predicted"]).all() and (out["predicted"] < out["high"]).all()
    assert len(rows) > 0
    wide = dltrain("predict", str(pay_run), "new.csv", "--interval", "0.99")  # of 11 validation rows
    assert wide.code == 2
    assert "validation samples are too few for intervals" in wide.err
    mended = re.search(r"dltrain (predict .* --interval 0\.9\d?)$", wide.err.strip())
    assert mended is not None
    assert dltrain(*mended[1].split()).code == 0
    percent = dltrain("predict", str(pay_run), "new.csv", "--interval", "90")
    assert percent.code == 2 and percent.err.strip().endswith("--interval 0.9")
    for flag in (("--sets",), ("--threshold", "0.4")):
        refused = dltrain("predict", str(pay_run), "new.csv", *flag)
        assert refused.code == 2 and f"{flag[0]} does not work for regression runs" in refused.err


def test_without_a_validation_split_there_is_no_interval_and_predict_says_so(dltrain: Callable, here: Path) -> None:
    fit(draw("normal", 100, 0), "data.target=y", "model=linear", "trainer.epochs=2", "data.val_fraction=0")
    called = dltrain("predict", "run", "table.csv")
    assert called.code == 0
    assert called.out.splitlines()[0] == "id,predicted,remarks"
    assert "no low and high: there is no validation split" in called.err
    asked = dltrain("predict", "run", "table.csv", "--interval", "0.9")
    assert asked.code == 2 and "gives no intervals: there is no validation split" in asked.err


def test_a_run_of_an_earlier_version_predicts_as_before(dltrain: Callable, pay_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(pay_run, tmp_path / "old"))
    path = run / "result.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {"certainty": None}), "utf-8")
    Path("new.csv").write_text("number,年龄,city,stays\n1,30,Ulm,yes\n", encoding="utf-8")
    old, new = dltrain("predict", str(run), "new.csv"), dltrain("predict", str(pay_run), "new.csv")
    assert old.out.splitlines()[0] == "id,predicted,remarks"
    assert old.out.splitlines()[1].split(",")[:2] == new.out.splitlines()[1].split(",")[:2]
    assert "low and high" not in old.err


@pytest.mark.parametrize("damage", [{"conformal": []}, {"conformal": [{"count": 3}]}, {}])
def test_damaged_records_are_refused(dltrain: Callable, pay_run: Path, tmp_path: Path, damage: dict) -> None:
    run = Path(shutil.copytree(pay_run, tmp_path / "damaged"))
    path = run / "result.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {"certainty": damage}), "utf-8")
    called = dltrain("predict", str(run), "new.csv")
    assert called.code == 2 and "its certainty cannot be read" in called.err


def test_several_outputs_have_an_interval_each(dltrain: Callable, here: Path) -> None:
    frame = draw("normal", 1500, 0)
    model = fit(frame.assign(z=100 * frame["a"] + 50 * frame["y"]), "data.target=[y,z]", "model=linear")
    new = draw("normal", 1500, 1).assign(z=lambda new: 100 * new["a"] + 50 * new["y"])
    predicted = model.predict(new[["a", "b", "c"]])
    for name in ("y", "z"):
        held = predicted[f"low_{name}"].le(new[name]) & predicted[f"high_{name}"].ge(new[name])
        assert 0.87 <= held.mean() <= 0.93
    called = dltrain("evaluate", "run")
    assert called.code == 0, called.err
    assert "certainty Intervals of 90 % hold" in called.out


def draw_classes(rows: int, seed: int, classes: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 4))
    scores = x @ np.random.default_rng(0).normal(size=(4, classes)) + random.gumbel(size=(rows, classes))
    names = np.array(["red", "green, pale", "blue", "=grey"])
    return pd.DataFrame(x, columns=list("abcd")).assign(y=names[scores.argmax(axis=1)])


@pytest.fixture(scope="module")
def sure(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on four classes whose model has learned too much, and is too sure."""
    folder = tmp_path_factory.mktemp("sure")
    draw_classes(1200, 1, 4).to_csv(folder / "table.csv", index=False)
    train(
        *("data=csv", f"data.path={folder / 'table.csv'}", "data.target=y", "data.val_fraction=0.4", "baseline=none"),
        *("model=mlp", "model.dropout=0", "trainer.epochs=40", "trainer.keep=last", f"hydra.run.dir={folder / 'run'}"),
        quiet=True,
    )
    return folder / "run"


def test_a_temperature_makes_probabilities_right_and_changes_no_class(sure: Path) -> None:
    model, new = load(sure), draw_classes(3000, 2, 4)
    encoded = model.encoder.encode(new)
    prepare = model.encoder.prepare
    with torch.no_grad():
        outputs = model.module(*(encoded.inputs if prepare is None else prepare(encoded.inputs)))
    plain, shown = model.task.predict(outputs), model.predict_encoded(encoded)
    assert model.result["certainty"]["temperature"] > 1.2
    assert torch.equal(plain.values, shown.values)
    assert plain.probabilities is not None and shown.probabilities is not None
    assert torch.equal(shown.probabilities.argmax(dim=1), plain.values)
    target = model.encoder.targets(new)
    error = {name: model.task.calibrate(part, target).error for name, part in (("plain", plain), ("shown", shown))}
    assert error["shown"] is not None and error["plain"] is not None
    assert error["shown"] < 0.6 * error["plain"]


def test_the_metrics_of_training_are_those_of_evaluate(dltrain: Callable, sure: Path) -> None:
    result = json.loads((sure / "result.json").read_text("utf-8"))
    called = dltrain("evaluate", str(sure), "-o", "evaluation", "--json")
    answer = json.loads(called.out)
    assert answer["metrics"] == pytest.approx(result["test"], abs=1e-6)
    assert answer["certainty"] == pytest.approx(result["certainty"]["measured"], abs=1e-6)
    page = (Path("evaluation") / "report.html").read_text("utf-8")
    assert "Probabilities are scaled by a temperature" in page
    assert "are to hold the true one for 90 % of samples" in page
    assert "Probabilities are scaled by a temperature" in (sure / "report.html").read_text("utf-8")


def test_an_export_gives_the_same_probabilities(dltrain: Callable, sure: Path) -> None:
    called = dltrain("export", str(sure), "--format", "torch-export", "-o", "model.pt2")
    assert called.code == 0, called.err
    model = load(sure)
    encoded = model.encoder.encode(draw_classes(50, 3, 4))
    exported = torch.export.load("model.pt2").module()(*encoded.inputs)
    shown = model.predict_encoded(encoded).probabilities
    assert shown is not None
    torch.testing.assert_close(exported, shown, rtol=1e-4, atol=1e-5)


def test_sets_hold_the_true_class_as_often_as_asked(dltrain: Callable, sure: Path) -> None:
    new = draw_classes(3000, 2, 4)
    new.to_csv("new.csv", index=False)
    sizes = []
    for level in ("0.8", "0.9", "0.97"):
        assert dltrain("predict", str(sure), "new.csv", "--sets", "--interval", level, "-o", "out.csv").code == 0
        out = pd.read_csv("out.csv")
        assert list(out.columns)[-2:] == ["set", "remarks"]
        members = [cell.lstrip("'").split("|") for cell in out["set"]]
        held = np.mean([true in row for true, row in zip(new["y"], members, strict=True)])
        assert float(level) - 0.035 <= held <= float(level) + 0.035
        assert all(name.lstrip("'") in row for name, row in zip(out["predicted"], members, strict=True))
        sizes.append(np.mean([len(row) for row in members]))
    assert sizes == sorted(sizes) and sizes[0] < sizes[-1]


def test_the_threshold_that_evaluate_proposes_reaches_what_it_says(
    dltrain: Callable, people_run: Path, people_csv: Path
) -> None:
    evaluated = dltrain("evaluate", str(people_run), f"data.path={people_csv}", "-o", "evaluation")
    proposed = re.findall(r"threshold (\S+) maximizes f1: ([\d.]+),.*\n +dltrain (predict .*)", evaluated.out)
    assert len(proposed) == 1
    value, reached, command = proposed[0]
    words = [str(people_csv) if word == "INPUT" else word for word in command.split()]
    assert words[-1] == value
    assert dltrain(*words, "-o", "out.csv").code == 0
    out, true = pd.read_csv("out.csv"), pd.read_csv(people_csv)["stays"] == "yes"
    predicted = out["predicted"] == "yes"
    assert 2 * (predicted & true).sum() / (predicted.sum() + true.sum()) == pytest.approx(float(reached), abs=1e-4)
    assert (out["score_yes"] > float(value)).equals(predicted)


def test_what_does_not_apply_to_classes_is_refused(dltrain: Callable, people_run: Path, sure: Path) -> None:
    for run, flags, words in (
        (sure, ("--threshold", "0.4"), "--threshold is for two classes, and the run has 4"),
        (people_run, ("--threshold", "2"), "--threshold must lie between 0 and 1, not 2"),
        (people_run, ("--interval", "0.8"), "--interval alone is for predicted numbers"),
    ):
        called = dltrain("predict", str(run), "new.csv", *flags)
        assert called.code == 2 and words in called.err
    ahead = dltrain("predict", str(people_run), "--user", "1", "--sets")
    assert ahead.code == 2 and "--sets cannot be used with --user" in ahead.err
