"""Cells as people write them become what they mean, in training and in new files."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.linear_model import LinearRegression

from dltrain.errors import DataError
from dltrain.kinds.kind import kind_of
from dltrain.kinds.table.load import table
from dltrain.types import Data, Facts

ROWS = 300
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(1500, 900, ROWS).round()
Y = X / 100 + RANDOM.normal(0, 0.5, ROWS)


def grouped(value: float, mark: str) -> str:
    return f"{value:,.0f}".replace(",", mark)


def as_euros(value: float) -> str:
    return f"{value:,.2f}".replace(",", " ").replace(".", ",").replace(" ", ".")


WRITTEN: dict[str, Any] = {
    "thousands": lambda value: grouped(value, ","),
    "apostrophes": lambda value: grouped(value, "'"),
    "spaces": lambda value: grouped(value, "\u202f"),
    "dollars": lambda value: f"${value:,.2f}" if value >= 0 else f"-${-value:,.2f}",
    "percent": lambda value: f"{value / 100:.2f}%",
    "unit": lambda value: f"{value:.1f} kg",
    "Chinese unit": lambda value: f"{value:.0f}元",
    "brackets": lambda value: f"{value:,.0f}" if value >= 0 else f"({-value:,.0f})",
    "minus signs": lambda value: f"{value:.0f}".replace("-", "−"),
    "European": as_euros,
    "durations": lambda value: f"{abs(int(value)) // 60}:{abs(int(value)) % 60:02d}",
}


def read_back(data: Data) -> Any:
    facts = Facts.from_json(json.loads(json.dumps(asdict(data.facts))))
    return kind_of(facts).encoder(facts)


@pytest.mark.parametrize("written", WRITTEN)
def test_a_number_is_an_input_however_it_is_written(written: str) -> None:
    x = np.abs(X) if written == "durations" else X
    frame = pd.DataFrame({"x": [WRITTEN[written](value) for value in x], "y": [f"{value:.3f}" for value in Y]})
    plain = table(pd.DataFrame({"x": x if written != "percent" else x / 100, "y": Y.round(3)}), target="y")
    data = table(frame, target="y")
    assert data.facts.features == ("x",)
    for split, expected in zip(data.splits.values(), plain.splits.values(), strict=True):
        np.testing.assert_allclose(split.inputs[0], expected.inputs[0], atol=0.02)
    test = data.splits["test"]
    again = read_back(data).encode(frame.iloc[[int(row) for row in test.ids]]).inputs[0]
    np.testing.assert_array_equal(again, test.inputs[0])


@pytest.mark.parametrize("written", ["thousands", "dollars", "unit", "European", "brackets"])
def test_a_target_is_a_number_however_it_is_written(written: str) -> None:
    frame = pd.DataFrame({"x": Y.round(3).astype(str), "y": [WRITTEN[written](value) for value in X]})
    data = table(frame, target="y")
    rows = [int(row) for row in data.splits["test"].ids]
    np.testing.assert_allclose(data.splits["test"].target[:, 0], X[rows], atol=0.051)
    np.testing.assert_allclose(read_back(data).targets(frame)[:, 0], X, atol=0.051)


def test_a_run_keeps_its_decimal_comma_for_new_files() -> None:
    data = table(pd.DataFrame({"x": [as_euros(value) for value in X], "y": Y}), target="y")
    new = read_back(data).encode(pd.DataFrame({"x": ["1.200", "1200", "1.200,00"]})).inputs[0][:, 0]
    assert new.tolist() == pytest.approx([float(new[1])] * 3)


def test_what_is_not_certain_is_refused_with_the_key() -> None:
    frame = pd.DataFrame({"x": ["1,234", "2,345", "3,456", "7,891"] * 20, "y": range(80)})
    with pytest.raises(DataError) as refused:
        table(frame, target="y")
    assert "data.decimal" in refused.value.fix
    assert all(reading in refused.value.what for reading in ("1.234", "1234"))
    for decimal, largest in ((".", 7891.0), (",", 7.891)):
        (seen,) = (column.seen for column in read_back(table(frame, target="y", decimal=decimal)).columns)
        assert seen is not None and seen[1] == largest


def test_dates_are_inputs_by_which_a_season_is_learned() -> None:
    days = pd.date_range("2023-01-01", periods=700)
    y = 50 + 20 * np.sin(2 * np.pi * days.day_of_year / 365) + 10 * (days.day_of_week >= 5) + RANDOM.normal(0, 1, 700)
    frame = pd.DataFrame({"day": days.strftime("%d/%m/%Y"), "y": np.asarray(y)})
    data = table(frame, target="y")
    train, test = data.splits["train"], data.splits["test"]
    line = LinearRegression().fit(train.inputs[0], train.target[:, 0])
    assert line.score(test.inputs[0], test.target[:, 0]) > 0.97
    new = read_back(data).encode(pd.DataFrame({"day": ["01/02/2024", "soon", ""]}))
    assert [bool(remarks) for remarks in new.remarks] == [False, True, True]


def test_dates_with_two_readings_are_refused_with_both() -> None:
    days = [f"{RANDOM.integers(1, 13):02d}/{RANDOM.integers(1, 13):02d}/2023" for _ in range(80)]
    frame = pd.DataFrame({"day": days, "y": RANDOM.normal(size=80)})
    with pytest.raises(DataError) as refused:
        table(frame, target="y")
    assert "data.dates=dmy" in refused.value.what and "data.dates=mdy" in refused.value.what
    assert "day" in {column.name for column in read_back(table(frame, target="y", dates="mdy")).columns}


def test_truth_values_are_one_input_in_every_spelling() -> None:
    truth = RANDOM.random(120) > 0.5
    spelled = [
        ("yes", "YES", "true")[row % 3] if true else ("no", "No", "0")[row % 3] for row, true in enumerate(truth)
    ]
    data = table(pd.DataFrame({"open": spelled, "y": truth + RANDOM.normal(0, 0.1, 120)}), target="y")
    assert data.facts.features == ("open",)
    new = read_back(data).encode(pd.DataFrame({"open": ["Y", "n", "perhaps"]}))
    assert new.inputs[0][:2, 0].tolist() == [1, 0] and "neither true nor false" in str(new.remarks[2])


def test_cells_of_several_numbers_are_several_inputs() -> None:
    rooms, halls = RANDOM.integers(1, 6, 200), RANDOM.integers(1, 3, 200)
    frame = pd.DataFrame({"户型": [f"{a}室{b}厅" for a, b in zip(rooms, halls, strict=True)], "y": rooms * 10 + halls})
    data = table(frame, target="y", task="regression")
    assert data.facts.features == ("户型 室", "户型 厅")
    new = read_back(data).encode(pd.DataFrame({"户型": ["3室2厅", "a loft"]}))
    assert [bool(remarks) for remarks in new.remarks] == [False, True]


def test_prose_is_inputs_by_its_words() -> None:
    good = RANDOM.random(200) > 0.5
    texts = [f"item {row} is {'lovely' if nice else 'broken'}, said guest {row * 7}" for row, nice in enumerate(good)]
    data = table(pd.DataFrame({"review": texts, "y": np.where(good, "up", "down")}), target="y")
    assert {"review contains lovely", "review contains broken"} <= set(data.facts.features)
    new = read_back(data).encode(pd.DataFrame({"review": ["A lovely thing"]})).inputs[0]
    assert new[0, data.facts.features.index("review contains lovely")] == 1


def test_a_column_without_a_name_that_numbers_rows_is_no_input() -> None:
    order = RANDOM.permutation(200)
    frame = pd.DataFrame({"column_1": order * 3 + 1, "a": RANDOM.normal(size=200), "y": order / 200})
    data = table(frame, target="y")
    assert data.facts.features == ("a",)
    assert any("column_1" in note and "only number the rows" in note for note in data.notes)


def test_one_and_one_point_zero_are_the_same_category() -> None:
    frame = pd.DataFrame({"kind": ["1", "2.0", "other"] * 40, "y": [1.0, 2.0, 3.5] * 40})
    encoder = read_back(table(frame, target="y", task="regression"))
    new = encoder.encode(pd.DataFrame({"kind": ["1.0", "2", "other"]}))
    np.testing.assert_array_equal(new.inputs[0], encoder.encode(frame.iloc[:3]).inputs[0])
    assert not any(new.remarks)


@pytest.mark.parametrize("values", [["1.200"], ["1.200", "2.500"], ["1.200", "n/a"]])
def test_plain_looking_numbers_of_a_new_file_are_read_by_the_run_s_marks(values: list[str]) -> None:
    encoder = read_back(table(pd.DataFrame({"x": [as_euros(value) for value in X], "y": Y}), target="y"))
    frames = [pd.DataFrame({"x": values}), pd.DataFrame({"x": values}).astype(pd.ArrowDtype(pa.string()))]
    meant = encoder.encode(pd.DataFrame({"x": [value.replace(".", "") for value in values]})).inputs[0]
    for frame in frames:
        np.testing.assert_array_equal(encoder.encode(frame).inputs[0], meant)
    typed = encoder.encode(pd.DataFrame({"x": [1200.0]})).inputs[0]
    assert typed.tolist() == encoder.encode(pd.DataFrame({"x": ["1.200"]})).inputs[0].tolist()


def test_a_column_of_plain_looking_numbers_follows_the_marks_of_its_file() -> None:
    whole = [grouped(abs(value) + 1000, ".") for value in X]
    frame = pd.DataFrame(
        {"whole": whole, "euros": [as_euros(value) for value in X], "y": [f"{y:.2f}".replace(".", ",") for y in Y]}
    )
    data = table(frame, target="y")
    columns = {column.name: column for column in read_back(data).columns}
    assert columns["whole"].seen[0] >= 1000
    np.testing.assert_allclose(read_back(data).targets(frame)[:, 0], Y, atol=0.006)


def test_numbers_such_as_a_thousand_with_a_point_beside_short_ones_are_refused() -> None:
    values = [grouped(value, ".") for value in (1234, 2345, 3456, 4567, 5678, 464, 733, 320)] * 10
    with pytest.raises(DataError, match="two ways"):
        table(pd.DataFrame({"x": values, "y": range(80)}), target="y")


def test_words_among_dates_and_durations_are_gaps_and_said() -> None:
    days = pd.date_range("2020-01-01", periods=ROWS).strftime("%d.%m.%Y").tolist()
    times = [f"1:{at % 60:02d}:{at % 7:02d}" for at in range(ROWS)]
    frame = pd.DataFrame({"day": days, "time": times, "y": [f"{value:.3f}" for value in Y]})
    frame.loc[::5, "day"] = ["unknown", "0000-00-00"] * (ROWS // 10)
    frame.loc[::4, "time"] = "DNF"
    data = table(frame, target="y")
    assert data.raw is not None and [column.role for column in data.raw.columns] == ["date", "numeric"]
    for words in ("day: words are gaps: 'unknown', '0000-00-00'", "durations, in seconds; words are gaps: 'DNF'"):
        assert any(words in note for note in data.notes)


def test_dates_with_dashes_do_not_decide_how_many_ambiguous_ones_with_slashes_are_read() -> None:
    days = pd.date_range("2020-01-01", periods=ROWS)[np.random.default_rng(1).permutation(ROWS)]
    written = [f"{day.month}/{day.day}/{day.year}" if day.day <= 12 else f"{day:%d-%m-%Y}" for day in days]
    with pytest.raises(DataError, match="may be") as error:
        table(pd.DataFrame({"day": written, "x": X, "y": Y.round(3)}), target="y")
    assert error.value.override == "data.dates=dmy"
    table(pd.DataFrame({"day": written, "x": X, "y": Y.round(3)}), target="y", dates="dmy")


def test_a_target_of_dates_is_refused() -> None:
    days = pd.date_range("2020-01-01", periods=ROWS // 2).strftime("%Y-%m-%d").tolist() * 2
    with pytest.raises(DataError, match="'y' holds dates") as error:
        table(pd.DataFrame({"x": X, "y": days}), target="y")
    assert error.value.override == "task=classification"


def test_numbers_in_two_units_are_refused_with_a_role_that_reads_them() -> None:
    prices = [f"{'$€'[at % 2]}{value / 7:.2f}" for at, value in enumerate(np.abs(X) + 1)]
    frame = pd.DataFrame({"price": prices, "y": [f"{value:.3f}" for value in Y]})
    with pytest.raises(DataError, match="in two ways") as error:
        table(frame, target="y")
    assert error.value.override == "data.roles={price: parts}"
    data = table(frame, target="y", roles={"price": "parts"})
    assert data.raw is not None and [column.role for column in data.raw.columns] == ["parts"]
    with pytest.raises(DataError, match="the target 'price'") as error:
        table(frame, target="price")
    assert not error.value.override


@pytest.mark.parametrize("name", ["pid", "MRN", "athlete", "device_no"])
def test_ids_that_rows_share_are_told_by_usual_names(name: str) -> None:
    frame = pd.DataFrame({name: np.arange(ROWS) // 4 * 3, "x": X, "y": Y.round(3)})
    data = table(frame, target="y")
    assert data.raw is not None and data.raw.columns[0].reason.startswith("an id that rows share")
    other = table(frame.rename(columns={name: "engine"}), target="y")
    assert other.raw is not None and other.raw.columns[0].role == "numeric"


@pytest.mark.parametrize(
    ("column", "trained", "new", "what"),
    [
        ("x", ["1234.5", "7.25"], ["1.234", "12,5"], "another decimal mark"),
        ("x", ["1.234,5", "7,25"], ["1.234", "12.5"], "another decimal mark"),
        ("day", ["13/02/2020", "03/04/2020"], ["05/06/2020", "02/13/2020"], "another order"),
        ("day", ["02/13/2020", "03/04/2020"], ["05/06/2020", "13/02/2020"], "another order"),
    ],
)
def test_a_new_file_that_is_written_otherwise_is_refused(
    column: str, trained: list[str], new: list[str], what: str
) -> None:
    frame = pd.DataFrame({column: trained * (ROWS // 2), "z": X, "y": [f"{value:.3f}" for value in Y]})
    encoder = read_back(table(frame, target="y"))
    with pytest.raises(DataError, match=what) as error:
        encoder.encode(pd.DataFrame({column: new, "z": ["1", "2"]}))
    assert error.value.where == f"column {column!r}"
    one_bad = encoder.encode(pd.DataFrame({column: [*trained * 4, new[1]], "z": ["1"] * 9}))
    assert [len(remarks) for remarks in one_bad.remarks] == [0] * 8 + [1]
