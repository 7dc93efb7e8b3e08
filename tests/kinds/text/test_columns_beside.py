"""Columns of numbers and categories that join the texts in one model."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from dltrain.errors import DataError
from dltrain.experiment.build import build_model
from dltrain.kinds.joined_columns import TrunkWithColumns, WithColumns
from dltrain.kinds.kind import kind_of
from dltrain.kinds.text.load import text
from dltrain.types import Data, Spec

ROWS = 300
PLAIN = ["the", "plot", "of", "this", "story", "and", "its", "cast", "in", "the", "room"]


def write(path: Path, rows: int = ROWS) -> Path:
    """Writes reviews whose opinion follows from the word in them, turned round for one of two brands."""
    random = np.random.default_rng(0)
    lines = [["id", "review", "price", "brand", "link", "kind", "opinion", "opinion_again"]]
    for number in range(rows):
        good, north = random.integers(0, 2, 2)
        words = [PLAIN[at] for at in random.integers(0, len(PLAIN), 7)]
        words.insert(random.integers(7), ["awful", "lovely"][good])
        label = ["no", "yes"][int(good != north)]
        price = f"{random.uniform(1, 90):.2f}"
        brand, kind = ["north", "south"][north], ["book", "film", "toy"][number % 3]
        lines.append([str(number + 5), " ".join(words), price, brand, f"http://a.b/{number}", kind, label, label])
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(lines)
    return path


def load(path: Path, **options: object) -> Data:
    return text(path=str(path), target="opinion", **options)  # type: ignore[arg-type]


def test_columns_that_could_join_are_said_and_not_those_that_spell_the_target(tmp_path: Path) -> None:
    data = load(write(tmp_path / "r.csv"))
    assert len(data.splits["train"].inputs) == 2
    said = "the columns price, brand, kind are not used: data.use=[price,brand,kind] joins them to the texts"
    assert said in data.notes
    assert any(note.startswith("not used: id, link (links), opinion_again") for note in data.notes)


def test_columns_are_encoded_beside_the_texts_and_read_back(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv")
    data = load(path, use=["price", "brand"])
    tokens, lengths, columns = data.splits["train"].inputs
    assert len(tokens) == len(lengths) == len(columns)
    assert {"price joins the texts as numeric", "brand joins the texts as categorical"} <= set(data.notes)
    frame = pd.read_csv(path, dtype=str)
    encoded = kind_of(data.facts).encoder(data.facts).encode(frame)
    assert encoded.ids[:2] == ("5", "6")  # the column of ids
    rows = [int(name) - 5 for name in data.splits["test"].ids]
    for new, stored in zip(encoded.inputs, data.splits["test"].inputs, strict=True):
        assert torch.equal(new[rows], stored)
    with pytest.raises(DataError, match="the model also takes price, brand of each text"):
        kind_of(data.facts).encoder(data.facts).encode(["a lovely film"])
    odd = kind_of(data.facts).encoder(data.facts).encode(frame.drop(columns="brand"))
    assert "no column brand" in str(odd.remarks[0][0])


def test_what_cannot_join_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv")
    for use, what, fix in (
        (["prise"], "no column 'prise'", "data.use=price"),
        (["price", "review"], "'review' has another role", "data.use=[price]"),
        (["price", "opinion"], "'opinion' has another role", "data.use=[price]"),
    ):
        with pytest.raises(DataError, match=what) as refused:
            load(path, use=use, text="review")
        assert refused.value.override == fix
    (tmp_path / "texts" / "a").mkdir(parents=True)
    (tmp_path / "texts" / "b").mkdir()
    for number in range(8):
        (tmp_path / "texts" / "ab"[number % 2] / f"{number}.txt").write_text("a few words")
    with pytest.raises(DataError, match="there is none") as refused:
        text(path=str(tmp_path / "texts"), use="price")
    assert refused.value.override == "data.use=[]"
    telling = load(path, use="opinion_again")
    assert any(note.startswith("opinion_again alone tells opinion in nearly all rows") for note in telling.notes)


def test_weights_of_embeddings_do_not_decay_beside_columns(tmp_path: Path) -> None:
    data = load(write(tmp_path / "r.csv"), use="brand")
    (vocab_size,) = data.facts.vocab_sizes
    spec = Spec("text", data.facts.input_shape, 2, vocab_sizes=(vocab_size,))
    model = build_model({"_target_": "bag"}, data.facts, spec)
    assert isinstance(model, WithColumns) and not isinstance(model, TrunkWithColumns)
    assert "samples.embed.table.weight" in model.no_decay
    inputs = tuple(part[:4] for part in data.splits["train"].inputs)
    assert model(*inputs).shape == (4, 2)


class Trunk(torch.nn.Module):
    """A model of a trunk that is the mean of the tokens, and a linear head."""

    is_trunk_fixed = True

    def __init__(self) -> None:
        super().__init__()
        self.trunk, self.head = torch.nn.Identity(), torch.nn.Linear(1, 64)

    def features(self, tokens: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        return tokens.sum(dim=1, keepdim=True) / lengths[:, None]

    def forward(self, x: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        return self.head(x if lengths is None else self.features(x, lengths))


def test_the_features_of_a_frozen_trunk_hold_the_columns() -> None:
    model = TrunkWithColumns(Trunk(), 3, 2)
    inputs = torch.randint(1, 9, (5, 4)).float(), torch.tensor([4.0, 3, 2, 1, 4]), torch.randn(5, 3)
    assert model.features(*inputs).shape == (5, 4)
    assert torch.equal(model(model.features(*inputs)), model(*inputs))


def test_texts_and_columns_decide_together(dltrain: Callable, tmp_path: Path) -> None:
    write(tmp_path / "r.csv", 700)
    shared = ("data=text", "data.path=r.csv", "data.target=opinion", "model=bag", "optimizer.lr=0.02")
    called = dltrain(
        *shared, "data.use=[price,brand]", "trainer.epochs=20", "trainer.patience=null", "hydra.run.dir=run"
    )
    assert called.code == 0, called.err
    accuracy = called.result["test"]["accuracy"]
    assert accuracy > 0.85  # either alone decides nothing
    by_name = {one["name"]: one["drop"] for one in called.result["importance"]}
    assert by_name["brand"] > 0.2 and by_name["review"] > 0.2 and abs(by_name["price"]) < 0.1
    evaluated = json.loads(dltrain("evaluate", "run", "--json").out)
    assert evaluated["metrics"]["accuracy"] == pytest.approx(accuracy)
    assert "table_of_texts.csv" in (tmp_path / "run" / "report.html").read_text("utf-8")
    (tmp_path / "new.txt").write_text("a lovely film")
    assert "the model also takes price, brand of each text" in dltrain("predict", "run", "new.txt").err
    assert dltrain("export", "run", "--format", "torch-export").code == 0
