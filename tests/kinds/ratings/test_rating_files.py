"""Files of ratings and choices as people have them: separators, headers, matrices, gaps, and what is asked about."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dltrain.data.samples.ratings_and_series import generate_ratings
from dltrain.errors import DataError
from dltrain.kinds.ratings.load import ratings
from dltrain.types import Data

ROWS = 600


def numbered() -> pd.DataFrame:
    """Returns ratings whose ids are numbers."""
    frame = generate_ratings(ROWS, 0)
    ids = {name: frame[name].str[1:].astype(int) for name in ("user", "item")}
    return frame.assign(**ids, rating=frame["rating"].astype(int))


def write(path: Path, frame: pd.DataFrame, **options: Any) -> str:
    frame.to_csv(path, **({"index": False} | options))
    return str(path)


def lines(path: Path, content: list[str], encoding: str = "utf-8") -> str:
    path.write_bytes("\n".join(content).encode(encoding))
    return str(path)


def whole(path: str, **options: Any) -> Data:
    """Returns ratings that are all in the training split."""
    return ratings(path=path, val_fraction=0, test_fraction=0, **options)


def size(data: Data) -> int:
    return sum(map(len, data.splits.values()))


def noted(data: Data, words: str) -> bool:
    return any(words in note for note in data.notes)


def truth(data: Data) -> set[tuple[str, str, float]]:
    """Returns the user, item and rating of each sample of a known user and item."""
    users, items = (["", *data.facts.preprocessing[key]] for key in ("users", "items"))
    return {
        (users[user], items[item], rating)
        for split in data.splits.values()
        for user, item, (rating,) in zip(*(part.tolist() for part in (*split.inputs, split.target)), strict=True)
    }


def test_lines_with_two_colons_are_read_with_their_titles(tmp_path: Path) -> None:
    frame = numbered()
    rows = frame.astype(int).astype(str).agg("::".join, axis="columns").tolist()
    path = lines(tmp_path / "ratings.dat", rows)
    films = [f"{item}::Café {item}, The ({1950 + item % 50})::Drama|War" for item in sorted(frame["item"].unique())]
    titles = lines(tmp_path / "movies.dat", films, "latin-1")
    data = whole(path, titles=titles)
    assert size(data) == ROWS and data.facts.features == ("column_1", "column_2")
    item = data.facts.preprocessing["items"][0]
    assert data.facts.preprocessing["titles"][0] == f"Café {item}, The ({1950 + int(item) % 50})"
    assert noted(data, "titles are read as cp1252")
    plain = whole(write(tmp_path / "r.csv", frame))
    assert truth(data) == truth(plain)


def test_titles_of_other_items_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", numbered())
    titles = lines(tmp_path / "t.csv", ["item,title", "x1,First", "x2,Second"])
    with pytest.raises(DataError, match="holds ids of the items: item, title") as refused:
        ratings(path=path, titles=titles)
    assert refused.value.override == "data.titles=null"


@pytest.mark.parametrize("first", ["1\t2\t3", "9\t9\t5"])
def test_a_first_line_of_numbers_is_data(tmp_path: Path, first: str) -> None:
    rows = numbered()[["user", "item", "rating"]].astype(str).agg("\t".join, axis="columns").tolist()
    data = whole(lines(tmp_path / "u.data", [first, *rows]))
    assert noted(data, "no header line") and truth(data) == truth(whole(lines(tmp_path / "v", [*rows, first])))


def test_no_cell_is_taken_or_offered_as_the_name_of_a_column(tmp_path: Path) -> None:
    frame = numbered()[["user", "item", "rating"]].astype(str)
    words = frame.assign(user="u" + frame["user"], item="film " + frame["item"])
    rows = ["once,Alien,5", *words.agg(",".join, axis="columns")]
    data = ratings(path=lines(tmp_path / "a.csv", rows))
    assert size(data) == ROWS + 1 and data.facts.features == ("column_1", "column_2")
    clicks = [",".join(row) for row in words[["user", "item"]].to_numpy()]
    assert size(ratings(path=lines(tmp_path / "b.csv", [clicks[5], *clicks]))) == ROWS


def test_names_with_types_are_read_without_them(tmp_path: Path) -> None:
    frame = numbered()
    names = {"user": "user_id:token", "item": "item_id:token", "rating": "rating:float", "timestamp": "timestamp:float"}
    data = whole(write(tmp_path / "ml.inter", frame.rename(columns=names), sep="\t"))
    assert (data.facts.features, data.facts.target) == (("user_id", "item_id"), "rating")
    assert truth(data) == truth(whole(write(tmp_path / "r.csv", frame)))


def test_json_lines_with_other_keys_are_read(tmp_path: Path) -> None:
    rows = [
        {"reviewerID": f"A{row.user}", "asin": f"B{row.item}", "helpful": [0, 1], "overall": row.rating, "by": {"a": 1}}
        for row in numbered().itertuples()
    ]
    data = ratings(path=lines(tmp_path / "reviews.json", list(map(json.dumps, rows))))
    assert (data.facts.features, data.facts.target, size(data)) == (("reviewerID", "asin"), "overall", ROWS)


@pytest.mark.parametrize(
    ("names", "extra"),
    [
        (("user_id", "item_id", "timestamp"), {}),
        (("visitorid", "itemid", "timestamp"), {"event": lambda at: ["view", "addtocart", "buy"][at % 3]}),
        (("userID", "artistID", "when"), {"weight": lambda at: at * at % 997}),
    ],
)
def test_choices_without_ratings_lead_to_ranking(
    tmp_path: Path, names: tuple[str, ...], extra: dict[str, Callable[[int], object]]
) -> None:
    frame = numbered().drop(columns="rating").set_axis(names, axis="columns")
    frame = frame.assign(**{name: [cell(at) for at in range(ROWS)] for name, cell in extra.items()})
    data = ratings(path=write(tmp_path / "clicks.csv", frame))
    assert data.facts.task == "ranking" and data.facts.features == names[:2]
    assert noted(data, "there are no ratings") and noted(data, "last choice") and not noted(data, "last rating")
    assert all(noted(data, f"{name} holds") for name in extra)
    with pytest.raises(DataError, match="there are no ratings") as refused:
        ratings(path=str(tmp_path / "clicks.csv"), split="random")
    assert refused.value.override == "data.split=leave_last"


def test_choices_that_repeat_count_once_at_their_last_place(tmp_path: Path) -> None:
    rows = ["user,item", "a,x", "a,y", "a,x", "b,y", "b,x", "b,z", "c,z", "c,y", "c,x"]
    data = ratings(path=lines(tmp_path / "c.csv", rows))
    assert noted(data, "1 choices repeat a user and an item")
    assert ("a", "x", 1.0) in truth(data)
    last = {data.splits["test"].texts[at] for at in range(len(data.splits["test"]))}
    assert "user a, item x" not in last  # two choices are too few to hold one out


def test_a_column_that_may_hold_ratings_is_asked_about(tmp_path: Path) -> None:
    path = write(tmp_path / "v.csv", numbered().rename(columns={"rating": "value"}))
    with pytest.raises(DataError, match="'value' may hold ratings") as refused:
        ratings(path=path)
    assert refused.value.override == "data.target=value" and "data.split=leave_last" in refused.value.fix
    assert ratings(path=path, target="value").facts.task == "rating"
    assert ratings(path=path, split="leave_last").facts.task == "ranking"


def test_columns_are_proposed_only_if_they_can_be_users_and_items(tmp_path: Path) -> None:
    frame = numbered().set_axis(["who", "what", "rating", "when"], axis="columns")
    path = write(tmp_path / "odd.csv", frame[["when", "rating", "who", "what"]].assign(row=range(ROWS)))
    with pytest.raises(DataError, match="no column looks like the users") as refused:
        ratings(path=path)
    assert refused.value.override == "data.user=who data.item=what"
    given = dict(part.removeprefix("data.").split("=") for part in refused.value.override.split())
    assert ratings(path=path, **given).facts.features == ("who", "what")
    with pytest.raises(DataError, match="none repeats its values") as refused:
        ratings(path=write(tmp_path / "one.csv", pd.DataFrame({"a": range(50), "rating": [1, 2] * 25})))
    assert not refused.value.override


def with_gaps(share: float, number: int) -> pd.DataFrame:
    frame = numbered()
    frame.loc[np.random.default_rng(0).random(ROWS) < share, "rating"] = number
    return frame


@pytest.mark.parametrize(("share", "number"), [(0.6, 0), (0.2, -1), (0.3, 99), (0.02, 99)])
def test_numbers_that_mean_not_rated_are_told_apart(tmp_path: Path, share: float, number: int) -> None:
    frame = with_gaps(share, number)
    data = ratings(path=write(tmp_path / "r.csv", frame, sep=";"))
    missing = int((frame["rating"] == number).sum())
    assert size(data) == ROWS - missing and noted(data, f"are {number}, which is taken for not rated: {missing:,} rows")
    assert number not in {rating for _, _, rating in truth(data)}
    rows = [int(row) for split in data.splits.values() for row in split.ids]
    assert (frame.loc[rows, "rating"] != number).all()  # ids number the rows of the file
    known = {user: set(frame.loc[frame["user"] == int(user), "item"]) for user in data.facts.preprocessing["users"]}
    until, items = data.kept["rated_until"].tolist(), data.facts.preprocessing["items"]
    for at, user in enumerate(data.facts.preprocessing["users"]):
        stored = [items[item - 1] for item in data.kept["rated"][until[at] : until[at + 1]].tolist()]
        assert len(stored) == len(set(stored)) and set(map(int, stored)) == known[user] & set(map(int, items))
    assert size(ratings(path=str(tmp_path / "r.csv"), unrated="none")) == ROWS
    assert size(ratings(path=str(tmp_path / "r.csv"), split="leave_last")) == ROWS


def test_zeros_that_may_be_ratings_are_asked_about_and_rare_ones_are_ratings(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", with_gaps(0.25, 0))
    with pytest.raises(DataError, match="% of rating are 0, which may mean") as refused:
        ratings(path=path)
    assert refused.value.override == "data.unrated=0" and "data.unrated=none" in refused.value.fix
    assert size(ratings(path=path, unrated=0)) < size(ratings(path=path, unrated="none")) == ROWS
    assert size(ratings(path=write(tmp_path / "s.csv", with_gaps(0.05, 0)))) == ROWS
    likes = numbered().assign(rating=lambda frame: (frame["rating"] > 4).astype(int))
    assert size(ratings(path=write(tmp_path / "l.csv", likes))) == ROWS
    with pytest.raises(DataError, match="'few' is no number"):
        ratings(path=path, unrated="few")


@pytest.mark.parametrize("form", ["gaps", "zeros", "turned", "bare"])
def test_a_matrix_is_read_as_its_ratings(tmp_path: Path, form: str) -> None:
    matrix = (
        numbered()
        .assign(user=lambda frame: "u" + frame["user"].astype(str))
        .pivot(index="user", columns="item", values="rating")
    )
    path = tmp_path / "matrix.csv"
    if form == "gaps":
        matrix.to_csv(path)
    elif form == "zeros":
        matrix.fillna(0).astype(int).to_csv(path)
    elif form == "turned":
        matrix.T.rename_axis("movieId").to_csv(path)
    else:
        np.savetxt(path, matrix.fillna(99).to_numpy(), fmt="%d")
    data = whole(str(path))
    assert size(data) == ROWS and data.facts.target_range == (1.0, 5.0) and noted(data, "a matrix: each row is a")
    if form != "bare":
        assert truth(data) == {(f"u{row.user}", str(row.item), row.rating) for row in numbered().itertuples()}


def test_a_small_matrix_with_numbers_for_names_keeps_its_header(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    cells = np.where(random.random((40, 8)) < 0.3, np.nan, random.integers(1, 6, (40, 8)))
    frame = pd.DataFrame(cells, columns=[3, 8, 12, 40, 41, 77, 80, 95], index=[f"u{at}" for at in range(40)])
    data = whole(write(tmp_path / "m.csv", frame.rename_axis("user"), index=True))
    assert set(data.facts.preprocessing["items"]) == set(map(str, frame.columns))
    assert size(data) == int(frame.notna().sum().sum())


def test_a_matrix_of_marks_says_who_chose_what_in_no_order(tmp_path: Path) -> None:
    matrix = numbered().assign(rating=1).pivot(index="user", columns="item", values="rating").fillna(0).astype(int)
    matrix.to_csv(tmp_path / "m.csv")
    data = ratings(path=str(tmp_path / "m.csv"))
    assert data.facts.task == "ranking" and size(data) == ROWS and noted(data, "drawn at random")
    test = data.splits["test"]
    users, items = (data.facts.preprocessing[name] for name in ("users", "items"))
    last = {str(user): str(chosen[chosen == 1].index[-1]) for user, chosen in matrix.iterrows()}
    pairs = zip(*(part.tolist() for part in test.inputs), strict=True)
    held_out = [(users[user - 1], items[item - 1]) for user, item in pairs]
    assert np.mean([last[user] == item for user, item in held_out]) < 0.5


def test_a_file_in_the_order_of_items_says_nothing_about_time(tmp_path: Path) -> None:
    frame = numbered().drop(columns=["rating", "timestamp"]).sort_values(["user", "item"])
    assert noted(ratings(path=write(tmp_path / "c.csv", frame)), "drawn at random")
    assert noted(
        ratings(path=write(tmp_path / "d.csv", frame.sample(frac=1, random_state=0))), "in the order of the file"
    )


def test_runs_on_such_files_predict_and_evaluate_them(tmp_path: Path, dltrain: Callable) -> None:
    frame = with_gaps(0.6, 0)
    matrix = numbered().pivot(index="user", columns="item", values="rating")
    files = {
        "dat": lines(tmp_path / "r.dat", frame.astype(int).astype(str).agg("::".join, axis="columns").tolist()),
        "inter": write(tmp_path / "r.inter", frame.rename(columns=lambda name: f"{name}_id:token"), sep="\t"),
        "matrix": write(tmp_path / "m.csv", matrix, index=True),
    }
    for name, path in files.items():
        options = ("data.target=rating_id",) if name == "inter" else ()
        called = dltrain("data=ratings", f"data.path={path}", "debug=smoke", f"hydra.run.dir=runs/{name}", *options)
        assert called.code == 0, called.err
        evaluated = dltrain("evaluate", f"runs/{name}", f"data.path={path}", "--json")
        assert evaluated.code == 0, evaluated.err
        rated = ROWS if name == "matrix" else int((frame["rating"] > 0).sum())
        assert json.loads(evaluated.out)["samples"] == rated
        assert dltrain("predict", f"runs/{name}", path, "-o", "out.csv").code == 0
        assert len(pd.read_csv("out.csv")) == ROWS


def test_counts_weigh_the_choices_of_training(tmp_path: Path) -> None:
    plays = [at * at % 97 + 1 for at in range(ROWS)]
    frame = numbered().drop(columns="rating").assign(plays=plays)
    path = write(tmp_path / "plays.csv", frame)
    plain = ratings(path=path)
    assert noted(plain, "plays holds counts (data.count=plays weighs by them)")
    data = ratings(path=path, count="plays")
    train = data.splits["train"]
    assert train.weight is not None and data.splits["test"].weight is None and plain.splits["train"].weight is None
    assert float(train.weight.mean()) == pytest.approx(1, abs=1e-5)
    logs = np.log2([1 + plays[int(row)] for row in train.ids])
    assert np.allclose(train.weight.numpy(), logs / logs.mean(), atol=1e-5)
    rows = ["user,item", *["a,x"] * 7, "a,y", "a,z", "b,x", "b,y", "b,z"]
    repeated = ratings(path=lines(tmp_path / "c.csv", rows), count="rows", val_fraction=0, test_fraction=0)
    assert repeated.splits["train"].weight.tolist()[0] == pytest.approx(3 * repeated.splits["train"].weight.tolist()[1])  # type: ignore[union-attr]
    with pytest.raises(DataError, match="no column 'play'") as refused:
        ratings(path=path, count="play")
    assert refused.value.override == "data.count=plays"
    with pytest.raises(DataError, match="counts weigh choices"):
        ratings(path=write(tmp_path / "r.csv", numbered()), count="timestamp")


@pytest.mark.parametrize("loss", ["sampled_softmax", "bpr"])
def test_a_run_with_counts_trains_with_either_loss(tmp_path: Path, dltrain: Callable, loss: str) -> None:
    path = write(tmp_path / "p.csv", numbered().drop(columns="rating").assign(plays=range(1, ROWS + 1)))
    called = dltrain("data=ratings", f"data.path={path}", "data.count=plays", f"loss={loss}", "trainer.epochs=2")
    assert called.code == 0, called.err
    assert "choices weigh log2(1 + plays)" in called.run.log.read_text("utf-8")
