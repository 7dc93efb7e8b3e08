"""Texts with HTML, hidden marks, a wrong encoding or Python's quotes are read as what they say, and so are new ones."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from time import process_time

import pandas as pd
import pytest

import dltrain as package
from dltrain.errors import DataError
from dltrain.kinds.kind import kind_of
from dltrain.kinds.text.cleaning import RULES, clean_texts, find_rules
from dltrain.kinds.text.load import text
from dltrain.types import Data, Facts

WORDS = {"good": ["fine", "lovely", "great"], "bad": ["poor", "awful", "dull"]}


def reviews(rows: int = 60) -> pd.DataFrame:
    labels = ["good" if row % 2 else "bad" for row in range(rows)]
    texts = [f"it's a {WORDS[label][row % 3]} film and more, {row % 7}" for row, label in enumerate(labels)]
    return pd.DataFrame({"text": texts, "label": labels})


def html(text: str) -> str:
    return f"<p class='x'>{text}</p>".replace("'s", "&#39;s").replace(" and ", "<br /><br />and&nbsp;")


def mangled(text: str) -> str:
    return text.replace("'", "’").encode("utf-8").decode("cp1252")


DIRTY: dict[str, Callable[[str], str]] = {
    "html": html,
    "encoding": mangled,
    "hidden": lambda text: "\u00ad".join(text).replace("\u00ad \u00ad", "\u200b \ufeff"),
    "bytes": lambda text: repr(text.encode()),
    "lists": lambda text: repr(text.split()),
}


def load(frame: pd.DataFrame, folder: Path, **options: object) -> Data:
    frame.to_csv(folder / "reviews.csv", index=False, encoding="utf-8")
    return text(path=str(folder / "reviews.csv"), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rule", "dirty", "clean"),
    [
        ("html", "AT&amp;T &lt;3 it&#39;s<br/>5 &#x20AC;", "AT&T <3 it's 5 €"),
        ("html", "&lt;p&gt;&amp;quot;so&amp;quot; &lt;b&gt;bold&lt;/b&gt;&lt;/p&gt;", ' "so"  bold  '),
        ("html", "use &lt;b&gt; tag for bold, not &lt;i&gt;", "use <b> tag for bold, not <i>"),
        ("html", "<p>&lt;b&gt;x&lt;/b&gt;</p>", " <b>x</b> "),
        ("html", "<a href='x>y' class=z>so</a> <b>it</b> <BR><p>is", " so   it    is"),
        ("html", "for (i=0;i<a ;i++) if (x> 3)", "for (i=0;i<a ;i++) if (x> 3)"),
        ("html", "if a <b and c> d, Vector<A> a, List<Label>", "if a <b and c> d, Vector<A> a, List<Label>"),
        ("html", "set<a> b; <TD nowrap width=3>so</TD>", "set<a> b;  so "),
        ("html", "[user] <time 10:30> return &sum; &eacute;", "[user] <time 10:30> return &sum; é"),
        ("html", "a<!-- b <script>c</script>d", "a<!-- b  d"),
        ("html", "<style>p {}</style>a<!-- x -->b", " a b"),
        ("html", "a < b and c > d, <unknown> & co; x&y", "a < b and c > d, <unknown> & co; x&y"),
        ("html", "&nosuchname; &#0;", "&nosuchname; \ufffd"),
        ("encoding", "donâ€™t, cafÃ© â€œsoâ€\u009d ðŸ˜€", "don’t, café “so” 😀"),
        ("encoding", "Ãœbung, naïve São Paulo €5", "Ãœbung, naïve São Paulo €5"),
        ("encoding", "Ð¿Ñ€Ð¸Ð²ÐµÑ‚, 20Â\u00a0Â°C, Ã\u00a0 la", "привет, 20\u00a0°C, à la"),
        ("encoding", "“CAFÉ” açıldı", "“CAFÉ” açıldı"),
        ("encoding", "CAFÉ”", "CAFÉ”"),
        ("encoding", "ODTÜ’nün ve İTÜ’de", "ODTÜ’nün ve İTÜ’de"),
        ("encoding", "»MENÜ«, NESTLÉ® café”…", "»MENÜ«, NESTLÉ® café”…"),
        ("encoding", "MENÜ« NESTLÉ® café”…", "MENÜ« NESTLÉ® café”…"),
        ("bytes", r"b'caf\xc3\xa9\n'", "café\n"),
        ("bytes", "b'is a letter", "b'is a letter"),
        ("bytes", "b'one' and b'two'", "b'one' and b'two'"),
        ("lists", "['a', \"it's\", 'c']", "a it's c"),
        ("lists", "a|b|c", "a b c"),
        ("lists", "either a|b or c", "either a|b or c"),
        ("lists", "['a'] or ['b']", "['a'] or ['b']"),
        ("hidden", "so\u00adft\u200b, 👨\u200d👩\u200d👧 می\u200cخواهم", "soft, 👨\u200d👩\u200d👧 می\u200cخواهم"),
    ],
)
def test_a_rule_changes_what_it_is_for_and_nothing_else(rule: str, dirty: str, clean: str) -> None:
    assert clean_texts([dirty], [rule]) == [clean]


def test_a_break_without_width_divides_the_words_of_scripts_without_blanks() -> None:
    texts = ["ខ្ញុំ\u200bស្រលាញ់\u200bAPI", "ไทย\u200bคำ", "so\u200bft"]
    assert clean_texts(texts, ["hidden"]) == ["ខ្ញុំ ស្រលាញ់ API", "ไทย คำ", "soft"]


@pytest.mark.parametrize("opening", ["<!-- ", "<script>", "<style ", "<a href='", "<p ", "<b>", "&lt;b&gt;"])
def test_openings_without_an_end_take_no_longer_than_their_length(opening: str) -> None:
    started = process_time()
    clean_texts([opening * 12_000], ["html"])
    assert process_time() - started < 2


def test_python_literals_give_no_warnings() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert clean_texts([r"b'a\d'", r"['a\d', 'b']"], ["bytes", "lists"]) == [r"a\d", r"a\d b"]


def test_html_is_not_cleaned_away_where_nothing_would_be_left() -> None:
    names, notes = find_rules(["<title>", *["<br>fine words"] * 20])
    assert names == () and "would leave nothing of 5 % of them, such as '<title>'" in notes[0]
    assert find_rules(["<title>", *["<br>fine words"] * 200])[0] == ("html",)


@pytest.mark.parametrize("rule", DIRTY)
def test_what_was_cleaned_in_training_is_cleaned_in_new_texts(rule: str, tmp_path: Path) -> None:
    frame = reviews()
    dirty = frame.assign(text=frame["text"].map(DIRTY[rule]))
    plain, data = load(frame, tmp_path), load(dirty, tmp_path)
    assert data.facts.preprocessing["clean"] == [rule]
    assert any("data.clean=none" in note and RULES[rule].words in note for note in data.notes)
    if rule != "encoding":  # which has another apostrophe
        assert data.facts.preprocessing["vocabulary"] == plain.facts.preprocessing["vocabulary"]
        assert data.splits["test"].texts == plain.splits["test"].texts or rule in ("html", "hidden")
    encoder = kind_of(data.facts).encoder(Facts.from_json(json.loads(json.dumps(asdict(data.facts)))))
    rows = [int(row) for row in data.splits["test"].ids]
    for raw in (dirty.iloc[rows], dirty["text"].iloc[rows].tolist()):
        assert encoder.encode(raw).inputs[0].tolist() == data.splits["test"].inputs[0].tolist()
    as_written = load(dirty, tmp_path, clean="none")
    assert "clean" not in as_written.facts.preprocessing
    assert set(as_written.splits["test"].texts) <= set(dirty["text"])


def test_clean_texts_are_read_as_they_are(tmp_path: Path) -> None:
    data = load(reviews(), tmp_path)
    assert "clean" not in data.facts.preprocessing
    assert find_rules([]) == ((), [])
    rare = reviews(300)
    rare.loc[0, "text"] = "one &amp; only"
    assert "clean" not in load(rare, tmp_path).facts.preprocessing


def test_rules_that_this_version_does_not_know_are_refused(tmp_path: Path) -> None:
    frame = reviews()
    facts = load(frame.assign(text=frame["text"].map(html)), tmp_path).facts
    stored = {**facts.preprocessing, "clean": ["html", "emoji"]}
    with pytest.raises(DataError, match="does not say how texts are encoded"):
        kind_of(facts).encoder(Facts.from_json({**json.loads(json.dumps(asdict(facts))), "preprocessing": stored}))


def test_texts_that_are_mostly_cut_are_said_with_the_length_that_reads_them(tmp_path: Path) -> None:
    frame = reviews()
    long = frame.assign(text=["so " * 900 + words for words in frame["text"]])
    note = next(note for note in load(long, tmp_path).notes if "are not read" in note)
    assert note.startswith("44 % of all words")
    length = int(note.split("data.length=")[1].split()[0])
    assert not any("are not read" in note for note in load(long, tmp_path, length=length).notes)


def test_a_file_of_lines_holds_many_texts_where_training_had_one_a_line(dltrain: Callable, tmp_path: Path) -> None:
    folder = tmp_path
    reviews().to_csv(folder / "reviews.csv", index=False)
    called = dltrain("data=text", "data.path=reviews.csv", "model=bag", "debug=smoke", "baseline=none")
    assert called.code == 0, called.err
    run = str(called.run.path)
    (folder / "new.txt").write_text("a fine film\na dull film\n\nmore, and more\n", "utf-8")
    predicted = dltrain("predict", run, "new.txt", "-o", "said.csv")
    assert predicted.code == 0 and "each line of new.txt is a text" in predicted.out
    assert len(pd.read_csv(folder / "said.csv")) == 3
    assert len(package.load(called.run.path).predict(str(folder / "new.txt"))) == 3
    (folder / "others.txt").write_text("a fine film\n \na dull film\n", "utf-8")
    assert dltrain("predict", run, "new.txt", "others.txt", "-o", "said.csv").code == 0
    assert len(pd.read_csv(folder / "said.csv")) == 5
    (folder / "one.txt").write_text("a fine film\n", "utf-8")
    assert "each line" not in dltrain("predict", run, "one.txt", "-o", "said.csv").out
    assert len(pd.read_csv(folder / "said.csv")) == 1
    (folder / "table.txt").write_text("nr\ttext\n7\ta fine film\n8\ta dull film\n", "utf-8")
    assert dltrain("predict", run, "table.txt", "-o", "said.csv").code == 0
    assert len(pd.read_csv(folder / "said.csv")) == 2
    (folder / "several").mkdir()
    for name in ("a.txt", "b.txt"):
        (folder / "several" / name).write_text("a fine film\n\nand more\n", "utf-8")
    assert dltrain("predict", run, "several", "-o", "said.csv").code == 0
    assert len(pd.read_csv(folder / "said.csv")) == 2


def test_a_file_is_one_text_where_training_texts_had_several_lines(dltrain: Callable, tmp_path: Path) -> None:
    folder = tmp_path
    frame = reviews()
    frame.assign(text=frame["text"] + "\n\nyours, B.").to_csv(folder / "letters.csv", index=False)
    called = dltrain("data=text", "data.path=letters.csv", "model=bag", "debug=smoke", "baseline=none")
    (folder / "new.txt").write_text("a fine film\na dull film\n", "utf-8")
    assert dltrain("predict", str(called.run.path), "new.txt", "-o", "said.csv").code == 0
    assert len(pd.read_csv(folder / "said.csv")) == 1


def test_a_run_of_a_version_without_cleaning_or_pairs_of_characters_is_resumed(
    dltrain: Callable, tmp_path: Path
) -> None:
    rows = range(60)
    texts = [f"<b>{'好棒美'[row % 3] if row % 2 else '坏差烂'[row % 3]}的电影</b>{row % 7}" for row in rows]
    pd.DataFrame({"text": texts, "label": [row % 2 for row in rows]}).to_csv(tmp_path / "zh.csv", index=False)
    options = ("task=classification", "model=bag", "model.ngrams=1", "data.clean=none", "trainer.epochs=1")
    called = dltrain("data=text", "data.path=zh.csv", *options, "trainer.threads=1", "baseline=none")
    assert called.code == 0, called.err
    run = called.run.path
    config = (run / "config.yaml").read_text("utf-8")
    assert "  ngrams: 1\n" in config and "  clean: none\n" in config
    older = config.replace("  ngrams: 1\n", "  ngrams: null\n").replace("  clean: none\n", "")
    (run / "config.yaml").write_text(older, "utf-8")
    facts = json.loads((run / "facts.json").read_text("utf-8"))
    assert facts["preprocessing"].pop("ngrams") == 2
    (run / "facts.json").write_text(json.dumps(facts), "utf-8")
    resumed = dltrain("resume", str(run), "trainer.epochs=2")
    assert resumed.code == 0, resumed.err
    assert "ngrams" not in json.loads((run / "facts.json").read_text("utf-8"))["preprocessing"]
