import builtins
import importlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from dltrain.data.table_files import read_file, read_table
from dltrain.data.table_format import TableFormat
from dltrain.errors import DataError
from dltrain.kinds.table.csv_config import csv

torch.set_num_threads(1)


def frame(rows: int = 60) -> pd.DataFrame:
    random = np.random.default_rng(rows)
    made = {
        "班级": random.choice(["一班", "二班"], rows),
        "a": random.normal(size=rows).round(3),
        "k": random.integers(0, 9, rows),
    }
    return pd.DataFrame({**made, "y": random.normal(size=rows).round(3)}).assign(a=lambda x: x["a"].mask(x["k"] == 3))


def written(folder: Path, name: str, made: pd.DataFrame) -> str:
    path = folder / name
    if path.suffix == ".xlsx":
        made.to_excel(path, index=False)
    elif path.suffix == ".parquet":
        made.to_parquet(path)
    else:
        made.to_csv(path, index=False)
    return str(path)


def refusal(**options) -> DataError:
    with pytest.raises(DataError) as caught:
        csv(**{"target": "y", **options})
    return caught.value


def test_a_workbook_a_parquet_and_a_csv_file_of_the_same_cells_are_the_same_data(tmp_path):
    first, *others = (
        csv(path=written(tmp_path, f"x.{end}", frame()), target="y") for end in ("csv", "xlsx", "parquet")
    )
    assert first.facts.features == ("班级=一班", "班级=二班", "a", "a missing", "k")
    for other in others:
        assert other.facts == first.facts
        for name, split in first.splits.items():
            torch.testing.assert_close(other.splits[name].inputs[0], split.inputs[0])
            assert other.splits[name].ids == split.ids


def test_a_workbook_with_empty_rows_and_several_sheets(tmp_path):
    with pd.ExcelWriter(tmp_path / "book.xlsx") as writer:
        frame().to_excel(writer, index=False, sheet_name="成绩", startrow=2, startcol=1)
        frame(7).to_excel(writer, index=False, sheet_name="other")
    with pytest.raises(DataError) as caught:
        read_table(str(tmp_path / "book.xlsx"))
    assert caught.value.where == "data.sheet" and "成绩, other" in caught.value.fix
    read, notes = read_table(str(tmp_path / "book.xlsx"), sheet=1)
    assert list(read.columns) == ["班级", "a", "k", "y"] and len(read) == 60 and notes == ()
    assert read_table(str(tmp_path / "book.xlsx"), sheet="成绩", header="none")[0].shape == (61, 4)
    assert len(read_table(str(tmp_path / "book.xlsx"), sheet="other")[0]) == 7


def test_a_missing_package_is_answered_with_its_installation(tmp_path, monkeypatch):
    path = written(tmp_path, "x.xlsx", frame())
    there = importlib.import_module

    def absent(asked: str, *rest: str):
        if asked == "openpyxl":
            raise ImportError(asked)
        return there(asked, *rest)

    monkeypatch.setattr(importlib, "import_module", absent)
    error = refusal(path=path)
    assert "openpyxl" in error.what and "pip install 'dltrain[excel]'" in error.fix


def test_packages_are_imported_only_when_such_a_file_is_read(tmp_path, monkeypatch):
    real = builtins.__import__

    def guarded(name: str, *rest, **more):
        assert name.split(".")[0] != "openpyxl"
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", guarded)
    read_table(written(tmp_path, "x.csv", frame()))


@pytest.mark.parametrize("name", ["x.xlsx", "x.parquet"])
def test_what_is_no_such_file_is_refused(tmp_path, name):
    (tmp_path / name).write_text("a,b\n1,2\n")
    assert "cannot be read as" in refusal(path=str(tmp_path / name)).what
    assert "there is no file" in refusal(path=str(tmp_path / ("no" + name))).what


@pytest.mark.parametrize("name", ["x.xlsx", "x.parquet"])
def test_a_file_of_a_header_alone_is_refused(tmp_path, name):
    assert "contains no rows" in refusal(path=written(tmp_path, name, frame().head(0))).what


def test_cells_of_lists_are_inputs_by_their_numbers(tmp_path):
    frame = pd.DataFrame({"a": [[number, number**2 % 50 + 40] for number in range(40)], "y": np.arange(40) / 3})
    data = csv(path=written(tmp_path, "x.parquet", frame), target="y")
    assert data.facts.features == ("a 1", "a 2")


def test_splits_from_files_of_their_own(tmp_path):
    paths = {
        f"{name}path": written(tmp_path, f"{name}x.csv", frame(rows))
        for name, rows in (("", 60), ("val_", 11), ("test_", 13))
    }
    data = csv(**paths, target="y")
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 60, "val": 11, "test": 13}
    assert f"test: the 13 rows of {paths['test_path']}" in data.notes


def test_a_fault_in_a_file_of_its_own_is_told_with_its_key(tmp_path):
    path = written(tmp_path, "x.csv", frame())
    assert refusal(path=path, test_path=str(tmp_path / "X.csv")).override == f"data.test_path={tmp_path / 'x.csv'}"
    assert refusal(path=path, val_path=str(tmp_path)).where == "data.val_path"


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["1,5", "2", "-0,25", ""], ["1.5", "2", "-0.25", None]),
        (["1.234,5", "12.345.678", " 7,0 ", "NA"], ["1234.5", "12345678", " 7.0 ", "NA"]),
        (["1,5", "a"], None),
        (["1.5", "2.25"], None),
        (["1,5", "1.25,5"], None),
        (["1,5,5", "1"], None),
    ],
)
def test_a_decimal_comma_makes_a_number(tmp_path, cells, numbers):
    (tmp_path / "x.csv").write_text("n;m\n" + "".join(f"{cell};x\n" for cell in cells))
    read, notes = read_file(str(tmp_path / "x.csv"), TableFormat(points=True))
    assert read["n"].fillna("").tolist() == [number or "" for number in numbers or cells]
    assert ("commas are decimal points in n" in notes) == bool(numbers)


def test_a_comma_between_fields_is_no_decimal_point(tmp_path):
    (tmp_path / "x.csv").write_text('n,m\n"1,5",x\n"2,5",x\n')
    assert read_file(str(tmp_path / "x.csv"), TableFormat())[0]["n"].tolist() == ["1,5", "2,5"]


def test_a_file_without_a_header_line(tmp_path):
    (tmp_path / "x.csv").write_text("5.1,3.5,a\n4.9,3.0,b\n")
    read, notes = read_file(str(tmp_path / "x.csv"), TableFormat(header="none"))
    assert list(read.columns) == ["column_1", "column_2", "column_3"] and len(read) == 2 and notes == ()


@pytest.mark.parametrize("roles", [{"k": "categorical"}, "{k: categorical}"])
def test_roles_are_a_mapping_or_its_yaml(tmp_path, roles):
    data = csv(path=written(tmp_path, "x.csv", frame()), target="y", roles=roles)
    assert "k=0" in data.facts.features


@pytest.mark.parametrize("roles", ["k", "{k: number}", "{k", "[k]"])
def test_what_gives_no_roles_is_refused(tmp_path, roles):
    assert refusal(path=written(tmp_path, "x.csv", frame()), roles=roles).override == "data.roles=null"


def test_the_command_line_takes_all_of_it(dltrain: Callable, tmp_path: Path) -> None:
    for name, rows in (("x.xlsx", 60), ("test.csv", 20)):
        written(tmp_path, name, frame(rows))
    options = ["data=csv", "data.target=y", "data.test_path=test.csv", "debug=smoke", "data.outliers=clip"]
    called = dltrain(*options, "data.path=x.xlsx", "data.roles={k: categorical, 班级: dropped}")
    assert called.code == 0, called.err
    assert called.result["data"]["splits"]["test"] == 20
    assert "set by data.roles" in called.run.log.read_text("utf-8")
    assert dltrain(*options, "data.path=x.xlsx", "data.roles={k: categorical}", "hydra.run.dir=b").code == 0
    refused = dltrain(*options, "data.path=x.xlsx", "data.roles={k: category}")
    assert refused.code == 2 and "data.roles" in refused.err


@pytest.mark.parametrize("above", ["Size,,Look\n", "Size,Weight,Result\n(cm),(kg),-\n"])
def test_a_target_in_a_second_line_of_the_header_is_refused_with_the_lines_to_skip(tmp_path: Path, above: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(above + "a,b,y\n" + "".join(f"{i},{i * i % 7},{i * 3 % 11}.5\n" for i in range(60)))
    with pytest.raises(DataError, match="a line below it has") as error:
        csv(path=str(path), target="y")
    key, _, lines = error.value.override.partition("=")
    assert key == "data.skip" and csv(path=str(path), target="y", skip=lines).facts.target == "y"
