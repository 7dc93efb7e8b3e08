import numpy as np
import pandas as pd
import pytest

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
