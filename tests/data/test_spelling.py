"""Texts that differ only in case or blanks."""

from __future__ import annotations

import json
from dataclasses import asdict

import pandas as pd
import pytest

from dltrain.data.spelling import merge_spellings, spell_as, spellings_of
from dltrain.kinds.table.checks import check_rows
from dltrain.kinds.table.encoder import TableEncoder
from dltrain.kinds.table.load import table
from dltrain.types import Facts


def test_the_most_frequent_spelling_wins() -> None:
    column = pd.Series(["Red", "red ", "RED", "Red", None, "new  York", "New York", "New York"])
    merged = merge_spellings(column)
    assert merged.dropna().tolist() == ["Red"] * 4 + ["New York"] * 3 and merged.isna().sum() == 1


def test_new_texts_are_spelled_as_known_ones_and_others_stay() -> None:
    assert spell_as(pd.Series(["RED", "blue", None]), ["Red"]).tolist()[:2] == ["Red", "blue"]


def test_numbers_stay_numbers() -> None:
    column = pd.Series([1.0, 2.0])
    pd.testing.assert_series_equal(merge_spellings(column), column)
    pd.testing.assert_series_equal(spell_as(column, ["1"]), column)


@pytest.mark.parametrize(("values", "groups"), [(["a", "A ", "b"], [["a", "A "]]), (["a", "b"], [])])
def test_spellings_are_found(values: list[str], groups: list[list[str]]) -> None:
    assert spellings_of(values) == groups


def test_a_model_reads_new_spellings_as_in_training() -> None:
    frame = pd.DataFrame(
        {"c": ["Red", "red ", "BLUE", "blue"] * 10, "x": range(40), "y": ["Yes", "yes", "no", "No"] * 10}
    )
    data = table(frame, target="y", ignore_case=True)
    assert sorted(name.casefold() for name in data.facts.classes) == ["no", "yes"]
    facts = Facts.from_json(json.loads(json.dumps(asdict(data.facts))))
    encoder = TableEncoder.of(facts)
    known = encoder.encode(pd.DataFrame({"c": ["Red", "blue"], "x": [1, 2]})).inputs[0]
    new = encoder.encode(pd.DataFrame({"c": ["rED", " Blue"], "x": [1, 2]}))
    assert new.inputs[0].tolist() == known.tolist() and not any(new.remarks)
    targets = encoder.targets(pd.DataFrame({"y": ["YES", "nO"]}))
    assert targets.tolist() == encoder.targets(pd.DataFrame({"y": ["yes", "no"]})).tolist()


def test_spellings_are_apart_without_the_key_and_the_warning_names_it() -> None:
    frame = pd.DataFrame({"c": ["Red", "red"] * 20, "x": range(40), "y": ["Cat", "cat", "dog", "Dog"] * 10})
    data = table(frame, target="y")
    findings = [str(finding) for finding in check_rows(data, data.raw)]
    assert len(data.facts.classes) == 4
    assert sum("differ only in case" in one and "data.ignore_case=true" in one for one in findings) == 2
