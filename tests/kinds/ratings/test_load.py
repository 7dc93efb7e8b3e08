"""Ratings: columns found by name, splits that hold nothing back, ids as they are spelled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from dltrain.data.samples.ratings_and_series import generate_ratings
from dltrain.errors import DataError
from dltrain.kinds.ratings.load import ratings
from dltrain.types import Data, SplitName


def write(tmp_path: Path, frame: pd.DataFrame | str, name: str = "r.csv", **options: Any) -> str:
    path = tmp_path / name
    path.write_text(frame if isinstance(frame, str) else frame.to_csv(index=False, **options), encoding="utf-8")
    return str(path)


def pairs(data: Data, name: SplitName) -> list[tuple[str, str]]:
    users, items = (["?", *data.facts.preprocessing[key]] for key in ("users", "items"))
    user, item = data.splits[name].inputs
    return [(users[u], items[i]) for u, i in zip(user.tolist(), item.tolist(), strict=True)]


@pytest.mark.parametrize(
    "names",
    [
        ("userId", "movieId", "rating", "timestamp"),
        ("User-ID", "ISBN", "Book-Rating", "date"),
        ("用户", "电影", "评分", "时间"),
        ("reviewerID", "asin", "overall", "unixReviewTime"),
        ("user_id", "business_id", "stars", "created_at"),
    ],
)
def test_columns_are_found_by_what_files_call_them(tmp_path: Path, names: tuple[str, ...]) -> None:
    frame = generate_ratings(200, 0).iloc[:, [2, 0, 3, 1]]  # in another order
    frame.columns = pd.Index([names[2], names[0], names[3], names[1]])
    data = ratings(path=write(tmp_path, frame))
    assert data.facts.features == (names[0], names[1])
    assert data.facts.target == names[2]
    assert any(f"time {names[3]}" in note for note in data.notes)


def test_every_rating_lands_in_one_split_with_its_own_ids(tmp_path: Path) -> None:
    frame = generate_ratings(500, 1)
    data = ratings(path=write(tmp_path, frame))
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 400, "val": 50, "test": 50}
    rows = [int(row) for split in data.splits.values() for row in split.ids]
    assert sorted(rows) == list(range(500))
    for name, split in data.splits.items():
        for (user, item), row, rating in zip(pairs(data, name), split.ids, split.target.tolist(), strict=True):
            told = frame.iloc[int(row)]
            assert user in (told["user"], "?")
            assert item in (told["item"], "?")
            assert rating == [told["rating"]]


def test_ids_stay_as_they_are_spelled_and_unknown_ones_are_row_0(tmp_path: Path) -> None:
    lines = ["user,item,rating,time", "007,a,1,1", "7,a,2,2", "007,b,3,3", "7,c,4,4", "8,d,5,5"]
    data = ratings(path=write(tmp_path, "\n".join(lines)), split="time", val_fraction=0, test_fraction=0.4)
    assert data.facts.preprocessing["users"] == ["007", "7"]
    assert data.facts.vocab_sizes == (3, 3)
    assert [tensor.tolist() for tensor in data.splits["test"].inputs] == [[2, 0], [0, 0]]
    assert any("1 of the test ratings are of users" in note for note in data.notes)
    assert data.facts.target_range == (1.0, 3.0)


def test_a_split_by_time_tests_the_latest(tmp_path: Path) -> None:
    frame = generate_ratings(300, 0).sample(frac=1, random_state=0).reset_index(drop=True)
    data = ratings(path=write(tmp_path, frame), split="time")
    times = {name: frame["timestamp"].iloc[[int(row) for row in split.ids]] for name, split in data.splits.items()}
    assert times["train"].max() < times["val"].min() <= times["val"].max() < times["test"].min()


def test_leave_last_holds_out_the_last_of_each_user(tmp_path: Path) -> None:
    frame = generate_ratings(600, 0).sample(frac=1, random_state=0).reset_index(drop=True)
    data = ratings(path=write(tmp_path, frame), split="leave_last")
    of = {name: frame.iloc[[int(row) for row in split.ids]] for name, split in data.splits.items()}
    latest = frame.groupby("user")["timestamp"].max()
    assert of["test"]["user"].is_unique
    assert (of["test"]["timestamp"].to_numpy() == latest[of["test"]["user"]].to_numpy()).all()
    assert set(of["test"]["user"]) <= set(of["train"]["user"])
    few = frame["user"].value_counts()
    assert set(of["test"]["user"]) == set(few[few >= 3].index)
    whole = ratings(path=write(tmp_path, frame), split="leave_last", val_fraction=0, test_fraction=0)
    assert not any("last rating" in note for note in whole.notes)


def test_what_a_user_has_rated_is_kept_whatever_its_split(tmp_path: Path) -> None:
    frame = generate_ratings(300, 0)
    data = ratings(path=write(tmp_path, frame))
    users, items = data.facts.preprocessing["users"], data.facts.preprocessing["items"]
    until, rated = data.kept["rated_until"].tolist(), data.kept["rated"].tolist()
    for number, user in enumerate(users):
        mine = {items[index - 1] for index in rated[until[number] : until[number + 1]]}
        assert mine == set(frame.loc[frame["user"] == user, "item"]) & set(items)


def test_a_later_rating_of_the_same_pair_replaces_the_earlier(tmp_path: Path) -> None:
    lines = ["user,item,rating,time", "a,x,1,9", "a,x,5,2", "b,x,3,1", "b,y,2,1"]
    data = ratings(path=write(tmp_path, "\n".join(lines)), val_fraction=0, test_fraction=0)
    assert sorted(data.splits["train"].target.flatten().tolist()) == [1.0, 2.0, 3.0]
    assert any("left out 1 ratings" in note for note in data.notes)


def test_a_rating_that_is_no_number_is_refused_or_skipped(tmp_path: Path) -> None:
    frame = generate_ratings(100, 0).astype(object)
    for cell in ("1e39", "inf", "good"):
        frame.loc[7, "rating"] = cell
        path = write(tmp_path, frame)
        with pytest.raises(DataError, match=f"{cell}'? is not a valid rating") as refused:
            ratings(path=path)
        assert "row 9, column 'rating'" in refused.value.where
    assert refused.value.override == "data.on_bad=skip"
    frame.loc[8, "item"] = ""
    path = write(tmp_path, frame)
    with pytest.raises(DataError, match="an empty cell is not a valid item"):
        ratings(path=path)
    data = ratings(path=path, on_bad="skip")
    assert sum(map(len, data.splits.values())) == 98
    assert any("skipped 2 of 100" in note for note in data.notes)


def test_times_that_may_be_read_in_several_ways_are_refused_with_the_key(tmp_path: Path) -> None:
    lines = ["user,item,rating,time", "a,x,5,01/02/2026", "a,y,4,02/01/2026", "b,x,3,03/04/2026", "b,y,2,04/03/2026"]
    path = write(tmp_path, "\n".join(lines))
    with pytest.raises(DataError, match=r"'01/02/2026' may be 2026-02-01 \(data.dates=dmy\)") as refused:
        ratings(path=path, split="time")
    assert refused.value.override == "data.dates=dmy"
    data = ratings(path=path, split="time", dates="dmy", val_fraction=0, test_fraction=0.25)
    assert data.splits["test"].ids == ("2",)


@pytest.mark.parametrize("first", ["1", "2026-11-21"])
def test_the_time_that_is_none_is_the_one_that_is_named_or_skipped(tmp_path: Path, first: str) -> None:
    lines = ["user,item,rating,time", f"a,x,5,{first}", f"a,y,4,{first}", f"b,x,3,{first}", "b,y,2,soon"]
    path = write(tmp_path, "\n".join(lines))
    with pytest.raises(DataError, match="'soon' is not a valid time") as refused:
        ratings(path=path, split="time")
    assert "row 5, column 'time'" in refused.value.where
    assert refused.value.override == "data.on_bad=skip"
    data = ratings(path=path, on_bad="skip", val_fraction=0, test_fraction=0)
    assert len(data.splits["train"]) == 3


def test_ratings_that_are_all_the_same_tell_only_what_is_chosen(tmp_path: Path) -> None:
    path = write(tmp_path, generate_ratings(300, 0).assign(rating=1))
    with pytest.raises(DataError, match="every rating is 1: there is nothing to predict") as refused:
        ratings(path=path)
    assert refused.value.override == "data.split=leave_last"
    ratings(path=path, split="leave_last")


def test_a_file_without_a_header_is_read_by_its_order_and_cells(tmp_path: Path) -> None:
    frame = generate_ratings(100, 0)
    path = write(tmp_path, frame, sep="\t", header=False)
    for data in (ratings(path=path), ratings(path=path, header="none")):
        assert data.facts.features == ("column_1", "column_2") and data.facts.target == "column_3"
        assert sum(map(len, data.splits.values())) == 100
    turned = write(tmp_path, frame[["rating", "timestamp", "user", "item"]], sep="\t", header=False)
    data = ratings(path=turned)
    assert (data.facts.features, data.facts.target) == (("column_3", "column_4"), "column_1")


def test_columns_that_cannot_be_found_are_asked_for(tmp_path: Path) -> None:
    frame = generate_ratings(100, 0).rename(columns={"user": "who"})
    with pytest.raises(DataError, match="no column looks like the user") as refused:
        ratings(path=write(tmp_path, frame))
    assert refused.value.override == "data.user=who"
    with pytest.raises(DataError, match="no column 'whoo'") as refused:
        ratings(path=write(tmp_path, frame), user="whoo")
    assert refused.value.override == "data.user=who"
    assert ratings(path=write(tmp_path, frame), user="who").facts.features == ("who", "item")


def test_titles_are_kept_beside_the_items(tmp_path: Path) -> None:
    path = write(tmp_path, generate_ratings(300, 0))
    titles = write(tmp_path, "item,title\ni1,First\ni2,第二\nelsewhere,Third\n", "t.csv")
    data = ratings(path=path, titles=titles)
    facts = data.facts
    of = dict(zip(facts.preprocessing["items"], facts.preprocessing["titles"], strict=True))
    assert (of["i1"], of["i2"], of["i3"]) == ("First", "第二", "")
    words = [words for name in ("val", "test") for words in data.splits[name].texts]
    assert any(text.endswith("item i2, 第二") for text in words)
    assert all(text.count(",") == (2 if of.get(text.split(", ")[1].removeprefix("item ")) else 1) for text in words)
    with pytest.raises(DataError, match="holds ids of the items: a, b"):
        ratings(path=path, titles=write(tmp_path, "a,b\n1,2\n", "u.csv"))
    with pytest.raises(DataError, match="there is no file") as refused:
        ratings(path=path, titles=str(tmp_path / "tt.csv"))
    assert refused.value.where == "data.titles"
    assert not refused.value.override or refused.value.override.startswith("data.titles=")


def test_generated_ratings_have_a_long_tail_and_no_pair_twice() -> None:
    frame = generate_ratings(5000, 0)
    assert len(frame) == 5000
    assert not frame.duplicated(["user", "item"]).any()
    counts = np.sort(frame["item"].value_counts().to_numpy())[::-1]
    assert counts[: len(counts) // 5].sum() > 0.4 * 5000
    assert set(frame["rating"]) <= {1.0, 2.0, 3.0, 4.0, 5.0}
    assert torch.equal(ratings(rows=200).splits["test"].target, ratings(rows=200).splits["test"].target)
