import csv
import io
from collections import Counter

import pytest
import torch

from dltrain.data.samples.grades import SAMPLE, WEIGHTS, make_grades
from dltrain.errors import DataError, StorageError
from dltrain.kinds.table.csv_config import csv as read

torch.set_num_threads(1)


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_the_sample_is_a_plausible_class_list():
    rows = rows_of(make_grades())
    assert list(rows[0]) == ["姓名", "学号", *WEIGHTS, "等级"] and len(rows) == 300
    counts = Counter(row["等级"] for row in rows)
    assert set(counts) == {"优", "良", "中", "及格", "不及格"} and min(counts.values()) >= 10
    marks = [row[subject] for row in rows for subject in WEIGHTS]
    assert 1 <= marks.count("") <= 60
    assert all(0 <= float(mark) <= 100 for mark in marks if mark)


def test_the_marks_earn_the_grade():
    means = {}
    for grade in ("优", "良", "中", "及格", "不及格"):
        rows = [row for row in rows_of(make_grades()) if row["等级"] == grade]
        means[grade] = sum(float(row["答辩成绩"]) for row in rows) / len(rows)
    assert list(means.values()) == sorted(means.values(), reverse=True)


def test_the_seed_fixes_the_sample():
    first, second, third = (make_grades(rows=40, seed=seed) for seed in (0, 0, 1))
    assert first == second != third


def test_the_default_file_is_generated_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = read(path=SAMPLE, target="等级", drop=("姓名", "学号"), seed=3)
    assert data.notes[0] == "data/grades.csv did not exist: generated 300 rows"
    assert "dropped 姓名: asked by data.drop" in data.notes
    assert data.facts.task == "classification" and len(data.facts.classes) == 5
    assert set(WEIGHTS) <= set(data.facts.features)
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["grades.csv"]
    written = (tmp_path / "data" / "grades.csv").read_bytes()
    again = read(path=SAMPLE, target="等级", seed=4)
    assert not any("generated" in note for note in again.notes)
    assert (tmp_path / "data" / "grades.csv").read_bytes() == written
    assert again.splits["test"].ids != data.splits["test"].ids


def test_another_target_makes_it_a_regression(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read(path=SAMPLE, target="答辩成绩", drop=["姓名", "学号", "等级"]).facts.task == "regression"


def test_another_missing_file_is_not_generated(tmp_path):
    with pytest.raises(DataError, match="there is no file"):
        read(path=str(tmp_path / "grades.csv"), target="等级")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_a_storage_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").write_text("a file where the folder would be")
    with pytest.raises(StorageError):
        read(path=SAMPLE, target="等级")
