"""Refuses models and steps that cannot fit into memory, before any of it is taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from dltrain.config.validation import spelled as spelled_value
from dltrain.errors import ConfigError
from dltrain.memory import free_memory, refuse_beyond, spelled
from dltrain.models.names import name_of
from dltrain.training.random_state import undisturbed

MOST_TENSORS = 100_000  # that a model is built from; the largest known ones have a few thousand
COPIES = 4  # of each trained weight: itself, its gradient, and two moments of most optimizers
_FACTORIES = frozenset(
    getattr(torch, name)
    for name in ["empty", "zeros", "ones", "full", "rand", "randn", "randint", "randperm", "arange", "linspace", "eye"]
)
_BEYOND_COUNTING = 1 << 63


Build = Callable[[Mapping[str, Any]], nn.Module]


class TooLarge(ConfigError):
    """A model that is too large for the memory."""


class SizeLimit(TorchFunctionMode):
    """Ends the building of a model inside a `with` block that would take more memory than is free.

    The size of each new tensor is known before it is allocated, from the same call for a tensor without data.

    Args:
        name: the name of the model in the config.
        given: its arguments in the config, the largest of which the error names.

    Raises:
        TooLarge: its tensors are too large, or too many.
    """

    def __init__(self, name: str, given: Mapping[str, Any]) -> None:
        super().__init__()
        self.name, self.where = name, f"model{largest_of(given)}"
        self.bytes = self.tensors = 0
        self.free = free_memory()

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Any,
        arguments: Sequence[Any] = (),
        options: Mapping[str, Any] | None = None,
    ) -> Any:
        options = options or {}
        if function in _FACTORIES:
            self._add(function, arguments, options)
        return function(*arguments, **options)

    def _add(self, function: Callable[..., Any], arguments: Sequence[Any], options: Mapping[str, Any]) -> None:
        shown = {name: value for name, value in options.items() if name not in ("generator", "pin_memory", "out")}
        try:
            like = function(*arguments, **shown | {"device": "meta"})
            self.bytes += like.numel() * like.element_size()
        except Exception as error:  # what else is wrong with the call is said by the call itself
            self.bytes += _BEYOND_COUNTING if "overflow" in str(error) else 0
        self.tensors += 1
        if self.tensors > MOST_TENSORS:
            what = f"{self.name} consists of more than {MOST_TENSORS:,} tensors"
            raise TooLarge(what, where=self.where, fix="give a smaller number")
        if self.bytes > self.free:
            words, fix = f"the weights of {self.name}", "give smaller numbers"
            refuse_beyond(self.bytes, words, where=self.where, fix=fix, free=self.free, error=TooLarge)


def fitting(given: Mapping[str, Any], usual: Mapping[str, Any], build: Build | None, free: int) -> str:
    """Returns the override with which a model fits into memory, trained with room to spare; empty if there is none.

    The largest number among the arguments, and others of its key, become at most what they are by default: whatever
    else grows with them, such as the layers' outputs, then fits as well.

    Args:
        given: the model's arguments in the config.
        usual: the defaults of its arguments.
        build: makes the model from other arguments, within `SizeLimit`; here of tensors without data. `None` where it
            is not to be made again.
        free: bytes of memory.
    """
    key = largest_of(given).removeprefix(".")
    if build is None or key not in usual:
        return ""
    smaller = _at_most(given[key], usual[key])
    try:
        with torch.device("meta"), undisturbed(torch.device("cpu")):
            parameters = list(build({**given, key: smaller}).parameters())
    except Exception:  # too large still, or it does not go together with the others
        return ""
    if 2 * COPIES * sum(parameter.numel() * parameter.element_size() for parameter in parameters) > free:
        return ""
    return f"model.{key}={spelled_value(smaller).replace(' ', '')}"


def _at_most(value: Any, usual: Any) -> Any:
    """Returns a number, or the numbers of a list, at most the largest by default; the default where it has none."""
    if isinstance(usual, Sequence) and usual:
        return [min(number, max(usual)) for number in value]
    return min(value, usual) if type(usual) is int else usual


def largest_of(given: Mapping[str, Any]) -> str:
    """Returns the key of the largest whole number among arguments, with a dot before it; empty if there is none."""
    sizes = {
        key: max((one for one in (value if isinstance(value, Sequence) else [value]) if type(one) is int), default=0)
        for key, value in given.items()
        if not isinstance(value, str)
    }
    largest = max(sizes, key=sizes.__getitem__, default="")
    return f".{largest}" if largest and sizes[largest] > 1 else ""


def refuse_weights(
    model: nn.Module,
    given: Mapping[str, Any],
    device: torch.device,
    usual: Mapping[str, Any] | None = None,
    build: Build | None = None,
) -> None:
    """Makes sure that a model can be trained on a device: its weights, their gradients, and what optimizers store.

    Args:
        model: to train.
        given: its arguments in the config.
        device: of the training.
        usual: the defaults of its arguments.
        build: as for `fitting`.

    Raises:
        ConfigError: they do not fit.
    """
    parameters = list(model.parameters())
    held = sum(tensor.numel() * tensor.element_size() for tensor in (*parameters, *model.buffers()))
    trained = sum(tensor.numel() * tensor.element_size() for tensor in parameters if tensor.requires_grad)
    count = sum(tensor.numel() for tensor in parameters)
    what = f"the {count:,} parameters of {name_of(model)}, with gradients and an optimizer,"
    more = (COPIES - 1) * trained  # the model itself is in memory already, if it is on the CPU
    needed, free = (more, free_memory()) if device.type == "cpu" else (held + more, free_on(device))
    if free is not None and needed > free:
        override = fitting(given, usual or {}, build, free)
        where = f"model{largest_of(given)}"
        refuse_beyond(needed, what, where=where, fix="choose a smaller model", override=override, free=free)


def refuse_step(samples: int, each: int, device: torch.device) -> None:
    """Makes sure that what the layers of a model put out for a batch fits into memory, where a step keeps it.

    Args:
        samples: of the batch.
        each: bytes of a sample.
        device: of the batch.

    Raises:
        ConfigError: it does not.
    """
    free = free_memory() if device.type == "cpu" else free_on(device)
    if free is not None and samples * each > free:
        size = max(1, free // (2 * each))
        needed = f"{spelled(samples * each)} of memory, and {spelled(free)} are free"
        raise ConfigError(
            f"a step of {samples:,} samples needs at least {needed}",
            where="trainer.batch_size",
            fix="give a smaller batch size",
            override=f"trainer.batch_size={1 << (size.bit_length() - 1)}",
        )


def free_on(device: torch.device) -> int | None:
    """Returns the free bytes of a GPU; `None` if it does not say."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None
