"""Habits of files of ratings: spelled ratings, marks of choices, formats of well-known sets, columns without names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from dltrain.data.samples.ratings_and_series import generate_ratings
from dltrain.errors import DataError
from dltrain.kinds.ratings.encoder import PairEncoder
from dltrain.kinds.ratings.load import ratings
from dltrain.kinds.ratings.spelled import find_spelling
from dltrain.types import Data

Lines = Callable[[pd.DataFrame], list[str]]


def rated() -> pd.DataFrame:
    """Returns 600 ratings from 1 to 5 of items by users, numbered from 1, in the order of time."""
    frame = generate_ratings(600, 0)
    ids = {name: frame[name].str[1:].astype(int) + 1 for name in ("user", "item")}
    return frame.drop(columns="timestamp").assign(
        **ids, rating=frame["rating"].astype(int), time=1_400_000_000 + 997 * np.arange(len(frame))
    )


def write(path: Path, content: pd.DataFrame | list[str]) -> str:
    text = "\n".join(content) if isinstance(content, list) else content.to_csv(index=False)
    path.write_text(text, encoding="utf-8")
    return str(path)


def read(path: str, **options: object) -> Data:
    return ratings(path=path, **{"val_fraction": 0, "test_fraction": 0, **options})  # type: ignore[arg-type]


def truth(data: Data) -> set[tuple[str, str, float]]:
    """Returns user, item and rating of each sample."""
    users, items = (["", *data.facts.preprocessing[key]] for key in ("users", "items"))
    return {
        (users[user], items[item], rating)
        for split in data.splits.values()
        for user, item, (rating,) in zip(*(part.tolist() for part in (*split.inputs, split.target)), strict=True)
    }


def expected(frame: pd.DataFrame) -> set[tuple[str, str, float]]:
    return {(str(row.user), str(row.item), float(row.rating)) for row in frame.itertuples()}


def noted(data: Data, words: str) -> bool:
    return any(words in note for note in data.notes)


@pytest.mark.parametrize(
    "spell",
    [
        lambda rating: "★" * rating + "☆" * (5 - rating),
        lambda rating: f"{rating}/5",
        lambda rating: f"{rating}.0 out of 5 stars",
        lambda rating: f"{rating} star{'s' * (rating > 1)}",
        lambda rating: f"{rating}%",
    ],
)
def test_ratings_that_are_spelled_are_numbers_in_training_and_in_evaluation(tmp_path: Path, spell: Callable) -> None:
    frame = rated()
    spelled = frame.assign(rating=frame["rating"].map(spell))
    data = read(write(tmp_path / "r.csv", spelled))
    assert truth(data) == expected(frame) and noted(data, f"{spell(5)} for 5")
    targets = PairEncoder.of(data.facts).targets(spelled)
    assert targets.flatten().tolist() == frame["rating"].tolist()


def test_ratings_of_another_scale_are_not_evaluated() -> None:
    facts = ratings(rows=200).facts
    with pytest.raises(DataError, match="training had plain numbers"):
        PairEncoder.of(facts).targets(pd.DataFrame({"user": ["u1"], "item": ["i1"], "rating": ["4/5"]}))


@pytest.mark.parametrize("texts", [["4/5", "8/10"], ["4 stars", "good"], ["up", "up"], ["up", "sideways"]])
def test_texts_of_no_one_way_are_no_ratings(texts: list[str]) -> None:
    assert find_spelling(texts) is None


def test_words_for_and_against_are_1_and_0(tmp_path: Path) -> None:
    frame = rated()
    words = frame.assign(rating=np.where(frame["rating"] > 3, "thumbs up", "thumbs down"))
    path = write(tmp_path / "r.csv", words)
    assert truth(read(path)) == expected(frame.assign(rating=(frame["rating"] > 3).astype(int)))
    assert truth(read(path, split="leave_last", unrated=0)) == expected(frame[frame["rating"] > 3].assign(rating=1))


@pytest.mark.parametrize("choices", [False, True])
def test_what_was_shown_and_not_clicked_is_asked_about(tmp_path: Path, choices: bool) -> None:
    frame = rated()
    shown = pd.DataFrame({"user": frame["user"], "item": frame["item"], "clicked": (frame["rating"] > 3).astype(int)})
    path = write(tmp_path / "shown.csv", shown)
    with pytest.raises(DataError, match=r"clicked holds .* may say whether a user has chosen") as refused:
        read(path, choices=choices)
    keys = "data.target=clicked data.unrated=0" + ("" if choices else " data.split=leave_last")
    assert refused.value.override == keys
    data = read(path, target="clicked", unrated=0, split="leave_last")
    assert truth(data) == expected(frame[frame["rating"] > 3].assign(rating=1))
    assert len(data.kept["rated"]) == len(truth(data))  # what was not clicked may still be recommended
    targets = PairEncoder.of(data.facts).targets(shown)
    assert torch.equal(~targets[:, 0].isnan(), torch.tensor((shown["clicked"] == 1).to_numpy()))  # in evaluation too
    assert len(truth(read(path, unrated="none"))) == len(frame)


@pytest.mark.parametrize("of", ["user", "item"])
def test_a_property_of_an_item_or_a_user_is_no_rating(tmp_path: Path, of: str) -> None:
    frame = rated()
    path = write(tmp_path / "r.csv", frame.assign(rating=frame[of] % 5 + 1))
    with pytest.raises(DataError, match=f"the same in all rows of each {of}") as refused:
        read(path)
    assert refused.value.override == "data.split=leave_last"


def test_columns_of_one_item_are_not_proposed_as_ratings_or_counts(tmp_path: Path) -> None:
    frame = rated().drop(columns=["rating"])
    data = read(write(tmp_path / "c.csv", frame.assign(category=frame["item"] % 7, price=frame["item"] * 9.5)))
    assert data.facts.task == "ranking" and not noted(data, "holds counts")


def in_order(*names: str) -> Lines:
    return lambda frame: frame[list(names)].astype(str).agg(",".join, axis="columns").tolist()


@pytest.mark.parametrize(
    ("lines", "task"),
    [
        (in_order("rating", "user", "item", "time"), "rating"),
        (in_order("user", "rating", "item"), "rating"),
        (in_order("time", "user", "item", "rating"), "rating"),
        (lambda frame: [f"{row.item:010d},A{row.user},{row.rating}.0,{row.time}" for row in frame.itertuples()], ""),
        (
            lambda frame: [f"{row.user},2014-04-07 10:51:09,{850_000_000 + row.item},0" for row in frame.itertuples()],
            "",
        ),
        (lambda frame: [f"{row.user + 151_603_700},Game {row.item},play,0" for row in frame.itertuples()], ""),
    ],
    ids=["rating first", "rating between", "time first", "item first", "ids like times", "constant at the end"],
)
def test_columns_without_names_are_told_by_their_cells(tmp_path: Path, lines: Lines, task: str) -> None:
    frame = rated().assign(user=lambda table: table["user"] + 1000, item=lambda table: table["item"] + 2000)
    data = read(write(tmp_path / "r.csv", lines(frame)))
    users, items = (set(data.facts.preprocessing[key]) for key in ("users", "items"))
    assert len(users) == frame["user"].nunique() and len(items) == frame["item"].nunique()
    assert not task or truth(data) == expected(frame)


def test_items_above_their_ratings_are_read_as_in_the_netflix_prize(tmp_path: Path) -> None:
    frame, lines = rated(), list[str]()
    date = "2005-09-{:02d}".format
    for item, rows in frame.groupby("item"):
        lines += [
            f"{item}:",
            *(f"{row.user},{row.rating},{date(1 + row.user % 28)}" for row in rows.itertuples()),
        ]
    data = read(write(tmp_path / "combined.txt", lines))
    assert truth(data) == expected(frame) and noted(data, "columns: user user, item item, target rating, time date")
    with pytest.raises(DataError, match="another number of fields"):
        read(write(tmp_path / "broken.txt", [*lines, "5,4"]))


def test_times_in_two_units_are_refused(tmp_path: Path) -> None:
    frame = rated()
    mixed = frame["time"] * np.where(np.arange(len(frame)) % 2, 1, 1000)
    with pytest.raises(DataError, match=r"in seconds, such as .* and in milliseconds"):
        read(write(tmp_path / "r.csv", frame.assign(time=mixed)))


def matrix() -> pd.DataFrame:
    """Returns ratings with a row for each user, with gaps."""
    few = rated().query("item <= 40 and user <= 60")
    return few.pivot(index="user", columns="item", values="rating").reset_index()


def of_matrix(table: pd.DataFrame) -> set[tuple[str, str, float]]:
    return expected(table.melt("user", var_name="item", value_name="rating").dropna())


def test_columns_of_a_matrix_that_hold_no_ratings_are_left_out(tmp_path: Path) -> None:
    table = matrix()
    more = table.assign(mean=table.drop(columns="user").mean(axis=1).round(2), age=20 + table["user"] % 50)
    data = read(write(tmp_path / "m.csv", more))
    assert truth(data) == of_matrix(table)
    assert noted(data, "mean is left out: it is computed") and noted(data, "age is left out: its numbers")


def test_words_in_a_matrix_are_gaps(tmp_path: Path) -> None:
    table = matrix()
    data = read(write(tmp_path / "m.csv", table.astype(object).fillna("not seen")))
    assert truth(data) == of_matrix(table) and noted(data, "not seen are taken for not rated")


@pytest.mark.parametrize("split", ["auto", "leave_last"])
def test_zeros_of_a_matrix_are_neither_choices_nor_known_to_a_user(tmp_path: Path, split: str) -> None:
    table = matrix()
    data = read(write(tmp_path / "m.csv", table.fillna(0)), split=split)
    assert len(truth(data)) == len(data.kept["rated"]) == len(of_matrix(table))


def test_zeros_between_likes_and_dislikes_of_a_matrix_are_gaps(tmp_path: Path) -> None:
    table = matrix()
    signs = table.set_index("user").map(lambda rating: 1 if rating > 3 else -1, na_action="ignore").reset_index()
    assert truth(read(write(tmp_path / "m.csv", signs.fillna(0)))) == of_matrix(signs)


def test_titles_in_the_rows_of_a_matrix_are_items(tmp_path: Path) -> None:
    table = matrix()
    turned = table.set_index("user").T.rename_axis("title").reset_index()
    assert truth(read(write(tmp_path / "m.csv", turned))) == of_matrix(table)


@pytest.mark.parametrize("form", ["{}", "[{}]"])
@pytest.mark.parametrize("mark", [" ", ", ", "|"])
def test_lists_of_items_are_choices_one_by_one(tmp_path: Path, mark: str, form: str) -> None:
    frame = rated()
    lists = frame.groupby("user")["item"].apply(lambda items: form.format(mark.join(map(str, items)))).reset_index()
    path = write(tmp_path / "lists.csv", lists)
    data = read(path)
    assert truth(data) == expected(frame.assign(rating=1)) and noted(data, "item lists the items of each user")
    assert len(PairEncoder.of(data.facts).encode(lists).ids) == len(frame)


def test_titles_of_several_words_are_no_lists(tmp_path: Path) -> None:
    titles = pd.DataFrame({"user": range(50), "item": [f"The Film {at % 20}" for at in range(50)]})
    assert len(truth(read(write(tmp_path / "t.csv", titles)))) == 50


def test_marks_in_a_matrix_are_choices(tmp_path: Path) -> None:
    table = matrix().set_index("user").notna()
    popular = table.assign(everybody=True)
    for name, marks in (("words", popular), ("digits", popular.astype(int))):
        data = read(write(tmp_path / f"{name}.csv", marks.reset_index()))
        assert data.facts.task == "ranking" and len(truth(data)) == int(popular.to_numpy().sum())


def test_ratings_go_before_scores_and_far_ones_are_said(tmp_path: Path) -> None:
    frame = rated()
    path = write(tmp_path / "r.csv", frame.assign(score=0.5, rating=frame["rating"].where(frame.index != 7, 55)))
    data = read(path)
    assert data.facts.target == "rating"
    assert noted(data, "1 ratings are 55, and all others 1 to 5: data.unrated=55 leaves them out")
    assert not noted(read(path, unrated=55), "all others")


def test_a_wide_table_that_is_no_matrix_by_itself_is_asked_about(tmp_path: Path) -> None:
    counts = (matrix().set_index("user") * 37).fillna(0).reset_index()
    with pytest.raises(DataError, match="no column looks like the items") as refused:
        read(write(tmp_path / "m.csv", counts))
    assert refused.value.override == "data.layout=users_in_rows"
    assert len(truth(read(str(tmp_path / "m.csv"), layout="users_in_rows"))) == len(of_matrix(matrix()))
