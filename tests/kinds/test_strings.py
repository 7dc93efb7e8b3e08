"""Which columns hold strings that are read character by character, and what is refused at evaluation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from dltrain.errors import ConfigError, DataError
from dltrain.kinds.labels import TargetReader, read_strings
from dltrain.kinds.strings import are_strings
from dltrain.kinds.target import infer_task

LETTERS = "ABCDEFGHJK23456789"


def drawn(count: int, length: int, characters: str = LETTERS) -> list[str]:
    rng = np.random.default_rng(count + length)
    return ["".join(rng.choice(list(characters), length)) for _ in range(count)]


@pytest.mark.parametrize(
    ("cells", "likelihood"),
    [
        (drawn(300, 4), "certain"),
        (drawn(300, 5, "0123456789"), "certain"),
        (drawn(60, 4), "possible"),
        (drawn(600, 3, "0123456789"), "certain"),
        ([f"{number:04d}" for number in range(1000, 1300)], "no"),  # amounts
        ([f"{number:04d}" for number in range(300)], "no"),  # which count the rows
        ([f"P{number:04d}" for number in range(2000)], "possible"),  # ids
        (drawn(150, 3) * 20, "no"),  # many classes with three letters
        ([f"{string}-{number}" for number, string in enumerate(drawn(200, 4))], "no"),
        ([string[: 2 + number % 3] for number, string in enumerate(drawn(300, 4))], "no"),
        (["cat", "dog"] * 100, "no"),
    ],
)
def test_strings_are_told_from_classes_ids_and_amounts(cells: Sequence[str], likelihood: str) -> None:
    assert are_strings(read_strings(pd.Series(cells, dtype="string"))) == likelihood


def test_images_may_have_strings_and_other_data_may_not() -> None:
    frame = pd.DataFrame({"text": drawn(300, 4)}, dtype="string")
    goal = infer_task(frame, strings=True)
    assert (goal.task, goal.form, goal.outputs) == (
        "characters",
        "string",
        ("place 1", "place 2", "place 3", "place 4"),
    )
    assert "task=classification takes each string as a class" in goal.reason
    assert ["".join(goal.classes[at] for at in row) for row in goal.y.tolist()] == frame["text"].tolist()
    with pytest.raises(ConfigError, match="reads strings in images") as refused:
        infer_task(frame, "characters")
    assert refused.value.override == "task=auto"
    few = frame[:60]
    with pytest.raises(DataError, match="hardly classes") as asked:
        infer_task(few, strings=True)
    assert asked.value.override == "task=characters"
    assert infer_task(few, "characters", strings=True).form == "string"


def test_short_strings_are_filled_with_blanks_that_the_reason_names() -> None:
    goal = infer_task(pd.DataFrame({"text": ["ab", "b", "abca"] * 2}), "characters", strings=True)
    assert goal.classes == ("", "a", "b", "c")
    assert goal.y[:3].tolist() == [[1, 2, 0, 0], [2, 0, 0, 0], [1, 2, 3, 1]]
    assert "strings of 1 to 4 characters, the shorter ones filled up with blanks" in goal.reason


def test_characters_in_two_forms_of_unicode_are_one() -> None:
    goal = infer_task(pd.DataFrame({"text": ["é", "e\u0301", "a", "京"]}), "characters", strings=True)
    assert goal.classes == ("a", "é", "京") and goal.y[:, 0].tolist() == [1, 1, 0, 2]


@pytest.mark.parametrize(
    ("cell", "what"),
    [
        ("AX2", "'X' in 'AX2' is not a character of the model"),
        ("A", "'A' has 1 characters, and the strings of the model have 3"),
        ("AAAA", "'AAAA' has 4 characters"),
    ],
)
def test_new_strings_that_the_model_cannot_give_are_named(cell: str, what: str) -> None:
    reader = TargetReader("text", "characters", classes=("2", "A"), outputs=("1", "2", "3"))
    assert reader.targets(pd.DataFrame({"text": ["A2A", None]}, dtype="string")).tolist() == [[1, 0, 1], [-1] * 3]
    with pytest.raises(DataError, match=what):
        reader.targets(pd.DataFrame({"text": ["A2A", cell]}, dtype="string"))


@pytest.mark.parametrize(
    ("column", "what"),
    [
        (pd.Series([12, 345, 6]), "may have lost zeros"),
        (pd.Series(["ab", "ab"]), "there is nothing to predict"),
        (pd.Series(["x" * 65, "y"]), "strings of up to 65 characters"),
    ],
)
def test_what_holds_no_strings_is_refused(column: pd.Series, what: str) -> None:
    with pytest.raises(DataError, match=what):
        infer_task(pd.DataFrame({"text": column}), "characters", strings=True)
