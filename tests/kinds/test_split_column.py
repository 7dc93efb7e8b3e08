"""Columns of a table that say which split a row is in."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import pytest

from dltrain.kinds.split_column import Followed, follow_column


def follow(**columns: Sequence[object]) -> Followed:
    return follow_column(pd.DataFrame(columns).astype(str), {"y"})


@pytest.mark.parametrize("name", ["partition", "split", "Set", "subset", "eval_partition", "data_split"])
def test_0_1_and_2_are_train_val_and_test(name: str) -> None:
    followed = follow(**{name: [0, 0, 0, 1, 2, 2, 1]})
    assert followed.splits.tolist() == [0, 0, 0, 1, 2, 2, 1]
    assert followed.given == ("val", "test")
    assert followed.notes == (f"splits by the column {name}: 0 is train, 1 is val, 2 is test",)


@pytest.mark.parametrize("codes", [[0, 1, 1], [1, 2, 3], [0, 1, 2, 2, 2]])
def test_codes_that_may_mean_any_split_are_not_followed_and_said(codes: list[int]) -> None:
    followed = follow(partition=codes)
    assert (set(followed.splits.tolist()), followed.columns) == ({0}, ())
    assert followed.notes[0].startswith("partition looks like splits and is not followed")


@pytest.mark.parametrize(
    ("name", "cells", "splits", "spelled"),
    [
        ("is_training_image", [1, 0, 1], [0, 2, 0], "0 is test, 1 is train"),
        ("is_train", ["yes", "no", "no"], [0, 2, 2], "no is test, yes is train"),
        ("is_valid", [False, True, False], [0, 2, 0], "False is train, True is test"),
        ("isValidation", [True, True, False], [2, 2, 0], "False is train, True is test"),
        ("is_test", ["1.0", "1.0", "0.0"], [2, 2, 0], "0.0 is train, 1.0 is test"),
    ],
)
def test_true_and_false_are_followed_by_the_name(
    name: str, cells: list[object], splits: list[int], spelled: str
) -> None:
    followed = follow(**{name: cells})
    assert followed.splits.tolist() == splits
    assert followed.given == ("test",)
    assert followed.notes == (f"splits by the column {name}: {spelled}",)


def test_several_columns_of_true_and_false_go_together_unless_they_contradict_each_other() -> None:
    followed = follow(is_train=[1, 0, 0, 1], is_val=[0, 1, 0, 0])
    assert (followed.splits.tolist(), followed.given) == ([0, 1, 2, 0], ("val", "test"))
    assert followed.columns == ("is_train", "is_val")
    said = "is_train is train, is_val is val, any other row is test"
    assert followed.notes == (f"splits by the columns is_train, is_val: {said}",)
    assert follow(is_val=[0, 1, 0], is_test=[0, 0, 1]).splits.tolist() == [0, 1, 2]
    contrary = follow(is_train=[1, 0, 0, 1], is_test=[0, 1, 1, 1])
    assert (contrary.columns, set(contrary.splits.tolist())) == ((), {0})
    assert "is_train, is_test looks like splits and is not followed" in contrary.notes[0]


@pytest.mark.parametrize(
    ("name", "cells", "notes"),
    [
        ("is_valid", [True, True, True, False], 1),  # valid rows
        ("test", [1, 0, 0, 1], 1),  # of a patient
        ("train", [1, 0, 0, 0], 1),  # a vehicle
        ("invalid", [True, False, False, False], 0),
        ("is_train", [1, 1, 1, 1], 0),
        ("is_test", [0, 1, "", 1], 0),
        ("y", [0, 1, 0, 1], 0),
        ("phase", ["new", "full", "new", "half"], 0),
    ],
)
def test_what_may_mean_something_else_is_not_followed(name: str, cells: list[object], notes: int) -> None:
    followed = follow(**{name: cells})
    assert (set(followed.splits.tolist()), followed.columns, len(followed.notes)) == ({0}, (), notes)


def test_numbers_of_a_phase_are_no_splits() -> None:
    followed = follow(phase=[0, 1, 0, 2])
    assert (followed.columns, set(followed.splits.tolist())) == ((), {0})
    assert "phase looks like splits and is not followed" in followed.notes[0]
    assert follow(eval_partition=[0, 1, 0, 2]).columns == ("eval_partition",)
