from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
import torch

from dltrain.errors import DataError
from dltrain.kinds.kind import encoder_of
from dltrain.kinds.table.formulas import cubic
from dltrain.kinds.table.load import table
from dltrain.types import Data, Facts


def people(rows: int = 80) -> pd.DataFrame:
    random = np.random.default_rng(0)
    age = random.integers(20, 60, rows)
    return pd.DataFrame(
        {
            "年龄": age.astype(str),
            "city": random.choice(["Ulm", "Bonn", "Kiel"], rows),
            "pay": (age * 10 + random.normal(0, 5, rows)).round(2).astype(str),
        }
    )


def stored(data: Data) -> Facts:
    """The facts as a run folder gives them back."""
    return Facts.from_json(json.loads(json.dumps(asdict(data.facts))))


def test_rows_are_encoded_as_in_training_whatever_their_columns_order() -> None:
    frame = people()
    data = table(frame, target="pay")
    others = frame[["city", "年龄"]].assign(note="x")
    encoded = encoder_of(stored(data)).encode(others)
    for split in data.splits.values():
        rows = [int(row) for row in split.ids]
        assert torch.equal(encoded.inputs[0][rows], split.inputs[0])
        assert tuple(encoded.ids[row] for row in rows) == split.ids
    assert not any(encoded.remarks)


def test_what_training_never_saw_is_remarked_by_name_and_row() -> None:
    encoder = encoder_of(stored(table(people(), target="pay")))
    new = pd.DataFrame({"年龄": ["30", "99", None], "city": ["Ulm", "Bonn", "Rome"]})
    remarks = [[str(remark) for remark in row] for row in encoder.encode(new).remarks]
    assert remarks == [[], ["年龄 outside 20 to 59: 99"], ["年龄 missing", "city new: Rome"]]


def test_a_missing_column_is_remarked_with_the_one_that_may_be_meant() -> None:
    encoder = encoder_of(stored(table(people(), target="pay")))
    encoded = encoder.encode(pd.DataFrame({"年龄": ["30"], "City": ["Ulm"]}))
    assert [str(remark) for remark in encoded.remarks[0]] == ["no column city (is it City?)"]
    assert torch.isfinite(encoded.inputs[0]).all()


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (pd.DataFrame({"a": [1]}), "none of the columns"),
        (pd.DataFrame({"年龄": ["x"], "city": ["Ulm"]}), "column of numbers"),
        (np.zeros((3, 5)), "(N, 2)"),
        (["a.jpg"], "where a table is due"),
    ],
)
def test_what_is_no_such_table_is_refused(raw: object, said: str) -> None:
    encoder = encoder_of(stored(table(people(), target="pay")))
    with pytest.raises(DataError, match=said.replace("(", r"\(").replace(")", r"\)")):
        encoder.encode(raw)  # type: ignore[arg-type]


def test_interpolated_gaps_depend_on_neighbours() -> None:
    assert not encoder_of(table(people(), target="pay", impute="interpolate").facts).apart
    assert encoder_of(table(people(), target="pay").facts).apart


@pytest.mark.parametrize("scale", [True, False])
def test_data_of_a_formula_is_encoded_from_raw_numbers(scale: bool) -> None:
    data = cubic(rows=101, scale=scale)
    encoder = encoder_of(stored(data))
    encoded = encoder.encode(torch.linspace(-10, 10, 101)[:, None].numpy())
    test = data.splits["test"]
    torch.testing.assert_close(encoded.inputs[0][[int(row) for row in test.ids]], test.inputs[0])
    assert not any(encoded.remarks)
    assert str(encoder.encode(np.array([[12.0]])).remarks[0][0]).startswith("x outside -10 to 10: 12")


def test_the_truth_of_new_rows_is_read_by_the_names_of_training() -> None:
    frame = people().assign(grade=lambda frame: np.where(frame["年龄"].astype(int) > 40, "1", "0"))
    encoder = encoder_of(stored(table(frame, target="grade")))
    assert encoder.target(pd.DataFrame({"grade": ["1", "0.0", None]})).tolist() == [1, 0, -1]
    with pytest.raises(DataError, match="no class that the model knows"):
        encoder.target(pd.DataFrame({"grade": ["7"]}))
    with pytest.raises(DataError, match="no column 'grade'"):
        encoder.target(pd.DataFrame({"Grade": ["1"]}))
