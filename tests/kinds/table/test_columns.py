"""Which role a column is given, what of it is refused, and how categories become inputs."""

import numpy as np
import pandas as pd
import pytest

from dltrain.data.cell_parts import count_listed
from dltrain.data.cells import Cells, read_cells
from dltrain.errors import DataError
from dltrain.kinds.table.categorical import CategoricalEncoder
from dltrain.kinds.table.columns import infer_columns


def read(values, **options) -> Cells:
    return read_cells(pd.Series(values, **options))


def role(values, name="x", drop=(), **others):
    columns = infer_columns({name: read(values), **{key: read(column) for key, column in others.items()}}, drop)
    return columns[0].role, columns[0].reason


def refusal(values, drop=()):
    with pytest.raises(DataError) as caught:
        infer_columns({"x": read(values), "y": read(["1.5", "3"] * (len(values) // 2))}, drop)
    return caught.value


SPREAD = [str(i * i % 97 + 0.5) for i in range(40)]


@pytest.mark.parametrize(
    ("values", "name", "expected", "reason"),
    [
        (SPREAD, "x", "numeric", "numbers"),
        (["1", "2", "3"] * 5, "Pclass", "numeric", "numbers"),
        (["7", "—"] * 5, "x", "numeric", "numbers"),
        (["a", "b"] * 5, "x", "categorical", "text with 2 distinct values"),
        (["yes", ""] * 5, "x", "categorical", "text with 1 distinct values"),
        (["", "NA"] * 5, "x", "dropped", "every cell is missing"),
        (["a"] * 9, "x", "dropped", "every cell is 'a'"),
        (["3"] * 9, "x", "dropped", "every cell is '3'"),
        ([str(i) for i in range(5, 15)], "x", "dropped", "consecutive whole numbers"),
        ([str(i) for i in range(15, 5, -1)], "x", "dropped", "consecutive whole numbers"),
        ([f"n{i}" for i in range(10)], "x", "dropped", "text with 10 distinct values of 10"),
        ([f"n{i}" for i in range(6)] + ["n0"] * 4, "x", "dropped", "text with 6 distinct values of 10"),
        ([f"n{i}" for i in range(5)] + ["n0"] * 5, "x", "categorical", "text with 5 distinct values"),
        (["17", "4", "90", "31"], "学号", "dropped", "an id with 4 distinct values of 4"),
        (["17", "4", "90", "31"], "userId", "dropped", "an id with 4 distinct values of 4"),
        (["17", "4", "90", "31"], "user_ID", "dropped", "an id with 4 distinct values of 4"),
        (["17", "4", "90", "4"], "userId", "categorical", "an id that rows share"),
        (["17", "4", "90", "31"], "paid", "numeric", "numbers"),
        (["1.7", "0.4", "9", "3.1"], "acid", "numeric", "numbers"),
        (["1.7", "0.4", "9", "3.1"], "id", "numeric", "numbers"),
    ],
)
def test_roles(values, name, expected, reason):
    chosen, why = role(values, name, other=SPREAD[: len(values)])
    assert chosen == expected and why.startswith(reason)


def test_ids_are_seen_though_rows_are_left_out():
    cells = read([str(i) for i in range(10)]).take(np.array([0, 1, 5, 9]))
    assert infer_columns({"n": cells, "x": read(SPREAD[:4])})[0].role == "dropped"


def test_a_count_is_kept_where_nothing_else_is_left():
    assert role(["1", "2", "3", "4"]) == (
        "numeric",
        "consecutive whole numbers, but no other column is left",
    )
    assert role(["1", "2", "3", "4"], drop=["x"])[0] == "dropped"


def test_a_dropped_column_is_not_looked_at():
    assert role([*SPREAD, "inf"], drop=["x"]) == ("dropped", "set by data.drop")


def test_a_name_to_drop_that_does_not_exist_is_refused():
    with pytest.raises(DataError) as caught:
        infer_columns({"Name": read(["a"]), "姓名": read(["b"])}, ["姓名", "name "])
    assert caught.value.override == "data.drop=[姓名,Name]" and "'name '" in caught.value.what


@pytest.mark.parametrize("words", [["缺考"], ["a", "b", "c"]])
def test_the_words_of_a_column_of_numbers_are_gaps_and_are_named(words):
    cells = read([*SPREAD[: 40 - len(words)], *words])
    (column,) = infer_columns({"x": cells})
    assert (column.role, column.missing) == ("numeric", len(words))
    assert all(repr(word) in column.remarks[0] for word in words)


@pytest.mark.parametrize("name", ["order_no", "InvoiceNr", "Ticket Number", "订单号码"])
def test_whole_numbers_that_never_repeat_are_ids_where_their_name_says_number(name):
    numbers = [str(900_000 + 7 * i * (i % 3 + 1)) for i in range(1, 60)]
    distinct = list(dict.fromkeys(numbers))
    assert role(distinct, name=name) == ("dropped", f"an id with {len(distinct)} distinct values of {len(distinct)}")
    assert role([*distinct, distinct[0]], name=name)[0] == "numeric"
    assert role(distinct[:10], name=name)[0] == "numeric"
    assert role([f"{i}.5" for i in range(40)], name=name)[0] == "numeric"


def test_numbers_that_are_all_dates_are_dates():
    days = [f"{day:%Y%m%d}" for day in pd.date_range("2021-01-29", periods=40, freq="9D")]
    assert role(days) == role(list(map(int, days))) == ("date", "numbers that are all dates")
    assert role([day[:6] for day in days])[0] == "date"
    assert role([*days[:-1], ""])[0] == "date"
    assert role([*days[:-1], "20211340"])[0] == "numeric"
    assert role(days[:5])[0] == "numeric"  # too few to be certain
    assert role(days, name="order_id")[0] == "dropped"
    assert infer_columns({"x": read(days)}, (), {"x": "numeric"})[0].role == "numeric"


@pytest.mark.parametrize(
    ("name", "unit", "step", "word"),
    [
        ("ts", 1000, 86_400_000, "unix_ms"),
        ("created_at", 1, 86_400, "unix"),  # whole minutes
        ("timestamp", 1, 86_399, "unix"),
        ("start_time", 1, 86_399, "unix"),
        ("eventTime", 10**6, 86_399 * 10**6 + 1, "unix_us"),
        ("date", 10**9, 86_399 * 10**9 + 1, "unix_ns"),  # beyond 2**53
    ],
)
def test_times_counted_from_1970_on_are_dates(name, unit, step, word):
    values = [1_500_000_000 * unit // (60 * unit) * 60 * unit + step * n for n in range(40)]
    (column,) = infer_columns({name: read(values[::-1])}, ())
    assert (column.role, column.dates.numbers) == ("date", word)
    moments = column.dates.read([str(value) for value in values])
    assert moments[0] == np.datetime64("2017-07-14T02:40:00")


@pytest.mark.parametrize("name", ["phone", "candidate_code", "sentiment_score", "market_cap_to_date"])
def test_long_numbers_of_another_name_are_no_times(name):
    random = np.random.default_rng(0)
    (column,) = infer_columns({name: read(random.integers(1_500_000_000_000, 1_600_000_000_000, 40).tolist())}, ())
    assert column.role == "numeric"


def test_words_beside_few_numbers_are_categories():
    assert role(["1", "2", "3", "none of these"] * 10)[0] == "categorical"


@pytest.mark.parametrize("value", ["inf", "-Infinity", "1e39"])
def test_numbers_beyond_float32_are_refused_with_the_row(value):
    error = refusal([*SPREAD[:3], value, *SPREAD[4:]])
    assert value in error.what and "row 5, column 'x'" in error.where


def test_infinity_among_real_dtypes_is_refused():
    assert "row 3" in refusal(np.array([1.0, np.inf, 2.0, 4.0])).where


def test_the_row_is_that_of_the_source():
    cells = read([*SPREAD, "inf", "1"]).take(np.array([3, 9, 40]))
    with pytest.raises(DataError) as caught:
        infer_columns({"x": cells})
    assert "row 42" in caught.value.where


def test_categories_are_one_hot_with_rare_ones_pooled():
    encoder = CategoricalEncoder.fit("c", read(["b", "a", "b", "a", "x", "y", ""]))
    assert encoder.features == ("c=a", "c=b", "c other", "c missing")
    encoded = encoder.encode(read(["a", "b", "x", "never seen", "?"]))
    assert encoded.tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1]]


def test_an_unforeseen_category_is_zeros_where_nothing_was_pooled():
    encoder = CategoricalEncoder.fit("c", read(["b", "a"] * 3))
    assert encoder.features == ("c=a", "c=b")
    assert encoder.encode(read(["z", "", "b"])).tolist() == [[0, 0], [0, 0], [0, 1]]


def test_the_most_frequent_categories_are_kept():
    values = [f"c{i:03}" for i in range(100) for _ in range(2 if i < 50 else 3)]
    encoder = CategoricalEncoder.fit("c", read(values))
    assert len(encoder.levels) == 64 and encoder.other
    assert set(encoder.levels) > {f"c{i:03}" for i in range(50, 100)}


def test_ten_rows_suffice_for_a_category_of_a_large_table():
    encoder = CategoricalEncoder.fit("c", read(["a"] * 4981 + ["b"] * 10 + ["c"] * 9))
    assert encoder.levels == ("a", "b")


@pytest.mark.parametrize("between", [" ", ", ", "list"])
def test_a_column_of_lists_of_numbers_is_refused_and_not_dropped_in_silence(between):
    rows = [[row * at % 256 for at in range(49)] for row in range(40)]
    cells = [str(row) if between == "list" else between.join(map(str, row)) for row in rows]
    with pytest.raises(DataError, match="each cell of the column 'pixels' lists 49 numbers") as refused:
        infer_columns({"pixels": read(cells), "x": read(SPREAD)})
    assert refused.value.override == "data.drop=[pixels]"
    assert [column.role for column in infer_columns({"pixels": read(cells), "x": read(SPREAD)}, ["pixels"])] == [
        "dropped",
        "numeric",
    ]


@pytest.mark.parametrize(
    "cells", [["1 2 3"] * 9 + ["4 5 6"], ["1 " * 20, "2 " * 21] * 20, ["ten words and 1 number"] * 40]
)
def test_other_cells_with_numbers_list_none(cells):
    assert count_listed(cells) == 0
