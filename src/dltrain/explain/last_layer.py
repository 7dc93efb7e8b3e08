"""The inputs of a model's last linear layer: what it has made of a sample before it answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from dltrain.types import BatchTransform, Stored


@contextmanager
def watching_last_layer(model: nn.Module) -> Iterator[list[Tensor]]:
    """Yields a list that gets the inputs `(B, F)` of the linear layer that each call of the model calls last; nothing
    if there is none."""
    last_input: list[Tensor] = []
    of_calls: list[Tensor] = []

    def remember(layer: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        last_input[:] = [arguments[0].detach()]  # overwritten until the last layer is called

    def finish(whole: nn.Module, arguments: tuple[Tensor, ...], output: Any) -> None:
        of_calls.extend(part.reshape(len(arguments[0]), -1) for part in last_input)
        last_input.clear()

    hooks = [layer.register_forward_pre_hook(remember) for layer in model.modules() if isinstance(layer, nn.Linear)]
    hooks.append(model.register_forward_hook(finish))
    try:
        yield of_calls
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def last_layer_inputs(
    model: nn.Module, inputs: tuple[Stored, ...], prepare: BatchTransform | None, batch: int, rows: Tensor | None = None
) -> Iterator[Tensor]:
    """Yields the inputs `(B, F)` of the linear layer that is called last, batch by batch; nothing if there is none.

    Args:
        model: is set to evaluation.
        inputs: `(N, ...)`, on the model's device.
        prepare: what loaders do to a batch.
        batch: samples at once.
        rows: `(n,)` the samples to look at, on the model's device; `None` for all.
    """
    model.eval()
    with watching_last_layer(model) as of_calls:
        for start in range(0, len(inputs[0]) if rows is None else len(rows), batch):
            few = slice(start, start + batch)
            part = tuple(stored[few if rows is None else rows[few]] for stored in inputs)
            model(*(part if prepare is None else prepare(part)))
            if not of_calls:
                return
            yield of_calls.pop()
