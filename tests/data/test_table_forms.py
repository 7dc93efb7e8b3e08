"""Texts around a table that are no rows of it, each form in a file that the test writes."""

from __future__ import annotations

import csv as stdlib_csv
import gzip
import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dltrain.data.streams import Rejoined, read_head, stream_csv
from dltrain.data.table_files import read_table
from dltrain.data.table_format import TableFormat
from dltrain.errors import DataError

NAMES = ["cyl", "hp", "wt", "mpg"]


def rows(count: int = 40) -> list[list[str]]:
    random = np.random.default_rng(count)
    return [
        [str(random.integers(4, 9)), str(random.integers(50, 300)), str(random.integers(1500, 4500)), f"{mpg:.1f}"]
        for mpg in random.uniform(10, 40, count)
    ]


def text(table: list[list[str]], separator: str = ",", end: str = "\n") -> str:
    return "".join(separator.join(cells) + end for cells in table)


def written(folder: Path, content: str | bytes, name: str = "x.csv") -> str:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return str(folder / name)


def cells(path: str, **form: object) -> list[list[str]]:
    frame, _ = read_table(path, **form)
    return [list(frame.columns), *frame.astype(object).where(frame.notna(), "").to_numpy().tolist()]


def refusal(path: str, **form: object) -> DataError:
    with pytest.raises(DataError) as caught:
        read_table(path, **form)
    return caught.value


PLAIN = [NAMES, *rows()]
FORMS = {
    "comments": ("# Station export 7\n# units: hp, kg, mpg\n#\n" + text(PLAIN), "begin with # or %"),
    "comment of as many fields": ("# a, b, c, d\n" + text(PLAIN), "begins with # or %"),
    "percent comments": ("% made by hand\n" + text(PLAIN, "\t"), "begins with # or %"),
    "title": ("Fuel use of cars\n" + text(PLAIN), "the table begins in line 2"),
    "titles and a blank line": ("Fuel use of cars\nspring 1974, all\n\n" + text(PLAIN), "the table begins in line 4"),
    "title filled up": ("Fuel use of cars,,,\n,,,\n" + text(PLAIN), "the table begins in line 3"),
    "sep line": ("sep=;\n" + text(PLAIN, ";"), "line 1 says"),
    "quoted sep line": ('"sep=;"\r\n' + text(PLAIN, ";", "\r\n"), "line 1 says"),
    "aligned": ("".join("".join(f"{cell:>9}" for cell in row) + "\n" for row in PLAIN), "separated by blanks"),
    "aligned to the left": ("".join("".join(f"{cell:<9}" for cell in row) + "\n" for row in PLAIN), "by blanks"),
    "aligned with a title": ("Fuel use\n" + text(PLAIN, "   "), "the table begins in line 2"),
    "units": (text([NAMES, ["-", "PS", "kg", "mpg"], *PLAIN[1:]]), "second line of the header"),
    "units in brackets": (text([NAMES, ["", "(hp)", "(kg)", ""], *PLAIN[1:]]), "second line of the header"),
    "words below the header": (
        text([NAMES, ["cylinders", "gross power", "weight", "fuel"], *PLAIN[1:]]),
        "second line of the header",
    ),
    "source": (text(PLAIN) + "Source: own measurements\n", "left out below the table: Source"),
    "source with commas": (text(PLAIN) + "\nSource: own measurements, 1974\nNote: preliminary\n", "and 1 more line"),
    "source filled up": (text(PLAIN) + ",,,\nSource: own measurements,,,\n", "left out below the table"),
    "count of rows": (text(PLAIN) + "(40 rows)\n", "left out below the table"),
    "trailing commas": (text([NAMES, *([*row, ""] for row in PLAIN[1:])]), "a separator too many"),
    "trailing commas everywhere": (text([[*row, "", ""] for row in PLAIN]), "2 empty columns without a name"),
    "a trailing comma in the header": (text([[*NAMES, ""], *PLAIN[1:]]), "1 separators more"),
    "blank lines": (text(PLAIN).replace("\n", "\n\n", 9), None),
    "blank lines of spaces": (text(PLAIN).replace("\n", "\n   \n", 9), None),
    "repeated header": (text([*PLAIN[:9], NAMES, *PLAIN[9:20], NAMES, *PLAIN[20:]]), "2 lines that repeat"),
    "byte order mark": ("\ufeff" + text(PLAIN), None),
    "carriage returns": (text(PLAIN, ";", "\r"), "semicolon"),
    "mixed line ends": (text(PLAIN[:9], end="\r\n") + text(PLAIN[9:]), None),
}


@pytest.mark.parametrize("form", FORMS)
def test_what_is_no_row_is_left_out_and_said(tmp_path: Path, form: str) -> None:
    content, note = FORMS[form]
    path = written(tmp_path, content)
    _, notes = read_table(path)
    if form == "source filled up":
        assert [row for row in cells(path) if any(row)] == PLAIN
    else:
        assert cells(path) == PLAIN
    assert (note is None and notes == ()) or any(note in line for line in notes)


@pytest.mark.parametrize("form", sorted(set(FORMS) - {"trailing commas everywhere", "source filled up"}))
def test_a_stream_reads_the_same_forms(form: str) -> None:
    file = io.BytesIO(FORMS[form][0].encode())
    frames = list(stream_csv(Rejoined(read_head(file), file), "x.csv", TableFormat(), 7))
    frame = pd.concat(frames)
    assert [list(frame.columns), *frame.to_numpy().tolist()] == PLAIN
    assert frame.index.tolist() == list(range(len(frame)))


@pytest.mark.parametrize(
    ("content", "first", "count"),
    [
        ('18.0   8   307.0\t"chevrolet malibu"\n15.0   8   350.0\t"buick"\n16.5   8   304.0\t"amc rebel"\n', "18.0", 3),
        ('"mpg" "cyl"\n"Mazda RX4" 21 6\n"Datsun 710" 22.8 4\n"Hornet" 21.4 6\n', "Mazda RX4", 3),
        ("1,5;2,5;3\n2,5;3,5;4\n4,5;5,5;5\n", "1.5", 3),
        ("#,player,club\n1,Ann,Ulm\n2,Bob,Rom\n", "1", 2),
        ("# x y z\n1.0 2.0 3.0\n1.5 2.5 3.5\n", "1.0", 2),
    ],
)
def test_tables_in_the_habits_of_other_programs(tmp_path: Path, content: str, first: str, count: int) -> None:
    frame, _ = read_table(written(tmp_path, content))
    assert frame.iloc[0, 0] == first and len(frame) == count and frame.shape[1] >= 3


def test_quotes_after_a_blank_are_not_taken_for_blanks_between_fields(tmp_path: Path) -> None:
    error = refusal(written(tmp_path, 'a, b\n1, "x, y"\n2, "z, w"\n'))
    assert "3 fields" in error.what and "needs quotes" in error.fix


CREDIT = [["A11", "6", "A34", "12", "yes"], ["A12", "48", "A32", "6", "no"], ["A11", "12", "A34", "6", "no"]] * 4


@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_a_first_line_whose_words_are_values_below_it_is_data(tmp_path: Path, quote: str) -> None:
    quoted = [[f"{quote}{cell}{quote}" for cell in row] for row in CREDIT]
    frame, notes = read_table(written(tmp_path, text(quoted)))
    assert frame.to_numpy().tolist() == CREDIT
    assert list(frame.columns) == [f"column_{number}" for number in range(1, 6)] and "no header line" in " ".join(notes)


def test_a_first_line_of_two_equal_numbers_among_words_is_data(tmp_path: Path) -> None:
    rows = [["A11", "4", "A34", "4"], *([row[:4] for row in CREDIT])]
    frame, _ = read_table(written(tmp_path, text(rows)))
    assert len(frame) == len(rows)


def test_a_header_that_joined_files_repeat_stays_a_header(tmp_path: Path) -> None:
    words = [["fruit", "colour"], *([["apple", "red"], ["plum", "blue"], ["fig", "green"]] * 5)]
    frame, _ = read_table(written(tmp_path, text([*words, words[0], *words[1:], words[0], *words[1:]])))
    assert list(frame.columns) == ["fruit", "colour"]


def test_apostrophes_within_cells_are_no_quotes(tmp_path: Path) -> None:
    table = [["name", "n"], ["O'Brien", "1"], ["'t Hooft", "2"], ["d'Arc", "3"], ["Rock 'n' Roll", "4"]]
    assert cells(written(tmp_path, text(table))) == table


def test_names_of_rows_are_a_column(tmp_path: Path) -> None:
    table = [NAMES, *([f"car {number}", *row] for number, row in enumerate(rows()))]
    read = cells(written(tmp_path, text(table)))
    assert read[0] == ["row_names", *NAMES] and read[1:] == table[1:]


@pytest.mark.parametrize("label", ["Total", "TOTAL:", "Sum", "合计", "Summe", "Grand total", "Average"])
def test_a_row_of_totals_is_left_out(tmp_path: Path, label: str) -> None:
    body = [[f"{'NS'[number % 2]}orth", *row[1:]] for number, row in enumerate(rows())]
    numbers = pd.DataFrame(body).iloc[:, 1:].astype(float)
    sums = numbers.mean() if label == "Average" else numbers.sum()
    path = written(tmp_path, text([NAMES, *body, [label, *(f"{number:.1f}" for number in sums)]]))
    frame, notes = read_table(path)
    assert len(frame) == len(body) and "a total" in notes[-1] and label in notes[-1]


STATISTICS = {"Total": "sum", "Mean": "mean", "Max": "max", "Minimum": "min", "Median": "median", "Std": "std"}


@pytest.mark.parametrize("label", STATISTICS)
@pytest.mark.parametrize("at", [0, 2])
def test_a_last_row_of_a_statistic_is_left_out_wherever_its_name_stands(tmp_path: Path, label: str, at: int) -> None:
    body = [[*row[1 : at + 1], "NS"[number % 2], *row[at + 1 :]] for number, row in enumerate(rows())]
    values = pd.DataFrame(body).drop(columns=at).astype(float).agg(STATISTICS[label]).tolist()
    end = [f"{value:.2f}" for value in values]
    frame, notes = read_table(written(tmp_path, text([NAMES, *body, [*end[:at], label, *end[at:]]])))
    assert len(frame) == len(body) and label in notes[-1]


def test_a_category_called_as_a_statistic_stays_a_row(tmp_path: Path) -> None:
    body = [[*row[:3], ("low", "average", "Max")[number % 3]] for number, row in enumerate(rows())]
    for last in range(len(body) - 2, len(body) + 1):
        assert len(read_table(written(tmp_path, text([NAMES, *body[:last]])))[0]) == last


@pytest.mark.parametrize("label", ["Summe", ""])
def test_a_row_of_totals_with_decimal_commas_is_left_out(tmp_path: Path, label: str) -> None:
    amounts = [[f"shop {number}", 1234.5 * number + 17, 2.25 * number] for number in range(1, 30)]
    sums = [label, *(sum(row[at] for row in amounts) for at in (1, 2))]
    lines = [
        ";".join([name, *(f"{value:_.2f}".replace(".", ",").replace("_", ".") for value in values)])
        for name, *values in [*amounts, sums]
    ]
    frame, notes = read_table(written(tmp_path, "\n".join(["shop;sales;tax", *lines])))
    assert len(frame) == 29 and "a total" in notes[-1]


@pytest.mark.parametrize("label", ["Total {}", "{} Total", "Subtotal", "小计"])
@pytest.mark.parametrize("grand", [False, True])
def test_rows_of_subtotals_are_left_out(tmp_path: Path, label: str, grand: bool) -> None:
    groups = [[[f"{name}{number}", *row[1:]] for number, row in enumerate(rows()[:9])] for name in "ABC"]
    table = [NAMES]
    for name, group in zip("ABC", groups, strict=True):
        sums = [f"{sum(float(row[at]) for row in group):.2f}" for at in range(1, len(NAMES))]
        table += [*group, [label.format(name), *sums]]
    if grand:
        sums = [f"{sum(float(row[at]) for group in groups for row in group):.2f}" for at in range(1, len(NAMES))]
        table.append(["Grand total", *sums])
    frame, notes = read_table(written(tmp_path, text(table)))
    assert frame.iloc[:, 0].tolist() == [row[0] for group in groups for row in group]
    assert any(note.startswith("left out 3 rows with sums") for note in notes)
    assert any("Grand total" in note for note in notes) == grand


def test_names_that_begin_with_total_stay_rows(tmp_path: Path) -> None:
    films = [
        [("Total Recall", "Sum of Us", "The Total")[at % 3] if at % 4 == 0 else f"film {at}", *row[1:]]
        for at, row in enumerate(rows())
    ]
    frame, _ = read_table(written(tmp_path, text([NAMES, *films])))
    assert len(frame) == len(films)


def test_a_total_without_sums_is_a_row_and_said(tmp_path: Path) -> None:
    body = [["x", *row[1:]] for row in rows()]
    frame, notes = read_table(written(tmp_path, text([NAMES, *body, ["Total", "1", "2", "3.5"]])))
    assert len(frame) == len(body) + 1 and "has no sums" in notes[-1]


def test_a_last_row_of_exact_sums_without_a_label_is_a_total(tmp_path: Path) -> None:
    body = [["x", *row[1:3], "1"] for row in rows()]
    sums = [str(sum(int(row[at]) for row in body)) for at in (1, 2, 3)]
    assert len(read_table(written(tmp_path, text([NAMES, *body, ["", *sums]])))[0]) == len(body)
    other = [["x", *row[1:3], "1"] for row in [*body, ["", "7", "8", "9"]]]
    other[-1][0] = ""
    assert len(read_table(written(tmp_path, text([NAMES, *other])))[0]) == len(other)
    numbers = [[row[1], row[2], "1"] for row in body]
    total = [str(sum(int(row[at]) for row in numbers)) for at in range(3)]
    assert len(read_table(written(tmp_path, text([NAMES[:3], *numbers, total])))[0]) == len(body)


@pytest.mark.parametrize(
    ("content", "override"),
    [
        ("Cars, 1974, all, seen\n4,5\n" + text([[*NAMES, "x"], *([*row, "1"] for row in rows())]), "data.skip=2"),
        ("Report\n" + text([["name", "town"], ["Ann", "Ulm"], ["Bob", "Rom"], ["Cy", "Bonn"]]), "data.skip=1"),
        ("# name,town\nAnn,Ulm\nBob,Rom\n", "data.comment=none"),
        (text(PLAIN[:20]) + "# a pause\n" + text(PLAIN[20:]), "data.comment='#'"),
        (text([["id", "note"], ["1", 'a "b'], ["2", '"c" d'], ["3", "e"]]), "data.quote=none"),
    ],
)
def test_what_is_not_certain_is_refused_with_a_key_that_reads_it(tmp_path: Path, content: str, override: str) -> None:
    path = written(tmp_path, content)
    error = refusal(path)
    assert error.override == override and "line" in error.where
    key, value = override.removeprefix("data.").split("=")
    assert len(read_table(path, **{key: value.strip("'")})[0]) >= 2


@pytest.mark.parametrize(
    "content",
    [
        text(PLAIN) + "4,172\n",  # cut off
        text(PLAIN) + "4\n",
        text([["name", "town", "age"], *([["Ann", "Ulm", "x"]] * 9)]) + "Bob\n",
        text(PLAIN[:9]) + "Source: own\n" + text(PLAIN[9:]),
        text([NAMES, *([*row, "" if at else "7"] for at, row in enumerate(PLAIN[1:]))]),
    ],
)
def test_a_row_of_another_width_is_no_footer(tmp_path: Path, content: str) -> None:
    assert "and the header" in refusal(written(tmp_path, content)).what


def test_quotes_of_messages_between_tabs_are_characters(tmp_path: Path) -> None:
    table = [["kind", "text"], ["a", '"fine'], ["b", "x"], ["a", 'y"'], ["b", '"c" d'], ["a", "z, 1"]]
    frame, notes = read_table(written(tmp_path, text(table, "\t")))
    assert [["kind", "text"], *frame.to_numpy().tolist()] == table and "quotes are characters" in " ".join(notes)
    quoted = [["kind", "text"], ["a", '"x\ty"'], ["b", '"say ""z"""'], ["b", "w"]]
    assert cells(written(tmp_path, text(quoted, "\t"))) == [*quoted[:1], ["a", "x\ty"], ["b", 'say "z"'], ["b", "w"]]


def test_two_colons_separate_fields(tmp_path: Path) -> None:
    body = [[str(number), f"Film {number}, The ({1950 + number})", "Drama|War"] for number in range(1, 9)]
    frame, notes = read_table(written(tmp_path, text(body, "::")), header="none")
    assert frame.to_numpy().tolist() == body and "fields are separated by ::" in notes
    assert cells(written(tmp_path, text([["a", "b"], ["1", "2"]], "::")), delimiter="::") == [["a", "b"], ["1", "2"]]
    addresses = [["host", "port"], *[[f"fe80::{number}", "1"] for number in range(9)]]
    assert cells(written(tmp_path, text(addresses))) == addresses
    with pytest.raises(DataError, match="1 field and the header 3"):
        read_table(written(tmp_path, text(body * 30, "::") + "9\n" + text(body * 900, "::")), delimiter="::")


def test_a_first_row_of_gaps_is_no_line_of_units(tmp_path: Path) -> None:
    table = [["name", "x", "y"], ["Ann", "not measured", "not measured"], *([f"n{i}", str(i), "2"] for i in range(30))]
    assert cells(written(tmp_path, text(table))) == table
    table[1] = ["n3", "low", "high"]
    assert cells(written(tmp_path, text(table))) == table


def test_the_user_says_how_a_table_is_to_be_read(tmp_path: Path) -> None:
    body = "Fuel use\n" + text(PLAIN)
    assert "4 fields" in refusal(written(tmp_path, body), skip=0).what
    assert cells(written(tmp_path, "a\nb,c\n" + text(PLAIN)), skip="2") == PLAIN
    commented = text(PLAIN[:5]) + "! pause\n" + text(PLAIN[5:])
    assert cells(written(tmp_path, commented), comment="!") == PLAIN
    quoted = "a;b\n'x;y';1\n'it''s';2\n"
    assert cells(written(tmp_path, quoted), quote="'") == [["a", "b"], ["x;y", "1"], ["it's", "2"]]
    assert cells(written(tmp_path, 'a,b\n"x,1\ny",2\n'), quote="none") == [["a", "b"], ['"x', "1"], ['y"', "2"]]
    words = "name  town\n'Ann B'  Ulm\nBob  Rom\n"
    assert cells(written(tmp_path, words), delimiter="blanks", quote="'")[1] == ["Ann B", "Ulm"]
    for key, value in (("skip", "two"), ("skip", -1), ("comment", "ab"), ("quote", "x"), ("delimiter", "ab")):
        assert refusal(written(tmp_path, body), **{key: value}).where == f"data.{key}"


def test_a_packed_table_is_read(tmp_path: Path) -> None:
    assert cells(written(tmp_path, gzip.compress(text(PLAIN).encode()), "x.csv.gz")) == PLAIN
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as packed:
        packed.writestr("in/x.csv", text(PLAIN))
        packed.writestr("__MACOSX/in/._x.csv", b"\0")
    assert cells(str(tmp_path / "x.zip")) == PLAIN
    with zipfile.ZipFile(tmp_path / "x.zip", "a") as packed:
        packed.writestr("y.csv", text(PLAIN))
    assert "in/x.csv, y.csv" in refusal(str(tmp_path / "x.zip")).fix
    assert "cannot be unpacked" in refusal(written(tmp_path, gzip.compress(b"a,b\n1,2\n")[:-9], "x.csv.gz")).what


def test_a_wrong_suffix_is_noticed(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]})
    frame.to_excel(tmp_path / "book.xlsx", index=False)
    frame.to_parquet(tmp_path / "book.parquet")
    for name in ("book.xlsx", "book.parquet"):
        (tmp_path / name).rename(tmp_path / "x.csv")
        read, notes = read_table(str(tmp_path / "x.csv"))
        assert read["a"].tolist() == [1, 2, 3] and "read as one" in notes[0]
    assert "before 2007" in refusal(written(tmp_path, b"\xd0\xcf\x11\xe0" + bytes(99), "x.csv")).what


printable = st.text(st.characters(codec="utf-8"), max_size=12)


@settings(max_examples=200, deadline=None)
@given(
    table=st.integers(2, 5).flatmap(
        lambda width: st.lists(st.lists(printable, min_size=width, max_size=width), min_size=1, max_size=8)
    ),
    delimiter=st.sampled_from(",;\t|:~"),
    quote=st.sampled_from("\"'"),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    every=st.booleans(),
)
def test_any_table_reads_back_by_its_keys(
    tmp_path_factory: pytest.TempPathFactory, table: list[list[str]], delimiter: str, quote: str, end: str, every: bool
) -> None:
    header = [f"c{at}" for at in range(len(table[0]))]
    assume(header not in table)
    table = [*table, ["w"] * len(header)]  # a last row such as ©,,, would be a footer
    style = stdlib_csv.QUOTE_ALL if every or end != "\r\n" else stdlib_csv.QUOTE_MINIMAL
    buffer = io.StringIO(newline="")
    writer = stdlib_csv.writer(buffer, delimiter=delimiter, quotechar=quote, lineterminator=end, quoting=style)
    writer.writerows([header, *table])
    path = written(tmp_path_factory.mktemp("any"), buffer.getvalue())
    assert cells(path, delimiter=delimiter, quote=quote) == [header, *table]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(printable, printable), min_size=2, max_size=6), st.integers(1, 4))
def test_a_stream_of_any_table_is_the_whole_file(table: list[tuple[str, str]], size: int) -> None:
    table = [*table, ("w", "w")]
    buffer = io.StringIO(newline="")
    stdlib_csv.writer(buffer).writerows([("a", "b"), *table])
    file = io.BytesIO(buffer.getvalue().encode())
    frame = pd.concat(list(stream_csv(Rejoined(read_head(file), file), "x", TableFormat(delimiter=","), size)))
    assert [tuple(row) for row in frame.fillna("").to_numpy().tolist()] == table
