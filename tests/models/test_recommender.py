"""Recommenders against the formula, and what they say of whom they do not know."""

from __future__ import annotations

import pytest
import torch

from dltrain.errors import ConfigError
from dltrain.models.recommender import Recommender
from dltrain.tasks.losses import MeanSquaredError
from dltrain.tasks.rating import Rating
from dltrain.types import Facts, Spec

SPEC = Spec("ratings", (2,), 1, vocab_sizes=(5, 7))
USER, ITEM = torch.tensor([1, 4, 2]), torch.tensor([6, 1, 1])


def drawn(**options: object) -> Recommender:
    torch.manual_seed(0)
    model = Recommender(SPEC, **options)  # type: ignore[arg-type]
    for name, parameter in model.named_parameters():
        if "bias" in name and parameter.dim() == 2:
            torch.nn.init.normal_(parameter[1:])
    return model.eval()


def test_dot_is_the_product_of_both_vectors_and_both_biases() -> None:
    model = drawn(width=3)
    assert model.user_bias is not None
    assert model.item_bias is not None
    wanted = (model.user.weight[USER] * model.item.weight[ITEM]).sum(1)
    wanted = wanted + model.user_bias.weight[USER, 0] + model.item_bias.weight[ITEM, 0]
    torch.testing.assert_close(model(USER, ITEM)[:, 0], wanted)


def test_concat_without_layers_is_one_linear_layer() -> None:
    model = drawn(combine="concat", width=3, hidden=(), biases=False)
    assert model.layers is not None
    (linear,) = model.layers
    both = torch.cat([model.user.weight[USER], model.item.weight[ITEM]], dim=1)
    torch.testing.assert_close(model(USER, ITEM), both @ linear.weight.T + linear.bias)
    assert sum(parameter.numel() for parameter in model.parameters()) == 5 * 3 + 7 * 3 + 6 + 1


def test_neumf_uses_other_halves_for_the_product_and_the_layers() -> None:
    model = drawn(combine="neumf", width=3, hidden=(4,), biases=False)
    assert model.weigh is not None
    assert model.layers is not None
    p, q = model.user.weight[USER], model.item.weight[ITEM]
    wanted = model.weigh(p[:, :3] * q[:, :3]) + model.layers(torch.cat([p[:, 3:], q[:, 3:]], dim=1))
    torch.testing.assert_close(model(USER, ITEM), wanted)


@pytest.mark.parametrize("combine", ["dot", "concat", "neumf"])
def test_several_items_a_user_are_so_many_pairs(combine: str) -> None:
    model = drawn(combine=combine, width=3, hidden=(4,), penalty=0.5)
    items = torch.tensor([[6, 1], [1, 0], [3, 3]])
    pairs = torch.stack([model(USER, items[:, n])[:, 0] for n in range(2)], dim=1)
    torch.testing.assert_close(model(USER, items), pairs)
    model.train()
    both, first, second = model(USER, items), model(USER, items[:, 0]), model(USER, items[:, 1])
    torch.testing.assert_close(both[:, :2], pairs)
    torch.testing.assert_close(both[:, 2], (first[:, 1] + second[:, 1]) / 2)


@pytest.mark.parametrize("combine", ["dot", "concat", "neumf"])
def test_an_unknown_user_or_item_adds_nothing_and_learns_nothing(combine: str) -> None:
    model = drawn(combine=combine, width=3, hidden=(4,))
    zero = torch.zeros(1, dtype=torch.int64)
    if combine == "dot":
        assert model.item_bias is not None
        torch.testing.assert_close(model(zero, ITEM[:1]), model.item_bias.weight[ITEM[:1]])
        assert model(zero, zero).item() == 0
    model.train()
    model(zero, zero).sum().backward()
    for embedding in (model.user, model.item):
        assert embedding.weight.grad is not None
        assert float(embedding.weight.grad.abs().sum()) == 0


def test_the_penalty_is_on_the_rows_that_a_batch_uses() -> None:
    facts = Facts("ratings", "rating", (2,), target_mean=3.0, target_std=2.0, target_range=(1.0, 5.0))
    task = Rating(facts, MeanSquaredError(facts))
    model, target = drawn(width=3, penalty=0.5), torch.tensor([[1.0], [2.0], [5.0]])
    assert model.user_bias is not None
    assert model.item_bias is not None
    rows = [
        model.user.weight[USER],
        model.item.weight[ITEM],
        model.user_bias.weight[USER],
        model.item_bias.weight[ITEM],
    ]
    squares = torch.cat(rows, dim=1).square().sum(1)
    fit = task.objective(model(USER, ITEM), target)
    torch.testing.assert_close(fit, (model(USER, ITEM) - (target - 3) / 2).square().mean())
    torch.testing.assert_close(task.objective(model.train()(USER, ITEM), target), fit + 0.5 * squares.mean())


def test_predictions_stay_within_the_training_range() -> None:
    facts = Facts("ratings", "rating", (2,), target_mean=3.0, target_std=2.0, target_range=(1.0, 5.0))
    said = Rating(facts, MeanSquaredError(facts)).predict(torch.tensor([[-9.0], [0.25], [9.0]]))
    assert said.values.flatten().tolist() == [1.0, 3.5, 5.0]


def test_members_are_factorisations_of_their_own_whose_mean_is_the_score() -> None:
    facts = Facts("ratings", "rating", (2,), target_mean=3.0, target_std=2.0, target_range=(1.0, 5.0))
    task, target = Rating(facts, MeanSquaredError(facts)), torch.tensor([[1.0], [2.0], [5.0]])
    model = drawn(width=3, penalty=0.5, members=2)
    parts = []
    for member in range(2):
        part = drawn(width=3, penalty=0.5)
        for name, table in part.named_parameters():
            size = table.shape[1]
            table.data = dict(model.named_parameters())[name].data[:, member * size : (member + 1) * size].clone()
        parts.append(part)
    items = torch.tensor([[6, 1], [1, 0], [3, 3]])
    mean = torch.stack([part(USER, items) for part in parts]).mean(dim=0)
    torch.testing.assert_close(model(USER, items), mean)
    torch.testing.assert_close(model.score_items(USER).gather(1, items), mean)
    losses = [task.objective(part.train()(USER, ITEM), target) for part in parts]
    torch.testing.assert_close(task.objective(model.train()(USER, ITEM), target), torch.stack(losses).mean())


def test_members_with_layers_are_refused() -> None:
    with pytest.raises(ConfigError, match="concat has layers"):
        Recommender(SPEC, combine="concat", members=2)
