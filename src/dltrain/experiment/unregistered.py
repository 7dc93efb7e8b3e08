"""Finds unregistered layers and tensors of a model, which torch neither trains nor saves nor moves to a device."""

from __future__ import annotations

import functools
import sys
from argparse import Namespace
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from types import FunctionType, SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd

from dltrain.errors import ConfigError

# The container that torch finds layers or parameters in, for each plain container.
LAYERS = dict.fromkeys(("list", "tuple", "deque", "set"), "an nn.ModuleList") | {"dict": "an nn.ModuleDict"}
PARAMETERS = dict.fromkeys(("list", "tuple", "deque", "set"), "an nn.ParameterList") | {
    "dict": "an nn.ParameterDict",
    "": "an nn.Parameter",
}
TORCHS_OWN = frozenset(vars(nn.Module()))  # torch's own attributes
DEEPEST, MOST = 6, 1000  # levels of nesting, and items of a container
OTHERS = ("torch", "torchvision", "numpy", "pandas", "omegaconf", "hydra")  # packages whose objects contain no layers
PLAIN = (str, bytes, int, float, bool, complex, type(None), type)


@dataclass(frozen=True)
class Unregistered:
    """A tensor or a module of a model that is not registered with torch.

    Args:
        place: where it is, such as `encoder.layers[0]`.
        holder: its container: `list`, `tuple`, `dict`, the name of a class, or empty for an attribute itself.
        value: the tensor or module.
    """

    place: str
    holder: str
    value: Tensor | nn.Module

    @property
    def attribute(self) -> str:
        """Returns the attribute of the model that contains it."""
        return self.place.partition("[")[0]

    @property
    def learns(self) -> bool:
        """Tells whether it requires gradients."""
        if isinstance(self.value, nn.Module):
            return any(parameter.requires_grad for parameter in self.value.parameters())
        return self.value.is_leaf and self.value.requires_grad

    @property
    def depends_on_mode(self) -> bool:
        """Tells whether it behaves differently in training, so that `train()` and `eval()` must reach it."""
        if not isinstance(self.value, nn.Module):
            return False
        kinds = (_DropoutNd, nn.RReLU, _NormBase)
        return any(isinstance(layer, kinds) and layer.training for layer in self.value.modules())


def find_unregistered(model: nn.Module) -> Iterator[Unregistered]:
    """Yields every unregistered tensor and module of a model, each once, with its place.

    Searches lists, tuples, sets, dictionaries, partial and local functions, and plain objects.
    """
    seen = {id(one) for many in (model.modules(), model.parameters(), model.buffers()) for one in many}
    for prefix, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):  # TorchScript takes no unregistered ones
            continue
        for name, value in list(vars(module).items()):
            if name not in TORCHS_OWN:
                yield from _inside(value, f"{prefix}.{name}".lstrip("."), "", seen, DEEPEST)


def check_registered(model: nn.Module, name: str) -> None:
    """Checks that every layer and parameter of a model is registered, and that there is one to train.

    Raises:
        ConfigError: some are in plain lists, dictionaries or attributes, or there are none, or all are frozen.
    """
    for one in find_unregistered(model):
        if one.learns or one.depends_on_mode:
            raise _refusal(one, name)
    parameters = list(model.parameters())
    if not parameters:
        what = f"{name} has no parameters, so that there is nothing to train"
        raise ConfigError(what, where="model", fix="give it layers or nn.Parameter as attributes")
    if not any(parameter.requires_grad for parameter in parameters):
        what = f"all {len(parameters)} parameters of {name} are frozen, so that there is nothing to train"
        raise ConfigError(what, where="model", fix="unfreeze some of them: parameter.requires_grad_(True)")


def tensor_names(model: nn.Module) -> frozenset[str]:
    """Returns the names of what is trained or saved of a model: its parameters and what its `state_dict()` holds."""
    return frozenset(name for name, _ in model.named_parameters()) | model.state_dict().keys()


def check_same_tensors(model: nn.Module, before: Collection[str], name: str) -> None:
    """Checks that a model has the parameters and saved buffers that it had before it was called.

    Raises:
        ConfigError: it has others: the optimizer would not train them, and they would not be saved.
    """
    created, removed = sorted(tensor_names(model) - set(before)), sorted(set(before) - tensor_names(model))
    if created:
        raise ConfigError(
            f"{name} creates parameters or buffers in forward, {', '.join(created[:3])}, which would be neither "
            "trained nor saved",
            where="model",
            fix="create them in __init__, or use lazy layers, such as nn.LazyLinear",
        )
    if removed:
        raise ConfigError(
            f"{name} removes parameters or buffers in forward, {', '.join(removed[:3])}, and could not be loaded again",
            where="model",
            fix="keep them",
        )


def _refusal(unregistered: Unregistered, name: str) -> ConfigError:
    what, containers = "layers", LAYERS
    if isinstance(unregistered.value, Tensor):
        what, containers = ("parameters" if unregistered.holder else "a trainable tensor"), PARAMETERS
    if unregistered.holder in containers:
        holder = f"a plain {unregistered.holder or 'attribute'}"
        fix = f"make {unregistered.attribute} {containers[unregistered.holder]}"
    else:
        holder = f"an object of class {unregistered.holder}"
        fix = f"make {unregistered.attribute} an attribute of the model, or its class an nn.Module"
    return ConfigError(
        f"{name} keeps {what} in {holder}, {unregistered.attribute}, where torch cannot train, move or save them",
        where="model",
        fix=fix,
    )


def constants(model: nn.Module) -> list[str]:
    """Returns the names of tensors that predictions may depend on and that `state_dict()` lacks."""
    saved = {
        tensor.untyped_storage().data_ptr() for tensor in model.state_dict().values() if isinstance(tensor, Tensor)
    }
    buffers = [name for name, tensor in model.named_buffers() if tensor.untyped_storage().data_ptr() not in saved]
    return buffers + list(dict.fromkeys(one.attribute for one in find_unregistered(model)))


def _inside(value: Any, place: str, holder: str, seen: set[int], depth: int) -> Iterator[Unregistered]:
    if isinstance(value, PLAIN) or id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, Tensor | nn.Module):
        yield Unregistered(place, holder, value)
        return
    if depth:
        try:
            items = list(_items(value))
        except Exception:  # the user's own container may not be iterable
            return
        for name, inner in items:
            yield from _inside(inner, f"{place}{name}", type(value).__name__, seen, depth - 1)


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    """Yields the items of a value, each with the expression that reaches it."""
    if isinstance(value, Mapping):
        yield from ((f"[{key!r}]", item) for key, item in islice(list(value.items()), MOST))
    elif isinstance(value, list | tuple | set | frozenset | deque):
        yield from ((f"[{number}]", item) for number, item in enumerate(islice(value, MOST)))
    elif isinstance(value, functools.partial):
        yield from (("", item) for item in (value.func, value.args, value.keywords))
    elif isinstance(value, FunctionType):
        cells = zip(value.__code__.co_freevars, value.__closure__ or (), strict=True)
        yield from ((f".{name}", cell.cell_contents) for name, cell in cells)
    elif hasattr(value, "__self__"):
        yield "", value.__self__
    elif _is_plain_object(value):
        yield from ((f".{name}", item) for name, item in list(vars(value).items()))


def _is_plain_object(value: Any) -> bool:
    """Tells whether a value is an object of a class that a user wrote, or of one that only holds values."""
    package = type(value).__module__.partition(".")[0]
    if package in sys.stdlib_module_names:
        return isinstance(value, SimpleNamespace | Namespace)
    return hasattr(value, "__dict__") and package not in OTHERS


def leaves_of(output: Tensor) -> list[Tensor]:
    """Returns every leaf tensor with gradients that an output was computed from."""
    leaves: list[Tensor] = []
    seen: set[Any] = set()
    waiting = [output.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if type(node).__name__ == "AccumulateGrad":
            leaves.append(node.variable)  # type: ignore[attr-defined]
        waiting += [before for before, _ in node.next_functions]
    return leaves
