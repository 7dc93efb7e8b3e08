"""What the encoder that was fitted makes of rows, what the one that a run folder gives back makes of them, and why."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from dltrain.data.cells import read_cells
from dltrain.errors import DataError
from dltrain.kinds.kind import kind_of
from dltrain.kinds.table.encoder import TableEncoder, inputs_by_column
from dltrain.kinds.table.formulas import cubic, regression
from dltrain.kinds.table.load import table
from dltrain.types import Data, Encoder, Facts


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


def messy(rows: int = 240) -> pd.DataFrame:
    """Numbers with gaps and outliers, categories with rare ones and gaps, and targets of every form."""
    random = np.random.default_rng(1)
    x, size = random.normal(size=rows), random.lognormal(size=rows)
    frame = pd.DataFrame(
        {
            "day": [str(day.date()) for day in pd.date_range("2026-01-01", periods=rows)],
            "x": [f"{value:.4f}" for value in x],
            "size": [f"{value:.3g}" for value in size],
            "city": random.choice(["Ulm", "Bonn", "Kiel", "NA", ""], rows),
            "y": [f"{value:.3f}" for value in 2 * x + size],
            "z": [f"{value:.3f}" for value in x - size],
            "grade": np.where(x > 0.5, "NA", np.where(x > -0.5, "good", "poor")),
            "digit": np.where(x > 0.5, "2", np.where(x > 0, "1.0", "1")),
            "wet": np.where(x > 0, "是", "否"),
            "cold": np.where(size > 1, "1", "0"),
            "tags": np.where(x > 0.5, "dark red|new", np.where(x > 0, "dark red", np.where(x > -0.5, "new|old", ""))),
        }
    )
    frame.loc[::17, "x"] = ""
    frame.loc[::19, "size"] = "NA"
    frame.loc[5, "size"] = "5000"
    frame.loc[7, "city"] = "Rome"
    frame.loc[::23, ["y", "digit", "wet"]] = None
    frame.loc[3, ["y", "digit"]] = "NA"
    frame.loc[100:110, :] = frame.loc[200:210, :].to_numpy()
    return frame


TARGETS: Mapping[str, tuple[str | Sequence[str], str]] = {
    "number": ("y", "regression"),
    "numbers": (["y", "z"], "regression"),
    "class": ("grade", "classification"),
    "class by number": ("digit", "classification"),
    "labels": (["wet", "cold"], "multilabel"),
    "listed labels": ("tags", "multilabel"),
}


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> list[TableEncoder]:
    """The encoders that are fitted while a test runs."""
    encoders: list[TableEncoder] = []

    def fit_and_keep(fit: Any, *rows: Any, **settings: Any) -> TableEncoder:
        encoders.append(fit(*rows, **settings))
        return encoders[-1]

    for name in ("fit", "fit_numbers"):
        monkeypatch.setattr(TableEncoder, name, partial(fit_and_keep, getattr(TableEncoder, name)))
    return encoders


def stored(data: Data) -> Facts:
    """The facts as a run folder gives them back."""
    return Facts.from_json(json.loads(json.dumps(asdict(data.facts))))


def read_back(data: Data) -> Encoder:
    """The encoder that a run folder gives back."""
    return kind_of(data.facts).encoder(stored(data))


def assert_encoded_as_in_training(encoder: Encoder, frame: pd.DataFrame, data: Data, names: Sequence[Any]) -> None:
    inputs, targets = encoder.encode(frame).inputs[0], encoder.targets(frame)
    for name in names:
        split = data.splits[name]
        rows = [int(row) for row in split.ids]
        # The numbers of a level are another row's in training, see test_level_numbers.py.
        same = [name != "train" or ": " not in feature for feature in data.facts.features or [""]]
        assert torch.equal(inputs[rows][:, same], split.inputs[0][:, same])
        torch.testing.assert_close(targets[rows], split.target, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("form", TARGETS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"numeric": "standard", "impute": "mean", "outliers": "clip"},
        {"numeric": "none", "impute": "category", "outliers": "drop", "roles": {"x": "categorical"}},
        {"impute": "most_frequent", "duplicates": "drop"},
        {"impute": "drop", "time": "day"},
    ],
)
def test_new_rows_are_encoded_by_what_was_fitted_and_as_in_training(
    form: str, options: dict[str, Any], fitted: list[TableEncoder]
) -> None:
    target, task = TARGETS[form]
    frame = messy()
    targets = [target] if isinstance(target, str) else target
    others = [name for _, names in TARGETS.items() for name in ([names[0]] if isinstance(names[0], str) else names[0])]
    drop = sorted({*others} - {*targets})
    data = table(frame, target=target, task=task, drop=drop, **options)
    assert fitted == [read_back(data)]
    for encoder in (*fitted, read_back(data)):
        assert_encoded_as_in_training(encoder, frame, data, list(data.splits))


@pytest.mark.parametrize("form", ["number", "class", "class by number", "listed labels"])
def test_targets_of_a_few_rows_are_those_of_all_rows(form: str) -> None:
    target, task = TARGETS[form]
    frame = messy()
    encoder = read_back(table(frame, target=target, task=task))
    parts = torch.cat([encoder.targets(frame.iloc[[row]]) for row in range(len(frame))])
    assert torch.equal(parts.nan_to_num(-1.0), encoder.targets(frame).nan_to_num(-1.0))


def test_rows_of_held_out_files_are_encoded_as_in_training(fitted: list[TableEncoder]) -> None:
    frame, val, test = messy(), messy(50).iloc[::-1], messy(70)
    data = table(frame, target="y", task="regression", drop=["grade", "tags"], held_out={"val": val, "test": test})
    for encoder in (*fitted, read_back(data)):
        assert_encoded_as_in_training(encoder, frame, data, ["train"])
        assert_encoded_as_in_training(encoder, val.reset_index(drop=True), data, ["val"])
        assert_encoded_as_in_training(encoder, test, data, ["test"])


def test_in_training_gaps_are_interpolated_from_training_rows_alone() -> None:
    frame = messy()[["x", "size", "y"]]
    data = table(frame, target="y", task="regression", impute="interpolate")
    encoder = TableEncoder.of(stored(data))
    labelled = encoder.targets(frame)[:, 0].isfinite().numpy()
    cells = {name: read_cells(frame.loc[labelled, name]) for name in ("x", "size")}
    ids = np.flatnonzero(labelled)
    train = np.flatnonzero(np.isin(ids, [int(row) for row in data.splits["train"].ids]))
    x = encoder.encode_cells(cells, interpolate_from=train)
    for split in data.splits.values():
        np.testing.assert_array_equal(x[np.searchsorted(ids, [int(row) for row in split.ids])], split.inputs[0])
    gaps = (frame["x"] == "") | (frame["size"] == "NA")
    whole = encoder.encode(frame).inputs[0].numpy()[labelled]
    np.testing.assert_array_equal(whole[~gaps[labelled]], x[~gaps[labelled]])
    assert (whole != x).any()


def test_the_order_of_the_columns_and_others_among_them_do_not_matter() -> None:
    frame = people()
    data = table(frame, target="pay")
    others = frame[["city", "年龄"]].assign(note="x")
    encoded = read_back(data).encode(others)
    for split in data.splits.values():
        rows = [int(row) for row in split.ids]
        assert torch.equal(encoded.inputs[0][rows], split.inputs[0])
        assert tuple(encoded.ids[row] for row in rows) == split.ids
    assert not any(encoded.remarks)


def test_blanks_around_the_name_of_a_column_do_not_matter() -> None:
    frame = people()
    for trained, new in ((frame, {"pay": " pay", "city": "city "}), (frame.rename(columns={"city": " city"}), {})):
        data = table(trained, target="pay")
        encoder, renamed = read_back(data), trained.rename(columns=new)
        assert torch.equal(encoder.encode(renamed).inputs[0], encoder.encode(trained).inputs[0])
        assert torch.equal(encoder.targets(renamed), encoder.targets(trained))
        assert not any(encoder.encode(renamed).remarks)


def test_what_training_never_saw_is_remarked_by_name_and_row() -> None:
    encoder = read_back(table(people(), target="pay"))
    new = pd.DataFrame({"年龄": ["30", "99", None], "city": ["Ulm", "Bonn", "Rome"]})
    remarks = [[str(remark) for remark in row] for row in encoder.encode(new).remarks]
    assert remarks == [[], ["年龄 outside 20 to 59: 99"], ["年龄 missing", "city new: Rome"]]


def test_a_missing_column_is_remarked_with_the_one_that_may_be_meant() -> None:
    encoder = read_back(table(people(), target="pay"))
    encoded = encoder.encode(pd.DataFrame({"年龄": ["30"], "City": ["Ulm"]}))
    assert [str(remark) for remark in encoded.remarks[0]] == ["no column city (is it City?)"]
    assert torch.isfinite(encoded.inputs[0]).all()


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (pd.DataFrame({"a": [1]}), "none of the columns"),
        (pd.DataFrame({"年龄": ["x"], "city": ["Ulm"]}), "column of numbers"),
        (np.zeros((3, 5)), "(N, 2)"),
        (["a.jpg"], "a table instead of files"),
    ],
)
def test_what_is_no_such_table_is_refused(raw: object, said: str) -> None:
    encoder = read_back(table(people(), target="pay"))
    with pytest.raises(DataError, match=said.replace("(", r"\(").replace(")", r"\)")):
        encoder.encode(raw)  # type: ignore[arg-type]


def test_interpolated_gaps_depend_on_neighbours() -> None:
    assert not read_back(table(people(), target="pay", impute="interpolate")).apart
    assert read_back(table(people(), target="pay")).apart


def formula(kind: str, scale: bool) -> tuple[Data, pd.DataFrame]:
    """Data of a formula, and its numbers as a file may hold them."""
    if kind == "cubic":
        data = cubic(rows=101, scale=scale)
        x = torch.linspace(-10, 10, 101)
        return data, pd.DataFrame({"x": x.tolist(), "y": (x**3).tolist()}).astype(str)
    from sklearn.datasets import make_regression

    data = regression(rows=200, features=4, scale=scale, seed=3)
    x, y = make_regression(200, 4, n_informative=4, bias=5.0, noise=1.0, random_state=3)
    return data, pd.DataFrame(x.astype(np.float32), columns=[f"x{n}" for n in range(4)]).assign(y=y.astype(np.float32))


@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("kind", ["cubic", "regression"])
def test_data_of_a_formula_is_encoded_as_in_training(kind: str, scale: bool, fitted: list[TableEncoder]) -> None:
    data, frame = formula(kind, scale)
    assert fitted == [read_back(data)]
    for encoder in (*fitted, read_back(data)):
        inputs, targets = encoder.encode(frame).inputs[0], encoder.targets(frame)
        for split in data.splits.values():
            rows = [int(row) for row in split.ids]
            assert torch.equal(inputs[rows], split.inputs[0])
            assert torch.equal(targets[rows], split.target.double())  # a file holds more than the 32 bits of a formula
        remarks = encoder.encode(frame).remarks
        assert not any(remarks[int(row)] for row in data.splits["train"].ids)


def test_numbers_that_a_formula_did_not_have_are_remarked() -> None:
    encoder = read_back(cubic(rows=101))
    encoded = encoder.encode(np.array([[12.0], [np.nan]]))
    assert [[str(remark) for remark in row] for row in encoded.remarks] == [["x outside -10 to 10: 12"], ["x missing"]]
    assert encoded.inputs[0][1].item() == 0


def test_inputs_belong_to_the_columns_that_they_are_made_of() -> None:
    data = table(messy()[["x", "city", "y"]], target="y", task="regression")
    width = data.facts.input_shape[0]
    assert data.facts.features[:2] == ("x", "x missing")
    assert inputs_by_column(data.facts) == {"x": [0, 1], "city": list(range(2, width))}
    assert inputs_by_column(cubic(rows=20).facts) == {"x": [0]}
    own = Facts("table", "regression", (2,), features=("a", "b"), preprocessing={"mean": 3.0, "std": 1.0})
    assert inputs_by_column(own) == {"a": [0], "b": [1]}


def test_facts_that_do_not_say_how_columns_become_inputs_are_refused() -> None:
    facts = stored(table(people(), target="pay"))
    for broken in ({"columns": [{"kind": "numeric"}]}, {"columns": [{"kind": "sound", "name": "a"}]}, {"mean": 3}):
        with pytest.raises(DataError, match="does not say how columns become inputs"):
            TableEncoder.of(Facts("table", "regression", facts.input_shape, preprocessing=broken))


def test_the_truth_of_new_rows_is_read_by_the_names_of_training() -> None:
    frame = people().assign(grade=lambda frame: np.where(frame["年龄"].astype(int) > 40, "1", "0"))
    encoder = read_back(table(frame, target="grade"))
    assert encoder.targets(pd.DataFrame({"grade": ["1", "0.0", None]})).tolist() == [1, 0, -1]
    with pytest.raises(DataError, match="is not a class of the model"):
        encoder.targets(pd.DataFrame({"grade": ["7"]}))
    with pytest.raises(DataError, match="no column 'grade'"):
        encoder.targets(pd.DataFrame({"Grade": ["1"]}))
