"""Files are found by what tables write: with or without folder and suffix."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pandas as pd
import pytest

from dltrain.data.file_index import FileIndex, find_column, may_name_files
from dltrain.data.folder_tree import FileType
from dltrain.errors import DataError

PHOTOS = FileType("photos", [".jpg", ".png"], "class/*.jpg")


@pytest.fixture
def index(tmp_path: Path) -> FileIndex:
    for name in ("train/a1.jpg", "train/b 2.JPG", "train/é.png", "test/a1.jpg", "test/0001.jpg", "c.v2.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return FileIndex.below(tmp_path, PHOTOS)


@pytest.mark.parametrize(
    ("cell", "file"),
    [
        ("train/a1.jpg", "train/a1.jpg"),
        ("test/a1", "test/a1.jpg"),
        ("./test\\a1.jpg", "test/a1.jpg"),
        ("b 2.jpg", "train/b 2.JPG"),
        (" b 2 ", "train/b 2.JPG"),
        (unicodedata.normalize("NFD", "é"), "train/é.png"),
        ("/home/me/photos/0001.jpg", "test/0001.jpg"),
        ("0001.png", "test/0001.jpg"),
        ("c.v2", "c.v2.png"),
        ("1", "test/0001.jpg"),
        ("2", None),
        ("train/0001.jpg", None),
        ("elsewhere/0001.jpg", "test/0001.jpg"),
        ("", None),
        ("train", None),
    ],
)
def test_a_cell_names_a_file(index: FileIndex, tmp_path: Path, cell: str, file: str | None) -> None:
    assert index.find(cell) == (None if file is None else tmp_path / file)


def test_a_name_of_several_files_is_refused(index: FileIndex) -> None:
    with pytest.raises(DataError, match=r"'a1' may be .*test/a1\.jpg, .*train/a1\.jpg"):
        index.find("a1")


def test_the_column_of_files_is_found_by_its_cells(index: FileIndex) -> None:
    frame = pd.DataFrame({"number": ["0001", "0001"], "class": ["x", "y"], "what": ["0001", "c.v2"]})
    assert find_column(frame, index) == "what"
    assert find_column(frame, index, taken=["what"]) is None
    both = frame.assign(file=["é.png", "b 2.jpg"])
    assert find_column(both, index) == "file"


def test_suffixes_or_a_usual_name_tell_that_a_column_may_name_files() -> None:
    assert may_name_files(pd.Series(["a.jpg", "b.png"], name="x"), PHOTOS)
    assert may_name_files(pd.Series(["a", "b"], name="Image_ID"), PHOTOS)
    assert not may_name_files(pd.Series(["a", "a"], name="image"), PHOTOS)
    assert not may_name_files(pd.Series(["a", "b"], name="town"), PHOTOS)


def test_files_near_a_table_are_looked_at_to_a_depth(tmp_path: Path) -> None:
    for name in ("a.jpg", "one/b.jpg", "one/two/c.jpg", "one/two/three/d.jpg", ".hidden/e.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert sorted(file.name for file in FileIndex.near(tmp_path, PHOTOS).files) == ["a.jpg", "b.jpg", "c.jpg"]
