"""Chooses the columns of labels or numbers that are predicted from texts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

import pandas as pd

from dltrain.data.cells import name_list, read_cells
from dltrain.data.column_names import plain
from dltrain.errors import DataError, DltrainError
from dltrain.kinds.labels import EMPTY, find_separator, lists_labels, split_labels
from dltrain.kinds.target import infer_task
from dltrain.kinds.text.columns import Content, numbers_rows

ListForm = Literal["", "angles", "brackets"]
QUOTED = r"""['"][^'"|]*['"]"""
LISTS: Mapping[ListForm, re.Pattern[str]] = {
    "angles": re.compile(r"(<[^<>|]+>)+"),
    "brackets": re.compile(rf"\[\s*({QUOTED}(,?\s*{QUOTED})*)?\s*\]"),
}
LABEL: Mapping[ListForm, re.Pattern[str]] = {
    "angles": re.compile(r"<([^<>]+)>"),
    "brackets": re.compile(r"""['"]([^'"]*)['"]"""),
}
# The usual names of columns of labels, as `column_names.plain` spells them: the certain ones, and the others.
LABEL_NAMES = "labels?|class|classes|category|categories|sentiment|target|标签|类别|分类|情感|情感倾向"
LIKELY_NAMES = (
    rf"\w*({LABEL_NAMES})|(class|label|target)(index|id|name)?|is[a-z]+|stars?|\w*rating|score|overall|grade|polarity|"
    r"topics?|tags?|genres?|intents?|emotions?|toxic\w*|spam|lang(uage)?|评分|星级"
)

FEWEST_MARKS = 3  # columns of 0 and 1, from which on they certainly are labels


def choose_target(
    frame: pd.DataFrame, contents: Mapping[str, Content], task: str, taken: Collection[str | None]
) -> tuple[tuple[str, ...], str]:
    """Returns the columns to predict, and why: by a usual name, the only one, or all that hold 0 and 1.

    Args:
        frame: the table.
        contents: what its columns carry.
        task: the requested task.
        taken: columns that have another role.

    Raises:
        DataError: there is none, or it is not certain which one it is.
    """
    free = [name for name in contents if name not in taken]
    candidates = [name for name in free if contents[name].is_target]
    if named := _named(candidates, LABEL_NAMES):
        return named, "by its name"
    counted = [name for name in candidates if not numbers_rows(name, frame[name], contents[name])]
    candidates = counted or candidates
    marks = [name for name in candidates if contents[name].two_valued]
    if len(marks) == len(candidates) >= FEWEST_MARKS:
        return tuple(marks), "columns that say yes or no"
    if named := _named(candidates, LIKELY_NAMES):
        return named, "by its name"
    if len(candidates) == 1:
        return (candidates[0],), "the only other column" if len(free) == 1 else "the only other column of labels"
    usable = [name for name in candidates if _can_be_predicted(frame[[name]], task)]
    usable.sort(key=lambda name: (contents[name].carries != "labels", contents[name].distinct))
    several = f", or several labels such as [{','.join(marks)}]" if len(marks) > 1 else ""
    raise DataError(
        "there is no target: which column should be predicted?",
        where="data.target",
        fix=f"choose one of {name_list(usable)}{several}"
        if usable
        else "give a column of labels in addition to the texts",
        override=f"data.target={usable[0]}" if usable else "",
    )


def _named(names: Sequence[str], pattern: str) -> tuple[str, ...]:
    """Returns the only name that matches a pattern; empty for none or several."""
    named = tuple(name for name in names if re.fullmatch(pattern, plain(name)))
    return named if len(named) == 1 else ()


def _can_be_predicted(column: pd.DataFrame, task: str) -> bool:
    try:
        infer_task(column, task, find_lists=True)
    except DltrainError:
        return False
    return True


def list_form(column: pd.Series[Any]) -> ListForm:
    """Returns how the cells of a column write lists: `<a><b>` or `['a', 'b']`; empty if they do not."""
    values = read_cells(column, missing=EMPTY).values
    for form, pattern in LISTS.items():
        if len(values) and all(map(pattern.fullmatch, values)):
            return form
    return ""


def with_bars(column: pd.Series[Any], form: ListForm) -> pd.Series[Any]:
    """Returns a column with its lists as `a|b`, in a form that `list_form` found."""
    if not form:
        return column
    values = [value for value in read_cells(column, missing=EMPTY).values if LISTS[form].fullmatch(value)]
    return respell(column, {value: "|".join(LABEL[form].findall(value)) for value in values})


def settle_case(frame: pd.DataFrame, targets: Sequence[str], ignore_case: bool | None) -> tuple[pd.DataFrame, str]:
    """Returns the table with one spelling of labels that differ by case alone, and a note; asks which they are.

    Args:
        frame: the table.
        targets: its columns that are predicted.
        ignore_case: whether such labels are one label or several; `None` to ask.

    Raises:
        DataError: there are such labels, and the user has not said which they are.
    """
    spellings = {name: _spellings(frame[name]) for name in targets}
    pairs = sorted(name for column in spellings.values() for name in column.items())
    if ignore_case is False or not pairs:
        return frame, ""
    named = name_list([f"{other} and {usual}" for other, usual in pairs], 5)
    if ignore_case is None:
        raise DataError(
            f"labels differ by upper and lower case alone: {named}",
            where="data.ignore_case",
            fix="say whether they are the same label, or false for several",
            override="data.ignore_case=true",
        )
    columns = {name: respell(frame[name], column) for name, column in spellings.items() if column}
    return frame.assign(**columns), f"labels that differ by case alone are one label: {named}"


def _spellings(column: pd.Series[Any]) -> dict[str, str]:
    """Returns the usual spelling of each cell with labels that are also written in another case."""
    cells = read_cells(column, missing=EMPTY)
    if cells.all_numbers or len(cells.values) > len(cells.codes) / 2:
        return {}
    mark = find_separator(cells.values) if lists_labels(cells.values) else ""
    labels_of = {value: split_labels(value, mark) if mark else [value] for value in cells.values}
    counts: Counter[str] = Counter()
    for value, count in zip(cells.values, cells.counts.tolist(), strict=True):
        counts.update(dict.fromkeys(labels_of[value], count))
    usual: dict[str, str] = {}
    for label, _ in counts.most_common():
        usual.setdefault(label.casefold(), label)
    respelled = {value: [usual[label.casefold()] for label in labels] for value, labels in labels_of.items()}
    return {value: mark.join(labels) for value, labels in respelled.items() if labels != labels_of[value]}


def respell(column: pd.Series[Any], spellings: Mapping[str, str]) -> pd.Series[Any]:
    """Returns a column of labels with other spellings."""
    texts = column.astype(object).where(column.notna(), None)
    return texts.map(lambda cell: spellings.get(str(cell).strip(), cell), na_action="ignore")


def as_trained(column: pd.Series[Any], labels: Sequence[str]) -> pd.Series[Any]:
    """Returns a column of labels, or of lists of them, as training spelled them, whatever their case."""
    usual = {name.casefold(): name for name in labels}
    distinct = read_cells(column, missing=EMPTY).values
    mark = find_separator(distinct)
    spellings = {}
    for value in distinct:
        alone = usual.get(value.casefold())
        listed = mark.join(usual.get(part.casefold(), part) for part in split_labels(value, mark))
        spellings[value] = listed if alone is None and mark in value else alone or value
    return respell(column, spellings)
