"""SGD, Adam and AdamW of several models at once, each with its own learning rate, momentum and weight decay.

torch's own optimizers refuse a learning rate for each model. These compute the same steps for weights with a leading
dimension of the models, and read and write the state of torch's optimizers, so that a model goes on with its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, groupby, islice
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer

from dltrain.training.state import RATES


class Piece(NamedTuple):
    """Weights that take a step together.

    Args:
        group: the number of their group of parameters.
        weight: of all models `(K, n)`.
        gradient: in the same shape.
        stored: what torch's optimizer stores for them, in the same shape.
    """

    group: int
    weight: Tensor
    gradient: Tensor
    stored: Mapping[str, Tensor]


class Block(NamedTuple):
    """The weights of a group side by side: one operation on all of them takes less time than one on each.

    Args:
        group: its number.
        places: of the weights.
        columns: of each weight.
        weight: all of them `(K, n)`.
        stored: as in `Piece`.
    """

    group: int
    places: Sequence[int]
    columns: Sequence[slice]
    weight: Tensor
    stored: Mapping[str, Tensor]


class StackedOptimizer:
    """The base class of optimizers of the weights of K models.

    Args:
        optimizers: of the K models, torch's own; they differ in numbers alone.
        weights: of all models `(K, ...)`, in the order of the parameters of each optimizer.

    Attributes:
        values: the numbers in which the models may differ.
        names: of the tensors that torch's optimizer stores for each parameter, in its shape.
        weights: copies of the given ones, which the steps change.
    """

    values: ClassVar[tuple[str, ...]]
    names: ClassVar[tuple[str, ...]]

    def __init__(self, optimizers: Sequence[Optimizer], weights: Sequence[Tensor]) -> None:
        self.optimizers, self.weights = optimizers, list(weights)
        self.blocks: list[Block] = []
        self.states = [[one.state[of] for group in one.param_groups for of in group["params"]] for one in optimizers]
        self.groups: list[dict[str, Any]] = []
        places = iter(range(len(weights)))
        for alike in zip(*(optimizer.param_groups for optimizer in optimizers), strict=True):
            columns = {name: [self.number(group, name) for group in alike] for name in self.values}
            numbers = {name: torch.tensor(column, dtype=torch.float64) for name, column in columns.items()}
            self.groups.append({**alike[0], **{name: one.to(weights[0].device) for name, one in numbers.items()}})
            own = list(islice(places, len(alike[0]["params"])))
            for dtype in dict.fromkeys(weights[place].dtype for place in own):
                self._put_side_by_side([place for place in own if weights[place].dtype == dtype])

    def _put_side_by_side(self, places: Sequence[int]) -> None:
        """Makes a block of weights, of which they are parts from then on."""
        count, given = len(self.optimizers), [self.weights[place] for place in places]
        whole = torch.cat([weight.detach().reshape(count, -1) for weight in given], dim=1)
        ends = list(accumulate(weight[0].numel() for weight in given))
        columns = [slice(end - weight[0].numel(), end) for weight, end in zip(given, ends, strict=True)]
        for place, part, weight in zip(places, columns, given, strict=True):
            self.weights[place] = whole[:, part].view(weight.shape).detach().requires_grad_(weight.requires_grad)
        stored = {
            name: torch.cat([self._gather(name, place).reshape(count, -1) for place in places], dim=1)
            for name in self.names
        }
        self.blocks.append(Block(len(self.groups) - 1, places, columns, whole, stored))

    @staticmethod
    def number(group: Mapping[str, Any], name: str) -> float:
        """Returns a number of a group of parameters of torch's optimizer."""
        return float(group[name])

    def stores(self, group: Mapping[str, Any]) -> bool:
        """Tells whether torch's optimizer stores tensors for this group of parameters."""
        return True

    def pieces(self) -> list[Piece]:
        """Returns all weights with gradients: those of a block as one, or one by one where some have no gradient."""
        pieces = []
        for block in self.blocks:
            gradients = [self.weights[place].grad for place in block.places]
            present = [one.reshape(len(one), -1) for one in gradients if one is not None]
            if len(present) == len(gradients):
                pieces.append(Piece(block.group, block.weight, torch.cat(present, dim=1), block.stored))
                continue
            for gradient, part in zip(gradients, block.columns, strict=True):
                if gradient is not None:
                    stored = {name: tensor[:, part] for name, tensor in block.stored.items()}
                    own = gradient.reshape(len(gradient), -1)
                    pieces.append(Piece(block.group, block.weight[:, part], own, stored))
        return pieces

    @torch.no_grad()
    def step(self, pieces: Sequence[Piece], rates: Sequence[Tensor]) -> None:
        """Changes weights by their gradients.

        Args:
            pieces: as `pieces` returns them; their gradients may be changed.
            rates: the learning rates `(K,)` of each group, in float64.
        """
        for piece in pieces:
            group, maximizes = self.groups[piece.group], self.groups[piece.group]["maximize"]
            self.change(piece._replace(gradient=-piece.gradient) if maximizes else piece, group, rates[piece.group])

    def change(self, piece: Piece, group: Mapping[str, Any], rate: Tensor) -> None:
        """Takes the step of some weights, with the numbers of their group and its learning rates `(K,)`."""
        raise NotImplementedError

    def zero_grad(self) -> None:
        """Removes all gradients."""
        for weight in self.weights:
            weight.grad = None

    def tensors(self) -> list[Tensor]:
        """Returns all tensors that a step changes."""
        return [tensor for block in self.blocks for tensor in (block.weight, *block.stored.values())]

    def unstack(self) -> None:
        """Writes the state into torch's optimizers."""
        targets, sources = [], []
        for block in self.blocks:
            for name, tensor in block.stored.items():
                for place, part in zip(block.places, block.columns, strict=True):
                    rows = tensor[:, part].view(self.weights[place].shape)
                    for optimizer, states, row in zip(self.optimizers, self.states, rows, strict=True):
                        if self.stores(optimizer.param_groups[block.group]):
                            if states[place].get(name) is None:
                                states[place][name] = torch.empty_like(row, memory_format=torch.contiguous_format)
                            targets.append(states[place][name])
                            sources.append(row)
        if targets:
            torch._foreach_copy_(targets, sources)

    def _gather(self, name: str, place: int) -> Tensor:
        """Returns what torch's optimizers store for a parameter `(K, ...)`, 0 where it is nothing yet."""
        rows = [states[place].get(name) for states in self.states]
        return torch.stack([torch.zeros_like(self.weights[place][0]) if row is None else row for row in rows])


class StackedSGD(StackedOptimizer):
    """`torch.optim.SGD`, with or without momentum."""

    values = ("momentum", "dampening", "weight_decay")
    names = ("momentum_buffer",)

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

    def step(self, pieces: Sequence[Piece], rates: Sequence[Tensor]) -> None:
        super().step(pieces, rates)
        self.begun = True

    def change(self, piece: Piece, group: Mapping[str, Any], rate: Tensor) -> None:
        of = column_like(piece.weight)
        gradient = torch.addcmul(piece.gradient, of(group["weight_decay"]), piece.weight)
        if self.has_momentum:
            buffer, momentum = piece.stored["momentum_buffer"], of(group["momentum"])
            if self.begun:
                buffer.mul_(momentum).addcmul_(of(1 - group["dampening"]), gradient)
            else:
                buffer.copy_(gradient)
            gradient = torch.addcmul(gradient, momentum, buffer) if group["nesterov"] else buffer
        piece.weight.addcmul_(of(-rate), gradient)


class StackedAdam(StackedOptimizer):
    """`torch.optim.Adam` and `torch.optim.AdamW`, without `amsgrad`."""

    values = ("beta1", "beta2", "eps", "weight_decay")
    names = ("exp_avg", "exp_avg_sq")

    def __init__(self, optimizers: Sequence[Optimizer], weights: Sequence[Tensor]) -> None:
        super().__init__(optimizers, weights)
        steps, device = int(self.states[0][0].get("step", 0)), weights[0].device
        # A recorded step of a GPU counts there.
        self.steps = torch.tensor(float(steps), dtype=torch.float64, device=device) if device.type == "cuda" else steps

    def tensors(self) -> list[Tensor]:
        return [*super().tensors(), *([self.steps] if isinstance(self.steps, Tensor) else [])]

    @staticmethod
    def number(group: Mapping[str, Any], name: str) -> float:
        return float(group["betas"][int(name[-1]) - 1] if name.startswith("beta") else group[name])

    def step(self, pieces: Sequence[Piece], rates: Sequence[Tensor]) -> None:
        self.steps += 1
        super().step(pieces, rates)

    def change(self, piece: Piece, group: Mapping[str, Any], rate: Tensor) -> None:
        if piece.weight.device.type == "cpu" and piece.weight.is_contiguous():
            self._change_in_runs(piece, group, rate)
            return
        of, weight, gradient = column_like(piece.weight), piece.weight, piece.gradient
        if group["decoupled_weight_decay"]:
            weight.mul_(of(1 - rate * group["weight_decay"]))
        else:
            gradient = torch.addcmul(gradient, of(group["weight_decay"]), weight)
        mean, square = piece.stored["exp_avg"], piece.stored["exp_avg_sq"]
        mean.lerp_(gradient, of(1 - group["beta1"]))
        square.lerp_(gradient.square(), of(1 - group["beta2"]))
        # torch divides the square root by `spread` and adds eps; multiplied by it, one pass over the weights less
        spread = (1 - group["beta2"] ** self.steps).sqrt()
        size = rate / (1 - group["beta1"] ** self.steps) * spread
        weight.addcdiv_(mean * of(-size), square.sqrt().add_(of(group["eps"] * spread)))

    def _change_in_runs(self, piece: Piece, group: Mapping[str, Any], rate: Tensor) -> None:
        """Takes the step by torch's own kernel for a CPU, one call for models side by side that have the same numbers:
        it reads and writes each weight once, and takes half the time."""
        kernel = torch._fused_adamw_ if group["decoupled_weight_decay"] else torch._fused_adam_
        numbers = list(zip(rate.tolist(), *(group[name].tolist() for name in self.values), strict=True))
        runs = [len(list(alike)) for _, alike in groupby(numbers)]
        stored = (piece.stored[name].split(runs) for name in self.names)
        steps = torch.tensor(float(self.steps))
        for end, weight, gradient, mean, square in zip(
            accumulate(runs), piece.weight.split(runs), piece.gradient.split(runs), *stored, strict=True
        ):
            lr, beta1, beta2, eps, weight_decay = numbers[end - 1]
            kernel(
                [weight], [gradient], [mean], [square], [], [steps],
                lr=lr, beta1=beta1, beta2=beta2, weight_decay=weight_decay, eps=eps, amsgrad=False, maximize=False,
            )  # fmt: skip

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


def column_like(weight: Tensor) -> Callable[[Tensor], Tensor]:
    """Returns a function that makes numbers `(K,)` a column `(K, 1)` of the type of weights `(K, n)`."""
    return lambda numbers: numbers.to(weight.dtype)[:, None]


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
