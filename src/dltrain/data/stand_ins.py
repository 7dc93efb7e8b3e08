"""Values that stand for missing cells, such as -200 and -999: `data.missing`, and which a column may hold unsaid."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from dltrain.data.cells import Cells, name_list, nearest, spell_number
from dltrain.errors import DataError

Missing = Sequence[str | float] | Mapping[str, Any] | str | float | None  # as a config gives it
StandIns = Mapping[str, tuple[str, ...]]  # by the names of columns; "" for all that it does not name

USUAL = frozenset(
    sign * size
    for sign in (1, -1)
    for size in (99, 200, 777, 888, 999, 7777, 8888, 9999, 99_999, 999_999, 99.9, 99.99, 999.9, 999.99, 9999.9)
)
OFTEN = 3  # cells of a usual one; of another, the share below as well
SHARE = 0.005


def read_stand_ins(given: Missing) -> StandIns:
    """Returns what a config gives as values for all columns, one or several, or as a mapping of columns to values.

    Raises:
        DataError: it is neither.
    """
    try:
        read: Any = yaml.safe_load(given) if isinstance(given, str) and given.lstrip().startswith("{") else given
    except yaml.YAMLError:
        read = {None: None}
    by_column = read if isinstance(read, Mapping) else {} if read is None else {"": read}
    stand_ins = {str(name): _as_texts(values) for name, values in by_column.items() if name is not None}
    if len(stand_ins) < len(by_column) or any(isinstance(value, Mapping) for value in by_column.values()):
        raise DataError(
            f"{given!r} does not say which values stand for missing cells",
            where="data.missing",
            fix="give values, as in data.missing=[-200,-999], or those of columns, as in data.missing='{age: -1}'",
            override="data.missing=null",
        )
    return {name: values for name, values in stand_ins.items() if values}


def _as_texts(values: Any) -> tuple[str, ...]:
    several = values if isinstance(values, Sequence) and not isinstance(values, str) else [values]
    return tuple(spell_number(value) if isinstance(value, float) else str(value).strip() for value in several)


def for_columns(stand_ins: StandIns, names: Sequence[str], kept: Collection[str] = ()) -> StandIns:
    """Returns the stand-ins of each column that may have some.

    Args:
        stand_ins: as `read_stand_ins` returns them.
        names: of all columns.
        kept: those that only a mapping concerns.

    Raises:
        DataError: a column does not exist.
    """
    for name in stand_ins:
        if name and name not in names:
            close = nearest(name, names)
            renamed = {close[0] if close and other == name else other: stand_ins[other] for other in stand_ins}
            raise DataError(
                f"the table has no column {name!r}",
                where="data.missing",
                fix=f"is it {close[0]!r}?" if close else f"name one of its columns: {name_list(names)}",
                override=spell_stand_ins(renamed) if close else "",
            )
    general = stand_ins.get("", ())
    chosen = {name: stand_ins.get(name, () if name in kept else general) for name in names}
    return {name: values for name, values in chosen.items() if values}


def spell_stand_ins(stand_ins: StandIns) -> str:
    """Returns the argument that gives these stand-ins of columns."""
    parts = [f"{_quoted(name)}: [{', '.join(map(_quoted, values))}]" for name, values in stand_ins.items() if name]
    return f"data.missing={{{', '.join(parts)}}}"


def _quoted(word: str) -> str:
    """Returns a word as a value of YAML and of Hydra: in quotes unless it is a plain word, or a number that keeps its
    digits."""
    read = yaml.safe_load(word) if re.fullmatch(r"-?[\w.]+", word) else None
    if read == word or (isinstance(read, int | float) and not isinstance(read, bool) and _as_texts(read) == (word,)):
        return word
    return json.dumps(word, ensure_ascii=False)


def empty_cells(frame: pd.DataFrame, stand_ins: StandIns) -> tuple[pd.DataFrame, list[str]]:
    """Returns a table in which cells with a stand-in are empty, and a note on how many these are.

    Args:
        frame: the table.
        stand_ins: by column; columns that the table lacks are ignored.
    """
    emptied: dict[str, pd.Series[Any]] = {}
    counts: dict[str, int] = {}
    for name, values in stand_ins.items():
        if name in frame.columns:
            codes, distinct = pd.factorize(frame[name])
            gone = np.append(_equal(distinct, values), False)[codes]
            counts[name] = int(gone.sum())
            if counts[name]:
                emptied[name] = frame[name].mask(gone)
    spelled = name_list(dict.fromkeys(value for values in stand_ins.values() for value in values))
    if not emptied:
        return frame, [f"data.missing: no cell of {name_list(stand_ins, 8)} holds {spelled}"] if stand_ins else []
    cells = f"{sum(counts.values()):,} cells of {name_list(emptied, 8)}"
    return frame.assign(**emptied), [f"data.missing: {spelled} in {cells} means that there is no value"]


def _equal(distinct: Any, values: Sequence[str]) -> NDArray[np.bool_]:
    """Tells which distinct cells are one of some values, however their numbers are written."""
    wanted = {number for value in values if not np.isnan(number := _number(value))}
    texts = [str(cell).strip().replace("−", "-") for cell in distinct]
    forms = [(text, text.replace(",", "."), text.replace(",", "")) for text in texts]
    known = [any(_number(form) in wanted for form in of_one) for of_one in forms]
    return np.array(known, dtype=bool) | np.isin(texts, list(values))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan


def remark_stand_in(name: str, cells: Cells) -> list[str]:
    """Returns a remark where a column holds a number again and again far from all others, which may stand for a gap."""
    numbers = cells.as_numbers()
    distinct, counts = np.unique(numbers[np.isfinite(numbers)], return_counts=True)
    if len(distinct) < OFTEN:
        return []
    for end, others in ((0, distinct[1:]), (-1, distinct[:-1])):
        value, count = float(distinct[end]), int(counts[end])
        usual = value in USUAL
        far = np.abs(others - value).min() > np.ptp(others)
        alone = usual and value < 0 <= others.min() and count > 3 * np.median(np.delete(counts, end))
        if count >= (OFTEN if usual else max(OFTEN, SHARE * len(numbers))) and (far or alone):
            return [
                f"{name}: {spell_number(value)}, which {count:,} cells hold, is far from all other values; if it means "
                f"that there is none, say data.missing=[{spell_number(value)}]"
            ]
    return []
