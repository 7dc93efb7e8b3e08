"""Pairs from the command line to answers."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import dltrain as package


def written(folder: Path) -> None:
    rows = [f"{'abcdefgh'[at % 8]}{'xyz'[at // 8 % 3]}{'rstuv'[at // 24 % 5]}" for at in range(120)]
    lines = [f"{row},{row[::-1]},{at % 4}" for at, row in enumerate(rows)]
    (folder / "words.csv").write_text("\n".join(["question,answer,kind", *lines]) + "\n")


SMALL = ("data=pairs", "data.path=words.csv", "trainer.batch_size=16", "model.hidden=48", "model.dropout=0")


def test_pairs_are_learned_and_new_sources_answered(dltrain: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    written(Path())
    called = dltrain(*SMALL, "trainer.epochs=60", "trainer.patience=null", "optimizer.lr=0.01")
    assert called.code == 0, called.err
    result = called.result
    assert result["test"]["exact"] > 0.9
    assert set(result["baseline"]) == {"most_frequent_answer", "copied_source", "nearest_source"}
    assert result["comparison"]["measure"] == "exact"
    assert "points of exact answers" in result["comparison"]["words"]
    assert "val/exact" in called.run.read_history()[0]
    run = str(called.run.path)
    page = called.run.report.read_text("utf-8")
    assert "Characters to change" in page or "characters to change" in page
    assert "--beams 5" in page
    with called.run.predictions.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["id", "source", "true", "predicted", "probability", "edits"]
    assert all(row["true"] == row["source"][::-1] for row in rows)
    assert sum(row["edits"] == "0" for row in rows) / len(rows) == pytest.approx(result["test"]["exact"])

    source = next(row["source"] for row in rows if row["edits"] == "0")
    (Path() / "new.csv").write_text(f"question\n{source}\n?\n\n")
    assert dltrain("predict", run, "new.csv", "-o", "said.csv").code == 0
    with (Path() / "said.csv").open() as file:
        said = list(csv.DictReader(file))
    assert (said[0]["predicted"], said[0]["remarks"]) == (source[::-1], "")
    assert 0 < float(said[0]["probability"]) <= 1
    assert said[1]["remarks"] == "unknown characters"
    (Path() / "new.txt").write_text(f"{source}\n{source}\n")
    lines = dltrain("predict", run, "new.txt", "--json", "--beams", "3")
    assert [row["predicted"] for row in json.loads(lines.out)["predictions"]] == [source[::-1]] * 2
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{source}\n".encode())))
    piped = dltrain("predict", run, "-", "--json")
    assert [row["predicted"] for row in json.loads(piped.out)["predictions"]] == [source[::-1]]
    assert dltrain("predict", run, "--prompt", source).out == f"{source[::-1]}\n"
    answer = json.loads(dltrain("predict", run, "--prompt", source, "--beams", "2", "--json").out)
    assert (answer["prompt"], answer["predicted"]) == (source, source[::-1])
    refused = dltrain("predict", run, "--prompt", source, "--temperature", "0.5")
    assert (refused.code, "--temperature is for language models" in refused.err) == (2, True)
    assert dltrain("predict", run, "new.csv", "--beams", "0").code == 2

    model = package.load(run)
    assert model.predict([source], beams=4)["predicted"].tolist() == [source[::-1]]
    own = json.loads(dltrain("evaluate", run, "--json").out)
    assert own["metrics"]["exact"] == result["test"]["exact"]
    assert own["interval"]["low"] <= result["test"]["exact"] <= own["interval"]["high"]
    again = json.loads(dltrain("evaluate", run, "data.path=words.csv", "--slices", "kind", "--json").out)
    assert (again["samples"], len(again["groups"])) == (120, 4)
    assert again["trained"] == result["data"]["splits"]["train"]
    assert dltrain("export", run, "--format", "torch-export").code == 0
    assert dltrain("report", run).code == 0


def test_a_run_of_pairs_goes_on_bit_for_bit(dltrain: Callable) -> None:
    written(Path())
    model = ("model=encoder_decoder", "model.width=16", "data=pairs", "data.path=words.csv", "trainer.batch_size=16")
    whole = dltrain(*model, "trainer.epochs=4", "trainer.patience=null", "hydra.run.dir=whole", "scheduler=constant")
    half = dltrain(*model, "trainer.epochs=2", "trainer.patience=null", "hydra.run.dir=half", "scheduler=constant")
    assert (whole.code, half.code) == (0, 0), whole.err + half.err
    resumed = dltrain("resume", "half", "trainer.epochs=4")
    assert resumed.code == 0, resumed.err
    results = [json.loads((Path(name) / "result.json").read_text()) for name in ("whole", "half")]
    assert results[0]["test"] == results[1]["test"]
    assert results[0]["val"] == results[1]["val"]
    states = [
        next(Path(name, "checkpoints").glob("step-*/model.safetensors")).parent.parent for name in ("whole", "half")
    ]
    last = [path / path.joinpath("last").read_text().strip() / "model.safetensors" for path in states]
    assert last[0].read_bytes() == last[1].read_bytes()


def test_beams_are_refused_where_nothing_is_written(dltrain: Callable, people_run: Path, people_csv: Path) -> None:
    refused = dltrain("predict", str(people_run), str(people_csv), "--beams", "3")
    assert (refused.code, "for answers that a model writes" in refused.err) == (2, True)


def test_chinese_sources_are_characters(dltrain: Callable) -> None:
    digits = "零一二三四五六七八九"
    rows = "".join(f"{digits[at // 10]}十{digits[at % 10]},{at}\n" for at in range(100))
    Path("数字.csv").write_text(f"中文,数字\n{rows}", encoding="utf-8")
    called = dltrain("data=pairs", "data.path=数字.csv", "trainer.epochs=2", "model.hidden=16")
    assert called.code == 0, called.err
    assert "tokens are characters, because the sources have no spaces" in called.run.log.read_text("utf-8")
    assert "sources are in 中文 and answers in 数字" in called.run.log.read_text("utf-8")
