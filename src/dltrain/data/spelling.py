"""Spellings of one text that differ only in case or blanks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd


def plain_text(text: str) -> str:
    """Returns a text in lower case, with single blanks: `New  York` and `new york` become the same."""
    return " ".join(text.casefold().split())


def spellings_of(values: Iterable[str]) -> list[list[str]]:
    """Returns the groups of texts that differ only in case or blanks."""
    alike: dict[str, list[str]] = {}
    for value in values:
        alike.setdefault(plain_text(value), []).append(value)
    return [group for group in alike.values() if len(group) > 1]


def merge_spellings(column: pd.Series[Any]) -> pd.Series[Any]:
    """Returns a column of texts in which texts that differ only in case or blanks have the most frequent spelling."""
    if not _has_texts(column):
        return column
    usual: dict[str, str] = {}
    for text in column.dropna().astype(str).str.strip().value_counts().index:
        usual.setdefault(plain_text(text), text)
    return _spelled(column, usual)


def spell_as(column: pd.Series[Any], known: Sequence[str]) -> pd.Series[Any]:
    """Returns a column of texts in which those that differ from a known text only in case or blanks are spelled so."""
    return _spelled(column, {plain_text(text): text for text in known}) if _has_texts(column) else column


def _spelled(column: pd.Series[Any], usual: Mapping[str, str]) -> pd.Series[Any]:
    return column.map(lambda text: usual.get(plain_text(str(text)), text), na_action="ignore")


def _has_texts(column: pd.Series[Any]) -> bool:
    return pd.api.types.is_string_dtype(column.dtype) or pd.api.types.is_object_dtype(column.dtype)
