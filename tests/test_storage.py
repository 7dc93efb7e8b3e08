"""Files are written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from dltrain import storage
from dltrain.errors import StorageError
from dltrain.storage import csv_text, whole, write_csv, write_text


def test_a_file_that_cannot_be_finished_leaves_the_old_one_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def refuse(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage, "flush", refuse)
    with pytest.raises(StorageError, match=r"cannot write .*No space left on device"):
        write_text(path, "new")
    assert path.read_text("utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_goes_wrong_while_writing_is_raised_and_nothing_is_left(tmp_path: Path) -> None:
    def write() -> None:
        with whole(tmp_path / "a.txt") as neighbour:
            neighbour.write_text("half", "utf-8")
            raise ValueError("the caller's own")

    with pytest.raises(ValueError, match="own"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_rows_of_cells_with_commas_and_quotes_are_quoted(tmp_path: Path) -> None:
    rows = [["a,b", 1], ['say "x"', 2.5]]
    write_csv(tmp_path / "a.csv", ["name", "number"], rows)
    assert (tmp_path / "a.csv").read_text("utf-8") == 'name,number\n"a,b",1\n"say ""x""",2.5\n'
    assert csv_text(["name", "number"], []) == "name,number\n"
