"""Targets are read of new rows as they were read in training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from dltrain.errors import DataError
from dltrain.kinds.labels import TASKS, TargetReader, form_of, target_of_files, target_of_rows
from dltrain.kinds.target import infer_task
from dltrain.tasks.registry import task_class
from dltrain.types import Facts


def reader(cells: list[object], task: str) -> TargetReader:
    return infer_task(pd.DataFrame({"y": cells}), task).reader


@pytest.mark.parametrize("form", TASKS)
def test_the_forms_are_those_that_the_built_in_tasks_want(form: str) -> None:
    assert task_class(TASKS[form]).target == form  # type: ignore[index]
    assert TargetReader("y", TASKS[form], classes=("a",)).form == form  # type: ignore[index]


def test_a_task_that_wants_no_form_has_classes_or_numbers() -> None:
    assert form_of(Facts("ratings", "rating", (1,))) == "number"
    assert form_of(Facts("text", "next_token", (1,), classes=("a", "b"))) == "class"


@pytest.mark.parametrize(
    ("trained", "new", "indices"),
    [
        (["NA", "good"] * 9, ["NA", "good", ""], [0, 1, -1]),  # a class called NA
        (["1", "2", "NA"] * 9, ["NA", None, "2"], [-1, -1, 1]),  # numbers, among which NA is none
        (["1", "2.0"] * 9, ["1.00", "2", "?"], [0, 1, -1]),
        (["007", "010"] * 9, ["007", "10", ""], [0, 1, -1]),
        ([*["1", "2"] * 40, "many"], ["many", "-", "1"], [2, -1, 0]),  # a few words among numbers
    ],
)
def test_a_missing_class_is_what_it_was_in_training(trained: list[str], new: list[str], indices: list[int]) -> None:
    classes = reader(trained, "classification")
    assert classes.targets(pd.DataFrame({"y": new})).tolist() == indices
    each = [classes.targets(pd.DataFrame({"y": [cell]})).tolist() for cell in new]
    assert each == [[index] for index in indices]


def test_a_word_that_is_missing_among_numbers_alone_is_no_class() -> None:
    with pytest.raises(DataError, match="'NA' is not a class of the model") as refused:
        reader(["good", "poor"] * 9, "classification").targets(pd.DataFrame({"y": ["NA"]}))
    assert "the classes are good, poor" in refused.value.fix


def test_a_part_without_any_number_is_missing_and_no_text() -> None:
    numbers = reader([str(row * 1.5) for row in range(20)], "regression")
    assert numbers.targets(pd.DataFrame({"y": ["NA", "?"]})).isnan().all()
    with pytest.raises(DataError, match="'many' in a column of numbers"):
        numbers.targets(pd.DataFrame({"y": ["NA", "many"]}))


@pytest.mark.parametrize(
    ("trained", "new", "has"),
    [
        (["dark red|new", "new"] * 5, ["dark red"], [[1, 0]]),
        (["a;b c", "a"] * 5, ["b c"], [[0, 1]]),
        (["a b", "b"] * 5, ["b a", ""], [[1, 1], [0, 0]]),
        (["red", "new"] * 5, ["red", "new|red", "red, new"], None),
    ],
)
def test_labels_are_separated_as_in_training(trained: list[str], new: list[str], has: list[list[int]] | None) -> None:
    labels = reader(trained, "multilabel")
    if has is None:  # in training no cell had a separator, so any may come
        assert labels.targets(pd.DataFrame({"y": new[:2]})).tolist() == [[0, 1], [1, 1]]
        assert labels.targets(pd.DataFrame({"y": new[2:]})).tolist() == [[1, 1]]
    else:
        assert labels.targets(pd.DataFrame({"y": new})).tolist() == has
    with pytest.raises(DataError, match="'owl' is not a label of the model"):
        labels.targets(pd.DataFrame({"y": ["owl"]}))


def test_several_targets_are_read_by_their_names() -> None:
    facts = Facts("table", "regression", (1,), target="a, b", outputs=("a", "b"))
    frame = pd.DataFrame({"b": ["2", "NA"], "a": ["1", "3"]})
    np.testing.assert_array_equal(target_of_rows(facts, frame), [[1, 2], [3, np.nan]])
    with pytest.raises(DataError, match="no column 'b', which the model predicts") as refused:
        target_of_rows(facts, frame.rename(columns={"b": "B"}))
    assert refused.value.fix == "rename 'B'"


def test_a_label_with_two_values_is_the_later_one() -> None:
    facts = Facts("table", "multilabel", (1,), target="wet, cold", outputs=("wet", "cold"))
    frame = pd.DataFrame({"wet": ["yes", "no", ""], "cold": ["1", "1", "1"]})
    assert target_of_rows(facts, frame).tolist() == [[1, 1], [0, 1], [-1, 1]]
    with pytest.raises(DataError, match="a label must have two values, and 'wet' has 1"):
        target_of_rows(facts, frame[:1])


def test_files_are_of_the_class_of_their_folder() -> None:
    facts = Facts("image", "classification", (1, 8, 8), classes=("cat", "dog"))
    files = [Path("data/dog/1.png"), Path("data/cat/old/2.png"), Path("cat/dog/3.png")]
    assert torch.equal(target_of_files(facts.classes, files), torch.tensor([1, 0, 1]))
    with pytest.raises(DataError, match=r"no folder of owl/1\.png has the name of a class"):
        target_of_files(facts.classes, [Path("owl/1.png")])
