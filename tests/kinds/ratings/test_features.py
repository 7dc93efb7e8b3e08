"""Features of items and users: which columns have any, what a model makes of them, and what a run keeps."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from dltrain.errors import DataError
from dltrain.kinds.ratings.encoder import PairEncoder
from dltrain.kinds.ratings.load import ratings
from dltrain.models.recommender import Recommender
from dltrain.types import Spec

USERS, ITEMS, GENRES = 60, 400, ["War", "Love", "Crime"]


def films() -> pd.DataFrame:
    """Returns items with two genres, a year, and columns that differ for all of them."""
    genres = [f"{GENRES[at % 3]}|{GENRES[(at + 1) % 3]}" if at % 2 else GENRES[at % 3] for at in range(ITEMS)]
    links = [f"https://films.test/{at}" for at in range(ITEMS)]
    titles = [f"Film {at}" for at in range(ITEMS)]
    years = 1950 + np.arange(ITEMS) % 70
    return pd.DataFrame({"item": range(ITEMS), "title": titles, "genres": genres, "year": years, "link": links})


def tastes(each: int = 20) -> pd.DataFrame:
    """Returns ratings by the genre of a film and the taste of a user: few of each film."""
    random = np.random.default_rng(0)
    taste = random.normal(0, 1, (USERS, 3))
    user = np.repeat(np.arange(USERS), each)
    item = np.concatenate([random.permutation(ITEMS)[:each] for _ in range(USERS)])
    return pd.DataFrame({"user": user, "item": item, "rating": (3 + taste[user, item % 3]).round(2)})


def load(folder: Path, frame: pd.DataFrame, **options: Any) -> Any:
    tastes().to_csv(folder / "r.csv", index=False)
    frame.to_csv(folder / "films.csv", index=False)
    return ratings(path=str(folder / "r.csv"), item_features=str(folder / "films.csv"), **options)


def test_lists_numbers_and_categories_are_features_and_titles_are_none(tmp_path: Path) -> None:
    data = load(tmp_path, films().sample(frac=1, random_state=0))
    encoder = PairEncoder.of(data.facts)
    names = encoder.features.names
    assert {"genres=War", "genres=Love", "genres=Crime"} <= set(names) and sum("year" in name for name in names) == 8
    assert not any("title" in name or "link" in name for name in names)
    assert any("no features: title, link, different for most items" in note for note in data.notes)
    for item, numbers in zip(encoder.items, encoder.features.of_each, strict=True):
        found = {names[number - 1] for number in numbers}
        row = films().loc[int(item)]
        assert {name for name in found if name.startswith("genres")} == {
            f"genres={one}" for one in row.genres.split("|")
        }
        (span,) = [name.removeprefix("year ").split(" to ") for name in found if name.startswith("year")]
        assert float(span[0]) <= row.year <= float(span[1])


def test_files_without_features_or_without_the_items_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds features that several items share") as refused:
        load(tmp_path, films()[["item", "title", "link"]])
    assert refused.value.override == "data.item_features=null"
    with pytest.raises(DataError, match="holds ids of the items") as refused:
        load(tmp_path, films().assign(item="x" + films()["item"].astype(str), year=films()["year"] + 0.5))
    assert refused.value.where == "data.item_features"


@pytest.mark.parametrize("combine", ["dot", "concat", "neumf"])
def test_an_item_has_the_mean_of_its_features_beside_its_own_vector(combine: Any) -> None:
    torch.manual_seed(0)
    model = Recommender(Spec("ratings", (2,), 1, vocab_sizes=(4, 5)), combine=combine, width=8).eval()
    plain = model(torch.tensor([1, 2]), torch.tensor([3, 4]))
    model.take_item_features([(), (1,), (1, 2), (), (2,)])
    assert model.feature is not None and model.feature_bias is not None
    with torch.no_grad():
        for table in (model.feature, model.feature_bias):
            table.weight[1:] = torch.randn_like(table.weight[1:])
    assert torch.allclose(model(torch.tensor([1]), torch.tensor([3])), plain[:1], atol=1e-6)
    assert not torch.allclose(model(torch.tensor([2]), torch.tensor([4])), plain[1:], atol=1e-3)
    vector, bias = model.describe_items(torch.tensor([2]))
    assert bias is not None
    assert torch.allclose(vector - model.item(torch.tensor([2])), model.feature.weight[1:3].mean(dim=0))
    users, items = torch.arange(1, 4), torch.arange(5)
    pairs = model(users, items.expand(3, -1))
    assert torch.allclose(model.score_items(users), pairs, atol=1e-6)


def test_features_help_where_items_have_few_ratings_and_a_run_keeps_them(tmp_path: Path, dltrain: Callable) -> None:
    load(tmp_path, films())
    options = ("data=ratings", "data.path=r.csv", "data.scale_target=true", "baseline=none")
    errors = {}
    for name, more in (("plain", ()), ("rich", ("data.item_features=films.csv",))):
        called = dltrain(*options, *more, f"hydra.run.dir={name}")
        assert called.code == 0, called.err
        evaluated = dltrain("evaluate", name, "--json")
        assert evaluated.code == 0, evaluated.err
        errors[name] = float(evaluated.out.split('"rmse": ')[1].split(",")[0])
    assert errors["rich"] < 0.9 * errors["plain"]
    (tmp_path / "films.csv").unlink()
    assert dltrain("predict", "rich", "--likes", "3,6,9", "--top", "5").code == 0
    assert dltrain("predict", "rich", "r.csv").code == 0


def people(more: int = 30) -> pd.DataFrame:
    """Returns users of two groups, the last of whom have not rated anything."""
    users = np.arange(USERS + more)
    return pd.DataFrame({"user": users, "group": np.where(users % 2, "odd", "even"), "age": 20 + users % 40})


def by_group() -> pd.DataFrame:
    """Returns ratings that are high where a user of the odd group rates an odd item, or an even one an even item."""
    random = np.random.default_rng(0)
    user = np.repeat(np.arange(USERS), 12)
    item = np.concatenate([random.permutation(40)[:12] for _ in range(USERS)])
    rating = np.where((user + item) % 2, 1.0, 5.0) + random.normal(0, 0.1, len(user)).round(2)
    return pd.DataFrame({"user": user, "item": item, "rating": rating})


@pytest.mark.parametrize("combine", ["dot", "concat", "neumf"])
def test_a_user_has_the_mean_of_their_features_and_one_without_ratings_these_alone(combine: Any) -> None:
    torch.manual_seed(0)
    model = Recommender(Spec("ratings", (2,), 1, vocab_sizes=(4, 5)), combine=combine, width=8).eval()
    model.take_user_features([(), (1,), (1, 2), (2,)], trained=2)
    assert model.user_feature is not None and model.user_feature_bias is not None
    with torch.no_grad():
        for table in (model.user_feature, model.user_feature_bias):
            table.weight[1:] = torch.randn_like(table.weight[1:])
    own = model.user(torch.tensor([2]))
    vector, _ = model.describe_users(torch.tensor([2]))
    assert torch.allclose(vector - own, model.user_feature.weight[1:3].mean(dim=0), atol=1e-6)
    alone, _ = model.describe_users(torch.tensor([3]))
    assert torch.equal(alone[0], model.user_feature.weight[2])
    users, items = torch.arange(1, 4), torch.arange(5)
    assert torch.allclose(model.score_items(users), model(users, items.expand(3, -1)), atol=1e-6)


def test_users_without_ratings_are_known_by_their_features(tmp_path: Path, dltrain: Callable) -> None:
    by_group().to_csv(tmp_path / "r.csv", index=False)
    people().to_csv(tmp_path / "users.csv", index=False)
    options = ("data=ratings", "data.path=r.csv", "data.user_features=users.csv", "baseline=none")
    called = dltrain(*options, "trainer.threads=1", "hydra.run.dir=run")
    assert called.code == 0, called.err
    assert "30 users without training ratings are known by their features alone" in called.err + called.out
    refused = dltrain(*options, "data.split=leave_last", "model=ease")
    assert refused.code == 2 and "Ease takes no features of users" in refused.err
    (tmp_path / "users.csv").unlink()
    for user in (USERS + 4, USERS + 5):
        called = dltrain("predict", "run", "--user", str(user), "--top", "8", "--json")
        assert called.code == 0 and "is new" not in called.err, called.err
        items = [int(row["item"]) for row in json.loads(called.out)["predictions"]]
        assert all(item % 2 == user % 2 for item in items)
    pairs = pd.DataFrame({"user": [USERS + 4, USERS + 4], "item": [2, 3]})
    pairs.to_csv(tmp_path / "new.csv", index=False)
    called = dltrain("predict", "run", "new.csv", "--json")
    high, low = (row["predicted"] for row in json.loads(called.out)["predictions"])
    assert high > 3.5 and low < 2.5
