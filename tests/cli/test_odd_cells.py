"""Cells that spreadsheets and careless programs stumble over, from training to the predictions of new rows."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ODD = ("two\nlines", "=1+1", "007", "9007199254740993", "@home", "-x")


@pytest.mark.parametrize(
    ("overrides", "header", "row"),
    [
        (("model=mlp", "data=csv"), ("name", "size", "kind"), lambda n: (ODD[n % 6], n % 5, ODD[n % 2])),
        (("data=text",), ("text", "kind"), lambda n: (f"{ODD[n % 2]} and some more words {n % 7}", ODD[n % 2])),
        (("data=ratings",), ("user", "item", "rating"), lambda n: (ODD[n % 6], ODD[n % 5], n % 4)),
    ],
)
def test_odd_cells_are_read_as_they_are_and_written_as_text(
    dltrain: Callable, tmp_path: Path, overrides: tuple[str, ...], header: tuple[str, ...], row: Callable[[int], Any]
) -> None:
    with (tmp_path / "odd.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *map(row, range(90))])
    path = ("data.path=odd.csv", f"data.target={header[-1]}")
    called = dltrain(*overrides, *path, "debug=smoke", "baseline=none", "hydra.run.dir=run")
    assert called.code == 0, called.err
    assert dltrain("predict", "run", "odd.csv", "-o", "out.csv").code == 0
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        predicted = list(csv.DictReader(file))
    assert [line["id"] for line in predicted] == [str(number) for number in range(90)]
    assert not any("new" in line["remarks"] for line in predicted)  # all was met in training, as it is spelled
    if header[-1] == "kind":
        assert {line["predicted"] for line in predicted} <= {"two\nlines", "'=1+1"}
    else:
        assert all(float(line["predicted"]) for line in predicted)
