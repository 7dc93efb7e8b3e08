"""Files of texts as people have them: which columns are texts, labels, or neither, and what is asked about."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dltrain.errors import DataError
from dltrain.kinds.checks import check_balance
from dltrain.kinds.text.load import text
from dltrain.types import Data

PLAIN = ["the", "a", "of", "year", "people", "report", "man", "new", "week", "last", "under", "over", "with", "house"]
SIGNS = ["goal", "vote", "virus", "price"]  # the word that tells the class
ROWS = 120


def prose(seed: int, words: int = 8, sign: int | None = None) -> str:
    """Returns a sentence, with the word of a class in it."""
    random = np.random.default_rng(seed)
    chosen = [PLAIN[at] for at in random.integers(0, len(PLAIN), words)]
    if sign is not None:
        chosen[random.integers(words)] = SIGNS[sign]
    return " ".join(chosen)


def classes(count: int, rows: int = ROWS) -> list[int]:
    return np.random.default_rng(7).integers(0, count, rows).tolist()


def write(path: Path, rows: list[list[object]], separator: str = ",", style: int = csv.QUOTE_MINIMAL) -> str:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=separator, quoting=style, lineterminator="\n").writerows(rows)  # type: ignore[arg-type]
    return str(path)


def lines(path: Path, content: list[str]) -> str:
    path.write_text("\n".join(content) + "\n", "utf-8")
    return str(path)


def texts_of(data: Data) -> list[str]:
    return [each for split in data.splits.values() for each in split.texts]


def size(data: Data) -> int:
    return sum(map(len, data.splits.values()))


def noted(data: Data, words: str) -> bool:
    return any(words in note for note in data.notes)


def test_all_columns_that_carry_words_are_read(tmp_path: Path) -> None:
    labels = classes(4)
    rows = [[label + 1, prose(at, 6, label), prose(1000 + at, 20)] for at, label in enumerate(labels)]
    data = text(path=write(tmp_path / "titles.csv", [["class_index", "title", "description"], *rows]))
    assert data.facts.preprocessing["text"] == ["title", "description"]
    assert data.facts.classes == ("1", "2", "3", "4")
    assert all(any(sign in words for sign in SIGNS) for words in texts_of(data))
    one = text(path=str(tmp_path / "titles.csv"), text="title")
    assert one.facts.preprocessing["text"] == "title" and one.facts.input_shape < data.facts.input_shape
    with pytest.raises(DataError, match="no column 'titel'") as refused:
        text(path=str(tmp_path / "titles.csv"), text=["titel", "description"])
    assert refused.value.override == "data.text=[title,description]"


@pytest.mark.parametrize("style", [csv.QUOTE_ALL, csv.QUOTE_MINIMAL])
def test_a_table_of_texts_without_a_header_loses_no_row(tmp_path: Path, style: int) -> None:
    rows: list[list[object]] = [[label, prose(at, 6, label), prose(at, 9)] for at, label in enumerate(classes(4))]
    data = text(path=write(tmp_path / "titles.csv", rows, style=style))
    assert size(data) == ROWS and noted(data, "no header line")
    assert data.facts.preprocessing["text"] == ["column_2", "column_3"]
    assert data.facts.preprocessing["has_header"] is False
    named = text(path=str(tmp_path / "titles.csv"), header="first", target=str(rows[0][0]))
    assert size(named) == ROWS - 1


def test_a_question_above_answers_is_a_header(tmp_path: Path) -> None:
    question = "What did you like about the new house?"
    rows = [[prose(at, 9, label), label] for at, label in enumerate(classes(2))]
    data = text(path=write(tmp_path / "survey.csv", [[question, "mark"], *rows]))
    assert (data.facts.preprocessing["text"], data.facts.target, size(data)) == (question, "mark", ROWS)


def test_messages_between_tabs_keep_their_quotes_and_their_first_row(tmp_path: Path) -> None:
    content = [f"{'spam' if label else 'ham'}\t{prose(at, 8, label)}" for at, label in enumerate(classes(2))]
    content[30] = 'ham\t"the new house'
    content[50] = 'spam\tover the goal"'
    data = text(path=lines(tmp_path / "SMSSpamCollection", content))
    assert (size(data), data.facts.classes) == (ROWS, ("ham", "spam"))
    assert '"the new house' in texts_of(data) and noted(data, "quotes are characters")


def test_columns_of_marks_are_labels(tmp_path: Path) -> None:
    marks = [[int(bit) for bit in f"{at * 7 % 16:04b}"] for at in range(ROWS)]
    header: list[object] = ["id", "comment", *SIGNS]
    rows: list[list[object]] = [[f"{at:016d}", prose(at), *has] for at, has in enumerate(marks)]
    path = write(tmp_path / "toxic.csv", [header, *rows])
    data = text(path=path)
    assert data.facts.outputs == tuple(SIGNS) and data.facts.task == "multilabel"
    train = data.splits["train"]
    assert train.target[0].tolist() == marks[int(train.ids[0])]
    assert text(path=path, target=SIGNS[:2]).facts.outputs == tuple(SIGNS[:2])
    assert text(path=path, target=SIGNS[0]).facts.classes == ("0", "1")
    words = [[*row[:2], *("yes" if mark else "no" for mark in row[2:])] for row in rows]
    assert text(path=write(tmp_path / "words.csv", [header, *words])).facts.outputs == tuple(SIGNS)
    two = write(tmp_path / "two.csv", [["comment", *SIGNS[:2]], *[[row[1], *row[2:4]] for row in rows]])
    with pytest.raises(DataError, match="no target") as refused:
        text(path=two)
    assert "[goal,vote]" in refused.value.fix
    assert text(path=two, target=refused.value.override.partition("=")[2]).facts.task == "classification"


@pytest.mark.parametrize("mark", ["|", ";", ", "])
def test_a_column_that_lists_labels_keeps_rows_without_any(tmp_path: Path, mark: str) -> None:
    lists = [[sign for sign, bit in zip(SIGNS, f"{at * 5 % 16:04b}", strict=True) if bit == "1"] for at in range(ROWS)]
    rows = [[prose(at), mark.join(labels)] for at, labels in enumerate(lists)]
    data = text(path=write(tmp_path / "tags.csv", [["comment", "tags"], *rows]))
    assert data.facts.outputs == tuple(sorted(SIGNS)) and size(data) == ROWS
    assert noted(data, f"{sum(not labels for labels in lists)} rows have none")


@pytest.mark.parametrize(
    ("cells", "task"),
    [
        (["red, large", "blue", "green, small", "white"], "classification"),  # whose parts occur once
        (["4,5", "3,2", "1,9", "2,4"], "regression"),
        (["4,05", "3,20", "1,90", "2,40"], "regression"),
        (["late flight", "bad flight", "bad service", "late luggage"], "classification"),
        (["a", "b", "c", "a b", "b c", "a c", "a b c"], "multilabel"),
        (["<a>", "<b>", "<a><b>"], "multilabel"),
        (["[]", "['a']", "['a', 'b']", "['b']"], "multilabel"),
        (["1,2", "1,3", "2,3", "1", "2", "3", "2,4", "3,4", "1,4"], "multilabel"),
    ],
)
def test_cells_list_labels_only_where_that_is_certain(tmp_path: Path, cells: list[str], task: str) -> None:
    many = cells if task != "regression" else [str(digit) + cell for cell, digit in product(cells, range(1, 9))]
    rows = [[prose(at), many[at % len(many)]] for at in range(ROWS)]
    assert text(path=write(tmp_path / "x.tsv", [["comment", "mark"], *rows], "\t")).facts.task == task


def test_json_lines_lists_of_labels_and_objects_are_read(tmp_path: Path) -> None:
    rows = [
        {"review": prose(at, 9, label), "by": {"name": "Ann Lee"}, "votes": [0, 1], "labels": SIGNS[:label]}
        for at, label in enumerate(classes(4))
    ]
    data = text(path=lines(tmp_path / "lines.jsonl", list(map(json.dumps, rows))))
    assert (data.facts.preprocessing["text"], data.facts.target, size(data)) == ("review", "labels", ROWS)
    assert data.facts.outputs == tuple(sorted(SIGNS[:3]))
    (tmp_path / "list.json").write_text(json.dumps(rows), "utf-8")
    assert text(path=str(tmp_path / "list.json")).facts == data.facts


def test_lines_of_fasttext_are_read(tmp_path: Path) -> None:
    content = [f"__label__{SIGNS[label]} {prose(at, 8, label)}" for at, label in enumerate(classes(4))]
    data = text(path=lines(tmp_path / "fasttext.txt", content))
    assert data.facts.classes == tuple(sorted(SIGNS)) and "__label__" not in " ".join(texts_of(data))
    several = [f"__label__{SIGNS[at % 3]} {line}" if at % 2 else line for at, line in enumerate(content)]
    assert text(path=lines(tmp_path / "several", several)).facts.outputs == tuple(sorted(SIGNS))


@pytest.mark.parametrize(
    "other",
    [
        lambda at: f"https://www.news.test/entry/{prose(at).replace(' ', '-')}_{at}",
        lambda at: f"corpus/part {at % 3}/{prose(at, 3)} {at}.wav".replace(" ", "_"),
        lambda at: f"{at * 7919:040x}",
        lambda at: f"Mon Apr {at % 27 + 1:02d} 22:{at % 60:02d}:45 2026",
        lambda at: "" if at % 50 else prose(at, 30),
    ],
)
def test_links_paths_hashes_dates_and_empty_columns_are_no_texts(tmp_path: Path, other: Callable[[int], str]) -> None:
    rows = [[other(at), prose(at, 5, label), label] for at, label in enumerate(classes(2))]
    data = text(path=write(tmp_path / "headlines.csv", [["about", "headline", "is_funny"], *rows]))
    assert (data.facts.preprocessing["text"], data.facts.target) == ("headline", "is_funny")
    assert noted(data, "not used: about (")


def test_a_table_without_words_is_refused_with_what_it_holds(tmp_path: Path) -> None:
    rows = [[f"{at * 7919:040x}", label] for at, label in enumerate(classes(2))]
    with pytest.raises(DataError, match=r"no column of texts, only sha \(codes\)"):
        text(path=write(tmp_path / "x.csv", [["sha", "label"], *rows]), target="label")


def test_names_are_read_letter_by_letter(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = [["".join(random.choice(list("abcdefgh"), 7)), "xy"[label]] for label in classes(2)]
    data = text(path=write(tmp_path / "names.csv", [["surname", "language"], *rows]))
    assert data.facts.preprocessing["tokens"] == "character"


def test_folders_of_texts_without_labels_are_no_class(tmp_path: Path) -> None:
    for split, label, count in [("train", "pos", 20), ("train", "neg", 20), ("train", "unsup", 30), ("test", "pos", 4)]:
        for number in range(count):
            file = tmp_path / split / label / f"{number}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(prose(number), "utf-8")
    data = text(path=str(tmp_path))
    assert data.facts.classes == ("neg", "pos") and size(data) == 44
    assert noted(data, "unsup/ is unlabelled: its 30 texts are not used")


def test_labels_that_differ_by_case_are_asked_about(tmp_path: Path) -> None:
    names = [["Ham", "HAM", "Ham"], ["spam", "Spam", "Spam"]]
    rows = [[prose(at, 8, label), names[label][at % 3]] for at, label in enumerate(classes(2))]
    path = write(tmp_path / "x.csv", [["text", "label"], *rows])
    with pytest.raises(DataError, match="by upper and lower case alone: HAM and Ham, spam and Spam") as refused:
        text(path=path)
    assert refused.value.override == "data.ignore_case=true"
    assert text(path=path, ignore_case=True).facts.classes == ("Ham", "Spam")
    assert len(text(path=path, ignore_case=False).facts.classes) == 4
    lists = [[prose(at), ["a|b", "A", "b|c", "c|a"][at % 4]] for at in range(ROWS)]
    path = write(tmp_path / "y.csv", [["text", "tags"], *lists])
    with pytest.raises(DataError, match="case alone"):
        text(path=path)
    assert text(path=path, ignore_case=True).facts.outputs == ("a", "b", "c")


def test_scores_with_decimal_commas_are_numbers_in_training_and_later(tmp_path: Path, dltrain: Callable) -> None:
    scores = [f"{at * 37 % 100 / 10:.2f}".replace(".", ",") for at in range(ROWS)]
    rows: list[list[object]] = [["text", "score"], *[[prose(at), scores[at]] for at in range(ROWS)]]
    path = write(tmp_path / "x.csv", rows, ";")
    called = dltrain("data=text", f"data.path={path}", "debug=smoke", "hydra.run.dir=run")
    assert called.code == 0, called.err
    evaluated = dltrain("evaluate", "run", f"data.path={path}", "--json")
    assert json.loads(evaluated.out)["metrics"]["mae"] < 10


def test_runs_on_such_files_predict_and_evaluate_them(tmp_path: Path, dltrain: Callable) -> None:
    rows: list[list[object]] = [[label, prose(at, 6, label), prose(at)] for at, label in enumerate(classes(2))]
    files = {
        "titles.csv": write(tmp_path / "titles.csv", rows),
        "tags.csv": write(
            tmp_path / "tags.csv",
            [
                ["text", "tags"],
                *[[prose(at), "a|B" if at % 2 else ""] for at in range(ROWS)],
                ["x", "a"],
                ["y", "a"],
                ["z", "B"],
            ],
        ),
        "messages.txt": lines(
            tmp_path / "messages.txt", [f"{prose(at, 6, label)}\t{label}" for at, label in enumerate(classes(2))]
        ),
        "angles.csv": write(
            tmp_path / "angles.csv",
            [["text", "tags"], *[[prose(at), ["<a>", "<b>", "<a><b>"][at % 3]] for at in range(ROWS)]],
        ),
        "ft.txt": lines(
            tmp_path / "ft.txt", [f"__label__{label} {prose(at, 6, label)}" for at, label in enumerate(classes(2))]
        ),
    }
    for name, path in files.items():
        called = dltrain("data=text", f"data.path={path}", "debug=smoke", f"hydra.run.dir=runs/{name}")
        assert called.code == 0, called.err
        evaluated = dltrain("evaluate", f"runs/{name}", f"data.path={path}", "--json")
        assert evaluated.code == 0, evaluated.err
        count = len(Path(path).read_text("utf-8").splitlines()) - (name in ("tags.csv", "angles.csv"))
        assert json.loads(evaluated.out)["samples"] == count
        assert dltrain("predict", f"runs/{name}", path, "-o", "out.csv").code == 0
        assert len(pd.read_csv("out.csv")) == count
        page = (tmp_path / "runs" / name / "report.html").read_text("utf-8")
        assert "could not be" not in page


def folder_of_groups(folder: Path, encoding: str = "utf-8") -> Path:
    """Writes texts of two classes, in files without a suffix or with a number for one."""
    for at, label in enumerate(classes(2)):
        file = folder / f"alt.{SIGNS[label]}" / (f"{49960 + at}" if at % 2 else f"{at:04d}.bfc8d64d12b325ff")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(f"{prose(at, 9, label)} é".encode(encoding))
    (folder / "alt.goal" / "scan").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    return folder


def test_files_without_a_suffix_are_texts_by_what_they_hold(tmp_path: Path, dltrain: Callable) -> None:
    folder = folder_of_groups(tmp_path / "groups")
    data = text(path=str(folder))
    assert data.facts.classes == ("alt.goal", "alt.vote") and size(data) == ROWS
    assert dltrain("data=text", "data.path=groups", "debug=smoke", "hydra.run.dir=run").code == 0
    evaluated = dltrain("evaluate", "run", "data.path=groups", "--json")
    assert json.loads(evaluated.out)["samples"] == ROWS
    assert dltrain("predict", "run", "groups", "-o", "out.csv").code == 0
    assert len(pd.read_csv("out.csv")) == ROWS


def test_texts_in_another_encoding_are_refused_with_one_that_reads_them(tmp_path: Path) -> None:
    folder = folder_of_groups(tmp_path / "groups", "latin-1")
    with pytest.raises(DataError, match=f"{ROWS} texts are not UTF-8") as refused:
        text(path=str(folder))
    assert refused.value.override == "data.encoding=cp1252"
    assert texts_of(text(path=str(folder), encoding="cp1252"))[0].endswith(" é")


def test_a_table_of_links_or_codes_alone_says_how_they_are_read(tmp_path: Path) -> None:
    rows = [["url", "label"], *[[f"http://{PLAIN[at % 14]}.com/{at}", "ab"[at % 2]] for at in range(ROWS)]]
    path = write(tmp_path / "x.csv", rows)
    with pytest.raises(DataError, match="no column of texts, only url") as refused:
        text(path=path)
    assert refused.value.override == "data.text=url"
    assert text(path=path, text="url").facts.classes == ("a", "b")


def test_lists_between_commas_that_are_not_certain_are_asked_about(tmp_path: Path) -> None:
    tags = ["red, blue", "blue", "green,red"]
    path = write(tmp_path / "x.csv", [["text", "tags"], *[[prose(at), tags[at % 3]] for at in range(ROWS)]])
    assert noted(text(path=path), "if 'red, blue' lists several labels, give task=multilabel")
    assert text(path=path, task="multilabel").facts.outputs == ("blue", "green", "red")
    places = ["Rome, Italy", "Oslo, Norway"]
    path = write(tmp_path / "y.csv", [["text", "place"], *[[prose(at), places[at % 2]] for at in range(ROWS)]])
    assert not noted(text(path=path), "several labels")


def test_classes_that_are_called_like_gaps_are_warned_about(tmp_path: Path) -> None:
    labels = ["neg", "pos", "neg", "pos", "N/A", "?"]
    path = write(tmp_path / "x.csv", [["text", "label"], *[[prose(at), labels[at % 6]] for at in range(ROWS)]])
    data = text(path=path)
    said = [str(finding) for finding in check_balance(data)]
    assert any(line.startswith("?, N/A are classes of 32 training samples") for line in said)
    path = write(tmp_path / "y.csv", [["text", "charge"], *[[prose(at), "+-"[at % 2]] for at in range(ROWS)]])
    assert not list(check_balance(text(path=path, target="charge")))


def test_a_column_of_excerpts_is_not_read(tmp_path: Path) -> None:
    texts = [prose(at) for at in range(ROWS)]
    parts = [each if at % 2 else " ".join(each.split()[:4]) for at, each in enumerate(texts)]
    rows = [["text", "selected_text", "mood"], *[[texts[at], parts[at], "ab"[at % 2]] for at in range(ROWS)]]
    path = write(tmp_path / "x.csv", rows)
    data = text(path=path)
    assert data.splits["train"].texts[0] in texts
    assert noted(data, "selected_text is not read: its texts are parts of those in text")
    assert " | " in text(path=path, text=["text", "selected_text"], target="mood").splits["train"].texts[0]


def test_a_column_that_is_mostly_empty_is_not_taken_for_the_texts(tmp_path: Path) -> None:
    rows = [
        ["Sentence #", "Word", "Tag"],
        *[["" if at % 9 else f"Sentence: {at}", PLAIN[at % 11], "OB"[at % 2]] for at in range(ROWS)],
    ]
    assert text(path=write(tmp_path / "x.csv", rows)).splits["train"].texts[0] in PLAIN
