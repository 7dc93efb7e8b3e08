"""Models that rank items by what a user has chosen before, in order: EASE with recency, and SASRec."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from dltrain.data.samples.ratings_and_series import generate_ratings
from dltrain.errors import ConfigError
from dltrain.inference.load import load
from dltrain.kinds.ratings.load import ratings
from dltrain.kinds.ratings.solve import give_weights, products_of, solve
from dltrain.models.ease import Ease
from dltrain.models.layers.histories import Histories
from dltrain.types import Spec

ITEMS, STEPS = 60, 8


def spec_of(users: int, items: int) -> Spec:
    return Spec("ratings", (2,), 1, vocab_sizes=(users, items))


def write_rounds(path: Path, users: int = 150, noise: float = 0.1) -> None:
    """Writes who chose what when: each user goes round a circle of items from a start of their own, and now and then
    jumps, so that all items are chosen equally often and the last one tells the next."""
    random, lines = np.random.default_rng(0), ["user,item,timestamp"]
    for user in range(users):
        chosen: list[int] = []
        at = int(random.integers(ITEMS))
        while len(chosen) < STEPS:
            jumps = at in chosen or random.random() < noise
            at = random.choice([item for item in range(ITEMS) if item not in chosen]) if jumps else at
            chosen.append(int(at))
            at = (int(at) + 1) % ITEMS
        rows = [f"u{user},i{item},{1_600_000_000 + 60 * step}" for step, item in enumerate(chosen)]
        lines += random.permutation(rows).tolist()
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_histories_are_in_order_and_know_how_long_ago_an_item_was_chosen() -> None:
    histories = Histories(4, 9)
    histories.store(torch.tensor([2, 1, 2, 2, 0]), torch.tensor([5, 3, 8, 6, 7]))
    users = torch.tensor([0, 1, 2, 3])
    assert histories.lengths(users).tolist() == [0, 1, 3, 0]
    latest = histories.latest(users, 2, torch.tensor([0, 0, 1, 0]))
    assert latest.tolist() == [[0, 0], [0, 3], [5, 8], [0, 0]]
    ages = histories.age(torch.tensor([2, 2, 2, 1, 0]), torch.tensor([5, 6, 3, 3, 7]))
    assert ages.tolist() == [2, 0, -1, 0, -1]


@pytest.mark.parametrize("sizes", [(13, 31), (31, 13)])
@pytest.mark.parametrize("half_life", [0.0, 2.0])
def test_ease_is_the_closed_form_with_faded_choices(sizes: tuple[int, int], half_life: float) -> None:
    random = np.random.default_rng(0)
    chosen = (random.random(sizes) < 0.3).astype(float)
    chosen[:, 1] = 1  # no user is without a choice
    chosen[0] = chosen[:, 0] = 0
    user, item = (torch.from_numpy(each) for each in np.nonzero(chosen))
    mixed = torch.from_numpy(random.permutation(len(user)))
    user, item = user[mixed], item[mixed]
    model = Ease(spec_of(*sizes)).eval()
    model.remember((user, item), torch.ones(len(user), 1))
    give_weights(model, products_of((user, item), sizes), 5.0)
    model.take_half_life(half_life)

    inverse = np.linalg.inv(chosen.T @ chosen + 5.0 * np.eye(sizes[1]))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    faded = np.zeros(sizes)
    for one in range(1, sizes[0]):
        mine = item[user == one].tolist()
        for age, each in enumerate(reversed(mine)):
            faded[one, each] = 0.5 ** (age / half_life) if half_life else 1.0
    wanted = np.exp(model.sharpness.item()) * faded @ weights
    users, items = torch.arange(1, sizes[0]), torch.arange(1, sizes[1])
    with torch.no_grad():
        pairs = model(users, items.expand(len(users), -1)).numpy()
        everything = model.score_items(users).numpy()
        first = item[user == 1]
        np.testing.assert_allclose(model.score_after(first).numpy(), everything[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(pairs, wanted[1:, 1:], rtol=1e-4, atol=1e-4)
    new = chosen[1:] == 0
    new[:, 0] = False
    np.testing.assert_allclose(everything[new], wanted[1:][new], rtol=1e-4, atol=1e-4)


def test_recent_choices_count_most_where_the_last_tells_the_next(tmp_path: Path) -> None:
    write_rounds(tmp_path / "r.csv")
    data = ratings(path=str(tmp_path / "r.csv"), split="leave_last")
    model = Ease(spec_of(*data.facts.vocab_sizes))
    solve(model, data)
    assert 0.5 ** (1 / 2) - 1e-6 <= float(model.decay) <= 0.5 ** (1 / 3) + 1e-6
    no_order = ratings(path=str(tmp_path / "r.csv"), split="leave_last", val_fraction=0.0)
    solve(fixed := Ease(spec_of(*no_order.facts.vocab_sizes), penalty=7.0, half_life=4.0), no_order)
    assert float(fixed.decay) == pytest.approx(0.5**0.25)


@pytest.mark.parametrize("model", ["sasrec", "ease"])
def test_a_model_of_what_comes_next_goes_by_the_order(model: str, dltrain: Callable, tmp_path: Path) -> None:
    write_rounds(tmp_path / "r.csv")
    options = ("data=choices", "data.path=r.csv", f"model={model}", "trainer.batch_size=32", "trainer.threads=1")
    epochs = ["trainer.epochs=12"] if model == "sasrec" else []
    called = dltrain(*options, *epochs, "hydra.run.dir=run")
    assert called.code == 0, called.err
    result = called.result
    assert result["test"]["ndcg@10"] > result["baseline"]["most_rated"]["ndcg@10"] + 0.3
    if model == "sasrec":
        assert result["test"]["ndcg@10"] > result["baseline"]["ease"]["ndcg@10"] + 0.1
    again = dltrain("evaluate", "run", "--json")
    assert again.code == 0, again.err
    measured = json.loads(again.out)["metrics"]
    assert measured == {name: result["test"][name] for name in measured}
    refused = dltrain("export", "run", "--format", "torch-export")
    assert refused.code == 2 and "dltrain export run --format=safetensors" in refused.err
    assert dltrain("export", "run", "--format=safetensors").code == 0
    firsts = []
    for likes in ("i3,i4,i5", "i5,i4,i3"):
        called = dltrain("predict", "run", "--likes", likes, "--json", "--top", "3")
        assert called.code == 0, called.err
        firsts.append([row["item"] for row in json.loads(called.out)["predictions"]])
    assert firsts[0][0] == "i6" and firsts[0] != firsts[1]


def test_a_new_user_with_the_choices_of_another_gets_the_same_items(dltrain: Callable, tmp_path: Path) -> None:
    write_rounds(tmp_path / "r.csv")
    for model in ("ease", "sasrec"):
        called = dltrain(
            "data=choices",
            "data.path=r.csv",
            f"model={model}",
            "trainer.epochs=2",
            "trainer.threads=1",
            f"hydra.run.dir={model}",
        )
        assert called.code == 0, called.err
        module = load(tmp_path / model).module
        histories = module.histories
        for user in (1, 17):
            mine = histories.items[histories.ends[user - 1] : histories.ends[user]]
            with torch.no_grad():
                scores = module.score_items(torch.tensor([user]))[0]  # type: ignore[operator]
                torch.testing.assert_close(module.score_after(mine), scores)  # type: ignore[operator]


@pytest.mark.parametrize("model", ["sasrec", "ease"])
def test_a_resumed_run_ends_as_one_that_was_never_stopped(model: str, dltrain: Callable, tmp_path: Path) -> None:
    write_rounds(tmp_path / "r.csv")
    options = ("data=choices", "data.path=r.csv", f"model={model}", "scheduler=constant", "trainer.threads=1")
    assert dltrain(*options, "trainer.epochs=3", "hydra.run.dir=whole").code == 0
    assert dltrain(*options, "trainer.epochs=2", "hydra.run.dir=parts").code == 0
    called = dltrain("resume", "parts", "trainer.epochs=3")
    assert called.code == 0, called.err
    tests = [json.loads((tmp_path / run / "result.json").read_text())["test"] for run in ("whole", "parts")]
    assert tests[0] == tests[1]
    called = dltrain(*options, "trainer.epochs=1", "init_from=parts", "hydra.run.dir=again")
    assert called.code == 0, called.err


def test_ease_refuses_more_users_and_items_than_it_can_solve_for() -> None:
    with pytest.raises(ConfigError, match="5,000 users and 6,000 items are too many"):
        Ease(spec_of(5001, 6001))


def test_models_of_choices_refuse_what_they_cannot_learn_from(dltrain: Callable, tmp_path: Path) -> None:
    generate_ratings(1500, 0).to_csv(tmp_path / "r.csv", index=False)
    refused = dltrain("data=ratings", "data.path=r.csv", "model=ease")
    assert refused.code == 2
    assert "Ease ranks items, and this run predicts ratings" in refused.err
    assert "data.split=leave_last" in refused.err
    counted = generate_ratings(1500, 0).assign(times=[1, 2, 3] * 500)
    counted.to_csv(tmp_path / "counted.csv", index=False)
    refused = dltrain("data=choices", "data.path=counted.csv", "data.count=times", "model=ease")
    assert refused.code == 2 and "Ease counts all choices alike" in refused.err
    lines = [f"u{user},{item}" for user in range(30) for item in range(user % 3, 20, 2)]
    (tmp_path / "listed.csv").write_text("user,item\n" + "\n".join(lines) + "\n", encoding="utf-8")
    refused = dltrain("data=choices", "data.path=listed.csv", "model=sasrec")
    assert refused.code == 2
    assert "does not say what users chose first" in refused.err and "model=ease" in refused.err
    called = dltrain("data=choices", "data.path=listed.csv", "hydra.run.dir=run")
    assert called.code == 0, called.err
    assert float(load(tmp_path / "run").module.decay) == 1.0  # type: ignore[arg-type]


def test_a_baseline_that_is_better_is_answered_with_ease(dltrain: Callable, tmp_path: Path) -> None:
    write_rounds(tmp_path / "r.csv", users=200, noise=0.0)
    called = dltrain("data=choices", "data.path=r.csv", "model=recommender", "trainer.epochs=1", "hydra.run.dir=run")
    assert called.code == 0, called.err
    assert "to do better, try model=ease" in called.out


def test_choices_are_ranked_with_any_split(dltrain: Callable, tmp_path: Path) -> None:
    write_rounds(tmp_path / "r.csv")
    data = ratings(path=str(tmp_path / "r.csv"), split="time", choices=True)
    assert data.facts.task == "ranking"
    train = data.splits["train"]
    assert train.order is not None and sorted(train.order.tolist()) == list(range(len(train)))
    times = [int(row.split(",")[2]) for row in (tmp_path / "r.csv").read_text("utf-8").splitlines()[1:]]
    ordered = [times[int(train.ids[at])] for at in train.order.tolist()]
    assert ordered == sorted(ordered)
    latest = [times[int(name)] for name in data.splits["test"].ids]
    assert min(latest) >= max(ordered)
    for split in ("time", "random"):
        called = dltrain(
            "data=choices", "data.path=r.csv", f"data.split={split}", "trainer.threads=1", f"hydra.run.dir={split}"
        )
        assert called.code == 0, called.err
        result = json.loads((tmp_path / split / "result.json").read_text("utf-8"))
        assert set(result["test"]) == {"loss", "hit_rate@10", "ndcg@10", "recall@10"}
        assert result["test"]["ndcg@10"] > result["baseline"]["most_rated"]["ndcg@10"]


def test_users_that_are_held_out_train_nothing_and_are_known_by_their_choices(tmp_path: Path) -> None:
    write_rounds(tmp_path / "r.csv", users=100)
    data = ratings(path=str(tmp_path / "r.csv"), split="user", val_fraction=0.1, test_fraction=0.2)
    assert {name: len(split) for name, split in data.splits.items()} == {
        "train": 100 * STEPS - 30,
        "val": 10,
        "test": 20,
    }
    train, held_out = data.splits["train"], torch.cat([data.splits[name].inputs[0] for name in ("val", "test")])
    assert (held_out > 0).all() and len(held_out.unique()) == 30
    assert train.weight is not None
    assert torch.equal(train.weight == 0, torch.isin(train.inputs[0], held_out))
    frame = pd.read_csv(tmp_path / "r.csv")
    names = ["", *data.facts.preprocessing["users"]]
    others = frame[~frame["user"].isin([names[at] for at in held_out.tolist()])]
    others.to_csv(tmp_path / "others.csv", index=False)
    alone = ratings(path=str(tmp_path / "others.csv"), split="leave_last", val_fraction=0, test_fraction=0)
    models = []
    for each in (data, alone):
        models.append(Ease(spec_of(*each.facts.vocab_sizes), penalty=7.0, half_life=4.0))
        solve(models[-1], each)
    items = [data.facts.preprocessing["items"], alone.facts.preprocessing["items"]]
    liked = [[["", *known].index(name) for name in ("i3", "i4", "i5")] for known in items]
    first, second = (model.score_after(torch.tensor(likes))[1:] for model, likes in zip(models, liked, strict=True))
    assert set(items[0]) == set(items[1])
    at = [items[1].index(name) for name in items[0]]
    torch.testing.assert_close(first, second[at], rtol=1e-3, atol=1e-4)
    user = int(data.splits["test"].inputs[0][0])
    mine = models[0].histories.items[models[0].histories.ends[user - 1] : models[0].histories.ends[user]]
    assert len(mine) == STEPS - 1
    torch.testing.assert_close(models[0].score_after(mine), models[0].score_items(torch.tensor([user]))[0])


@pytest.mark.parametrize("model", ["ease", "sasrec"])
def test_a_run_measures_users_that_are_held_out(model: str, dltrain: Callable, tmp_path: Path) -> None:
    write_rounds(tmp_path / "r.csv")
    options = ("data=choices", "data.path=r.csv", "data.split=user", "trainer.threads=1", "hydra.run.dir=run")
    more = ("trainer.epochs=12", "trainer.batch_size=32") if model == "sasrec" else ()
    called = dltrain(*options, f"model={model}", *more)
    assert called.code == 0, called.err
    result = called.result
    assert result["test"]["ndcg@10"] > result["baseline"]["most_rated"]["ndcg@10"] + 0.3
    assert "ease" not in result["baseline"] and "neighbours" in result["baseline"]
    refused = dltrain("data=ratings", "data.path=r.csv", "data.split=user", "model=recommender")
    assert refused.code == 2 and "dltrain data=ratings data.path=r.csv data.split=user model=ease" in refused.err
    assert dltrain("check", "data=ratings", "data.path=r.csv", "data.split=user", "model=ease").code == 0
