"""The encoder that was fitted to a series, the one that is read back from facts.json, and the splits agree."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from dltrain.errors import DataError
from dltrain.kinds.series.encoder import WindowEncoder
from dltrain.kinds.series.load import series
from dltrain.types import Data, Facts

NAMES = ("a", "b")


def two_columns(rows: int = 100) -> pd.DataFrame:
    """A series with a gap of two steps, a value missing, and rows in disorder."""
    rng = np.random.default_rng(0)
    times = pd.date_range("2001-01-01", periods=rows, freq="D").strftime("%Y-%m-%d")
    frame = pd.DataFrame({"day": times, "a": rng.normal(5, 2, rows).round(3), "b": np.arange(rows) ** 1.5})
    frame.loc[60, "b"] = np.nan
    return frame.drop(index=[30, 31]).sample(frac=1, random_state=0)


def load(frame: pd.DataFrame, folder: Path) -> Data:
    frame.to_csv(folder / "s.csv", index=False)
    return series(path=str(folder / "s.csv"), window=7, horizon=3)


def read_back(data: Data) -> WindowEncoder:
    return WindowEncoder.of(Facts.from_json(json.loads(json.dumps(asdict(data.facts)))))


def test_what_is_read_back_encodes_what_training_encoded(tmp_path: Path) -> None:
    data = load(two_columns(), tmp_path)
    raw = pd.read_csv(tmp_path / "s.csv", dtype=str)
    stored = read_back(data)
    assert stored.to_json() == json.loads(json.dumps(data.facts.preprocessing))
    encoded, targets = stored.encode(raw), stored.targets(raw)
    place = {name: position for position, name in enumerate(encoded.ids)}
    for split in data.splits.values():
        at = [place[name] for name in split.ids]
        assert torch.equal(encoded.inputs[0][at], split.inputs[0])
        assert torch.equal(targets[at], split.target)


def test_only_what_can_be_judged_has_a_target(tmp_path: Path) -> None:
    data = load(two_columns(), tmp_path)
    targets = read_back(data).targets(two_columns())  # the first window ends at step 6
    judged = {position + 6 for position in torch.nonzero(~targets.isnan().any(dim=1)).flatten().tolist()}
    missing = {30, 31, 60}
    assert judged == {end for end in range(6, 97) if not missing & set(range(end, end + 4))}
    trained = {int((pd.Timestamp(name) - pd.Timestamp("2001-01-01")).days) for name in data.splits["train"].ids}
    assert trained == {end + 1 for end in judged if end + 3 < 70}  # a sample is called by what it forecasts
    assert targets[-2].isnan().tolist() == [False] * 2 + [True] * 4  # the series ends one step after it
    assert targets[-1].isnan().all()


def test_values_alone_are_encoded_as_a_table_of_them(tmp_path: Path) -> None:
    rows = two_columns().sort_values("day").dropna()
    encoder = read_back(load(two_columns(), tmp_path))
    values = encoder.encode(rows[list(NAMES)].to_numpy())
    assert torch.equal(values.inputs[0], encoder.encode(rows[["b", "a"]]).inputs[0])
    assert values.ids[0] == "7"
    with pytest.raises(DataError, match=r"this one has \(97, 3\)"):
        encoder.encode(np.zeros((97, 3)))
    with pytest.raises(DataError, match="6 steps are fewer than the window of 7"):
        encoder.encode(np.zeros((6, 2)))


@pytest.mark.parametrize("key", ["axis", "mean", "std", "horizon", "period", "last", "last_step"])
def test_facts_that_say_too_little_are_refused(key: str, tmp_path: Path) -> None:
    facts = load(two_columns(), tmp_path).facts
    stored = dict(facts.preprocessing)
    for broken in ({name: value for name, value in stored.items() if name != key}, stored | {key: ["x"]}):
        with pytest.raises(DataError, match="does not say how values become windows"):
            WindowEncoder.of(replace(facts, preprocessing=broken))
