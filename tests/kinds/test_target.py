"""What the target columns of a table ask for."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from dltrain.errors import ConfigError, DataError
from dltrain.kinds import estimators
from dltrain.kinds.kind import kind_of
from dltrain.kinds.table.load import table
from dltrain.kinds.target import infer_task
from dltrain.tasks.classification import Classification
from dltrain.tasks.multilabel import Multilabel
from dltrain.tasks.registry import register
from dltrain.tasks.regression import Regression
from dltrain.tasks.task import Task

NUMBERS = [str(number) for number in np.arange(40) * 1.5]
SPARSE = [str(number) for number in np.arange(40) % 7 * 2.5]
TWO = ["是", "否"] * 20
BITS = ["0", "0", "1", "0"] * 10


def test_several_columns_of_numbers_are_a_regression_of_as_many() -> None:
    goal = infer_task(pd.DataFrame({"a": NUMBERS, "b": SPARSE}), "auto")
    assert (goal.task, goal.outputs, goal.name) == ("regression", ("a", "b"), "a, b")
    np.testing.assert_array_equal(goal.y, np.array([NUMBERS, SPARSE], dtype=float).T)


def test_several_columns_of_two_values_are_labels_and_the_later_value_has_it() -> None:
    goal = infer_task(pd.DataFrame({"雨": TWO, "fog": BITS}), "auto")
    assert (goal.task, goal.outputs) == ("multilabel", ("雨", "fog"))
    np.testing.assert_array_equal(goal.y[:4], [[1, 0], [0, 0], [1, 1], [0, 0]])
    assert "雨=是, fog=1" in goal.reason
    assert infer_task(pd.DataFrame({"a": BITS, "b": BITS}), "regression").task == "regression"


@pytest.mark.parametrize("task", ["auto", "regression"])
def test_how_several_numbers_are_read_is_said(task: str) -> None:
    frame = pd.DataFrame({"a": [f"{number} kg" for number in NUMBERS], "b": [*SPARSE[:-2], "<1", "<1"]})
    goal = infer_task(frame, task)
    assert goal.reason.endswith("; a: the unit is kg; b: words are gaps: '<1'")
    assert np.isnan(goal.y[-2:, 1]).all() and not np.isnan(goal.y[:, 0]).any()


def test_a_row_that_has_one_of_several_numbers_counts_for_that_one() -> None:
    rows = pd.DataFrame({"x": NUMBERS, "a": ["", *NUMBERS[1:-1], ""], "b": ["", "", *SPARSE[2:]]})
    data = table(rows, target=["a", "b"], val_fraction=0, test_fraction=0)
    target = data.splits["train"].target.numpy()
    known = np.array([NUMBERS, SPARSE], dtype=float).T
    known[[0, 0, 1, -1], [0, 1, 1, 0]] = np.nan
    np.testing.assert_array_equal(target, known[1:])
    assert "left out 1 of 40 rows, which have no value of a, b" in data.notes
    assert "missing targets, of which the row's other targets are still used: a (1), b (1)" in data.notes
    np.testing.assert_allclose(data.facts.target_mean, np.nanmean(target, axis=0))
    np.testing.assert_allclose(data.facts.target_std, np.nanstd(target, axis=0))


def test_rows_that_lack_the_same_target_repeat_each_other() -> None:
    rows = pd.DataFrame(
        {"x": NUMBERS, "a": NUMBERS, "b": [number if row % 2 else "" for row, number in enumerate(SPARSE)]}
    )
    twice = pd.concat([rows, rows])
    assert (
        "left out 40 of 80 rows that repeat another: data.duplicates=drop"
        in table(twice, target=["a", "b"], duplicates="drop").notes
    )


def test_a_target_that_no_training_row_has_is_refused_with_the_targets_that_are_left() -> None:
    late = pd.DataFrame({"t": range(40), "x": SPARSE, "a": NUMBERS, "b": [""] * 36 + ["1", "2", "3", "4"]})
    with pytest.raises(DataError, match="no training row has a value of 'b'") as refused:
        table(late, target=["a", "b"], time="t")
    assert refused.value.override == "data.target=[a]"
    assert table(late, target=["a"], drop=["b"], time="t").facts.target == "a"


def test_a_missing_label_of_several_costs_only_itself() -> None:
    rows = pd.DataFrame({"x": NUMBERS, "rain": ["", *TWO[1:-1], ""], "fog": [*BITS[:-1], ""]})
    data = table(rows, target=["rain", "fog"], val_fraction=0, test_fraction=0)
    train = data.splits["train"]
    assert len(train) == 39
    assert train.target[0].tolist() == [-1, int(BITS[0] == max(BITS))]
    assert train.weights is not None and train.weights.sum() == 2 * 39 - 1
    assert "left out 1 of 40 rows, which have no value of rain, fog" in data.notes
    assert "missing targets, of which the row's other targets are still used: rain (1)" in data.notes


@pytest.mark.parametrize(
    ("cells", "labels"),
    [
        (["red|large", "large", "", "red"], [[1, 1], [1, 0], [0, 0], [0, 1]]),
        (["红;大", "大", "", "红"], [[1, 1], [1, 0], [0, 0], [0, 1]]),
        (["a, b,", "a", "", "b"], [[1, 1], [1, 0], [0, 0], [0, 1]]),
        (["a b", "a", "", "b"], [[1, 1], [1, 0], [0, 0], [0, 1]]),
        (["new york|old town", "new york", "", "old town"], [[1, 1], [1, 0], [0, 0], [0, 1]]),
    ],
)
def test_labels_listed_in_a_cell_are_separated_and_an_empty_cell_has_none(
    cells: list[str], labels: list[list[int]]
) -> None:
    goal = infer_task(pd.DataFrame({"tags": cells}), "multilabel")
    assert goal.y.tolist() == labels
    assert goal.present.all()
    assert "1 row has none" in goal.reason


@pytest.mark.parametrize(
    ("columns", "task", "what", "override"),
    [
        ({"a": NUMBERS, "b": ["x", "y", "z", "w"] * 10}, "auto", "'b' contains text such as 'x'", "data.target=[a]"),
        ({"a": TWO, "b": BITS}, "classification", "classes need a single column", "task=multilabel"),
        ({"a": TWO, "b": SPARSE}, "multilabel", "a label must have two values, and 'b' has 7", "data.target=[a]"),
        ({"a": ["same"] * 40}, "multilabel", "contain 1 different labels", "task=classification"),
    ],
)
def test_targets_that_do_not_go_together_are_refused(
    columns: dict[str, list[str]], task: str, what: str, override: str
) -> None:
    with pytest.raises(DataError, match=what) as refused:
        infer_task(pd.DataFrame(columns), task)
    assert refused.value.override == override


def test_each_of_several_numbers_is_scaled_by_itself() -> None:
    data = table(pd.DataFrame({"x": SPARSE, "a": NUMBERS, "b": SPARSE}), target=["a", "b"])
    target = data.splits["train"].target
    mean, std = torch.tensor(data.facts.target_mean), torch.tensor(data.facts.target_std)
    scaled = (target - mean) / std
    torch.testing.assert_close(scaled.mean(dim=0), torch.zeros(2, dtype=torch.float64), atol=1e-6, rtol=0)
    torch.testing.assert_close(scaled.std(dim=0, correction=0), torch.ones(2, dtype=torch.float64), atol=1e-6, rtol=0)


def test_a_label_that_no_training_row_has_is_named() -> None:
    rows = pd.DataFrame({"x": NUMBERS, "tags": ["a|b", "b", "a", "b"] * 10})
    held_out = pd.DataFrame({"x": NUMBERS[:3], "tags": ["a|c", "b", "c"]})
    data = table(rows, target="tags", task="multilabel", held_out={"test": held_out})
    assert data.facts.outputs == ("a", "b", "c")
    assert "in no training row, so that it cannot be learned: tags c" in data.notes


def test_classes_that_look_like_lists_of_labels_are_told_of() -> None:
    goal = infer_task(pd.DataFrame({"tags": ["red|large", "large", "red", "red|large"] * 5}), "auto")
    assert goal.task == "classification"
    assert "if 'red|large' lists several labels, give task=multilabel" in goal.reason
    assert "multilabel" not in infer_task(pd.DataFrame({"grade": ["A", "B"] * 10}), "auto").reason


class Counts(Regression):
    """A task of one's own whose targets are numbers."""


class Verdict(Classification):
    """A task of one's own whose targets are classes."""


class Tags(Multilabel):
    """A task of one's own whose targets are labels."""


class Shapeless(Task):
    """A task of one's own that does not say what its targets are."""


@pytest.mark.parametrize(
    ("own", "built_in", "target"),
    [
        (Counts, "regression", "a"),
        (Counts, "regression", ["a", "b"]),
        (Verdict, "classification", "b"),
        (Tags, "multilabel", "tags"),
        (Tags, "multilabel", ["rain", "fog"]),
    ],
)
def test_a_task_of_ones_own_reads_targets_as_the_built_in_task_of_its_form(
    own: type[Task], built_in: str, target: str | list[str]
) -> None:
    frame = pd.DataFrame(
        {"x": NUMBERS[::-1], "a": NUMBERS, "b": SPARSE, "rain": TWO, "fog": BITS, "tags": ["u|v", "v", "", "u"] * 10}
    )
    name = register(own)
    assert name.endswith(f"test_target.{own.__name__}")
    drop = sorted({"a", "b", "rain", "fog", "tags"} - ({target} if isinstance(target, str) else {*target}))
    data, same = (table(frame, target=target, task=task, drop=drop) for task in (name, built_in))
    assert data.facts.task == name
    assert (data.facts.classes, data.facts.outputs) == (same.facts.classes, same.facts.outputs)
    assert (data.facts.target_mean, data.facts.target_std) == (same.facts.target_mean, same.facts.target_std)
    assert data.facts.class_counts == same.facts.class_counts
    for split in data.splits:
        assert torch.equal(data.splits[split].target, same.splits[split].target)
    encoder = kind_of(data.facts).encoder(data.facts)
    rows = [int(row) for row in data.splits["test"].ids]
    assert torch.equal(encoder.targets(frame)[rows], data.splits["test"].target)
    names, like = ([name for name, _ in estimators.methods(facts, boosting=True)] for facts in (data.facts, same.facts))
    assert names == like


def test_a_task_of_ones_own_is_refused_where_the_target_has_not_its_form() -> None:
    texts = pd.DataFrame({"a": ["x", "y"] * 20})
    with pytest.raises(DataError, match=r"task=.*Counts needs numbers, but 'a' contains text such as 'x'"):
        infer_task(texts, register(Counts))
    with pytest.raises(DataError, match="these are not classes"):
        infer_task(pd.DataFrame({"a": NUMBERS}), register(Verdict))
    with pytest.raises(DataError, match="classes need a single column"):
        infer_task(pd.DataFrame({"a": TWO, "b": BITS}), register(Verdict))


@pytest.mark.parametrize(
    ("task", "what", "fix", "override"),
    [
        ("regresion", "no task 'regresion'", "did you mean regression?", "task=regression"),
        ("my.Task", "no task 'my.Task'", "write your own as module.Name", "task=auto"),
        ("ranking", "ranking is not for the target of a table", "choose regression, classification", "task=auto"),
        (f"{__name__}.Shapeless", "Shapeless is not for the target of a table", "number, class, labels", "task=auto"),
    ],
)
def test_what_is_no_task_of_a_table_is_refused(task: str, what: str, fix: str, override: str) -> None:
    register(Shapeless)
    with pytest.raises(ConfigError, match=what) as refused:
        table(pd.DataFrame({"x": NUMBERS, "a": TWO}), target="a", task=task)
    assert fix in refused.value.fix
    assert (refused.value.where, refused.value.override) == ("task", override)


def test_spellings_of_true_and_false_are_two_classes() -> None:
    cells = ["yes"] * 30 + ["Y", "TRUE", "1"] * 5 + ["no"] * 30 + ["N", "false", "0"] * 5
    target = infer_task(pd.DataFrame({"y": cells}))
    assert (target.task, target.classes) == ("classification", ("no", "yes"))
    assert target.y.tolist() == [1] * 45 + [0] * 45
    assert "count as these" in target.reason and "'TRUE'" not in target.reason and "TRUE" in target.reason
    new = pd.DataFrame({"y": ["No", "True", "off", "yes"]})
    assert target.reader.targets(new).tolist() == [0, 1, 0, 1]


def test_classes_beside_true_and_false_stay_as_they_are() -> None:
    assert infer_task(pd.DataFrame({"y": ["J", "ja", "N", "nein"] * 9})).classes == ("J", "N")
    assert infer_task(pd.DataFrame({"y": ["yes", "Yes", "no", "maybe"] * 9})).classes == ("Yes", "maybe", "no", "yes")
    reader = infer_task(pd.DataFrame({"y": ["yes", "no"] * 9})).reader
    with pytest.raises(DataError, match="'maybe' is not a class"):
        reader.targets(pd.DataFrame({"y": ["maybe"]}))


@pytest.mark.parametrize(
    "cell", ["['{}']", '["{}"]', "('{}',)", "{{'{}'}}", "['{}' 'clear']", "[{}]", "['{}', 'clear']"]
)
def test_cells_that_are_lists_are_labels(cell: str) -> None:
    cells = [cell.format("old town"), "['clear', 'water']", "[]", ""] * 5
    goal = infer_task(pd.DataFrame({"tags": cells}))
    assert (goal.task, goal.outputs) == ("multilabel", ("clear", "old town", "water"))
    assert goal.y[:4].tolist() == [[int("clear" in cell), 1, 0], [1, 0, 1], [0, 0, 0], [0, 0, 0]]
    new = pd.DataFrame({"tags": ["['water']", "['old town','clear']"]})
    assert goal.reader.targets(new).tolist() == [[0, 0, 1], [1, 1, 0]]
    assert infer_task(pd.DataFrame({"tags": cells}), "classification").task == "classification"


@pytest.mark.parametrize("cells", [["[1, 20]", "[3, 20]"], ["[male]", "[female]"], ["[a]", "b"], ["[1.5]", "['a']"]])
def test_cells_in_brackets_are_not_always_lists_of_labels(cells: list[str]) -> None:
    assert infer_task(pd.DataFrame({"y": cells * 10})).task == "classification"


def test_words_between_blanks_that_recur_may_be_labels() -> None:
    tags = ["clear primary", "haze primary water", "cloudy", "clear water"] * 5
    goal = infer_task(pd.DataFrame({"tags": tags}))
    assert goal.task == "classification"
    assert "if 'clear primary' lists several labels, give task=multilabel" in goal.reason
    within = ["haze primary", "agriculture clear primary water", "clear primary", "cloudy"] * 5
    assert "if 'clear primary' lists several labels" in infer_task(pd.DataFrame({"tags": within})).reason
    places = ["new york", "new jersey", "los angeles", "rio de janeiro"] * 5
    assert "multilabel" not in infer_task(pd.DataFrame({"place": places})).reason
