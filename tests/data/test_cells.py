import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltrain.data.cells import Cells, nearest, read_cells


def read(values, **options) -> Cells:
    return read_cells(pd.Series(values, **options))


def test_missing_cells_are_read_in_any_spelling():
    cells = read(
        ["", " ", "NA", "n/a", "NaN", "null", "None", "?", "-", "—", None, np.nan, "7 ", "7", "-1"], dtype=object
    )
    assert cells.codes.tolist() == [-1] * 12 + [0, 0, 1]
    assert cells.values == ("7", "-1")
    np.testing.assert_array_equal(cells.as_numbers(), [np.nan] * 12 + [7, 7, -1])


def test_other_missing_texts_can_be_asked_for():
    cells = read_cells(pd.Series(["NA", "", "None"]), missing=frozenset({""}))
    assert cells.values == ("NA", "None") and cells.codes.tolist() == [0, -1, 1]


@pytest.mark.parametrize("dtype", ["float64", "float32", "Float64"])
def test_numeric_dtypes_are_numbers(dtype):
    cells = read([1.0, None, 2.5, 1.0], dtype=dtype)
    assert cells.values == ("1", "2.5") and cells.codes.tolist() == [0, -1, 1, 0]


def test_truth_values_and_pandas_categories_are_text():
    assert read([True, False, True]).values == ("True", "False")
    assert read(["b", None, "a"], dtype="category").values == ("b", "a")


@pytest.mark.parametrize("text", ["1_000", "1,5", "0x10", "nan(1)", "x"])
def test_text_is_no_number(text):
    assert not read([text]).all_numbers


@pytest.mark.parametrize("text", ["1", "-1.5", "1e-3", "+.5", "9007199254740992"])
def test_numbers_are_numbers(text):
    assert read([text]).as_numbers()[0] == float(text)


@pytest.mark.parametrize("dtype", [object, pd.ArrowDtype(pa.string())])
@pytest.mark.parametrize(
    ("texts", "values", "codes"),
    [
        (["1", "1.0", "2", None, "1e0", " 2 "], ("1", "2"), [0, 0, 1, -1, 0, 1]),
        (["1.50", "NA", "-0.0", "0"], ("1.5", "0"), [0, -1, 1, 1]),
        (["1", "1.0", "x", "-"], ("1", "x"), [0, 0, 1, -1]),
        (["+5", ".5", "nan"], ("5", "0.5"), [0, 1, -1]),
        (["1.10", "v2", "1.1"], ("1.10", "v2", "1.1"), [0, 1, 2]),
        (["inf", "1e39", "2"], ("inf", "1e39", "2"), [0, 1, 2]),
        (["9007199254740993", "9007199254740992"], ("9007199254740993", "9007199254740992"), [0, 1]),
        ([None, None], (), [-1, -1]),
    ],
)
def test_values_are_numbers_where_all_are(dtype, texts, values, codes):
    cells = read(texts, dtype=dtype)
    assert cells.values == values and cells.codes.tolist() == codes


plain = st.one_of(
    st.none(),
    st.sampled_from(["", " ", "NA", "?", "007", "0", "00", "-0", "+1", "1_0", "１", "1e400", "nan", "Infinity"]),
    st.integers(-(2**54), 2**54).map(str),
    st.floats().map(str),
    st.integers(-20, 20).map(lambda number: f" {number}.0"),
    st.text(max_size=3),
)


@given(st.one_of(st.lists(plain, max_size=8), st.lists(st.integers(-99, 99).map(str), max_size=8)))
def test_strings_of_arrow_are_read_as_those_of_python(texts):
    python, arrow = read(texts, dtype=object), read(texts, dtype=pd.ArrowDtype(pa.string()))
    assert arrow.codes.tolist() == python.codes.tolist()
    assert tuple(arrow.values) == tuple(python.values)
    np.testing.assert_array_equal(arrow.numbers, python.numbers)


def test_numbers_are_spelled_when_they_are_needed():
    values = read([str(number) for number in range(1000)], dtype=pd.ArrowDtype(pa.string())).values
    assert not isinstance(values, tuple)
    assert len(values) == 1000 and values[7] == "7" and tuple(values[2:4]) == ("2", "3") and values[-1] == "999"
    assert next(reversed(values)) == "999" and "500" in values and values != ("1",)


def test_durations_are_seconds():
    cells = read(pd.to_timedelta(["90s", None, "1D"]))
    assert cells.values == ("90", "86400") and cells.codes.tolist() == [0, -1, 1]


def test_nearest():
    assert nearest("survived ", ["PassengerId", "Survived"]) == ["Survived"]
    assert nearest("zzz", ["PassengerId", "Survived"]) == []


def test_codes_with_leading_zeros_are_names():
    cells = read(["007", "010", "123", "007"])
    assert not cells.all_numbers
    assert cells.values == ("007", "010", "123")
    assert read(["0", "10", "0.5"]).all_numbers


def test_whole_numbers_that_floats_cannot_tell_apart_are_names():
    cells = read([str(2**53 + i) for i in range(1, 6)])
    assert np.isnan(cells.numbers).all()
    assert len(cells.values) == 5
    assert read([str(2**53 - i) for i in range(5)]).all_numbers
    assert read(["1e300", "2e300"]).all_numbers
