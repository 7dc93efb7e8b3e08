"""Tables that are drawn for the eye, in texts that the test writes, are read as the same table with commas."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dltrain.data.table_files import read_table
from dltrain.errors import DataError

NAMES = ["height", "town", "mpg"]
TOWNS = ["Ulm", "New York", "", "Rio de Janeiro"]


def rows(count: int = 24) -> list[list[str]]:
    random = np.random.default_rng(count)
    return [
        [f"{number:.1f}" if number > 130 else "", TOWNS[at % 4], f"{number / 7:.2f}"]
        for at, number in enumerate(random.uniform(100, 200, count))
    ]


def fixed(table: list[list[str]], align: str) -> list[str]:
    widths = [max(len(row[at]) for row in table) for at in range(len(table[0]))]
    return ["  ".join(f"{cell:{align}{width}}" for cell, width in zip(row, widths, strict=True)) for row in table]


def boxed(table: list[list[str]], rule: str, outer: bool) -> list[str]:
    edge = "|" if outer else " "
    lines = [f"{edge} {' | '.join(row)} {edge}" for row in table]
    head, body = lines[0], lines[1:]
    return [rule, head, rule, *body, rule] if outer else [head, rule, *body]


DRAWN = {
    "aligned to the left": lambda table: fixed(table, "<"),
    "aligned to the right": lambda table: fixed(table, ">"),
    "a rule below the header": lambda table: [
        (lines := fixed(table, "<"))[0],
        " ".join("-" * 12 for _ in NAMES),
        *lines[1:],
        "",
        "24 rows selected.",
    ],
    "psql": lambda table: [*boxed(table, "--------+------+------", outer=False), "(24 rows)"],
    "mysql": lambda table: boxed(table, "+--------+------+------+", outer=True),
    "markdown": lambda table: boxed(table, "|---|:---:|---:|", outer=True)[1:-1],
    "lines in quotes": lambda table: [f'"{",".join(row)}"' for row in table],
    "rows in quotes": lambda table: [",".join(table[0]), *(f'"{",".join(row)}"' for row in table[1:])],
    "carets": lambda table: ["^".join(row) for row in table],
    "an end of file as DOS writes it": lambda table: [*(",".join(row) for row in table), "\x1a"],
}


@pytest.mark.parametrize("form", DRAWN)
def test_a_drawn_table_is_read(tmp_path: Path, form: str) -> None:
    (tmp_path / "x.txt").write_text("\n".join(DRAWN[form]([NAMES, *rows()])), "utf-8")
    frame, _ = read_table(str(tmp_path / "x.txt"))
    read = frame[NAMES].astype(object).where(frame[NAMES].notna(), "").map(str.strip).to_numpy().tolist()
    assert read == rows()


def test_names_and_cells_of_several_words_are_no_columns(tmp_path: Path) -> None:
    cells = [[f"{at}.5", "abc"[at % 3] + f" {at}", f"{7 * at}"] for at in range(9)]
    table = [["sea level", "code", "mean depth"], *cells]
    (tmp_path / "x.txt").write_text("\n".join(fixed(table, "<")), "utf-8")
    frame, _ = read_table(str(tmp_path / "x.txt"))
    assert [list(frame.columns), *frame.to_numpy().tolist()] == table


@pytest.mark.parametrize("end", ["", "Nothing more to say."])
def test_prose_is_one_column(tmp_path: Path, end: str) -> None:
    lines = ["text", *(f"{'A word or two.  ' * (1 + at % 3)}Here are {at} more." for at in range(20)), end]
    (tmp_path / "x.txt").write_text("\n".join(lines), "utf-8")
    assert read_table(str(tmp_path / "x.txt"))[0].shape[1] == 1


@pytest.mark.parametrize("text", [pd.DataFrame({"a": [1, 2]}).to_html(), "<?xml version='1.0'?><a>1</a>"])
def test_markup_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(DataError, match="and no table"):
        read_table(str(tmp_path / "x.csv"))
