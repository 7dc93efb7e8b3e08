import csv as stdlib_csv
import gzip
import io
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dltrain.data.csv_reader import read_text
from dltrain.data.files import read_bytes
from dltrain.data.table_format import TableFormat
from dltrain.errors import DataError
from dltrain.kinds.table.csv_config import csv

torch.set_num_threads(1)

CHINESE = "姓名,班级,成绩\n" + "".join(
    f"{name},一班,{60 + i}\n" for i, name in enumerate(["张伟", "王芳", "李娜", "刘婷", "陈琪"])
)
EUROPEAN = "prénom,ville,âge\nZoë,Besançon,3\nJürgen,Köln,4\nÅsa,Malmö,5\nÉlodie,Orléans,6\n"
RUSSIAN = "имя,город,возраст\nиван,москва,3\nольга,казань,4\nанна,тула,5\n"
KOREAN = "이름,도시,나이\n" + "김민준,서울,3\n이서연,부산,4\n박지훈,대구,5\n최수진,인천,6\n" * 3


def write(folder: Path, content: str | bytes, name: str = "x.csv") -> str:
    data = content.encode() if isinstance(content, str) else content
    (folder / name).write_bytes(data)
    return str(folder / name)


def read_csv(path: str, **options: Any) -> tuple[pd.DataFrame, tuple[str, ...]]:
    return read_text(read_bytes(Path(path).expanduser()), path, TableFormat(**options))


def cells(path: str, **options: str) -> list[list[str]]:
    frame, _ = read_csv(path, **options)
    return [list(frame.columns), *frame.fillna("").to_numpy().tolist()]


def refusal(path: str, **options: str) -> DataError:
    with pytest.raises(DataError) as caught:
        read_csv(path, **options)
    assert caught.value.fix or caught.value.override
    return caught.value


def test_cells_stay_the_text_they_are(tmp_path):
    path = write(tmp_path, 'id,n,note\n007,9007199254740993,"two\nlines"\n008, 1.50,NA\n')
    assert cells(path) == [
        ["id", "n", "note"],
        ["007", "9007199254740993", "two\nlines"],
        ["008", " 1.50", "NA"],
    ]


def test_an_empty_cell_is_none(tmp_path):
    frame, _ = read_csv(write(tmp_path, 'a,b\n1,\n2,""\n'))
    assert frame["b"].isna().tolist() == [True, True]


text = st.text(st.characters(codec="utf-8"), max_size=12)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.integers(2, 5).flatmap(
        lambda width: st.lists(st.lists(text, min_size=width, max_size=width), min_size=1, max_size=8)
    ),
    delimiter=st.sampled_from(",;\t|"),
    style=st.sampled_from(
        [(stdlib_csv.QUOTE_MINIMAL, "\r\n"), (stdlib_csv.QUOTE_ALL, "\n"), (stdlib_csv.QUOTE_ALL, "\r")]
    ),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_any_table_reads_back(tmp_path_factory, rows, delimiter, style, encoding):
    header = [f"c{i}" for i in range(len(rows[0]))]
    rows = [*rows, ["w"] * len(header)]  # a last row such as *0,,, would be a footer
    buffer = io.StringIO(newline="")
    writer = stdlib_csv.writer(buffer, delimiter=delimiter, quoting=style[0], lineterminator=style[1])
    writer.writerows([header, *rows])
    path = write(tmp_path_factory.mktemp("any"), buffer.getvalue().encode(encoding))
    assert cells(path) == [header, *rows]


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(st.lists(text, min_size=3, max_size=3), min_size=1, max_size=30), at=st.data())
def test_any_row_of_another_width_is_refused(tmp_path_factory, rows, at):
    place = at.draw(st.integers(0, len(rows) - 1))
    rows[place] = [*rows[place], "x"] if at.draw(st.booleans()) else ["x", *rows[place][2:]]
    buffer = io.StringIO(newline="")
    stdlib_csv.writer(buffer).writerows([["a", "b", "c"], *rows, ["w", "w", "w"]])  # the last row might be a footer
    before = io.StringIO(newline="")
    stdlib_csv.writer(before).writerows([["a", "b", "c"], *rows[:place]])
    line = len(list(io.StringIO(before.getvalue(), newline=""))) + 1
    error = refusal(write(tmp_path_factory.mktemp("any"), buffer.getvalue()), delimiter=",")
    assert error.where.endswith(f"line {line}") and "and the header 3" in error.what


def test_many_rows_keep_their_order(tmp_path):
    path = write(tmp_path, "a,b\n" + "".join(f"{i},{-i}\n" for i in range(2345)))
    frame, _ = read_csv(path)
    assert frame["a"].tolist() == [str(i) for i in range(2345)]
    assert frame["b"].tolist()[-1] == "-2344"


@pytest.mark.parametrize(
    ("data", "note"),
    [
        (CHINESE.encode(), None),
        (CHINESE.encode("utf-8-sig"), None),
        (CHINESE.encode("utf-16"), "UTF-16"),
        (b"\xfe\xff" + CHINESE.encode("utf-16-be"), "UTF-16"),
        (CHINESE.encode("gbk"), "GB18030"),
        (EUROPEAN.encode(), None),
    ],
)
def test_the_encoding_is_found(tmp_path, data, note):
    frame, notes = read_csv(write(tmp_path, data))
    assert frame.columns[0] in ("姓名", "prénom")
    assert frame.iloc[0, 1] in ("一班", "Besançon")
    assert [note in said for said in notes] == ([True] if note else [])


@pytest.mark.parametrize(
    ("data", "override"),
    [
        (EUROPEAN.encode("latin-1"), "data.encoding=cp1252"),
        ("name,note\nNoël,x\nb,y\n".encode("cp1252"), "data.encoding=cp1252"),
        (RUSSIAN.encode("cp1251"), "data.encoding=cp1251"),
        ("дата,цена\nмама,1\nпапа,2\n".encode("cp1251"), "data.encoding=cp1251"),
        ("name,unit\nÄÖ,×Ö\nMüller,Köln\nGérard,Señor\n".encode("cp1252"), "data.encoding=cp1252"),
        (RUSSIAN.encode("koi8-r"), "data.encoding=koi8-r"),
        (KOREAN.encode("euc-kr"), "data.encoding=cp949"),
        ("名前,年齢\nさくら,3\nひなた,4\n".encode("euc-jp"), "data.encoding=euc_jp"),
        ("姓名,成績\n陳大文,3\n李小龍,4\n黃偉強,5\n".encode("big5"), "data.encoding=big5"),
        ("a,等\n1,2\n".encode("gbk"), "data.encoding=gbk"),
        ("a,b\n1,2\n".encode("utf-16-le"), "data.encoding=utf-16-le"),
        ("a,b\n1,2\n".encode("utf-16-be"), "data.encoding=utf-16-be"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0), ""),
    ],
)
def test_an_encoding_that_cannot_be_told_is_asked_for(tmp_path, data, override):
    error = refusal(write(tmp_path, data))
    assert error.override == override


def test_a_named_encoding_is_used(tmp_path):
    assert cells(write(tmp_path, EUROPEAN.encode("latin-1")), encoding="latin-1")[1] == ["Zoë", "Besançon", "3"]
    assert cells(write(tmp_path, "a,学\n1,2\n".encode("gbk")), encoding="gbk")[0] == ["a", "学"]
    assert cells(write(tmp_path, "a,b\n1,2\n".encode("utf-8-sig")), encoding="utf-8")[0] == ["a", "b"]


@pytest.mark.parametrize(
    ("encoding", "override"),
    [("gkb", "data.encoding=gbk"), ("rot13", "data.encoding="), ("ascii", "data.encoding=auto")],
)
def test_a_wrong_encoding_is_refused(tmp_path, encoding, override):
    assert refusal(write(tmp_path, CHINESE), encoding=encoding).override.startswith(override)


def test_one_bad_byte_is_refused_with_its_line(tmp_path):
    path = write(tmp_path, "a,b\n1,é\n".encode() + b"2,\xff\n")
    assert refusal(path).where.endswith("line 3")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(tmp_path, delimiter):
    rows = [["name", "amount", "note"], ["x", '"1,5"' if delimiter == "," else "1,5", "p;q"], ["y", "2", "r|s"]]
    if delimiter in ";|":
        rows[1][2] = rows[2][2] = "z"
    frame, notes = read_csv(write(tmp_path, "\n".join(delimiter.join(row) for row in rows)), points=True)
    assert frame.shape == (2, 3) and frame["amount"][0] == ("1,5" if delimiter == "," else "1.5")
    assert bool(notes) == (delimiter != ",")


def test_a_delimiter_of_the_header_alone_is_none(tmp_path):
    assert cells(write(tmp_path, "a,b|c|d\n1,2\n3,4\n"))[0] == ["a", "b|c|d"]


def test_one_column_needs_no_delimiter(tmp_path):
    assert cells(write(tmp_path, "y\n1\n2\n")) == [["y"], ["1"], ["2"]]


def test_delimiter_option(tmp_path):
    path = write(tmp_path, "a b;c\n1 2;3\n")
    assert cells(path, delimiter=" ")[0] == ["a", "b;c"]
    assert cells(path, delimiter="semicolon")[0] == ["a b", "c"]
    assert refusal(path, delimiter="semicolons").where == "data.delimiter"


def test_header_names_are_cleaned(tmp_path):
    frame, notes = read_csv(write(tmp_path, "\ufeff a , b,,\n1,2,3,4\n"))
    assert list(frame.columns) == ["a", "b", "column_3", "column_4"]
    assert notes == ("column 3 has no name; it is called column_3", "column 4 has no name; it is called column_4")


def test_a_name_that_is_given_is_new(tmp_path):
    assert cells(write(tmp_path, "column_2,,a\n1,2,3\n"))[0] == ["column_2", "column_2_", "a"]


@pytest.mark.parametrize("first", ["5.1,3.5,1.4,setosa", "5.1,5.1,3,a", "-1,x,,y", "17,5,3,88", "8,1,2,3"])
def test_a_first_line_of_measured_numbers_is_data(tmp_path, first):
    frame, notes = read_csv(write(tmp_path, f"{first}\n4.9,3.0,1.4,2\n"))
    assert frame.columns.tolist() == ["column_1", "column_2", "column_3", "column_4"]
    assert frame.iloc[0].fillna("").tolist() == first.split(",")
    assert notes[0].startswith("no header line, because the first line is")


@pytest.mark.parametrize("first", ["country,2019,2020,2021", "0,1,2,3", "a,b,c,d", "2020,2019,2018,name"])
def test_names_that_count_are_a_header(tmp_path, first):
    frame, notes = read_csv(write(tmp_path, f"{first}\n4.9,3.0,1.4,2\n"))
    assert frame.columns.tolist() == first.split(",")
    assert notes == ()


def test_the_user_knows_better_what_the_first_line_is(tmp_path):
    path = write(tmp_path, "5.1,3.5\n4.9,3.0\n")
    assert read_csv(path, header="first")[0].columns.tolist() == ["5.1", "3.5"]
    assert read_csv(path, header="none")[0].shape == (2, 2)
    assert read_csv(write(tmp_path, "a,2020\n4.9,3.0\n"))[1] == ()


def test_two_columns_of_one_name_are_refused(tmp_path):
    error = refusal(write(tmp_path, "a,b, a\n1,2,3\n"))
    assert "'a'" in error.what and "columns 1 and 3" in error.where


@pytest.mark.parametrize(
    ("content", "what", "line"),
    [
        ("a,b\n1,2\n3,4,5\n", "the row has 3 fields and the header 2", 3),
        ("a,b\n1,2\n3\n", "the row has 1 field and the header 2", 3),
        ('a,b\n"1\n1",2\n\n3,4,5\n', "the row has 3 fields and the header 2", 5),
        ('a,b\n1,2\n3,"4\n5,6\n', "never closed", 3),
        ('a,b\n1,2\n3,"4"x\n', "followed by text", 3),
    ],
)
def test_a_row_that_does_not_fit_is_refused_with_its_line(tmp_path, content, what, line):
    error = refusal(write(tmp_path, content))
    assert what in error.what and error.where.endswith(f"x.csv, line {line}")


def test_blank_lines_are_ignored(tmp_path):
    assert cells(write(tmp_path, "\n\na,b\n1,2\n\n3,4\n\n\n")) == [["a", "b"], ["1", "2"], ["3", "4"]]


@pytest.mark.parametrize(("content", "what"), [("", "is empty"), ("\n\n", "is empty"), ("a,b\n", "no rows")])
def test_a_file_without_rows_is_refused(tmp_path, content, what):
    assert what in refusal(write(tmp_path, content)).what


def test_a_missing_file_is_answered_with_the_nearest(tmp_path):
    write(tmp_path, "a\n1\n", "成绩表.csv")
    write(tmp_path, "a\n1\n", "other.txt")
    assert refusal(str(tmp_path / "成绩.csv")).override == f"data.path={tmp_path / '成绩表.csv'}"
    assert "成绩表.csv" in refusal(str(tmp_path / "zzz")).fix
    assert "there is no folder" in refusal(str(tmp_path / "nowhere" / "x.csv")).fix


def test_a_folder_a_workbook_and_a_nameless_path_are_refused(tmp_path):
    write(tmp_path, "a\n1\n", "inside.csv")
    assert refusal(str(tmp_path)).override == f"data.path={tmp_path / 'inside.csv'}"
    assert "Excel" in refusal(write(tmp_path, b"PK\x03\x04\x14\x00", "book.csv")).what
    refusal("a\0b.csv")


def test_csv_needs_a_target_and_names_the_columns(tmp_path):
    path = write(tmp_path, "a,b\n1,2\n3,4\n")
    with pytest.raises(DataError) as caught:
        csv(path=path, target=None)
    assert caught.value.override == "data.target=b" and "a, b" in caught.value.fix


def test_csv_of_one_row_is_refused(tmp_path):
    with pytest.raises(DataError, match="only one row"):
        csv(path=write(tmp_path, "a,b\n1,2\n"), target="b")


def test_csv_is_a_table_with_the_notes_of_the_file(tmp_path):
    path = write(tmp_path, "班级;成绩\n" + "".join(f"{'甲乙'[i % 2]}班;{i * i}\n" for i in range(20)))
    data = csv(path=path, target="成绩", val_fraction=0, test_fraction=0.2)
    assert data.notes[0].startswith("fields are separated by semicolon")
    assert data.facts.task == "regression" and data.facts.features == ("班级=乙班", "班级=甲班")
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 16, "test": 4}


def test_a_few_chinese_characters_repeated_are_told_apart(tmp_path):
    rows = "".join(f"{i % 100},{i % 7},{'红绿蓝'[i % 3]},{i % 5}\n" for i in range(500))
    path = tmp_path / "gbk.csv"
    path.write_bytes(("数学,语文,颜色,成绩\n" + rows).encode("gbk"))
    frame, notes = read_csv(path)
    assert list(frame.columns) == ["数学", "语文", "颜色", "成绩"]
    assert "GBK" in notes[0]


@given(st.one_of(st.binary(max_size=200), st.text('ab1,;\t"\r\n', max_size=60).map(str.encode)))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "x.csv"
    path.write_bytes(content)
    try:
        frame, _ = read_csv(str(path))
    except DataError:
        return
    assert frame.shape[0] >= 1 and frame.shape[1] >= 1
    assert len(set(frame.columns)) == frame.shape[1]
