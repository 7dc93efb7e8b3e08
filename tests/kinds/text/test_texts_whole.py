"""Texts and corpora from the command line to predictions."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable

import pytest

import dltrain as package
from dltrain.errors import DataError


def test_a_text_classifier_learns_order_and_predicts_new_texts(dltrain: Callable) -> None:
    called = dltrain("data=text", "model=lstm", "trainer.epochs=3", "model.hidden=48", "optimizer.lr=0.01")
    assert called.code == 0, called.err
    result = called.result
    assert result["test"]["accuracy"] > result["baseline"]["tfidf_logistic_regression"]["accuracy"] - 0.02
    assert result["test"]["accuracy"] > 0.8
    page = called.run.report.read_text("utf-8")
    assert "Learned vectors: similar tokens lie close together" in page
    assert (called.run.plots / "words.png").exists()
    with (called.run.examples / "examples.csv").open(encoding="utf-8") as file:
        assert "the " in next(csv.DictReader(file))["text"]

    model = package.load(called.run.path)
    said = model.predict(["the film is very good .", "the film is very bad .", ""])
    assert said["predicted"].tolist()[:2] == ["positive", "negative"]
    assert said["remarks"].tolist()[2] == "empty text"
    (called.folder / "new.csv").write_text("text\nthe plot is truly awful .\n", encoding="utf-8")
    assert dltrain("predict", str(called.run.path), "new.csv", "-o", "said.csv").code == 0
    with (called.folder / "said.csv").open(encoding="utf-8") as file:
        assert next(csv.DictReader(file))["predicted"] == "negative"
    refused = dltrain("predict", str(called.run.path), "--prompt", "the")
    assert refused.code == 2
    assert "does not continue text" in refused.err


def test_data_text_alone_picks_a_model_for_texts(dltrain: Callable) -> None:
    called = dltrain("data=text", "data.rows=200", "debug=smoke", "--json")
    assert called.code == 0, called.err
    assert "TextCNN" in called.run.log.read_text("utf-8")
    refused = dltrain("data=text", "model=mlp", "data.rows=200")
    assert refused.code == 2
    assert "dltrain data=text model=textcnn_bag data.rows=200" in refused.err
    refused = dltrain("data=verse", "model=textcnn", "data.rows=60")
    assert refused.code == 2
    assert "model=transformer" in refused.err
    refused = dltrain("data=iris", "augment=text")
    assert "this augmentation is for text data" in refused.err


def test_a_corpus_is_learned_and_continued(dltrain: Callable, short_samples: None) -> None:
    small = ("data.rows=200", "trainer.batch_size=8", "trainer.epochs=4")
    called = dltrain("data=verse", "model=gru", "model.hidden=64", *small)
    assert called.code == 0, called.err
    result = called.result
    assert set(result["baseline"]) == {"1-gram", "3-gram", "5-gram"}
    assert result["test"]["bits_per_character"] < result["baseline"]["1-gram"]["bits_per_character"]
    assert result["comparison"]["measure"] == "bits_per_character"
    with called.run.samples.open(encoding="utf-8") as file:
        samples = list(csv.DictReader(file))
    assert [row["epoch"] for row in samples] == ["1", "2", "3", "4"]
    page = called.run.report.read_text("utf-8")
    assert "Generated text" in page
    assert "could not be written" not in page
    with called.run.predictions.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert "，" in rows[0]["true"]
    assert float(rows[0]["bits_per_character"]) > 0

    said = [dltrain("predict", str(called.run.path), "--prompt", "明月", "--steps", "9", "--json") for _ in range(2)]
    answer = json.loads(said[0].out)
    assert said[0].code == 0, said[0].err
    assert len(answer["text"]) >= 9
    assert said[0].out == said[1].out
    odd = dltrain("predict", str(called.run.path), "--prompt=Z明", "--temperature", "0", "--steps", "3")
    assert "'Z'" in odd.err
    for flag, value in (("--steps", "0"), ("--temperature", "nan"), ("--seed", str(2**63)), ("--seed", "-1")):
        refused = dltrain("predict", str(called.run.path), "--prompt", "月", flag, value)
        assert (refused.code, f"{value} is out of range at {flag}" in refused.err) == (2, True)
    (called.folder / "new.txt").write_text("明月照故乡，青山隔远江。\n" * 5, encoding="utf-8")
    said_of = package.load(called.run.path).predict(str(called.folder / "new.txt"))
    assert len(said_of["predicted"][0]) >= 64
    texts = package.load(called.run.path).predict(["明月", "青山隔"])
    assert texts["id"].tolist() == ["text 0:0", "text 1:0"]
    assert [len(text) for text in package.load(called.run.path).predict(["青山隔"])["predicted"]] == [3]
    with pytest.raises(DataError, match="there is no file"):
        package.load(called.run.path).predict(["gone.txt"])
    own = dltrain("evaluate", str(called.run.path), "--json")
    assert own.code == 0, own.err
    evaluated = json.loads(own.out)
    measured = result["test"]["bits_per_character"]
    assert evaluated["metrics"]["bits_per_character"] == pytest.approx(measured, rel=1e-4)
    assert evaluated["interval"]["low"] < measured < evaluated["interval"]["high"]
