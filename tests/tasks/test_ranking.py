"""The order of items: where the true one stands, and what is recommended."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from itertools import islice
from operator import eq, gt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from dltrain.data.loader import TensorLoader
from dltrain.experiment.baselines import run_baselines
from dltrain.experiment.build import build_loss, build_task
from dltrain.kinds.ratings.baselines import SHRINKAGE, fit_biases, neighbours
from dltrain.kinds.ratings.load import ratings
from dltrain.kinds.ratings.negatives import Negatives
from dltrain.tasks.losses import PairwiseRanking, SampledSoftmax
from dltrain.tasks.metrics import hits
from dltrain.tasks.order import rank_items, top_items
from dltrain.types import Split

CPU = torch.device("cpu")
HITS = ("hit_rate@10", "ndcg@10", "recall@10")
DATA = ratings(rows=600, split="leave_last")


def fixed(seed: int = 0) -> Tensor:
    """A score for every user and item, with ties."""
    sizes = DATA.facts.vocab_sizes
    return torch.randint(0, 20, sizes, generator=torch.Generator().manual_seed(seed)).double()


def test_places_and_firsts_are_those_of_a_plain_count() -> None:
    data, scores = ratings(rows=600, split="leave_last"), fixed()
    test = data.splits["test"]
    every = data.splits.values()
    rated = {pair for split in every for pair in zip(*(t.tolist() for t in split.inputs), strict=True)}
    test.inputs[1][0] = 0  # as if it had no training rating
    said = rank_items(test, data.kept, scores.shape[1], lambda user, item: scores[user, item])
    assert said.ranks is not None
    user, item = (tensor.tolist() for tensor in test.inputs)
    firsts = said.values.flatten().tolist()
    for u, true, place, first in zip(user, item, said.ranks.tolist(), firsts, strict=True):
        rivals = [i for i in range(1, scores.shape[1]) if (u, i) not in rated]
        best = max(float(scores[u, i]) for i in rivals)
        if true == 0:
            assert place == len(rivals) + 1
            assert scores[u, first] == best
        else:
            mine = scores[u, true]
            above, level = (sum(map(compare, scores[u, rivals], [mine] * len(rivals))) for compare in (gt, eq))
            assert place == 1 + above + 0.5 * level
            assert first == true if mine >= best else scores[u, first] == best


def test_an_item_of_a_user_who_is_not_known_is_among_all() -> None:
    scores = fixed()
    stranger = Split((torch.tensor([0]), torch.tensor([3])), torch.tensor([[4.0]]), ("0",))
    said = rank_items(stranger, DATA.kept, scores.shape[1], lambda user, item: scores[user, item])
    mine = scores[0, 3]
    assert said.ranks is not None
    assert said.ranks.item() == 1 + int((scores[0, 1:] > mine).sum()) + 0.5 * (int((scores[0, 1:] == mine).sum()) - 1)


def test_negatives_stand_beside_the_chosen_item_and_depend_on_seed_epoch_and_batch_alone() -> None:
    draw = Negatives.of(DATA.facts)
    assert draw is not None
    user, item = (tensor[:64] for tensor in DATA.splits["train"].inputs)
    same_user, drawn = draw((user, item), 1, 2, 3)
    assert torch.equal(same_user, user)
    assert drawn.shape == (64, 17)
    assert torch.equal(drawn[:, 0], item)
    assert not (drawn[:, 1:] == item[:, None]).any()
    assert int(drawn[:, 1:].min()) == 1
    assert int(drawn[:, 1:].max()) == DATA.facts.vocab_sizes[1] - 1
    assert torch.equal(draw((user, item), 1, 2, 3)[1], drawn)
    for other in ((2, 2, 3), (1, 3, 3), (1, 2, 4)):
        assert not torch.equal(draw((user, item), *other)[1], drawn)
    assert Negatives.of(ratings(rows=600).facts) is None


def test_a_loader_draws_anew_in_training_and_alike_in_evaluation() -> None:
    loader = TensorLoader(DATA.splits["train"], 64, CPU, draw=Negatives.of(DATA.facts), seed=0)
    epochs = []
    for epoch in (0, 1):
        loader.set_epoch(epoch)
        epochs.append(next(iter(loader)).inputs[1])
    assert not torch.equal(epochs[0], epochs[1])
    first, second = (next(iter(loader.in_order())).inputs[1] for _ in range(2))
    assert torch.equal(first, second)
    loader.set_epoch(1, start=2)
    resumed = next(iter(loader)).inputs[1]
    loader.set_epoch(1)
    assert torch.equal(next(islice(loader, 2, None)).inputs[1], resumed)


def test_sampled_softmax_is_torchs_cross_entropy_of_the_first() -> None:
    output = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    first = torch.zeros(5, dtype=torch.int64)
    torch.testing.assert_close(SampledSoftmax(DATA.facts)(output, first), functional.cross_entropy(output, first))


def test_drawn_items_that_stand_for_all_others_weigh_as_many_as_they_stand_for() -> None:
    others = DATA.facts.vocab_sizes[1] - 2
    output = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    chosen, drawn = output[:, :1], output[:, 1:].exp().mean(dim=1, keepdim=True)
    wanted = (chosen.exp() + others * drawn).log() - chosen
    torch.testing.assert_close(SampledSoftmax(DATA.facts, estimate=True).each(output, output), wanted)


def test_pairwise_ranking_by_hand() -> None:
    output = torch.tensor([[1.0, 0.0, 3.0]])
    wanted = (math.log(1 + math.exp(-1)) + math.log(1 + math.exp(2))) / 2
    assert PairwiseRanking(DATA.facts)(output, torch.zeros(1)).item() == pytest.approx(wanted)


@pytest.mark.parametrize("loss", ["auto", "bpr"])
def test_a_recommender_learns_what_users_choose(loss: str, dltrain: Callable) -> None:
    written = "".join(f"{u},{i},{n}\n" for n, (u, i) in enumerate(taste_of_two_kinds()))
    Path("r.csv").write_text("user,item,rating\n" + written)
    called = dltrain("data=ratings", "data.path=r.csv", "data.split=leave_last", f"loss={loss}", "hydra.run.dir=run")
    assert called.code == 0
    result = called.result
    assert set(result["test"]) == {"loss", "hit_rate@10", "ndcg@10", "recall@10"}
    assert set(result["baseline"]) == {"most_rated", "neighbours", "ease"}
    assert result["test"]["ndcg@10"] > 1.5 * result["baseline"]["most_rated"]["ndcg@10"]
    assert result["comparison"]["measure"] == "ndcg@10"
    rows = pd.read_csv(called.run.predictions, dtype=str)
    assert list(rows.columns) == ["id", "user", "true", "predicted", "place"]
    assert (rows["true"] == rows["predicted"]).equals(rows["place"] == "1")
    again = dltrain("evaluate", "run", "--json")
    assert again.code == 0
    assert json.loads(again.out)["metrics"] == {name: result["test"][name] for name in HITS}


def test_who_chose_what_suffices_and_what_trained_a_model_is_told_apart(tmp_path: Path, dltrain: Callable) -> None:
    Path("r.csv").write_text("user,item\n" + "".join(f"{user},{item}\n" for user, item in taste_of_two_kinds()))
    called = dltrain(
        "data=ratings", "data.path=r.csv", "data.split=leave_last", "trainer.epochs=1", "hydra.run.dir=run"
    )
    assert called.code == 0
    assert "user to item" in called.out
    Path("new.csv").write_text("user,item\nu0,i0\nu0,i1\nu1,i1\nstranger,i1\n")
    said = json.loads(dltrain("evaluate", "run", "data.path=new.csv", "--json").out)
    rated = {("u0", "i0"), ("u0", "i1"), ("u1", "i1")} & set(taste_of_two_kinds())
    assert said["samples"] == 4
    assert said["notes"] == [
        f"{len(rated)} of 4 pairs are in the run's own data, and the model was trained on most of these"
    ]
    refused = dltrain("data=ratings", "data.path=r.csv", "data.split=random")
    assert refused.code == 2


def taste_of_two_kinds() -> list[tuple[str, str]]:
    """Pairs of users and items, in order of time: half the users choose even items, half of them odd ones."""
    random = np.random.default_rng(0)
    chosen = [random.permutation(20)[:12] for _ in range(60)]
    return [(f"u{user}", f"i{2 * chosen[user][n] + user % 2}") for n in range(12) for user in range(60)]


def test_hits_by_hand() -> None:
    found = hits(torch.tensor([1.0, 3.0, 11.0, 10.0]))
    assert found["hit_rate@10"] == found["recall@10"] == 0.75
    assert found["ndcg@10"] == pytest.approx((1 + 1 / math.log2(4) + 1 / math.log2(11)) / 4)


@pytest.mark.parametrize("user", range(20))
def test_what_is_recommended_was_never_rated(user: int) -> None:
    scores = fixed(1)
    items, values = top_items(user, DATA.kept, scores.shape[1], lambda u, i: scores[u, i], top=1000)
    rated = {
        i
        for name in DATA.splits
        for u, i in zip(*(t.tolist() for t in DATA.splits[name].inputs), strict=True)
        if u == user
    }
    assert not set(items.tolist()) & (rated if user else {0})
    assert len(items) == scores.shape[1] - 1 - (len(rated - {0}) if user else 0)
    assert values.tolist() == sorted(values.tolist(), reverse=True)
    assert values.tolist() == scores[user, items].tolist()


def test_biases_are_the_ridge_regression_on_who_and_what() -> None:
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(0)
    user, item = rng.integers(1, 6, 200), rng.integers(1, 8, 200)
    rating = rng.normal(3, 1, 200)
    mean, of_user, of_item = fit_biases(user, item, rating, (6, 8), damping=2.0)
    columns = np.concatenate([np.eye(6)[user], np.eye(8)[item]], axis=1)
    exact = Ridge(alpha=2.0, fit_intercept=False).fit(columns, rating - mean).coef_
    np.testing.assert_allclose(np.concatenate([of_user, of_item]), exact, atol=2e-3)


def test_plain_methods_of_ratings_and_of_their_order() -> None:
    task = build_task(DATA.facts, build_loss({}, DATA.facts))
    found = {one.name: one.metrics for one in run_baselines(DATA, task, "test", 20.0)}
    assert list(found) == ["most_rated", "neighbours", "ease"]
    assert found["most_rated"]["hit_rate@10"] > 10 / DATA.facts.vocab_sizes[1]
    random = ratings(rows=600)
    task = build_task(random.facts, build_loss({}, random.facts))
    found = {one.name: one.metrics for one in run_baselines(random, task, "test", 20.0)}
    assert list(found) == ["mean", "biases"]
    assert found["biases"]["rmse"] < found["mean"]["rmse"]


def test_neighbours_are_the_shrunken_cosines_of_items() -> None:
    user, item = np.array([1, 1, 2, 2, 3]), np.array([1, 2, 1, 3, 2])
    score = neighbours(user, item, (4, 4))
    rated = np.zeros((4, 4))
    rated[user, item] = 1
    length = np.sqrt(rated.sum(0) + SHRINKAGE)
    wanted = rated @ (rated.T @ rated / np.outer(length, length))
    users, items = torch.tensor([3, 1, 0]), torch.tensor([1, 3, 2])
    np.testing.assert_allclose(score(users, items).numpy(), wanted[[3, 1, 0], [1, 3, 2]])
