import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
import torch

from dltrain.data.splits import split_groups
from dltrain.errors import DataError
from dltrain.kinds.table.encoder import TableEncoder
from dltrain.kinds.table.load import table
from dltrain.types import Data, Facts

torch.set_num_threads(1)

ROWS = 60


def frame(rows: int = ROWS, **columns) -> pd.DataFrame:
    random = np.random.default_rng(0)
    made = {"a": random.normal(size=rows), "c": random.choice(["u", "v"], rows), "y": random.normal(size=rows)}
    return pd.DataFrame({**made, **columns})


def rows_of(data: Data, name: str) -> list[int]:
    return [int(row) for row in data.splits[name].ids] if name in data.splits else []


def everything(data: Data) -> list[int]:
    return sorted(row for name in data.splits for row in rows_of(data, name))


def noted(data: Data, text: str) -> bool:
    return any(text in note for note in data.notes)


def refusal(made: pd.DataFrame, **options) -> DataError:
    with pytest.raises(DataError) as caught:
        table(made, **{"target": "y", **options})
    return caught.value


@pytest.mark.parametrize("seed", range(5))
def test_rows_of_a_group_stay_together(seed):
    made = frame(200, g=[f"patient {i * i % 23}" for i in range(200)])
    data = table(made, target="y", group="g", seed=seed, val_fraction=0.2, test_fraction=0.2)
    groups = [set(made["g"][rows_of(data, name)]) for name in ("train", "val", "test")]
    assert all(groups) and not groups[0] & groups[1] and not groups[0] & groups[2] and not groups[1] & groups[2]
    assert everything(data) == list(range(200))
    assert 20 <= len(data.splits["test"]) <= 40
    assert "g" not in "".join(data.facts.features) and noted(
        data, "dropped g: data.group, which says which rows belong together"
    )


def test_a_row_without_a_group_is_one_of_its_own():
    data = table(frame(g=["x", ""] * 30), target="y", group="g", val_fraction=0)
    assert noted(data, "split by g: rows with the same of its 31 values stay together")
    assert len(data.splits["test"]) == 6


def test_the_last_in_time_test_and_the_first_train():
    order = np.random.default_rng(1).permutation(ROWS)
    for when in (order, pd.to_datetime("2020-01-01") + pd.to_timedelta(order, "D"), order / 7 - 3):
        data = table(frame(when=[str(value) for value in when]), target="y", time="when")
        for name, places in (("train", range(48)), ("val", range(48, 54)), ("test", range(54, 60))):
            assert sorted(order[rows_of(data, name)]) == list(places)
        assert noted(data, "split in the order of when: train")


def test_days_and_months_are_in_the_order_of_time_or_refused_with_the_key():
    texts = [f"{day:02}/{month:02}/{2018 + year}" for year in range(3) for month in range(1, 11) for day in (3, 9)]
    data = table(frame(when=texts), target="y", time="when")
    assert sorted(rows_of(data, "test")) == list(range(54, 60))
    order = np.random.default_rng(1).permutation(ROWS)
    shuffled = frame(when=[texts[at] for at in order])
    error = refusal(shuffled, time="when")
    assert "data.dates=dmy) or" in error.what and error.override == "data.dates=dmy"
    data = table(shuffled, target="y", time="when", dates="dmy")
    assert sorted(order[rows_of(data, "test")]) == list(range(54, 60))


def test_rows_of_one_moment_stay_together():
    data = table(frame(year=[str(2000 + i // 20) for i in range(ROWS)]), target="y", time="year")
    assert [rows_of(data, name) for name in ("train", "val", "test")] == [
        list(range(i * 20, i * 20 + 20)) for i in range(3)
    ]


def test_the_column_of_time_can_be_an_input_too():
    data = table(frame(year=range(ROWS)), target="y", time="year", roles={"year": "numeric"})
    assert "year" in data.facts.features


@pytest.mark.parametrize(
    ("options", "what", "override"),
    [
        ({"group": "C"}, "no column 'C' to split by", "data.group=c"),
        ({"group": "c"}, "data.group has 2 values, too few for 3 splits", "data.group=null"),
        ({"group": "c", "time": "a"}, "not by both", "data.time=null"),
        ({"time": "c"}, "'u' is not a date or time", "data.time=null"),
    ],
)
def test_what_cannot_divide_is_refused(options, what, override):
    error = refusal(frame(c=["u"] * 30 + ["v"] * 30, b=["x", "z"] * 30), **options)
    assert what in error.what and error.override == override


def test_groups_of_any_size_leave_no_split_empty():
    random = np.random.default_rng(0)
    for _ in range(200):
        count = int(random.integers(3, 8))
        groups = np.unique(
            np.append(np.arange(count), random.integers(0, count, 50) ** 2 % count), return_inverse=True
        )[1]
        seed = None if random.random() < 0.5 else int(random.integers(100))
        parts = split_groups(groups, "group", val_fraction=random.uniform(0.01, 0.5), test_fraction=0.4, seed=seed)
        assert sorted(np.concatenate(list(parts.values()))) == list(range(len(groups)))
        assert [len(part) > 0 for part in parts.values()] == [True] * 3
        assert sum(len(set(groups[part])) for part in parts.values()) == count


def test_rows_of_other_files_are_the_splits():
    val, test = frame(10), frame(12).iloc[:, ::-1]
    data = table(frame(), target="y", held_out={"val": val, "test": test})
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 60, "val": 10, "test": 12}
    assert rows_of(data, "test") == list(range(12))
    np.testing.assert_allclose(data.splits["test"].target[:, 0], test["y"], rtol=1e-6)
    data = table(frame(), target="y", held_out={"test": test})
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 54, "val": 6, "test": 12}
    encoder = TableEncoder.of(data.facts)
    np.testing.assert_array_equal(encoder.encode(test).inputs[0], data.splits["test"].inputs[0])


def test_an_id_is_seen_in_the_training_file_alone():
    data = table(frame(n=range(60)), target="y", held_out={"test": frame(9, n=range(500, 509))})
    assert noted(data, "dropped n: consecutive")


def test_a_file_that_does_not_fit_is_refused():
    error = refusal(frame(), held_out={"test": frame().drop(columns="a")})
    assert error.where == "data.test_path" and "'a'" in error.what
    bad = frame(30, a=["x"] * 30)
    error = refusal(frame(), held_out={"val": bad})
    assert error.where == "data.val_path, row 2, column 'a' (the header is row 1)"


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_file_without_answers_is_for_predict(split):
    error = refusal(frame(), held_out={split: frame().drop(columns=["a", "y"])})
    assert error.what == f"the {split} file has no answers: the column 'y', the target, is not in it"
    assert "dltrain predict" in error.fix and error.override == f"data.{split}_path=null"


def test_a_file_without_a_labelled_row_is_refused():
    error = refusal(frame(), held_out={"test": frame(4, y=[np.nan] * 4)})
    assert error.what == "no row of the test file can be used" and error.override == "data.test_path=null"


def test_a_class_that_never_trains_is_noted():
    made = frame(y=["p", "q"] * 30)
    data = table(made, target="y", held_out={"test": frame(4, y=["p", "q", "r", "r"])})
    assert noted(data, "in no training row, so that it cannot be learned: y r")
    assert data.facts.classes == ("p", "q", "r") and data.facts.class_counts[2] == 0


def test_outliers_are_counted_clipped_or_left_out_of_training():
    made = frame(300)
    made.loc[[3, 50, 120], "a"] = [90.0, -80.0, 70.0]
    options = {"target": "y", "numeric": "none", "seed": 1}
    kept = table(made, **options)
    train = [row for row in (3, 50, 120) if row in rows_of(kept, "train")]
    assert noted(kept, f"beyond the quartiles, kept: a ({len(train)})") and len(train) > 0
    clipped = table(made, **options, outliers="clip")
    assert abs(clipped.splits["train"].inputs[0][:, 0]).max() < 10 < abs(kept.splits["train"].inputs[0][:, 0]).max()
    encoder = TableEncoder.of(Facts.from_json(json.loads(json.dumps(asdict(clipped.facts)))))
    assert encoder == TableEncoder.of(clipped.facts)
    assert encoder.encode(pd.DataFrame({"a": [1e9], "c": ["u"]})).inputs[0][0, 0] < 10
    dropped = table(made, **options, outliers="drop")
    assert set(rows_of(kept, "train")) - set(rows_of(dropped, "train")) == set(train)
    assert rows_of(dropped, "test") == rows_of(kept, "test")


def test_repeated_rows_are_noted_and_can_be_left_out():
    made = frame(100)
    made = pd.concat([made, made.head(40)], ignore_index=True).assign(n=range(140))
    data = table(made, target="y")
    (note,) = [note for note in data.notes if "repeat another" in note]
    assert note.startswith("40 of 140 rows repeat another; also trained on: ")
    assert "test rows" in note and note.endswith("(data.duplicates=drop leaves them out)")
    data = table(made, target="y", duplicates="drop")
    assert noted(data, "left out 40 of 140 rows that repeat another")
    assert everything(data) == list(range(100))
    assert not noted(table(frame(), target="y"), "repeat")


def test_a_row_of_a_test_file_stays_and_its_copy_does_not_train():
    made = frame(40)
    data = table(made, target="y", duplicates="drop", held_out={"test": made.iloc[[4, 9]]})
    assert len(data.splits["test"]) == 2 and not {4, 9} & set(rows_of(data, "train") + rows_of(data, "val"))


def test_roles_can_be_said():
    made = frame(k=["1", "2", "3"] * 20)
    assert "k" in table(made, target="y").facts.features
    data = table(made, target="y", roles={"k": "categorical", "c": "dropped"})
    assert data.facts.features == ("a", "k=1", "k=2", "k=3") and noted(data, "dropped c: set by data.roles")
    assert table(made.assign(n=range(60)), target="y", roles={"n": "numeric"}).facts.features[-1] == "n"
    error = refusal(made, roles={"K": "categorical"})
    assert error.where == "data.roles" and error.override == "data.roles={k: categorical}"
    assert "'u' in a column of numbers" in refusal(frame(c=["u", "v"] * 30), roles={"c": "numeric"}).what
