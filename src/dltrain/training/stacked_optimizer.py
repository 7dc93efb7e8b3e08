"""SGD, Adam and AdamW of several models at once, each with its own learning rate, momentum and weight decay.

torch's own optimizers refuse a learning rate for each model. These compute the same steps for weights with a leading
dimension of the models, and read and write the state of torch's optimizers, so that a model goes on with its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import compress, islice
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer

from dltrain.training.state import RATES


class StackedOptimizer:
    """The base class of optimizers of the weights of K models.

    Args:
        optimizers: of the K models, torch's own; they differ in numbers alone.
        weights: of all models `(K, ...)`, in the order of the parameters of each optimizer.

    Attributes:
        values: the numbers in which the models may differ.
        stored: the tensors of torch's optimizer for each parameter, in its shape.
    """

    values: ClassVar[tuple[str, ...]]
    stored: ClassVar[tuple[str, ...]]

    def __init__(self, optimizers: Sequence[Optimizer], weights: Sequence[Tensor]) -> None:
        self.optimizers, self.weights = optimizers, list(weights)
        self.states = [[one.state[of] for group in one.param_groups for of in group["params"]] for one in optimizers]
        self.tensors = {name: [self._gather(name, place) for place in range(len(weights))] for name in self.stored}
        self.groups: list[dict[str, Any]] = []
        places = iter(range(len(self.weights)))
        for alike in zip(*(optimizer.param_groups for optimizer in optimizers), strict=True):
            columns = {name: [self.number(group, name) for group in alike] for name in self.values}
            numbers = {name: torch.tensor(column, dtype=torch.float64) for name, column in columns.items()}
            on_device = {name: column.to(self.weights[0].device) for name, column in numbers.items()}
            self.groups.append({**alike[0], **on_device, "places": list(islice(places, len(alike[0]["params"])))})

    @staticmethod
    def number(group: Mapping[str, Any], name: str) -> float:
        """Returns a number of a group of parameters of torch's optimizer."""
        return float(group[name])

    def stores(self, group: Mapping[str, Any]) -> bool:
        """Tells whether torch's optimizer stores tensors for this group of parameters."""
        return True

    def step(self, rates: Sequence[Tensor]) -> None:
        """Changes the weights by their gradients, with the learning rates `(K,)` of each group in float64.

        Weights without a gradient stay as they are.
        """
        raise NotImplementedError

    def zero_grad(self) -> None:
        """Removes all gradients."""
        for weight in self.weights:
            weight.grad = None

    def unstack(self) -> None:
        """Writes the state into torch's optimizers."""
        for name, tensors in self.tensors.items():
            targets, sources = [], []
            for number, (optimizer, states) in enumerate(zip(self.optimizers, self.states, strict=True)):
                stores = [self.stores(group) for group in optimizer.param_groups for _ in group["params"]]
                for state, tensor in compress(zip(states, tensors, strict=True), stores):
                    if state.get(name) is None:
                        state[name] = torch.empty_like(tensor[number])
                    targets.append(state[name])
                    sources.append(tensor[number])
            if targets:
                torch._foreach_copy_(targets, sources)

    def _gather(self, name: str, place: int) -> Tensor:
        """Returns what torch's optimizers store for a parameter `(K, ...)`, 0 where it is nothing yet."""
        rows = [states[place].get(name) for states in self.states]
        return torch.stack([torch.zeros_like(self.weights[place][0]) if row is None else row for row in rows])


class StackedSGD(StackedOptimizer):
    """`torch.optim.SGD`, with or without momentum."""

    values = ("momentum", "dampening", "weight_decay")
    stored = ("momentum_buffer",)

    def __init__(self, optimizers: Sequence[Optimizer], weights: Sequence[Tensor]) -> None:
        super().__init__(optimizers, weights)
        self.begun = any(state for states in self.states for state in states)
        self.has_momentum = any(bool(group["momentum"].any()) for group in self.groups)

    @staticmethod
    def number(group: Mapping[str, Any], name: str) -> float:
        # Without momentum, torch does not dampen either.
        return 0.0 if name == "dampening" and not group["momentum"] else float(group[name])

    def stores(self, group: Mapping[str, Any]) -> bool:
        return bool(group["momentum"])

    @torch.no_grad()
    def step(self, rates: Sequence[Tensor]) -> None:
        for group, rate in zip(self.groups, rates, strict=True):
            for place in group["places"]:
                weight = self.weights[place]
                if weight.grad is None:
                    continue
                of = spread_over(weight)
                gradient = -weight.grad if group["maximize"] else weight.grad
                gradient = torch.addcmul(gradient, of(group["weight_decay"]), weight)
                if self.has_momentum:
                    buffer, momentum = self.tensors["momentum_buffer"][place], of(group["momentum"])
                    if self.begun:
                        buffer.mul_(momentum).addcmul_(of(1 - group["dampening"]), gradient)
                    else:
                        buffer.copy_(gradient)
                    gradient = torch.addcmul(gradient, momentum, buffer) if group["nesterov"] else buffer
                weight.addcmul_(of(-rate), gradient)
        self.begun = True


class StackedAdam(StackedOptimizer):
    """`torch.optim.Adam` and `torch.optim.AdamW`, without `amsgrad`."""

    values = ("beta1", "beta2", "eps", "weight_decay")
    stored = ("exp_avg", "exp_avg_sq")

    def __init__(self, optimizers: Sequence[Optimizer], weights: Sequence[Tensor]) -> None:
        super().__init__(optimizers, weights)
        self.steps = int(self.states[0][0].get("step", 0))

    @staticmethod
    def number(group: Mapping[str, Any], name: str) -> float:
        return float(group["betas"][int(name[-1]) - 1] if name.startswith("beta") else group[name])

    @torch.no_grad()
    def step(self, rates: Sequence[Tensor]) -> None:
        self.steps += 1
        for group, rate in zip(self.groups, rates, strict=True):
            size = rate / (1 - group["beta1"] ** self.steps)
            spread = (1 - group["beta2"] ** self.steps).sqrt()
            for place in group["places"]:
                weight = self.weights[place]
                if weight.grad is None:
                    continue
                of = spread_over(weight)
                gradient = -weight.grad if group["maximize"] else weight.grad
                if group["decoupled_weight_decay"]:
                    weight.mul_(of(1 - rate * group["weight_decay"]))
                else:
                    gradient = torch.addcmul(gradient, of(group["weight_decay"]), weight)
                mean, square = self.tensors["exp_avg"][place], self.tensors["exp_avg_sq"][place]
                mean.lerp_(gradient, of(1 - group["beta1"]))
                square.mul_(of(group["beta2"])).addcmul_(gradient * of(1 - group["beta2"]), gradient)
                weight.addcdiv_(mean * of(-size), square.sqrt().div_(of(spread)).add_(of(group["eps"])))

    def unstack(self) -> None:
        super().unstack()
        for optimizer, states in zip(self.optimizers, self.states, strict=True):
            groups = [group for group in optimizer.param_groups for _ in group["params"]]
            for state, group, weight in zip(states, groups, self.weights, strict=True):
                on_device = group["fused"] or group["capturable"]
                state["step"] = torch.tensor(float(self.steps), device=weight.device if on_device else None)


STACKED: Mapping[type[Optimizer], type[StackedOptimizer]] = {
    SGD: StackedSGD,
    Adam: StackedAdam,
    AdamW: StackedAdam,
}


def spread_over(weight: Tensor) -> Callable[[Tensor], Tensor]:
    """Returns a function that gives numbers `(K,)` the type and the number of dimensions of weights `(K, ...)`."""

    def spread(numbers: Tensor) -> Tensor:
        return numbers.to(weight.dtype).view(-1, *[1] * (weight.dim() - 1))

    return spread


def why_not_stacked(optimizers: Sequence[Optimizer]) -> str:
    """Returns why the steps of several optimizers cannot be taken at once, in words; empty if they can."""
    first = optimizers[0]
    stacked = STACKED.get(type(first))
    if stacked is None:
        return f"{type(first).__name__} cannot be stacked, only SGD, Adam and AdamW"
    if any(group.get("amsgrad") for group in first.param_groups):
        return "amsgrad cannot be stacked"
    numbers = {*stacked.values, *RATES, "betas", "params"}
    for group, *others in zip(*(optimizer.param_groups for optimizer in optimizers), strict=True):
        for name, value in group.items():
            if name not in numbers and any(other[name] != value for other in others):
                return f"the optimizers differ in {name}"
    return ""
