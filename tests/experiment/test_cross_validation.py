"""Cross-validation as a sweep over folds: one configuration, every row predicted once, equal to a loop by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.metrics import root_mean_squared_error

FOLDS = ("-m", "data=csv", "data.path=t.csv", "data.folds=5", "data.fold=range(5)", "hydra.sweep.dir=s")
SHORT = ("baseline=none", "trainer.threads=1", "model=linear", "trainer.epochs=3")


def write_table(folder: Path, rows: int = 200) -> pd.DataFrame:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"a": random.normal(size=rows), "b": random.normal(size=rows) * 30 + 7})
    frame["who"] = [f"w{number}" for number in random.integers(40, size=rows)]
    frame["y"] = 3 * frame.a - 0.1 * frame.b + random.normal(size=rows)
    frame["kind"] = np.where(frame.y + random.normal(size=rows) > 0.8, "yes", "no")
    frame.to_csv(folder / "t.csv", index=False)
    return frame


def test_folds_equal_a_loop_of_scikit_learn(dltrain: Callable, tmp_path: Path) -> None:
    frame = write_table(tmp_path)
    fitted = (
        "loss=mse",
        "optimizer=adam",
        "optimizer.lr=0.1",
        "scheduler=cosine",
        "trainer.patience=null",
        "trainer.keep=last",
        "data.numeric=standard",
    )
    called = dltrain(
        *FOLDS,
        *SHORT[:3],
        *fitted,
        "trainer.epochs=300",
        "trainer.batch_size=1000",
        "data.target=y",
        "data.drop=[who,kind]",
    )
    assert called.code == 0, called.err
    table = pd.read_csv(tmp_path / "s" / "out_of_fold.csv")
    assert table.id.is_unique and table.id.is_monotonic_increasing
    assert len(table) == 180  # the test split is in no fold
    expected, scores = np.zeros(len(table)), []
    for fold in range(5):
        train, val = frame.loc[table.id[table.fold != fold]], frame.loc[table.id[table.fold == fold]]
        model = LinearRegression().fit(train[["a", "b"]], train.y)
        expected[table.fold == fold] = model.predict(val[["a", "b"]])
        scores.append(root_mean_squared_error(val.y, model.predict(val[["a", "b"]])))
    np.testing.assert_allclose(table.predicted, expected, atol=1e-3)
    jobs = pd.read_csv(tmp_path / "s" / "sweep.csv")
    assert jobs["val/rmse"].tolist() == pytest.approx(scores, abs=1e-3)


def test_folds_are_one_configuration(dltrain: Callable, tmp_path: Path) -> None:
    write_table(tmp_path)
    called = dltrain(*FOLDS, *SHORT, "data.target=y", "data.drop=[kind]", "--json")
    assert called.code == 0, called.err
    answer = json.loads(called.out)
    losses = [row["val/loss"] for row in answer["jobs"]]
    assert answer["answer"]["configuration"] == {}
    assert answer["answer"]["mean"] == pytest.approx(np.mean(losses))
    assert answer["answer"]["deviation"] == pytest.approx(np.std(losses, ddof=1))
    assert "over 5 repeats" in (tmp_path / "s" / "sweep.html").read_text("utf-8")
    assert all(row["test/loss"] for row in answer["jobs"])  # nothing was chosen by it
    before = (tmp_path / "s" / "out_of_fold.csv").read_bytes()
    assert dltrain("resume", "s").code == 0
    assert (tmp_path / "s" / "out_of_fold.csv").read_bytes() == before


def test_models_are_compared_fold_by_fold(dltrain: Callable, tmp_path: Path) -> None:
    write_table(tmp_path)
    called = dltrain(*FOLDS, *SHORT, "data.target=y", "data.drop=[kind]", "optimizer.lr=0.3,0.0001", "--json")
    answer = json.loads(called.out)
    assert answer["answer"]["configuration"] == {"optimizer.lr": "0.3"}
    assert answer["answer"]["winner"] is True
    chosen = [row["job"] for row in answer["jobs"] if row["optimizer.lr"] == "0.3"]
    assert [row["job"] for row in answer["jobs"] if row.get("test/loss") is not None] == chosen
    table = pd.read_csv(tmp_path / "s" / "out_of_fold.csv")
    assert len(table) == 360 and (table.groupby("id").fold.nunique() == 1).all()


@pytest.mark.parametrize("by", ["classes", "groups"])
def test_folds_have_the_same_shares_of_classes_and_keep_groups(dltrain: Callable, tmp_path: Path, by: str) -> None:
    frame = write_table(tmp_path)
    keys = ("data.target=kind", "data.drop=[y,who]") if by == "classes" else ("data.target=y", "data.group=who")
    called = dltrain(*FOLDS, *SHORT, *keys, *(["data.drop=[kind]"] if by == "groups" else []))
    assert called.code == 0, called.err
    table = pd.read_csv(tmp_path / "s" / "out_of_fold.csv")
    if by == "classes":
        shares = table.true.eq("yes").groupby(table.fold).mean()
        assert shares.max() - shares.min() < 0.03
    else:
        assert (table.fold.groupby(frame.who[table.id].to_numpy()).nunique() == 1).all()
