"""Texts that somebody gives, as they are or in files."""

from __future__ import annotations

from pathlib import Path

import pytest

from dltrain.data.text_files import read_samples
from dltrain.errors import DataError


def test_samples_are_texts_or_files_that_hold_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.txt").write_text("one", encoding="utf-8")
    Path("b.log").write_text("two", encoding="utf-8")
    assert read_samples(["a.txt"]).texts == read_samples([Path("a.txt")]).texts == ("one",)
    assert read_samples(["a.txt"]).names == ("a.txt",)
    words = read_samples(["b.log", "gone.txt"])  # a name that no file of text has, and one that no file has
    assert (words.texts, words.names, words.are_files) == (("b.log", "gone.txt"), ("0", "1"), False)
    assert read_samples(["a.txt", "b.log"], suffixes=None).texts == ("one", "two")
    assert read_samples(["x" * 5000, "a\0b"], suffixes=None).are_files is False
    assert read_samples([]).texts == ()


def test_files_and_texts_together_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.txt").write_text("one", encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.txt is a file, and 'a text' is a text"):
        read_samples(["a text", "a.txt"])
    with pytest.raises(DataError, match="of type int"):
        read_samples(["a text", 5])
    with pytest.raises(DataError, match="cannot be read"):
        read_samples([Path("gone.txt")])
