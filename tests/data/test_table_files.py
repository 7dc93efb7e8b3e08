"""Workbooks, Parquet files and JSON lines, each written by the test."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from dltrain.data.cells import read_cells
from dltrain.data.json_lines import read_json
from dltrain.data.parquet import stream_parquet
from dltrain.data.table_files import read_table
from dltrain.errors import DataError


def sales(rows: int = 30) -> pd.DataFrame:
    random = np.random.default_rng(rows)
    return pd.DataFrame(
        {
            "date": pd.date_range("2024-01-01", periods=rows).as_unit("us"),
            "region": random.choice(["North", "South"], rows),
            "spend": random.uniform(10, 90, rows).round(1),
            "sales": random.uniform(20, 200, rows).round(1),
        }
    )


def book(folder: Path, **sheets: list[list[object]]) -> str:
    with pd.ExcelWriter(folder / "book.xlsx") as writer:
        for name, rows in sheets.items():
            pd.DataFrame(rows).to_excel(writer, sheet_name=name, index=False, header=False)
    return str(folder / "book.xlsx")


def lines(frame: pd.DataFrame) -> list[list[object]]:
    return [list(frame.columns), *frame.to_numpy().tolist()]


def test_the_sheet_with_the_table_is_found(tmp_path: Path) -> None:
    path = book(tmp_path, Readme=[["This workbook holds sales."], ["It was exported in May."]], Data=lines(sales()))
    read, notes = read_table(path)
    pd.testing.assert_frame_equal(read, sales(), check_dtype=False)
    assert notes == ("read the sheet 'Data', the only one of 2 with a table",)
    assert read_table(path, sheet=2)[0].shape == read.shape
    for sheet in ("data", 3):
        with pytest.raises(DataError) as caught:
            read_table(path, sheet=sheet)
        assert caught.value.where == "data.sheet" and "Readme, Data" in caught.value.fix


def test_titles_units_sources_and_totals_of_a_sheet_are_left_out(tmp_path: Path) -> None:
    totals = ["Total", None, sales()["spend"].sum(), sales()["sales"].sum()]
    head, *body = lines(sales())
    rows = [["Sales of 2024"], [], head, [None, None, "EUR", "EUR"], *body, totals, [], ["Source: our shop"]]
    filled = [[*row, *[None] * (4 - len(row))] for row in rows]
    read, notes = read_table(book(tmp_path, Data=filled))
    assert list(read.columns) == head and len(read) == len(body)
    assert read["sales"].astype(float).sum() == pytest.approx(sales()["sales"].sum())
    for words in ("the table begins below 'Sales of 2024'", "spend in EUR", "Source: our shop", "a total: 'Total'"):
        assert any(words in note for note in notes)


def test_types_of_parquet_are_kept(tmp_path: Path) -> None:
    table = pa.table(
        {
            "amount": pa.array([Decimal("1.25"), None, Decimal("3.50")], pa.decimal128(5, 2)),
            "vip": pa.array([True, False, None]),
            "kind": pa.array(["a", "b", "a"]).dictionary_encode(),
            "at": pa.array([0, 10**6, None], pa.timestamp("us", tz="Europe/Berlin")),
            "took": pa.array([115 * 10**6, 0, None], pa.duration("us")),
            "day": pa.array([0, 365, 366], pa.date32()),
        }
    )
    parquet.write_table(table, tmp_path / "x.parquet")
    frame, _ = read_table(str(tmp_path / "x.parquet"))
    assert frame["amount"].dtype == "float64" and frame["kind"].dtype == "category"
    assert isinstance(frame["at"].dtype, pd.DatetimeTZDtype) and frame["day"].dtype.kind == "M"
    assert read_cells(frame["took"]).values == ("115", "0")
    assert read_cells(frame["amount"]).values == ("1.25", "3.5")
    parts = list(stream_parquet(tmp_path / "x.parquet", 2))
    assert [len(part) for part in parts] == [2, 1] and parts[1]["day"].dtype.kind == "M"


@pytest.mark.parametrize("name", ["x.jsonl", "x.ndjson", "x.json", "x.csv"])
@pytest.mark.parametrize("listed", [False, True])
def test_objects_are_rows(tmp_path: Path, name: str, listed: bool) -> None:
    records = [{"a": 1, "b": "x"}, {"b": "y", "c": None}, {"a": 2.5, "b": "ü"}]
    text = json.dumps(records, indent=1) if listed else "\n\n".join(map(json.dumps, records))
    (tmp_path / name).write_text("\ufeff" + text, "utf-8")
    frame, _ = read_table(str(tmp_path / name))
    assert list(frame.columns) == ["a", "b", "c"] and frame["b"].tolist() == ["x", "y", "ü"]
    assert frame["a"].isna().tolist() == [False, True, False]


def read(text: str) -> list[list[object]]:
    frame = read_json(text.encode(), "x.json")[0]
    return [list(frame.columns), *frame.astype(object).to_numpy().tolist()]


def test_lists_and_objects_within_objects_become_columns_and_texts() -> None:
    line = json.dumps({"a": 1, "tags": ["x", "y"], "votes": [0, 1], "by": {"name": "Ann", "at": {"town": "Ulm"}}})
    names = ["a", "tags", "votes", "by.name", "by.at.town"]
    assert read(f"{line}\n{line}\n") == [names, *[[1, "x|y", "[0, 1]", "Ann", "Ulm"]] * 2]
    assert read('{"a": []}\n{"a": ["x|y", "z"]}') == [["a"], [""], ['["x|y", "z"]']]


def test_the_rows_within_one_object_are_found() -> None:
    table = [["text", "mark"], ["fine", "+"], ["poor", "-"]]
    assert read('{"text": {"0": "fine", "1": "poor"}, "mark": {"0": "+", "1": "-"}}') == table
    assert read('{"n": 2, "rows": [{"text": "fine", "mark": "+"}, {"text": "poor", "mark": "-"}]}') == table
    assert read('{"columns": ["text", "mark"], "data": [["fine", "+"], ["poor", "-"]]}') == table
    assert read('[["fine", "+"],\n ["poor", "-"]]') == [["column_1", "column_2"], *table[1:]]
    assert read('{"text": "fine", "mark": "+"}') == table[:2]


def test_lines_of_fasttext_are_a_table(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("\ufeff__label__a fine, 1\n\n__label__b __label__c  poor  one\n__label__a\n", "utf-8")
    frame, notes = read_table(str(tmp_path / "x"))
    assert frame["label"].tolist() == ["a", "b|c", "a"] and frame["text"].tolist()[:2] == ["fine, 1", "poor  one"]
    assert frame["text"].isna().tolist() == [False, False, True] and "lines of fastText" in notes[-1]


@pytest.mark.parametrize(
    "text", ['{"a": [{"b": 1}, {"b": 2}], "c": [{"b": 1}, {"b": 2}]}', "[1, 2]", '{"a": 1}\n2', "", "[]", '[{"a": ']
)
def test_other_json_is_refused(text: str) -> None:
    with pytest.raises(DataError) as caught:
        read_json(text.encode(), "x.jsonl")
    assert caught.value.fix


def test_records_and_lists_of_parquet_are_columns_as_in_json(tmp_path: Path) -> None:
    rows = [
        {"user": {"age": age, "home": {"town": "Ulm"}}, "tags": ["red", "large"][: age % 3], "at": [age, 2]}
        for age in range(20, 30)
    ]
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "x.parquet", row_group_size=4)
    frame, _ = read_table(str(tmp_path / "x.parquet"))
    assert list(frame.columns) == ["user.age", "user.home.town", "tags", "at"]
    assert frame.iloc[0].tolist() == [20, "Ulm", "red|large", "[20, 2]"]
    pd.testing.assert_frame_equal(pd.concat(stream_parquet(tmp_path / "x.parquet", 3)), frame)


def test_whole_numbers_that_floats_do_not_tell_apart_are_names_whatever_their_type() -> None:
    ids = pd.Series([2**60 + 3 * number for number in range(50)])
    for column in (ids, ids.astype("uint64"), ids.astype("string")):
        cells = read_cells(column)
        assert np.isnan(cells.numbers).all() and list(cells.values) == list(map(str, ids))


def test_each_row_of_merged_cells_has_their_value(tmp_path: Path) -> None:
    from openpyxl import load_workbook

    table = [["Sales of 2024", None], ["region", "sales"], ["North", 1], [None, 2], [None, 3], ["South", 4], [None, 5]]
    path = book(tmp_path, Readme=[["Nothing"]], Data=table)
    workbook = load_workbook(path)
    for merged in ("A1:B1", "A3:A5", "A6:A7"):
        workbook["Data"].merge_cells(merged)
    workbook.save(path)
    for skip in ("auto", 1):
        frame, _ = read_table(path, skip=skip)
        assert frame["region"].tolist() == ["North"] * 3 + ["South"] * 2
        assert frame["sales"].tolist() == [1, 2, 3, 4, 5]
