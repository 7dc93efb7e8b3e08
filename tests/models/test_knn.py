"""Nearest neighbours: the answers of scikit-learn, stored with the model, and as many as cross-validation chooses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import PredefinedSplit, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from dltrain import load
from dltrain.config.compose import compose_jobs
from dltrain.errors import ConfigError
from dltrain.experiment import build
from dltrain.models.knn import KNN
from dltrain.tasks.evaluation import evaluate_fully
from dltrain.types import Spec


def built(*overrides: str) -> build.Setup:
    (job,) = compose_jobs([*overrides, "model=knn", "trainer.threads=1"], sweep=False)
    return build.build(job.config)


@pytest.mark.parametrize("data", [("data=digits",), ("data=breast_cancer", "data.numeric=standard")])
@pytest.mark.parametrize("neighbours", [1, 7])
def test_predictions_are_those_of_scikit_learn(data: tuple[str, ...], neighbours: int) -> None:
    setup = built(*data, f"model.neighbours={neighbours}")
    prepare = setup.data.prepare or (lambda inputs: inputs)
    train, test = (setup.data.splits[name] for name in ("train", "test"))
    x, new = (prepare(split.inputs)[0].flatten(1).numpy() for split in (train, test))
    theirs = KNeighborsClassifier(neighbours).fit(x, train.target.numpy())
    metrics, predictions = evaluate_fully(setup.state.model, setup.task, setup.evaluation["test"])
    assert (predictions.values.numpy() == theirs.predict(new)).mean() > 0.995  # equal distances are ordered by chance
    assert metrics["accuracy"] == pytest.approx(theirs.score(new, test.target.numpy()), abs=0.005)


def test_a_training_sample_is_no_neighbour_of_its_own() -> None:
    model = KNN(Spec("table", (1,), 2), neighbours=1)
    x = torch.tensor([[0.0], [1.0], [3.0]])
    model.remember((x,), torch.tensor([0, 1, 0]))
    assert model.train()(x).argmax(dim=2).flatten().tolist() == [1, 0, 1]
    assert model.eval()(x).argmax(dim=2).flatten().tolist() == [0, 1, 0]


def test_in_folds_each_model_stores_the_samples_of_the_other_folds() -> None:
    setup = built("data=iris", "data.folds=3")
    fold = setup.data.splits["train"].fold
    assert [len(model.samples) for model in setup.state.model.models] == [int((fold != k).sum()) for k in range(3)]


def test_a_finished_run_predicts_without_its_data(dltrain: Callable, tmp_path: Path, people_csv: Path) -> None:
    table = tmp_path / "people.csv"
    table.write_bytes(people_csv.read_bytes())
    called = dltrain("model=knn", "data=csv", "data.path=people.csv", "data.target=stays", "hydra.run.dir=run")
    assert called.code == 0, called.err
    frame = pd.read_csv(table)
    table.unlink()
    stored = pd.read_csv("run/predictions.csv", index_col="id")
    again = load("run", device="cpu").predict(frame.iloc[stored.index.to_list()])
    assert again.predicted.tolist() == stored.predicted.tolist()
    assert dltrain("resume", "run", "trainer.epochs=5").code == 2  # the table is gone


@pytest.mark.parametrize(
    ("overrides", "override"),
    [(("data=diabetes",), "model=linear"), (("data=iris", "model.neighbours=120"), "model.neighbours=60")],
)
def test_what_cannot_vote_is_refused(overrides: tuple[str, ...], override: str) -> None:
    with pytest.raises(ConfigError) as caught:
        built(*overrides)
    assert caught.value.override == override


def test_cross_validation_chooses_how_many_and_the_test_split_is_read_for_these(
    dltrain: Callable, tmp_path: Path
) -> None:
    called = dltrain(
        "-m",
        "experiment=knn",
        "model.neighbours=1,25",
        "data.folds=3",
        "data.fold=range(3)",
        "--json",
        "hydra.sweep.dir=s",
    )
    assert called.code == 0, called.err
    answer = json.loads(called.out)
    jobs, table = pd.read_csv(tmp_path / "s" / "sweep.csv"), pd.read_csv(tmp_path / "s" / "out_of_fold.csv")
    one = table[table.job < 3]
    digits = load_digits()
    x, y = digits.data[one.id], digits.target[one.id]
    means = []
    for number, neighbours in enumerate((1, 25)):
        estimator = KNeighborsClassifier(neighbours)
        scores = cross_val_score(estimator, x, y, cv=PredefinedSplit(one.fold))
        measured = jobs["val/accuracy"][3 * number : 3 * number + 3]
        np.testing.assert_allclose(measured, scores, atol=0.005)
        means.append(scores.mean())
    best = int(np.argmax(means))
    assert answer["answer"]["configuration"] == {"model.neighbours": str((1, 25)[best])}
    assert answer["answer"]["mean"] == pytest.approx(means[best], abs=0.005)
    assert answer["answer"]["deviation"] is not None
    tested = jobs["test/accuracy"].notna()
    assert tested.tolist() == [job // 3 == best for job in range(6)]
