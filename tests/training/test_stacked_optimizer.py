"""Stacked optimizers against torch's own: the same steps and the same state, whatever differs from model to model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

from dltrain.training import stacked_optimizer
from dltrain.training.stack import stacked as stacked_of
from dltrain.training.stacked_optimizer import LARGE, STACKED, why_not_stacked

MODELS, STEPS, TOLERANCE = 4, 30, 1e-6
RATES = [1e-3, 1e-2, 3e-2, 0.1]


def options(place: int, chosen: dict[str, Any]) -> dict[str, Any]:
    """The options of one model's optimizer, each one of a list's values or the same for all."""
    return {name: value[place] if isinstance(value, list) else value for name, value in chosen.items()}


def parameters(seed: int) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    return [nn.Parameter(torch.randn(*shape, generator=generator)) for shape in ((3, 4), (3,), (2, 3))]


def gradients(seed: int, step: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1000 * seed + step)
    return [torch.randn(parameter.shape, generator=generator) for parameter in parameters(0)]


def grouped(make: Callable[..., Optimizer], place: int, chosen: dict[str, Any]) -> Optimizer:
    """An optimizer with two groups of parameters, the second without weight decay and at half the rate."""
    weight, bias, other = parameters(place)
    groups = [{"params": [weight, other]}, {"params": [bias], "weight_decay": 0.0, "lr": RATES[place] / 2}]
    return make(groups, lr=RATES[place], **options(place, chosen))


def take_steps(
    alone: list[Optimizer], together: list[Optimizer], first: int, last: int, *, transposed: bool = False
) -> list[Tensor]:
    """Takes the steps of some optimizers one by one and of others at once; returns the weights of the latter, whose
    matrices may lie transposed in memory."""
    order = [0, 2, 1]  # of the parameters in the groups
    weights = [
        stacked_of(
            [[part for group in one.param_groups for part in group["params"]][place].data for one in together],
            transposed=transposed and place < 2,
        )
        for place in range(3)
    ]
    stacked = STACKED[type(together[0])](together, weights)
    weights = stacked.weights
    rates = [
        torch.tensor([one.param_groups[group]["lr"] for one in together], dtype=torch.float64) for group in range(2)
    ]
    for step in range(first, last):
        every = [gradients(seed, step) for seed in range(MODELS)]
        for optimizer, own in zip(alone, every, strict=True):
            tensors = [part for group in optimizer.param_groups for part in group["params"]]
            for parameter, place in zip(tensors, order, strict=True):
                parameter.grad = own[place].clone()
            optimizer.step()
        for weight, place in zip(weights, order, strict=True):
            weight.grad = torch.stack([own[place] for own in every])
        stacked.step(stacked.pieces(), rates)
    stacked.unstack()
    return weights


@pytest.mark.parametrize("large", [1, 10, LARGE])  # all weights alone on a CPU, some, or none
@pytest.mark.parametrize(
    ("make", "chosen"),
    [
        (SGD, {"weight_decay": [0.0, 0.1, 0.0, 0.01]}),
        (SGD, {"momentum": [0.0, 0.5, 0.9, 0.99], "dampening": [0.3, 0.0, 0.2, 0.0], "maximize": True}),
        (SGD, {"momentum": [0.1, 0.5, 0.9, 0.99], "nesterov": True, "fused": True, "weight_decay": 0.1}),
        (Adam, {"weight_decay": [0.0, 0.1, 0.0, 0.01], "betas": [(0.9, 0.999), (0.5, 0.9), (0.0, 0.99), (0.8, 0.8)]}),
        (AdamW, {"weight_decay": [0.0, 0.1, 1.0, 0.01], "eps": [1e-8, 1e-3, 1e-8, 1e-6], "fused": True}),
        (AdamW, {"maximize": True}),
    ],
)
def test_steps_and_state_are_those_of_torch_also_when_training_goes_on(
    make: Callable[..., Optimizer], chosen: dict[str, Any], large: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stacked_optimizer, "LARGE", large)
    alone, together = ([grouped(make, place, chosen) for place in range(MODELS)] for _ in range(2))
    weights = take_steps(alone, together, 0, STEPS // 2)
    for place, optimizer in enumerate(together):
        for parameter, weight in zip(
            [part for group in optimizer.param_groups for part in group["params"]], weights, strict=True
        ):
            parameter.data.copy_(weight[place])
    # A new one reads what the first one wrote.
    weights = take_steps(alone, together, STEPS // 2, STEPS, transposed=True)
    for place, (one, other) in enumerate(zip(alone, together, strict=True)):
        for parameter, weight in zip(
            [part for group in one.param_groups for part in group["params"]], weights, strict=True
        ):
            torch.testing.assert_close(weight[place], parameter.data, rtol=STEPS * TOLERANCE, atol=STEPS * TOLERANCE)
        before, after = one.state_dict(), other.state_dict()
        assert before["param_groups"] == after["param_groups"]
        assert before["state"].keys() == {key for key, value in after["state"].items() if value}
        for key, stored in before["state"].items():
            assert stored.keys() == after["state"][key].keys()
            for name, tensor in stored.items():
                torch.testing.assert_close(after["state"][key][name], tensor, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("make", [SGD, Adam, AdamW])
def test_a_weight_without_a_gradient_stays_as_it_is(make: Callable[..., Optimizer]) -> None:
    alone = [make(parameters(place), lr=RATES[place]) for place in range(MODELS)]
    own = [parameters(place) for place in range(MODELS)]
    stacked = STACKED[make](
        [make(those, lr=RATES[place]) for place, those in enumerate(own)],
        [torch.stack([those[place].data for those in own]) for place in range(3)],
    )
    every = [gradients(seed, 0) for seed in range(MODELS)]
    for optimizer, theirs in zip(alone, every, strict=True):
        for place in (0, 2):
            optimizer.param_groups[0]["params"][place].grad = theirs[place].clone()
        optimizer.step()
    for place in (0, 2):
        stacked.weights[place].grad = torch.stack([theirs[place] for theirs in every])
    stacked.step(stacked.pieces(), [torch.tensor(RATES, dtype=torch.float64)])
    for model, optimizer in enumerate(alone):
        for weight, expected in zip(stacked.weights, optimizer.param_groups[0]["params"], strict=True):
            torch.testing.assert_close(weight[model], expected, rtol=TOLERANCE, atol=TOLERANCE)


def test_what_cannot_be_stacked_says_why() -> None:
    def why(make: Callable[..., Optimizer], **chosen: Any) -> str:
        return why_not_stacked([make(parameters(place), lr=0.1, **options(place, chosen)) for place in range(2)])

    assert why(SGD, momentum=[0.1, 0.2]) == ""
    assert "RMSprop cannot be stacked" in why(RMSprop)
    assert why(Adam, amsgrad=True) == "amsgrad cannot be stacked"
    assert why(SGD, momentum=0.9, nesterov=[True, False]) == "the optimizers differ in nesterov"
