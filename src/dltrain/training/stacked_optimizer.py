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

Order = tuple[int, ...]
LARGE = 1024  # numbers of a weight of one model


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
    """Weights of a group side by side.

    Args:
        group: its number.
        places: of the weights.
        columns: of each weight.
        orders: of the dimensions of each weight, as they lie in memory.
        weight: all of them `(K, n)`.
        stored: as in `Piece`.
    """

    group: int
    places: Sequence[int]
    columns: Sequence[slice]
    orders: Sequence[Order]
    weight: Tensor
    stored: Mapping[str, Tensor]


class StackedOptimizer:
    """The base class of optimizers of the weights of K models.

    Args:
        optimizers: of the K models, torch's own; they differ in numbers alone.
        weights: of all models `(K, ...)`, in the order of the parameters of each optimizer.

    Attributes:
        groups: of parameters, with the numbers of each model in tensors `(K,)`, and all of them as lists.
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
            on_device = {name: one.to(weights[0].device) for name, one in numbers.items()}
            self.groups.append({**alike[0], **on_device, "numbers": [*columns.values()]})
            own = list(islice(places, len(alike[0]["params"])))
            for those in groups_of(own, weights):
                self._put_side_by_side(those)

    def _put_side_by_side(self, places: Sequence[int]) -> None:
        """Makes a block of weights, of which they are parts from then on."""
        given = [self.weights[place] for place in places]
        orders = [order_of(weight) for weight in given]
        whole = side_by_side([weight.detach().clone() for weight in given], orders)
        ends = list(accumulate(weight[0].numel() for weight in given))
        columns = [slice(end - weight[0].numel(), end) for weight, end in zip(given, ends, strict=True)]
        for place, part, weight, order in zip(places, columns, given, orders, strict=True):
            self.weights[place] = part_of(whole, part, weight, order).detach().requires_grad_(weight.requires_grad)
        stored = {name: side_by_side([self._gather(name, place) for place in places], orders) for name in self.names}
        self.blocks.append(Block(len(self.groups) - 1, places, columns, orders, whole, stored))

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
            present = [one for one in gradients if one is not None]
            if len(present) == len(gradients):
                whole = side_by_side(present, block.orders)
                pieces.append(Piece(block.group, block.weight, whole, block.stored))
                continue
            for gradient, part, order in zip(gradients, block.columns, block.orders, strict=True):
                if gradient is not None:
                    stored = {name: tensor[:, part] for name, tensor in block.stored.items()}
                    own = side_by_side([gradient], [order])
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
                for place, part, order in zip(block.places, block.columns, block.orders, strict=True):
                    rows = part_of(tensor, part, self.weights[place], order)
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
        self.parts: dict[tuple[object, ...], list[list[Tensor]]] = {}

    def tensors(self) -> list[Tensor]:
        return [*super().tensors(), *([self.steps] if isinstance(self.steps, Tensor) else [])]

    @staticmethod
    def number(group: Mapping[str, Any], name: str) -> float:
        return float(group["betas"][int(name[-1]) - 1] if name.startswith("beta") else group[name])

    @torch.no_grad()
    def step(self, pieces: Sequence[Piece], rates: Sequence[Tensor]) -> None:
        self.steps += 1
        whole = {id(block.weight) for block in self.blocks if block.weight.device.type == "cpu"}
        super().step([piece for piece in pieces if id(piece.weight) not in whole], rates)
        for (number, _), those in groupby((one for one in pieces if id(one.weight) in whole), group_and_type):
            self._change_in_runs(list(those), self.groups[number], rates[number])

    def change(self, piece: Piece, group: Mapping[str, Any], rate: Tensor) -> None:
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

    def _change_in_runs(self, pieces: Sequence[Piece], group: Mapping[str, Any], rate: Tensor) -> None:
        """Takes the step of whole blocks by torch's own kernel for a CPU, one call for models side by side that have
        the same numbers: it reads and writes each weight once, and takes half the time."""
        kernel = torch._fused_adamw_ if group["decoupled_weight_decay"] else torch._fused_adam_
        numbers = list(zip(rate.tolist(), *group["numbers"], strict=True))
        runs = tuple(len(list(alike)) for _, alike in groupby(numbers))
        changed = [self._in_runs(runs, [piece.weight for piece in pieces])]
        changed += [self._in_runs(runs, [piece.stored[name] for piece in pieces]) for name in self.names]
        gradients = in_runs(runs, [piece.gradient for piece in pieces])
        steps = [torch.tensor(float(self.steps))] * len(pieces)
        for end, gradient, weights, means, squares in zip(accumulate(runs), gradients, *changed, strict=True):
            lr, beta1, beta2, eps, weight_decay = numbers[end - 1]
            kernel(
                weights, gradient, means, squares, [], steps,
                lr=lr, beta1=beta1, beta2=beta2, weight_decay=weight_decay, eps=eps, amsgrad=False,
                maximize=bool(group["maximize"]),
            )  # fmt: skip

    def _in_runs(self, runs: tuple[int, ...], tensors: Sequence[Tensor]) -> list[list[Tensor]]:
        """Returns the same as `in_runs` of tensors of blocks, which last as long as the optimizer: divided once."""
        key = runs, *map(id, tensors)
        if key not in self.parts:
            self.parts[key] = in_runs(runs, tensors)
        return self.parts[key]

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


def groups_of(places: Sequence[int], weights: Sequence[Tensor]) -> list[list[int]]:
    """Returns the places of weights that are put side by side: those of one type, on which one operation takes less
    time than one on each; but large ones of a CPU alone, whose gradients need no copy then."""
    groups: dict[object, list[int]] = {}
    for place in places:
        weight = weights[place]
        is_alone = weight.device.type == "cpu" and weight[0].numel() >= LARGE
        groups.setdefault(place if is_alone else weight.dtype, []).append(place)
    return [*groups.values()]


def group_and_type(piece: Piece) -> tuple[int, torch.dtype]:
    """Returns what the weights of one call have in common."""
    return piece.group, piece.weight.dtype


def in_runs(runs: Sequence[int], tensors: Sequence[Tensor]) -> list[list[Tensor]]:
    """Returns the parts of tensors `(K, ...)` that belong to each run of models."""
    return [list(parts) for parts in zip(*(tensor.split_with_sizes(runs) for tensor in tensors), strict=True)]


def order_of(weight: Tensor) -> Order:
    """Returns the dimensions of weights `(K, ...)` in the order in which they lie in memory, K first."""
    return 0, *sorted(range(1, weight.dim()), key=weight.stride, reverse=True)


def side_by_side(tensors: Sequence[Tensor], orders: Sequence[Order]) -> Tensor:
    """Returns tensors `(K, ...)` in one `(K, n)`, their dimensions in these orders; a single one not copied if it lies
    in memory so."""
    flat = [tensor.permute(order).reshape(len(tensor), -1) for tensor, order in zip(tensors, orders, strict=True)]
    return flat[0] if len(flat) == 1 else torch.cat(flat, dim=1)


def part_of(whole: Tensor, columns: slice, like: Tensor, order: Order) -> Tensor:
    """Returns one of the tensors side by side, in the shape of `like`."""
    inverse = sorted(range(len(order)), key=order.__getitem__)
    return whole[:, columns].view([like.shape[place] for place in order]).permute(inverse)


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
