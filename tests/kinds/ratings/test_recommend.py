"""Recommendations for all users, and for new users by a few items that they like."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dltrain.data.samples.ratings_and_series import generate_ratings
from dltrain.inference.load import load
from dltrain.kinds.ratings.fold_in import fold_in
from dltrain.kinds.ratings.recommend import find_items
from dltrain.tasks.order import scored_by


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def train(dltrain: Callable, folder: Path, *options: str) -> None:
    generate_ratings(1500, 0).to_csv(folder / "r.csv", index=False)
    (folder / "t.csv").write_text('item,title\ni1,"Good, the Bad"\ni2,Second\n', encoding="utf-8")
    called = dltrain("data=ratings", "data.path=r.csv", "data.titles=t.csv", "hydra.run.dir=run", *options)
    assert called.code == 0, called.err


@pytest.mark.parametrize("options", [("data.split=leave_last",), ("model.combine=neumf",), ()])
def test_everyone_gets_what_each_user_gets(dltrain: Callable, tmp_path: Path, options: tuple[str, ...]) -> None:
    train(dltrain, tmp_path, "trainer.epochs=2", *options)
    called = dltrain("predict", "run", "--everyone", "--top", "7", "-o", "all.csv")
    assert called.code == 0, called.err
    everyone = rows_of((tmp_path / "all.csv").read_text("utf-8"))
    users = load(tmp_path / "run").encoder.users  # type: ignore[attr-defined]
    assert list(dict.fromkeys(row["user"] for row in everyone)) == list(users)
    for user in users[:5]:
        single = rows_of(dltrain("predict", "run", "--user", user, "--top", "7").out)
        mine = [row for row in everyone if row["user"] == user]
        assert [row["place"] for row in mine] == [row["place"] for row in single]
        assert np.allclose([float(row["predicted"]) for row in mine], [float(row["predicted"]) for row in single])


@pytest.mark.parametrize("options", [(), ("model=recommender", "trainer.epochs=8")])
def test_a_new_user_is_folded_in_by_ids_and_titles(dltrain: Callable, tmp_path: Path, options: tuple[str, ...]) -> None:
    train(dltrain, tmp_path, "data.split=leave_last", *options)
    called = dltrain("predict", "run", "--likes", "i5,Good, the Bad,second,i9999", "--top", "30", "--json")
    assert called.code == 0, called.err
    answer: dict[str, Any] = json.loads(called.out)
    assert answer["remarks"] == ["the model knows no item 'i9999', which is left out"]
    items = [row["item"] for row in answer["predictions"]]
    assert len(items) == 30 and not {"i5", "i1", "i2"} & set(items) and "user" not in answer["predictions"][0]
    assert dltrain("predict", "run", "--likes", "i5,i1,i2", "--top", "30", "--json").out == called.out.replace(
        json.dumps(answer["remarks"]), "[]"
    )
    refused = dltrain("predict", "run", "--likes", "Secnd")
    assert refused.code == 2 and "did you mean Second?" in refused.err
    for wrong in (("--everyone", "--user", "u1"), ("--likes", "i1", "--steps", "3"), ("--likes", ",")):
        assert dltrain("predict", "run", *wrong).code == 2


def test_a_user_who_is_folded_in_is_scored_like_the_trained_one(dltrain: Callable, tmp_path: Path) -> None:
    train(dltrain, tmp_path, "trainer.epochs=12", "data.split=leave_last", "model=recommender")
    model = load(tmp_path / "run")
    before = {name: tensor.clone() for name, tensor in model.module.state_dict().items()}
    until, agreement = model.kept["rated_until"].tolist(), []
    everything = torch.arange(1, model.encoder.sizes[1])  # type: ignore[attr-defined]
    for user in range(1, 11):
        items = model.kept["rated"][until[user - 1] : until[user]].long()
        folded = scored_by(fold_in(model.module, model.task, items, ranking=True), model.device)
        trained = scored_by(model.module, model.device)
        scores = [score(torch.full_like(everything, user), everything).numpy() for score in (folded, trained)]
        agreement.append(np.corrcoef(*scores)[0, 1])
    assert np.mean(agreement) > 0.8
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.module.state_dict().items())


def test_liked_items_have_higher_ratings_than_for_others(dltrain: Callable, tmp_path: Path) -> None:
    train(dltrain, tmp_path, "trainer.epochs=8")
    model = load(tmp_path / "run")
    items, nobody = torch.tensor([3, 8, 21]), torch.zeros(3, dtype=torch.int64)
    folded = scored_by(fold_in(model.module, model.task, items, ranking=False), model.device)
    unknown = scored_by(model.module, model.device)
    assert (folded(nobody, items) > unknown(nobody, items) + 0.1).all()


def test_titles_between_commas_may_have_commas() -> None:
    index = {"good, the bad": 1, "i2": 2}
    assert list(find_items("i2, Good, the Bad,x", index)) == [("i2", 2), ("Good, the Bad", 1), ("x", 0)]
    assert list(find_items(" , ", index)) == []
