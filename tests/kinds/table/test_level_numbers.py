"""Means of the target for the levels of a category: right for what is known, and blind to a row's own target."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch

from dltrain.data.cells import read_cells
from dltrain.kinds.kind import kind_of
from dltrain.kinds.table.level_numbers import STRONGEST, WEAKEST, LevelNumbers
from dltrain.kinds.table.load import table
from dltrain.types import Data, Facts


def towns(rows: int = 3000, levels: int = 300, noise: float = 0.1) -> pd.DataFrame:
    random = np.random.default_rng(0)
    worth = random.normal(size=levels)
    town = random.integers(levels, size=rows)
    return pd.DataFrame(
        {
            "town": [f"T{code}" for code in town],
            "x": random.normal(size=rows),
            "price": worth[town] + noise * random.normal(size=rows),
            "noise": random.normal(size=rows),
        }
    )


def fit(frame: pd.DataFrame, target: str) -> LevelNumbers:
    numbers = LevelNumbers.fit(read_cells(frame["town"]), frame[[target]].to_numpy(), [target], numeric="none", seed=0)
    assert numbers is not None
    return numbers


def of_training(frame: pd.DataFrame, target: str) -> np.ndarray:
    cells, targets = read_cells(frame["town"]), frame[[target]].to_numpy()
    return fit(frame, target).encode_training(cells, targets, 0)[:, 0]


def test_a_mean_is_that_of_the_level_drawn_to_the_mean_of_all() -> None:
    frame = towns(400, 40, noise=1.0)
    numbers = fit(frame, "price")
    assert numbers.names == ("mean price", "rows")
    level = frame[frame.town == "T7"].price
    drawn = numbers.encode(read_cells(pd.Series(["T7"])))[0, 0]
    # (sum + m · mean) / (n + m), solved for m.
    weight = (level.sum() - drawn * len(level)) / (drawn - frame.price.mean())
    groups = frame.groupby("town").price
    within = ((frame.price - groups.transform("mean")) ** 2).sum() / (len(frame) - groups.ngroups)
    assert WEAKEST <= weight <= STRONGEST
    assert weight == pytest.approx(within / 0.9, rel=0.6)  # the true variance between levels is about 1
    assert numbers.encode(read_cells(pd.Series(["T7"])))[0, 1] == pytest.approx(np.log1p(len(level)))


def test_a_new_level_and_a_missing_cell_are_told_apart() -> None:
    frame = towns(400, 40)
    frame.loc[:49, "town"] = ""
    numbers = fit(frame, "price")
    new, missing = numbers.encode(read_cells(pd.Series(["nowhere", ""]))).tolist()
    assert new == pytest.approx([frame.price.mean(), 0.0])
    assert missing[1] == pytest.approx(np.log1p(50))
    assert missing[0] == pytest.approx(frame.price[:50].mean(), abs=0.2)


def test_the_means_of_training_rows_are_blind_to_their_own_targets() -> None:
    frame = towns(2000, 1000)
    cells, targets = read_cells(frame["town"]), frame[["noise"]].to_numpy()
    everywhere = fit(frame, "noise").encode(cells)[:, 0]
    assert np.corrcoef(everywhere, frame.noise)[0, 1] > 0.5  # what a mean with the row itself would give away
    assert abs(np.corrcoef(of_training(frame, "noise"), frame.noise)[0, 1]) < 0.1
    changed = targets.copy()
    changed[17] += 100
    numbers = fit(frame, "noise")
    before, after = (numbers.encode_training(cells, values, 0)[17, 0] for values in (targets, changed))
    assert abs(after - before) < 1e-3 or after == before


def test_random_targets_teach_nothing_through_many_levels() -> None:
    data = table(towns(2000, 700), target="noise", drop=["price"])
    assert "town: mean noise" in data.facts.features
    train, test = data.splits["train"], data.splits["test"]
    weights = torch.linalg.lstsq(train.inputs[0][:, -3:].double(), train.target.double()).solution
    error = (test.inputs[0][:, -3:].double() @ weights - test.target).std() / test.target.std()
    assert error > 0.98


def test_a_price_by_many_towns_is_learned() -> None:
    data = table(towns(), target="price", drop=["noise"])
    at = data.facts.features.index("town: mean price")
    for split in data.splits.values():
        assert np.corrcoef(split.inputs[0][:, at], split.target[:, 0])[0, 1] > 0.95
    assert any("by their mean target too" in note and "town (300 values)" in note for note in data.notes)
    assert data.facts.bins[at] != ()


def test_new_rows_are_encoded_by_the_numbers_that_the_facts_hold() -> None:
    frame = towns()
    data = table(frame, target="price", drop=["noise"])
    facts = Facts.from_json(json.loads(json.dumps(data.facts.__dict__)))
    encoded = kind_of(facts).encoder(facts).encode(frame)
    test = data.splits["test"]
    assert torch.equal(encoded.inputs[0][[int(row) for row in test.ids]], test.inputs[0])


@pytest.mark.parametrize("classes", ["ab", "abc"])
def test_classes_have_a_share_each_and_two_of_them_one(classes: str) -> None:
    frame = towns(600, 30)
    frame["kind"] = [classes[number % len(classes)] for number in range(len(frame))]
    names = [f"mean kind={name}" for name in ("b" if classes == "ab" else classes)]
    data = table(frame, target="kind", drop=["noise", "price"])
    assert [feature.removeprefix("town: ") for feature in data.facts.features if ": mean" in feature] == names


def test_few_levels_have_no_numbers() -> None:
    data = table(towns(300, 8), target="price", drop=["noise"])
    assert not any(": " in feature for feature in data.facts.features)


def patients(count: int = 40, rows_each: int = 12) -> pd.DataFrame:
    """Returns rows of patients whose targets are alike, each with a doctor of their own."""
    random = np.random.default_rng(0)
    patient = np.repeat(np.arange(count), rows_each)
    return pd.DataFrame(
        {
            "patient": [f"P{number}" for number in patient],
            "doctor": [f"D{number}" for number in patient],
            "x": random.normal(size=len(patient)),
            "score": random.normal(size=count)[patient] + 0.1 * random.normal(size=len(patient)),
        }
    )


@pytest.mark.parametrize("folds", [None, 5])
def test_a_level_of_one_group_says_nothing_of_the_groups_target(folds: int | None) -> None:
    frame = patients()
    apart = table(frame, target="score", group="patient", folds=folds)
    together = table(frame, target="score", drop=["patient"], folds=folds)

    def explained(data: Data) -> float:
        at, train = data.facts.features.index("doctor: mean score"), data.splits["train"]
        code = train.inputs[0][:, at].numpy()
        return 0.0 if code.std() == 0 else abs(float(np.corrcoef(code, train.target[:, 0])[0, 1]))

    assert explained(together) > 0.9  # other rows of a patient are known, and tell
    assert explained(apart) < 0.05


def test_a_level_of_several_groups_is_learned_from_the_other_groups() -> None:
    frame = patients(60).assign(ward=lambda made: [f"W{int(name[1:]) // 4}" for name in made.patient])
    worth = dict(zip(sorted(set(frame.ward)), np.random.default_rng(1).normal(scale=5, size=15), strict=True))
    frame["score"] += frame.ward.map(worth)
    data = table(frame, target="score", group="patient", drop=["doctor"])
    at = data.facts.features.index("ward: mean score")
    for split in data.splits.values():
        assert np.corrcoef(split.inputs[0][:, at], split.target[:, 0])[0, 1] > 0.5
