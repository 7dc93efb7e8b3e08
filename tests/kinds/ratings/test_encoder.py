"""The encoder that was fitted to ratings, the one that is read back from facts.json, and the splits agree."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from dltrain.data.samples.ratings_and_series import generate_ratings
from dltrain.errors import DataError
from dltrain.kinds.ratings.encoder import PairEncoder
from dltrain.kinds.ratings.load import ratings
from dltrain.types import Data, Facts


def load(folder: Path, **options: Any) -> Data:
    generate_ratings(300, 0).to_csv(folder / "r.csv", index=False)
    (folder / "t.csv").write_text("item,title\ni1,First\ni2,第二\n", encoding="utf-8")
    return ratings(path=str(folder / "r.csv"), titles=str(folder / "t.csv"), **options)


def read_back(facts: Facts) -> PairEncoder:
    return PairEncoder.of(Facts.from_json(json.loads(json.dumps(asdict(facts)))))


@pytest.mark.parametrize("split", ["random", "leave_last"])
def test_fitted_and_read_back_encoders_encode_what_training_encoded(tmp_path: Path, split: str) -> None:
    data = load(tmp_path, split=split)
    raw = pd.read_csv(tmp_path / "r.csv", dtype=str)
    ranking = split == "leave_last"
    train = raw.iloc[[int(row) for row in data.splits["train"].ids]]
    columns = {"user": "user", "item": "item"} | ({} if ranking else {"target": "rating"})
    fitted = PairEncoder.fit(
        train, columns, split=split, negatives=16 if ranking else 0, titles={"i1": "First", "i2": "第二"}
    )
    stored = read_back(data.facts)
    assert fitted == stored
    assert fitted.to_json() == data.facts.preprocessing
    encoded, again, targets = fitted.encode(raw), stored.encode(raw), stored.targets(raw)
    assert encoded.remarks == again.remarks
    assert all(map(torch.equal, encoded.inputs, again.inputs))
    assert torch.equal(fitted.targets(raw), targets)
    for part in data.splits.values():
        at = [int(row) for row in part.ids]
        assert all(torch.equal(tensor[at], known) for tensor, known in zip(encoded.inputs, part.inputs, strict=True))
        assert torch.equal(targets[at], part.target)


def test_an_id_that_was_not_trained_on_is_0_and_remarked(tmp_path: Path) -> None:
    encoder = read_back(load(tmp_path).facts)
    user, item = encoder.users[4], encoder.items[7]
    encoded = encoder.encode(pd.DataFrame({"item": [item, "never", ""], "user": [user, user, "nobody"]}))
    assert [tensor.tolist() for tensor in encoded.inputs] == [[5, 5, 0], [8, 0, 0]]
    remarks = [[str(remark) for remark in each] for each in encoded.remarks]
    assert remarks == [[], ["item new: never"], ["user new: nobody", "item missing"]]
    array = encoder.encode(np.array([[user, item]], dtype=object))
    assert [tensor.tolist() for tensor in array.inputs] == [[5], [8]]


def test_a_column_that_is_absent_is_named(tmp_path: Path) -> None:
    encoder = read_back(load(tmp_path).facts)
    frame = pd.DataFrame({"user": ["u1"], "items": ["i1"], "stars": ["4"]})
    with pytest.raises(DataError, match="no column 'item', which the model was trained on") as refused:
        encoder.encode(frame)
    assert refused.value.fix == "rename 'items'"
    with pytest.raises(DataError, match="no column 'rating', which the model predicts") as refused:
        encoder.targets(frame)
    assert refused.value.where == "data.path"
    with pytest.raises(DataError, match="'good' in a column of numbers"):
        encoder.targets(frame.assign(rating="good"))
    assert encoder.targets(frame.assign(rating="")).isnan().all()
    assert read_back(load(tmp_path, split="leave_last").facts).targets(frame).tolist() == [[1.0]]


@pytest.mark.parametrize(
    "broken",
    [
        {"users": None},
        {"items": 5},
        {"users": ["u1"]},
        {"titles": ["First"]},
        {"negatives": None},
        {"layout": "heap"},
        {"item_features": [[1]], "feature_names": ["a"]},
        {"unrated": ["few"]},
    ],
)
def test_facts_that_say_too_little_are_refused(broken: dict[str, Any], tmp_path: Path) -> None:
    facts = load(tmp_path, split="leave_last").facts
    with pytest.raises(DataError, match="does not name the users and items of training"):
        PairEncoder.of(replace(facts, preprocessing={**facts.preprocessing, **broken}))
    name = next(iter(broken))
    if name in facts.preprocessing and name != "titles":
        without = {key: value for key, value in facts.preprocessing.items() if key != name}
        with pytest.raises(DataError, match="does not name the users and items of training"):
            PairEncoder.of(replace(facts, preprocessing=without))
