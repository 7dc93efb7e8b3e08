"""Folds of every kind of data: each sample validated once, the same for the same seed, and read once for all folds."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits, make_regression
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import PredefinedSplit, TimeSeriesSplit, cross_val_predict

from dltrain.config.compose import compose_jobs
from dltrain.experiment import build
from dltrain.experiment.results import fingerprint
from dltrain.experiment.sources import SOURCES
from dltrain.kinds.image.captcha import captcha
from dltrain.kinds.image.digits import digits
from dltrain.kinds.image.load import images
from dltrain.kinds.ratings.load import ratings
from dltrain.kinds.series.load import series
from dltrain.kinds.table.csv_config import csv
from dltrain.kinds.table.formulas import cubic, regression
from dltrain.kinds.table.scikit_learn import toy_table
from dltrain.kinds.text.load import text
from dltrain.models.fold_ensemble import FoldEnsemble
from dltrain.types import Data

SHORT = ("baseline=none", "trainer.threads=1")


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """A folder of 60 images and a table of their labels, of patients and of several findings."""
    random = np.random.default_rng(0)
    lines = ["file,kind,patient,findings"]
    for row in range(60):
        kind = row % 3
        Image.fromarray(random.integers(80 * kind, 80 * kind + 60, (8, 8), dtype=np.uint8)).save(
            tmp_path / f"i{row:02d}.png"
        )
        lines.append(f"i{row:02d}.png,k{kind},p{row % 13},{'a|b' if row % 2 else 'b' if row % 3 else 'a|c'}")
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def of_images(folder: Path) -> Callable[..., Data]:
    return lambda **keys: images(path=str(folder), labels="labels.csv", target="kind", size=8, **keys)


LOADED: dict[str, Callable[..., Data]] = {
    "digits": digits,
    "texts": lambda **keys: text(rows=150, **keys),
    "iris": lambda **keys: toy_table(name="iris", **keys),
    "cubic": lambda **keys: cubic(rows=90, **keys),
    "regression": lambda **keys: regression(rows=90, **keys),
    "ratings": lambda **keys: ratings(rows=400, **keys),
}


@pytest.mark.parametrize("name", [*LOADED, "images"])
def test_every_sample_that_is_not_for_testing_validates_once(name: str, labelled: Path) -> None:
    load = LOADED.get(name) or of_images(labelled)
    of_fold = [load(folds=3, fold=fold) for fold in range(3)]
    validated = [set(data.splits["val"].ids) for data in of_fold]
    whole = set(load(val_fraction=0.0).splits["train"].ids)
    assert set.union(*validated) == whole and sum(map(len, validated)) == len(whole)
    assert all(set(data.splits["train"].ids) == whole - val for data, val in zip(of_fold, validated, strict=True))
    assert len({data.splits["test"].ids for data in of_fold}) == 1
    assert all(data.facts.folds == 0 and "of 3 is the validation split" in " ".join(data.notes) for data in of_fold)


@pytest.mark.parametrize("name", [*LOADED, "images", "series"])
def test_another_fold_of_what_was_read_is_the_fold_read_anew(name: str, labelled: Path) -> None:
    loads = {**LOADED, "images": of_images(labelled), "series": lambda **keys: series(rows=400, **keys)}
    first, last = (loads[name](folds=3, fold=fold) for fold in (0, 2))
    assert first.with_fold is not None
    again = first.with_fold(2)
    assert fingerprint(again) == fingerprint(last) != fingerprint(first)
    assert again.facts == last.facts and again.notes == last.notes
    assert fingerprint(again.with_fold(0)) == fingerprint(first)  # type: ignore[misc]
    assert loads[name]().with_fold is None


@pytest.mark.parametrize("name", ["digits", "texts", "iris", "images"])
def test_classes_have_equal_shares_in_a_model_of_each_fold(name: str, labelled: Path) -> None:
    load = LOADED.get(name) or of_images(labelled)
    data = load(folds=4)
    train = data.splits["train"]
    assert data.facts.folds == 4 and "val" not in data.splits and train.fold is not None
    counts = np.array([np.bincount(train.target[train.fold == fold].numpy()) for fold in range(4)])
    assert (np.ptp(counts, axis=0) <= 1).all()


def test_images_and_texts_of_a_group_stay_in_one_fold(labelled: Path) -> None:
    frame = pd.read_csv(labelled / "labels.csv").set_index("file")
    grouped = of_images(labelled)(folds=4, group="patient").splits["train"]
    patients = frame.patient[list(grouped.ids)].to_numpy()
    assert (pd.Series(grouped.fold.numpy()).groupby(patients).nunique() == 1).all()
    assert grouped.fold.unique().tolist() and len(grouped.fold.unique()) == 4
    words = np.random.default_rng(0).choice(["sunny", "rainy", "windy", "cold"], (80, 4))
    table = pd.DataFrame({"text": map(" ".join, words), "kind": words[:, 0], "who": np.arange(80) % 11})
    table.to_csv(labelled / "t.csv", index=False)
    keys: dict[str, Any] = {"path": str(labelled / "t.csv"), "target": "kind", "text": "text", "group": "who"}
    parts = [text(**keys, folds=3, fold=fold).splits for fold in range(3)]
    for splits in parts:
        own, others = ({int(row) % 11 for row in splits[name].ids} for name in ("val", "train"))
        assert not own & others


def test_several_labels_of_images_and_texts_can_be_divided(labelled: Path) -> None:
    data = images(path=str(labelled), labels="labels.csv", target="findings", task="multilabel", size=8, folds=3)
    assert data.facts.task == "multilabel" and data.facts.folds == 3
    frame = pd.DataFrame({"text": ["a word and another"] * 30, "tags": ["x|y", "y", "x"] * 10})
    frame.to_csv(labelled / "t.csv", index=False)
    keys: dict[str, Any] = {"path": str(labelled / "t.csv"), "text": "text", "target": "tags", "task": "multilabel"}
    assert len(text(**keys, folds=3, fold=1).splits["val"]) == 9


def test_captchas_are_divided_into_folds(tmp_path: Path) -> None:
    data = captcha(root=str(tmp_path), rows=100, size=16, folds=4, fold=3)
    assert {name: len(part) for name, part in data.splits.items()} == {"train": 60, "val": 20, "test": 20}
    assert captcha(root=str(tmp_path), rows=100, size=16, folds=4).facts.folds == 4


def test_folds_of_a_series_never_train_on_what_comes_later() -> None:
    frame = [series(rows=600, horizon=3, folds=4, fold=fold) for fold in range(4)]
    assert len({data.facts.input_shape for data in frame}) == 1  # the models of all folds are alike
    for fold, (train, val) in enumerate(TimeSeriesSplit(4).split(np.zeros(480))):
        steps = {name: part.times for name, part in frame[fold].splits.items()}
        assert steps["train"].first.max() + 3 <= len(train) == steps["val"].first.min()
        assert steps["val"].first.max() + 3 == val[-1] + 1
        assert steps["test"].first.min() == 480


def test_each_series_of_a_panel_is_divided_by_time(tmp_path: Path) -> None:
    days = pd.date_range("2024-01-01", periods=150).strftime("%Y-%m-%d")
    random = np.random.default_rng(0)
    parts = [pd.DataFrame({"day": days, "shop": shop, "sold": random.normal(50, 5, 150)}) for shop in "abc"]
    pd.concat(parts).to_csv(tmp_path / "p.csv", index=False)
    data = series(path=str(tmp_path / "p.csv"), target="sold", series="shop", folds=3, fold=1)
    assert "fold 1 of 3 of the others validates" in data.notes[-1]
    for code in range(3):
        train, val = (data.splits[name].times.of(data.splits[name].times.codes == code) for name in ("train", "val"))
        assert train.first.max() < val.first.min()


def test_rows_in_the_order_of_time_are_validated_forward(tmp_path: Path) -> None:
    order = np.random.default_rng(0).permutation(120)
    pd.DataFrame({"when": order, "x": order % 7, "y": order * 1.5}).to_csv(tmp_path / "t.csv", index=False)
    for fold, (train, val) in enumerate(TimeSeriesSplit(3).split(np.zeros(96))):
        data = csv(path=str(tmp_path / "t.csv"), target="y", time="when", test_fraction=0.2, folds=3, fold=fold)
        times = {name: set(order[list(map(int, part.ids))]) for name, part in data.splits.items()}
        assert times["train"] == set(train) and times["val"] == set(val)


def test_ratings_are_divided_at_random_by_time_or_by_user() -> None:
    by_time = [ratings(rows=500, split="time", folds=3, fold=fold) for fold in range(3)]
    sizes = [len(data.splits["train"]) for data in by_time]
    assert sizes == sorted(sizes) and sizes[0] < sizes[2]
    by_user = [ratings(rows=900, split="leave_last", folds=3, fold=fold).splits for fold in range(3)]
    held_out = set(ratings(rows=900, split="leave_last").splits["val"].ids)
    assert set.union(*(set(splits["val"].ids) for splits in by_user)) == held_out
    assert all(held_out - set(splits["val"].ids) < set(splits["train"].ids) for splits in by_user)


def test_out_of_fold_predictions_of_made_up_data_equal_a_loop_of_scikit_learn(
    dltrain: Callable, tmp_path: Path
) -> None:
    exact = (
        "loss=mse",
        "optimizer=adam",
        "optimizer.lr=0.1",
        "scheduler=cosine",
        "trainer.keep=last",
        "trainer.patience=null",
    )
    called = dltrain(
        *("-m", "data=regression", "data.rows=150", "data.features=4", "data.folds=3", "data.fold=range(3)"),
        *(*SHORT, *exact, "model=linear", "trainer.epochs=300", "trainer.batch_size=200", "hydra.sweep.dir=s"),
    )
    assert called.code == 0, called.err
    table = pd.read_csv(tmp_path / "s" / "out_of_fold.csv")
    x, y = make_regression(150, 4, n_informative=4, bias=5.0, noise=1.0, random_state=0)
    x, y = x[table.id], y[table.id]
    np.testing.assert_allclose(table.true, y, rtol=1e-5)
    expected = cross_val_predict(LinearRegression(), x, y, cv=PredefinedSplit(table.fold))
    np.testing.assert_allclose(table.predicted, expected, atol=0.05, rtol=1e-3)
    assert len(table) == 135 and table.id.is_unique


def test_a_sweep_over_folds_predicts_what_single_runs_do(dltrain: Callable, tmp_path: Path, labelled: Path) -> None:
    keys = ("data=images", "data.path=.", "data.labels=labels.csv", "data.target=kind", "data.size=8", "data.folds=3")
    keys = (*keys, *SHORT, "model=linear", "trainer.epochs=2")
    assert dltrain("-m", *keys, "data.fold=range(3)", "hydra.sweep.dir=s").code == 0
    table = pd.read_csv(tmp_path / "s" / "out_of_fold.csv")
    assert len(table) == table.id.nunique() == 51
    assert dltrain(*keys, "data.fold=1", "data.test_fraction=0.15", "hydra.run.dir=one").code == 0
    alone = json.loads((tmp_path / "one" / "result.json").read_text("utf-8"))
    jobs = pd.read_csv(tmp_path / "s" / "sweep.csv")
    assert jobs["val/loss"][1] == pytest.approx(alone["val"]["loss"])
    right = (table.true == table.predicted).groupby(table.fold).mean()
    assert right.tolist() == pytest.approx(jobs["val/accuracy"].tolist())


def test_the_jobs_of_a_sweep_over_folds_read_their_data_once(
    dltrain: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, labelled: Path
) -> None:
    from dltrain.kinds.image import load

    calls = []
    decode = load.decode_images
    monkeypatch.setattr(load, "decode_images", lambda *a, **k: calls.append(a) or decode(*a, **k))
    keys = ("data=images", "data.path=.", "data.labels=labels.csv", "data.target=kind", "data.size=8", "data.folds=4")
    called = dltrain("-m", *keys, "data.fold=range(4)", *SHORT, "model=linear", "trainer.epochs=1", "hydra.sweep.dir=s")
    assert called.code == 0, called.err
    assert len(calls) == 1
    assert dltrain("-m", *keys, "data.fold=0", "data.size=8,9", *SHORT, "model=linear", "trainer.epochs=1").code == 0
    assert len(calls) == 3  # other files of a sweep are another sweep's


def test_a_model_learns_nothing_of_its_own_fold_from_the_batch() -> None:
    torch.manual_seed(0)
    ensemble = FoldEnsemble([torch.nn.Sequential(torch.nn.BatchNorm1d(2), torch.nn.Linear(2, 1)) for _ in range(3)])
    x, fold = torch.randn(12, 2), torch.arange(12) % 3
    ensemble.train()(x, fold=fold)
    for number, model in enumerate(ensemble.models):
        expected = 0.1 * x[fold != number].mean(dim=0)
        torch.testing.assert_close(model[0].running_mean, expected)


def test_a_run_in_folds_lists_flipped_labels_of_training_images(dltrain: Callable, tmp_path: Path) -> None:
    bunch, random = load_digits(), np.random.default_rng(0)
    labels = bunch.target[:900].copy()
    wrong = random.choice(900, 27, replace=False)
    labels[wrong] = (labels[wrong] + random.integers(1, 10, 27)) % 10
    for row, label in enumerate(labels):
        path = tmp_path / "pictures" / f"digit {label}" / f"{row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((bunch.images[row] * (255 / 16)).round().astype(np.uint8)).save(path)
    keys = ("data=images", "data.path=pictures", "data.size=8", "data.mirror=false", "data.folds=3", "trainer.epochs=6")
    called = dltrain(*keys, *SHORT, "model=cnn", "hydra.run.dir=run")
    assert called.code == 0, called.err
    listed = pd.read_csv(called.run.wrong_labels)
    hit = np.isin([int(Path(name).stem) for name in listed.id], wrong)
    reached = np.cumsum(hit) / len(wrong)
    assert reached[-1] >= 0.6
    assert hit[: int((reached >= 0.6).argmax()) + 1].mean() >= 0.7  # precision at a recall of 0.6
    assert set(listed.split) <= {"val", "test"} and (listed.split == "val").sum() > 10
    page = called.run.report.read_text("utf-8")
    assert "training, by folds" in page and Path(listed.id[0]).name in page


@pytest.mark.parametrize(
    ("keys", "what", "override"),
    [
        (("data=digits", "data.folds=3", "data.fold=3"), "there is no fold 3 of 3", "data.fold=2"),
        (("data=text", "data.fold=0"), "there are no folds", "data.folds=5"),
        (("data=iris", "data.folds=46", "data.fold=0"), "has 45 samples besides those for testing", "data.folds=45"),
        (("data=series", "data.folds=3"), "cannot be used with a series", "data.folds=null"),
        (("data=series", "data.folds=900", "data.fold=0", "data.horizon=4"), "too few for 900 folds", "data.folds="),
        (("data=ratings", "data.folds=3"), "trains a model of each fold", "data.folds=null"),
        (("data=digits", "data.folds=3", "augment.mixup=0.2"), "the fold that validates it", "data.fold=0"),
    ],
)
def test_folds_that_cannot_be_are_refused_with_what_can(keys: tuple[str, ...], what: str, override: str) -> None:
    from dltrain.errors import DltrainError

    SOURCES.forget()
    (job,) = compose_jobs([*keys, "trainer.threads=1"], sweep=False)
    with pytest.raises(DltrainError, match=what) as caught:
        build.build(job.config)
    assert caught.value.exit_code == 2 and caught.value.override.startswith(override)


def test_folds_beside_a_validation_split_of_its_own_are_refused(dltrain: Callable, tmp_path: Path) -> None:
    for name in ("train/a", "train/b", "val/a", "val/b", "test/a", "test/b"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for row in range(4):
            Image.new("L", (8, 8), 10 * row).save(tmp_path / "pictures" / name / f"{row}.png")
    called = dltrain("data=images", "model=linear", "data.path=pictures", "data.folds=2", "hydra.run.dir=run", *SHORT)
    assert called.code == 2 and "a validation split of its own" in called.err and "data.folds=null" in called.err
    assert not (tmp_path / "run").exists()
