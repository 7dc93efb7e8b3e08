from __future__ import annotations

from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from dltrain.config.quoting import quote, quoted, split_top_level


def value_of(override: str) -> object:
    return OverridesParser.create().parse_override(override).value()


@pytest.mark.parametrize(
    "value",
    [
        "成绩",
        "大数据答辩成绩表.csv",
        "a(1).csv",
        "Price ($)",
        "x=y/a.csv",
        "#1",
        "it's",
        'say "hi"',
        "a\\'b",
        "50%",
        "f(x)",
        "[x",
        "a&b|c;d!",
        "é",
        "données.csv",
        "价格 (元)",
    ],
)
def test_what_hydra_cannot_read_reaches_it_as_it_was_typed(value: str) -> None:
    assert value_of(quote(f"data.target={value}")) == value


@pytest.mark.parametrize(
    "override",
    ["optimizer.lr=0.1", "model=cnn", "data.path=data/a b.csv", "model.hidden=[1,2]", "seed=1,2", "data.target='a'"],
)
def test_what_hydra_can_read_is_left_alone(override: str) -> None:
    assert quote(override) == override


def test_items_of_lists_are_quoted_one_by_one() -> None:
    assert value_of(quote("data.drop=[姓名,Price ($),b=c,plain]")) == ["姓名", "Price ($)", "b=c", "plain"]


def test_items_of_sweeps_are_quoted_one_by_one() -> None:
    override = OverridesParser.create().parse_override(quote("data.target=成绩,总分 (元)"))
    assert list(override.sweep_string_iterator()) == ["'成绩'", "'总分 (元)'"]


def test_home_is_expanded() -> None:
    assert value_of(quote("data.path=~/a.csv")) == str(Path.home() / "a.csv")


def test_an_existing_path_with_a_comma_is_one_value(tmp_path: Path) -> None:
    path = tmp_path / "a,b.csv"
    path.write_text("x")
    assert value_of(quote(f"data.path={path}")) == str(path)
    assert OverridesParser.create().parse_override(quote("data.path=a,b.csv")).is_sweep_override()


@given(st.text(st.characters(blacklist_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1))
def test_any_text_survives_quoting(text: str) -> None:
    assert value_of(f"data.target={quoted(text)}") == text


@given(st.lists(st.text("ab(['\"", min_size=1).filter(lambda text: text.count("'") + text.count('"') == 0)))
def test_splitting_loses_nothing(items: list[str]) -> None:
    text = ",".join(items)
    assert ",".join(split_top_level(text)) == text


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("data.target=2005", "2005"),
        ("data.target=007", "007"),
        ("data.drop=[2001, x]", ["2001", "x"]),
        ("data.target=[2004,2005]", ["2004", "2005"]),
        ("data.group=成绩", "成绩"),
    ],
)
def test_a_number_that_names_a_column_is_text(typed: str, read: object) -> None:
    assert OverridesParser.create().parse_override(quote(typed)).value() == read
