"""Habits of files of ratings: spelled ratings, marks of choices, formats of well-known sets, columns without names."""

from __future__ import annotations

import json
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
from dltrain.kinds.ratings.matrix import melt
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


HEADERS = [
    ("Benutzer", "Film", "Bewertung", "Datum"),
    ("utilisateur", "produit", "note", "date"),
    ("usuario", "película", "puntuación", "fecha"),
    ("utente", "libro", "voto", "data"),
    ("usuário", "produto", "avaliação", "data"),
    ("gebruiker", "boek", "cijfer", "datum"),
    ("użytkownik", "książka", "ocena", "czas"),
    ("пользователь", "фильм", "оценка", "дата"),
    ("kullanıcı", "ürün", "puan", "tarih"),
    ("ユーザーID", "商品ID", "評価", "日時"),
    ("사용자", "영화", "평점", "날짜"),
]


@pytest.mark.parametrize("names", HEADERS)
@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_columns_are_found_by_their_names_in_other_languages(
    names: tuple[str, ...], delimiter: str, tmp_path: Path
) -> None:
    frame = rated()
    frame["user"] = "Zoë " + frame["user"].astype(str)
    lines = [delimiter.join(names), *(delimiter.join(map(str, row)) for row in frame.itertuples(index=False))]
    data = read(write(tmp_path / "r.txt", lines))
    assert truth(data) == expected(frame)
    assert noted(data, "columns: user {}, item {}, target {}, time {}".format(*names))


def test_a_note_or_data_that_holds_no_rating_or_time_has_no_such_role(tmp_path: Path) -> None:
    frame = rated().rename(columns={"rating": "stars", "time": "seen_at_date"}).assign(note="good film", data="x")
    data = read(write(tmp_path / "r.csv", frame))
    assert noted(data, "columns: user user, item item, target stars, time seen_at_date")


def test_a_date_of_items_is_no_time_of_ratings(tmp_path: Path) -> None:
    frame = rated().drop(columns="time")
    frame["release_date"] = [f"19{60 + int(item) % 40}-01-05" for item in frame["item"]]
    assert noted(read(write(tmp_path / "r.csv", frame)), "columns: user user, item item, target rating")
    assert not any("release_date" in note for note in read(str(tmp_path / "r.csv")).notes)


def test_of_two_ratings_the_overall_one_is_learned(tmp_path: Path) -> None:
    frame = rated().rename(columns={"rating": "overall_rating"})
    frame.insert(2, "service_rating", 1 + np.arange(len(frame)) % 5)
    assert noted(read(write(tmp_path / "r.csv", frame)), "target overall_rating")


def test_counts_of_zero_are_asked_about_or_left_out(dltrain: Callable, tmp_path: Path) -> None:
    frame = rated().drop(columns=["rating", "time"])
    frame["play_count"] = np.where(np.arange(len(frame)) % 4, 3 + np.arange(len(frame)) % 30, 0)
    refused = dltrain("check", "data=ratings", f"data.path={write(tmp_path / 'p.csv', frame)}")
    assert (
        refused.code == 2
        and "play_count is 0 in 150 rows, which may say whether a user has chosen an item" in refused.err
    )
    command = "data.target=play_count data.unrated=0 data.split=leave_last"
    assert command in refused.err
    assert dltrain("check", "data=ratings", "data.path=p.csv", *command.split()).code == 0
    played = frame[frame["play_count"] > 0].assign(rating=1.0)
    for options in ({"count": "play_count"}, {"target": "play_count", "unrated": 0, "split": "leave_last"}):
        data = read(str(tmp_path / "p.csv"), **options)
        assert {pair[:2] for pair in truth(data)} == {pair[:2] for pair in expected(played)}
    assert noted(read(str(tmp_path / "p.csv"), count="play_count"), "left out 150 rows whose play_count is 0")
    options = ("data.path=p.csv", "data.count=play_count", "trainer.epochs=1")
    assert dltrain("data=choices", *options, "hydra.run.dir=r").code == 0
    evaluated = dltrain("evaluate", "r", "data.path=p.csv", "--json")
    assert evaluated.code == 0 and json.loads(evaluated.out)["samples"] == 450


@pytest.mark.parametrize("name", ["discount", "account_age", "comment_count", "reviews"])
def test_zeros_of_a_property_are_not_asked_about(tmp_path: Path, name: str) -> None:
    frame = rated().rename(columns={"rating": "quantity"})
    frame[name] = np.where(np.arange(len(frame)) % 4, 3 + np.arange(len(frame)) % 30, 0)
    assert read(write(tmp_path / "r.csv", frame)).facts.task == "ranking"


def test_discounts_of_few_levels_are_no_ratings(tmp_path: Path) -> None:
    frame = rated().rename(columns={"rating": "quantity"})
    frame["Discount"] = 5 * (np.arange(len(frame)) % 4)
    assert read(write(tmp_path / "r.csv", frame)).facts.task == "ranking"


@pytest.mark.parametrize("name", ["plays", "playCount", "number_of_clicks", "song_plays", "Times"])
def test_zeros_of_counts_are_asked_about_unless_the_counts_are_named(tmp_path: Path, name: str) -> None:
    frame = rated().drop(columns="rating").assign(quantity=1)
    frame[name] = np.arange(len(frame)) % 4
    path = write(tmp_path / "r.csv", frame)
    with pytest.raises(DataError, match=f"{name} is 0 in 150 rows"):
        read(path)
    assert read(path, count="quantity").facts.task == "ranking"


def test_quantities_are_counts_and_no_ratings(tmp_path: Path) -> None:
    frame = rated().rename(columns={"rating": "quantity"})
    data = read(write(tmp_path / "r.csv", frame))
    assert data.facts.task == "ranking" and noted(data, "quantity holds counts (data.count=quantity weighs by them)")


def test_times_in_words_are_left_out_unless_they_are_asked_for(dltrain: Callable, tmp_path: Path) -> None:
    frame = rated().assign(time=[f"{1 + at % 9} days ago" for at in range(600)])
    data = read(write(tmp_path / "r.csv", frame))
    assert truth(data) == expected(frame) and noted(data, "time is left out: '1 days ago' is no time")
    refused = dltrain("check", "data=ratings", "data.path=r.csv", "data.time=time")
    assert refused.code == 2 and "is not a valid time" in refused.err


def test_ratings_in_words_are_refused_with_a_command_that_works(dltrain: Callable, tmp_path: Path) -> None:
    frame = rated()
    frame["rating"] = [("awful", "bad", "okay", "good", "superb")[rating - 1] for rating in frame["rating"]]
    refused = dltrain("check", "data=ratings", f"data.path={write(tmp_path / 'r.csv', frame)}")
    assert refused.code == 2 and "and ratings are numbers" in refused.err and "data.split=leave_last" in refused.err
    assert dltrain("check", "data=ratings", "data.path=r.csv", "data.split=leave_last").code == 0


def test_ids_that_differ_by_case_alone_are_said(tmp_path: Path) -> None:
    frame = rated()
    frame["user"] = [f"{'Ann' if at % 2 else 'ann'}{user}@x.org" for at, user in enumerate(frame["user"])]
    data = read(write(tmp_path / "r.csv", frame))
    assert noted(data, "user differ by case alone, such as") and truth(data) == expected(frame)


def item_lines(frame: pd.DataFrame) -> list[str]:
    lines: list[str] = []
    for item, part in frame.groupby("item"):
        lines += [f"{item}:", *(f"{row.user},{row.rating},2005-09-06" for row in part.itertuples())]
    return lines


def matrix_market(frame: pd.DataFrame) -> list[str]:
    sizes = f"{frame['user'].max()} {frame['item'].max()} {len(frame)}"
    rows = [f"{row.user} {row.item} {row.rating}" for row in frame.itertuples()]
    return ["%%MatrixMarket matrix coordinate real general", "% made here", sizes, *rows]


def nested(frame: pd.DataFrame) -> list[str]:
    users: dict[str, dict[str, int]] = {}
    for user, item, rating in zip(frame["user"], frame["item"], frame["rating"], strict=True):
        users.setdefault(str(user), {})[str(item)] = int(rating)
    return [json.dumps(users, indent=1)]


@pytest.mark.parametrize("lines_of", [item_lines, matrix_market, nested])
def test_forms_that_are_no_tables_are_read_in_training_evaluation_and_prediction(
    lines_of: Lines, dltrain: Callable, tmp_path: Path
) -> None:
    frame = rated()
    path = write(tmp_path / "ratings.data", lines_of(frame))
    assert truth(read(path)) == expected(frame)
    called = dltrain("data=ratings", f"data.path={path}", "trainer.epochs=2", "hydra.run.dir=run")
    assert called.code == 0, called.err
    frame.to_csv(tmp_path / "table.csv", index=False)
    answers = [dltrain("evaluate", "run", f"data.path={name}", "--json") for name in ("ratings.data", "table.csv")]
    assert [answer.code for answer in answers] == [0, 0], answers[0].err
    mine, other = (json.loads(answer.out)["metrics"] for answer in answers)
    assert mine["rmse"] == pytest.approx(other["rmse"], rel=1e-6)
    predicted = dltrain("predict", "run", "ratings.data")
    assert predicted.code == 0 and len(predicted.out.strip().splitlines()) == 601


@pytest.mark.parametrize("lines_of", [matrix_market, nested])
def test_forms_that_say_no_order_hold_out_choices_at_random(lines_of: Lines, tmp_path: Path) -> None:
    path = write(tmp_path / "ratings.data", lines_of(rated().sample(frac=1, random_state=0)))
    data = ratings(path=path, split="leave_last")
    assert noted(data, "drawn at random since the file says nothing about their order") and not noted(data, "last")
    assert data.splits["train"].order is None


def test_columns_that_pandas_wrote_as_json_are_no_users(tmp_path: Path) -> None:
    frame = rated()
    path = tmp_path / "r.json"
    frame.to_json(path)
    assert truth(read(str(path))) == expected(frame)


@pytest.mark.parametrize(
    ("header", "sizes", "words"),
    [("general", "3 3 2.0", "no whole MatrixMarket file"), ("symmetric", "3 3 2", "a symmetric MatrixMarket file")],
)
def test_matrix_market_files_without_users_and_items_are_refused(
    header: str, sizes: str, words: str, tmp_path: Path
) -> None:
    lines = [f"%%MatrixMarket matrix coordinate real {header}", sizes, "1 2 5", "3 1 4"]
    with pytest.raises(DataError, match=words):
        read(write(tmp_path / "r.mtx", lines))


def test_the_case_of_a_matrix_market_header_makes_no_difference(tmp_path: Path) -> None:
    first, *rest = matrix_market(rated())
    assert truth(read(write(tmp_path / "r.mtx", [first.upper(), *rest]))) == expected(rated())


def test_ids_that_look_like_times_stay_the_users_of_a_matrix(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    cells = rng.integers(1, 6, (30, 8)) * (rng.random((30, 8)) < 0.6)
    frame = pd.DataFrame(cells, columns=[f"item{at}" for at in range(8)])
    users = [str(2021010001 + at) for at in range(30)]
    for name in ("student", "Matrikel", "customer_id"):
        data = read(write(tmp_path / "m.csv", frame.assign(**{name: users})[[name, *frame]]))
        assert set(data.facts.preprocessing["users"]) <= set(users)
    timed = frame.assign(timestamp=users)[["timestamp", *frame]]
    assert noted(read(write(tmp_path / "m.csv", timed)), "timestamp is left out: it holds times")


def test_a_cut_matrix_market_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "cut.mtx", matrix_market(rated())[:-3])
    with pytest.raises(DataError, match="no whole MatrixMarket file"):
        read(path)


def test_rows_of_a_matrix_without_names_are_numbered_through_all_parts_of_a_file() -> None:
    numbers = np.where(np.random.default_rng(0).random((20, 12)) < 0.5, 3.0, np.nan)
    frame = pd.DataFrame(numbers, columns=[f"m{at}" for at in range(12)])
    whole, _ = melt(frame, "users_in_rows")
    parts = [melt(frame.iloc[start : start + 10], "users_in_rows")[0] for start in (0, 10)]
    assert whole["user"].tolist() == [user for part in parts for user in part["user"]]


@pytest.mark.parametrize("turned", [False, True])
def test_a_matrix_is_evaluated_as_it_was_read(turned: bool, dltrain: Callable, tmp_path: Path) -> None:
    frame = rated().assign(user=lambda rows: "ann " + rows["user"].astype(str))
    frame["item"] = "film " + frame["item"].astype(str)
    wide = frame.pivot_table(index="user", columns="item", values="rating")
    wide = wide.T.rename_axis("title") if turned else wide.rename_axis("user")
    wide.fillna(0).astype(int).to_csv(tmp_path / "wide.csv")
    called = dltrain("data=ratings", "data.path=wide.csv", "trainer.epochs=1", "hydra.run.dir=run")
    assert called.code == 0, called.err
    evaluated = dltrain("evaluate", "run", "data.path=wide.csv", "--json")
    assert evaluated.code == 0, evaluated.err
    assert json.loads(evaluated.out)["samples"] == len(frame)


def test_answers_to_a_form_are_a_matrix_below_the_time_and_the_name(dltrain: Callable, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    answers = random.choice(np.array(["1", "2", "3", "4", "5", "Haven't seen it"]), size=(40, 12))
    frame = pd.DataFrame(answers, columns=[f"How do you rate film {at}?" for at in range(12)])
    frame.insert(0, "Your name", [f"Ann {at}" for at in range(40)])
    frame.insert(0, "Timestamp", [f"2024/01/{1 + at % 28:02d} 10:{at:02d}:00" for at in range(40)])
    data = read(write(tmp_path / "form.csv", frame))
    rated_cells = answers != "Haven't seen it"
    assert len(truth(data)) == rated_cells.sum() and noted(data, "Timestamp is left out: it holds times")
    assert data.facts.preprocessing["user"] == "Your name"
    options = ("data=ratings", "data.path=form.csv", "trainer.epochs=1", "hydra.run.dir=run")
    assert dltrain(*options).code == 0
    evaluated = dltrain("evaluate", "run", "data.path=form.csv", "--json")
    assert evaluated.code == 0 and json.loads(evaluated.out)["samples"] == rated_cells.sum()


def test_words_against_an_item_are_asked_about(dltrain: Callable, tmp_path: Path) -> None:
    frame = rated()
    words = np.array(["negative", "neutral", "positive"])
    frame = frame.assign(sentiment=words[np.minimum(frame["rating"] // 2, 2)]).drop(columns="rating")
    refused = dltrain("check", "data=ratings", f"data.path={write(tmp_path / 's.csv', frame)}")
    assert refused.code == 2 and "rows of negative may be no choices" in refused.err
    assert "dltrain check data=ratings" in refused.err and "data.unrated=none" in refused.err
    assert dltrain("check", "data=ratings", "data.path=s.csv", "data.unrated=none").code == 0


def test_the_ratings_of_one_person_are_no_ratings_of_users(tmp_path: Path) -> None:
    rows = [f"{at},Book {at},Author {at % 7},{1 + at % 5},{3 + at % 9 / 10}" for at in range(60)]
    path = write(tmp_path / "goodreads.csv", ["Book Id,Title,Author,My Rating,Average Rating", *rows])
    with pytest.raises(DataError, match="each Book Id is in one row alone") as refused:
        read(path)
    assert "data=csv" in refused.value.fix and not refused.value.override
