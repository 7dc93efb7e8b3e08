"""Runs in folds: validated by models that have not learned from a row, as reproducible and usable as any run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dltrain import load
from dltrain.config.compose import compose_jobs
from dltrain.experiment import build
from dltrain.kinds.table.load import table
from dltrain.tasks.evaluation import evaluate_fully
from dltrain.training.loop import fit

SHORT = ("data=csv", "baseline=none", "trainer.epochs=4", "trainer.patience=null", "hydra.run.dir=run")


def written(folder: Path, rows: int = 240, seed: int = 0) -> str:
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({"a": random.normal(size=rows), "b": random.normal(size=rows)})
    frame["town"] = [f"T{code}" for code in random.integers(30, size=rows)]
    frame["price"] = 3 * frame.a + np.sin(2 * frame.b) + 0.2 * random.normal(size=rows)
    frame.to_csv(folder / "t.csv", index=False)
    return "t.csv"


def test_a_run_in_folds_is_one_run(dltrain: Callable, tmp_path: Path) -> None:
    source = ("data.path=" + written(tmp_path), "data.target=price")
    called = dltrain(*SHORT, *source, "data.folds=3", "model.hidden=[8]")
    assert called.code == 0, called.err
    assert "3 models, each trained without one of 3 folds" in called.out
    result, facts = called.result, json.loads(called.run.facts.read_text("utf-8"))
    assert facts["folds"] == 3
    assert result["data"]["rows"] == 240 and result["data"]["splits"] == {"train": 216, "val": 216, "test": 24}
    assert result["val"]["rmse"] > result["train"]["rmse"]
    frame = pd.read_csv(tmp_path / "t.csv")
    model = load("run")
    predicted = pd.read_csv(called.run.predictions).set_index("id").predicted
    again = model.predict(frame.loc[predicted.index]).predicted
    np.testing.assert_allclose(again, predicted, rtol=1e-5, atol=1e-5)
    assert "in 3 folds, which also validate" in called.run.report.read_text("utf-8")


@pytest.mark.parametrize("model", [("model=linear", "data.folds=3"), ("model=auto", "model.hidden=[8]")])
def test_a_run_in_folds_goes_on_bit_for_bit(dltrain: Callable, tmp_path: Path, model: tuple[str, ...]) -> None:
    source = (*SHORT, "data.path=" + written(tmp_path, 120), "data.target=price", *model, "scheduler=constant")
    assert dltrain(*source).code == 0
    called = dltrain("resume", "run", "trainer.epochs=7")
    assert called.code == 0, called.err
    assert dltrain(*source, "trainer.epochs=7", "hydra.run.dir=whole").code == 0
    both = [json.loads((tmp_path / name / "result.json").read_text("utf-8")) for name in ("run", "whole")]
    assert both[0]["test"] == both[1]["test"] and both[0]["val"] == both[1]["val"]
    assert both[0].get("blend") == both[1].get("blend")


def test_model_auto_says_its_blend_and_takes_folds_of_a_small_table(dltrain: Callable, tmp_path: Path) -> None:
    called = dltrain(*SHORT, "data.path=" + written(tmp_path), "data.target=price", "model=auto", "model.hidden=[8]")
    assert called.code == 0, called.err
    assert "5 models, each trained without" in called.out
    assert "blend: " in called.out and "each alone: linear" in called.out
    blend = called.result["blend"]
    assert sum(blend["votes"].values()) == 8 and set(blend["losses"]) == {"linear", "mlp", "tabm"}
    assert blend["loss"] <= min(blend["losses"].values())
    assert blend["loss"] == pytest.approx(called.result["val"]["loss"], rel=1e-4)
    assert "each alone: linear" in called.run.report.read_text("utf-8")
    assert dltrain("evaluate", "run").code == 0


def test_model_auto_without_folds(dltrain: Callable, tmp_path: Path) -> None:
    source = ("data.path=" + written(tmp_path), "data.target=price", "data.folds=none")
    called = dltrain(*SHORT, *source, "model=auto", "model.hidden=[8]", "model.candidates=[linear,mlp]")
    assert called.code == 0, called.err
    assert called.result["data"]["splits"] == {"train": 192, "val": 24, "test": 24}
    assert set(called.result["blend"]["votes"]) == {"linear", "mlp"}


def test_without_a_test_split_the_folds_are_shown(dltrain: Callable, tmp_path: Path) -> None:
    source = ("data.path=" + written(tmp_path), "data.target=price", "data.folds=3", "data.test_fraction=0")
    called = dltrain(*SHORT, *source, "model=linear")
    assert called.code == 0, called.err
    assert called.result["shown_split"] == "val"
    predicted = pd.read_csv(called.run.predictions)
    assert len(predicted) == 240
    error = float(((predicted.predicted - predicted.true) ** 2).mean() ** 0.5)
    assert error == pytest.approx(called.result["val"]["rmse"], rel=1e-4)


def validation_of(frame: pd.DataFrame, target: str, folder: Path, *overrides: str) -> tuple[float, float]:
    """The out-of-fold R² of a run in folds at its best epoch, and that of new rows."""
    frame.to_csv(folder / "t.csv", index=False)
    source = ("data=csv", f"data.path={folder / 't.csv'}", f"data.target={target}", "trainer.threads=1")
    (job,) = compose_jobs([*source, "data.folds=4", "data.test_fraction=0.4", "trainer.epochs=12", *overrides])
    setup = build.build(job.config)
    best = max(
        (
            row
            for row in fit(setup.state, setup.task, setup.train, setup.evaluation["val"], setup.settings)
            if isinstance(row, dict)
        ),
        key=lambda row: row["val/r2"],
    )
    return best["val/r2"], evaluate_fully(setup.state.model, setup.task, setup.evaluation["test"])[0]["r2"]


def test_folds_see_nothing_in_a_target_of_chance(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"town": [f"T{code}" for code in random.integers(300, size=2000)]})
    frame["words"] = [" ".join(random.choice(list("abcdefghijklmnop"), 3)) for _ in range(2000)]
    frame["x"], frame["y"] = random.normal(size=2000), random.normal(size=2000)
    out_of_fold, _ = validation_of(frame, "y", tmp_path)
    assert out_of_fold < 0.02  # the standard deviation of R² by chance is about 0.003


def test_copies_of_rows_are_what_folds_cannot_see(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(300, 4)), columns=list("abcd"))
    frame["y"] = frame.a + frame.b + 0.1 * random.normal(size=300)
    out_of_fold, new = validation_of(frame, "y", tmp_path)
    assert abs(out_of_fold - new) < 0.1


def test_one_fold_is_an_ordinary_validation_split() -> None:
    frame = pd.DataFrame({"a": np.arange(100.0), "y": np.arange(100.0) % 7})
    parts = [table(frame, target="y", folds=4, fold=fold, test_fraction=0.2) for fold in range(4)]
    val = [set(data.splits["val"].ids) for data in parts]
    assert set.union(*val) == set(parts[0].splits["train"].ids) | val[0] and sum(map(len, val)) == 80
    assert all(data.facts.folds == 0 and data.splits["train"].fold is None for data in parts)
    assert len({tuple(data.splits["test"].ids) for data in parts}) == 1


def test_folds_keep_groups_together() -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"who": random.integers(40, size=300), "a": random.normal(size=300), "y": random.normal(size=300)}
    )
    train = table(frame, target="y", folds=4, group="who").splits["train"]
    of_group = pd.DataFrame({"who": frame.who[list(map(int, train.ids))], "fold": train.fold.numpy()})
    assert (of_group.groupby("who").fold.nunique() == 1).all() and of_group.fold.nunique() == 4


@pytest.mark.parametrize(
    ("overrides", "override"),
    [
        (("data.folds=3", "data.time=a"), "data.folds=null"),
        (("data.folds=3", "data.val_path=t.csv"), "data.folds=null"),
        (("data.fold=1",), "data.folds=5"),
        (("data.folds=3", "data.fold=3"), "data.fold=2"),
    ],
)
def test_keys_that_contradict_each_other_are_refused_with_what_settles_it(
    dltrain: Callable, tmp_path: Path, overrides: tuple[str, ...], override: str
) -> None:
    source = (*SHORT, "data.path=" + written(tmp_path), "data.target=price", "model=linear", *overrides)
    called = dltrain(*source)
    assert called.code == 2 and override in called.err
    assert not (tmp_path / "run").exists()


def test_weighted_rows_weigh_in_folds(dltrain: Callable, tmp_path: Path) -> None:
    frame = pd.read_csv(tmp_path / written(tmp_path))
    frame.assign(w=1.0 + (frame.a > 0)).to_csv(tmp_path / "w.csv", index=False)
    source = (*SHORT, "data.path=w.csv", "data.target=price", "data.weight=w", "data.folds=3", "model=linear")
    assert dltrain(*source).code == 0


def test_an_export_predicts_as_all_models(dltrain: Callable, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    source = ("data.path=" + written(tmp_path), "data.target=price", "model=auto", "model.hidden=[8]")
    assert dltrain(*SHORT, *source).code == 0
    called = dltrain("export", "run", "--format", "onnx")
    assert called.code == 0, called.err
    assert list((tmp_path / "run" / "exports").glob("*.onnx"))


def test_a_run_in_folds_names_flipped_labels(dltrain: Callable, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(400, 4)), columns=list("abcd"))
    frame["kind"] = np.where(frame.a + frame.b > 0, "low", "high")
    clear = np.flatnonzero((frame.a + frame.b).abs() > 0.5)
    wrong = random.choice(clear, 12, replace=False)
    frame.loc[wrong, "kind"] = frame.loc[wrong, "kind"].map({"low": "high", "high": "low"})
    frame.to_csv(tmp_path / "t.csv", index=False)
    options = ("data.path=t.csv", "data.target=kind", "data.folds=3", "model.hidden=[16]", "trainer.epochs=40")
    called = dltrain(*SHORT, *options)
    assert called.code == 0, called.err
    listed = pd.read_csv(called.run.wrong_labels)
    assert set(listed.split) <= {"val", "test"}
    assert np.isin(listed.id, wrong).mean() >= 0.7
    assert np.isin(wrong, listed.id).mean() >= 0.6
    assert f"{len(listed)} held-out labels may be wrong (kind)" in called.out
    page = called.run.report.read_text("utf-8")
    assert "Labels that may be wrong" in page
    (found,) = [finding for finding in called.result["doctor"] if "may be wrong" in finding["what"]]
    assert str(listed.id[0]) in found["what"]
