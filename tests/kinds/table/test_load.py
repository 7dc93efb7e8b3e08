import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
import torch

from dltrain.data.cells import read_cells
from dltrain.errors import DataError
from dltrain.kinds.labels import TargetReader
from dltrain.kinds.table.columns import infer_columns
from dltrain.kinds.table.encoder import TableEncoder
from dltrain.kinds.table.load import table
from dltrain.types import Data, Facts

torch.set_num_threads(1)

ROWS = 60


def frame(**columns) -> pd.DataFrame:
    random = np.random.default_rng(0)
    made = {
        "年龄": [f"{x:.2f}" for x in random.normal(30, 5, ROWS)],
        "性别": ["男" if x else "女" for x in random.integers(0, 2, ROWS)],
        "y": [f"{x:.3f}" for x in random.normal(100, 20, ROWS)],
    }
    return pd.DataFrame({**made, **columns}, dtype=object)


def refusal(made: pd.DataFrame, **options) -> DataError:
    with pytest.raises(DataError) as caught:
        table(made, **{"target": "y", **options})
    return caught.value


def everything(data: Data) -> list[str]:
    return sorted((row for split in data.splits.values() for row in split.ids), key=int)


def noted(data: Data, text: str) -> bool:
    return any(text in note for note in data.notes)


def test_regression_keeps_the_targets_own_unit():
    made = frame()
    data = table(made, target="y", notes=["first"])
    assert data.notes[:2] == ("first", "regression, because y has 60 distinct numbers")
    assert data.facts.task == "regression" and data.facts.classes == ()
    assert data.facts.features == ("年龄", "性别=女", "性别=男") and data.facts.input_shape == (3,)
    train = data.splits["train"]
    assert train.target.dtype == torch.float64 and train.target.shape == (48, 1)
    assert train.inputs[0].dtype == torch.float32 and train.inputs[0].shape == (48, 3)
    own = made["y"].astype(float).to_numpy()[[int(row) for row in train.ids]]
    np.testing.assert_allclose(train.target[:, 0], own, rtol=1e-6)
    assert data.facts.target_mean == pytest.approx(own.mean()) and data.facts.target_std == pytest.approx(own.std())
    assert everything(data) == [str(row) for row in range(ROWS)]


def test_the_encoding_is_fitted_on_the_training_rows_alone():
    made = frame()
    data = table(made, target="y", test_fraction=0.3, numeric="standard")
    x = data.splits["train"].inputs[0][:, 0]
    assert abs(x.mean()) < 1e-5 and x.std(correction=0) == pytest.approx(1, abs=1e-5)
    held_out = [int(row) for name in ("val", "test") for row in data.splits[name].ids]
    made.loc[held_out, ["年龄", "y"]] = ["1e6", "1e6"]
    made.loc[held_out, "性别"] = ["女", "other"] * (len(held_out) // 2)
    again = table(made, target="y", test_fraction=0.3, numeric="standard")
    assert again.facts == data.facts
    assert torch.equal(again.splits["train"].inputs[0], data.splits["train"].inputs[0])


def test_raw_numbers_and_raw_target():
    made = frame()
    data = table(made, target="y", numeric="none", scale_target=False)
    assert (data.facts.target_mean, data.facts.target_std) == (0.0, 1.0)
    own = made["年龄"].astype(float).to_numpy()[[int(row) for row in data.splits["val"].ids]]
    np.testing.assert_allclose(data.splits["val"].inputs[0][:, 0], own, rtol=1e-6)


def test_classification_by_text():
    made = frame(y=["良", "优", "优"] * 20)
    data = table(made, target="y", val_fraction=0.2, test_fraction=0.2)
    assert noted(data, "classification, because y has 2 distinct labels: 优, 良")
    assert data.facts.classes == ("优", "良") and data.facts.class_counts == (24, 12)
    train = data.splits["train"]
    assert train.target.dtype == torch.int64 and train.target.shape == (36,)
    for split in data.splits.values():
        assert [data.facts.classes[label] for label in split.target] == [made["y"][int(row)] for row in split.ids]
        assert torch.bincount(split.target).tolist() == [2 * len(split) // 3, len(split) // 3]


@pytest.mark.parametrize(
    ("labels", "task", "classes"),
    [
        (["10", "9", "2"], "classification", ("2", "9", "10")),
        (["0.5", "1.5"], "classification", ("0.5", "1.5")),
        (["007", "1.0", "1"], "classification", ("1", "7")),
        (["0.5", "1.5", "2.5"], "regression", ()),
        ([str(i) for i in range(10)], "classification", tuple("0123456789")),
        ([str(i) for i in range(12)], "regression", ()),
        (["NA", "None", "x"], "classification", ("NA", "None", "x")),
        (["True", "False"], "classification", ("False", "True")),
    ],
)
def test_the_task_is_inferred(labels, task, classes):
    data = table(frame(y=(labels * ROWS)[:ROWS]), target="y")
    assert data.facts.task == task and data.facts.classes == classes
    assert len(everything(data)) == ROWS


def test_few_whole_numbers_in_few_rows_are_amounts():
    made = frame().head(20).assign(y=[str(i % 8) for i in range(20)])
    assert table(made, target="y").facts.task == "regression"
    assert table(made, target="y", task="classification").facts.classes == tuple("01234567")


def test_the_task_can_be_said():
    made = frame(y=["0", "1", "3"] * 20)
    assert table(made, target="y").facts.task == "classification"
    data = table(made, target="y", task="regression")
    assert data.facts.task == "regression" and noted(data, "the task was given")


def test_real_dtypes():
    random = np.random.default_rng(0)
    made = pd.DataFrame({"a": random.normal(size=50), 2020: random.integers(0, 3, 50), "b": random.normal(size=50) > 0})
    data = table(made, target="2020")
    assert data.facts.classes == ("0", "1", "2") and data.facts.features == ("a", "b")
    made["2020"], made["a"] = made.pop(2020).astype(float), made["a"].where(made["a"] > -1)
    data = table(made, target="2020")
    assert data.facts.classes == ("0", "1", "2") and "a missing" in data.facts.features
    assert table(made, target="b").facts.classes == ("False", "True")


def test_a_target_may_be_a_number_and_drop_a_single_name():
    made = frame().rename(columns={"y": "2020"})
    data = table(made, target=2020, drop="性别")  # type: ignore[arg-type]
    assert data.facts.target == "2020" and data.facts.features == ("年龄",)


def test_rows_without_a_target_are_left_out():
    labels = ["优", "良", "  ", ""] * 15
    data = table(frame(y=labels), target="y")
    assert noted(data, "left out 30 of 60 rows, which have no value of y")
    assert everything(data) == [str(row) for row in range(ROWS) if row % 4 < 2]
    numbers = [str(i * 1.5) if i % 3 else "NA" for i in range(ROWS)]
    assert noted(table(frame(y=numbers), target="y"), "left out 20 of 60 rows")


def test_an_id_is_dropped_though_rows_are_left_out():
    data = table(frame(y=["优", "良", ""] * 20, n=[str(row) for row in range(ROWS)]), target="y")
    assert noted(data, "dropped n: consecutive whole numbers")


def test_what_is_done_with_columns_is_noted():
    made = frame(
        name=[f"n{i}a" for i in range(ROWS)],
        same=["a"] * ROWS,
        town=["north"] * 30 + ["south"] * 24 + [f"village {i}" for i in range(6)],
        age=["", "NA", *[str(i % 7) for i in range(58)]],
        port=["", *["C", "S"] * 29, "C"],
    )
    data = table(made, target="y", drop=["性别"], val_fraction=0, test_fraction=0)
    assert data.notes[1:] == (
        "dropped 性别: set by data.drop",
        "dropped name: text with 60 distinct values of 60, which share no words",
        "dropped same: every cell is 'a'",
        "numbers: 年龄, age",
        "categories: town (8 values), port (2 values)",
        "missing cells, filled with the median of the training rows: age (2)",
        "missing cells, a category of their own: port (1)",
        "categories with too few training rows, pooled as one: town (6 of 8)",
    )
    assert data.facts.features == (
        *("年龄", "town=north", "town=south", "town other", "age", "age missing"),
        *("port=C", "port=S", "port missing"),
    )
    assert list(data.splits) == ["train"]


def test_a_toy_table_keeps_its_only_input():
    made = pd.DataFrame({"x": [str(i) for i in range(1, 21)], "y": [str(2.5 * i) for i in range(1, 21)]})
    data = table(made, target="y")
    assert data.facts.features == ("x",) and noted(data, "uses x: consecutive whole numbers")


def test_a_label_that_occurs_once_trains_and_is_noted():
    data = table(frame(y=["a"] * 30 + ["b"] * 29 + ["c"]), target="y")
    assert data.facts.class_counts[2] == 1 and noted(data, "in only one row, and so only in train: y c")
    assert not noted(table(frame(), target="y"), "in only one row")


def test_the_seed_fixes_the_split():
    splits = [table(frame(), target="y", seed=seed).splits["test"].ids for seed in (0, 0, 1)]
    assert splits[0] == splits[1] != splits[2]


@pytest.mark.parametrize(("asked", "override"), [("Y ", "data.target=y"), ("zzz", ""), ("年", "data.target=年龄")])
def test_an_unknown_target_is_answered_with_the_nearest(asked, override):
    error = refusal(frame(), target=asked)
    assert error.what == f"the table has no column {asked!r}" and error.where == "data.target"
    assert error.override == override and "年龄, 性别, y" in error.fix


@pytest.mark.parametrize(
    ("made", "options", "what", "override"),
    [
        (frame(y=["a"] * ROWS), {}, "every value of 'y' is 'a'", ""),
        (frame(y=["1", "1.0"] * 30), {}, "every value of 'y' is '1'", ""),
        (frame(y=[f"n{i}" for i in range(ROWS)]), {}, "each of the 60 rows has a different value", ""),
        (frame(), {"task": "classification"}, "each of the 60 rows", "task=regression"),
        (frame(y=["优", "良"] * 30), {"task": "regression"}, "contains text such as '优'", "task=classification"),
        (frame(y=[""] * ROWS), {}, "no row has a value of 'y'", ""),
        (frame(y=["", *["NA"] * 58, "3"]), {}, "only one row has a value", ""),
        (frame(), {"drop": ["年龄", "y"]}, "'y' is both the target and in data.drop", "data.drop=[年龄]"),
        (frame(), {"drop": ["年龄", "性别"]}, "no column is left", ""),
        (frame()[["y"]], {}, "no column is left", ""),
        (frame().head(3), {}, "leaves the test split empty", "data.test_fraction=0"),
    ],
)
def test_what_cannot_be_learned_is_refused(made, options, what, override):
    error = refusal(made, **options)
    assert what in error.what and error.override == override and error.fix


@pytest.mark.parametrize("task", ["auto", "regression"])
def test_a_word_in_a_target_of_numbers_costs_its_row_and_is_named(task):
    labels = list(frame()["y"])
    labels[7] = "缺考"
    data = table(frame(y=labels), task=task, target="y")
    assert noted(data, "words are gaps: '缺考'") and noted(data, "left out 1 of 60 rows")
    assert "7" not in everything(data)


@pytest.mark.parametrize("task", ["auto", "regression"])
def test_an_infinite_number_in_the_target_is_refused_with_the_row(task):
    labels = list(frame()["y"])
    labels[7] = "inf"
    error = refusal(frame(y=labels), task=task)
    assert "inf" in error.what and "row 9, column 'y'" in error.where


def test_the_encoder_survives_json_and_meets_new_rows():
    made = frame(town=["north", "south", "", "x"] * 14 + ["rare"] + ["north"] * 3, age=["", "3", "4.5"] * 20)
    data = table(made, target="y")
    encoder = TableEncoder.of(Facts.from_json(json.loads(json.dumps(asdict(data.facts), allow_nan=False))))
    assert encoder.features == data.facts.features
    encoded = encoder.encode(made.drop(columns="y")).inputs[0].numpy()
    assert encoded.dtype == np.float32
    for split in data.splits.values():
        np.testing.assert_array_equal(encoded[[int(row) for row in split.ids]], split.inputs[0].numpy())

    new = pd.DataFrame(
        {"age": ["", "7"], "town": ["unseen", None], "性别": ["?", "男"], "年龄": ["", "31"], "extra": ["a", "b"]}
    )
    row = dict(zip(encoder.features, encoder.encode(new).inputs[0].numpy().T, strict=True))
    assert row["town missing"].tolist() == [0, 1] and row["age missing"].tolist() == [1, 0]
    assert row["性别=男"].tolist() == [0, 1] and row["性别=女"].tolist() == [0, 0]
    assert np.isfinite(row["年龄"]).all()


def test_the_encoder_can_be_fitted_by_hand():
    made = frame()
    cells = {name: read_cells(made[name]) for name in made.columns}
    target = TargetReader("y", "regression")
    encoder = TableEncoder.fit(cells, infer_columns(cells, ["y"]), target)
    assert encoder.encode(made).inputs[0].shape == (ROWS, 3)
    facts = Facts("table", "regression", (3,), target="y", preprocessing=encoder.to_json())
    assert TableEncoder.of(facts) == encoder


def test_a_target_far_from_zero_keeps_its_spread():
    made = frame(y=[str(10**9 + 2 * (i % 13)) for i in range(ROWS)])
    target = table(made, target="y", task="regression").splits["train"].target
    assert set((target - 10**9).flatten().tolist()) <= {2.0 * i for i in range(13)}


def test_a_group_of_a_test_file_that_is_trained_on_is_named() -> None:
    rows = pd.DataFrame(
        {"x": [i * i % 17 for i in range(60)], "who": [f"p{i % 12}" for i in range(60)], "y": ["a", "b"] * 30}
    )
    known = rows.iloc[:10].assign(who=["p1"] * 5 + ["new"] * 5)
    notes = table(rows, target="y", group="who", held_out={"test": known}).notes
    shared = [note for note in notes if "also in train" in note]
    assert shared in ([], ["1 value of who in the test file is also in train: its metrics may be too good"])
    trained = table(rows, target="y", group="who", val_fraction=0, held_out={"test": known}).notes
    assert "1 value of who in the test file is also in train: its metrics may be too good" in trained
    strangers = table(rows, target="y", group="who", val_fraction=0, held_out={"test": known.iloc[5:]}).notes
    assert not any("also in train" in note for note in strangers)
