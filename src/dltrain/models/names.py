"""The model that somebody wrote, and the name by which users know it."""

from __future__ import annotations

from torch import nn


def name_of(model: nn.Module) -> str:
    """Returns the name of a model's class; of a model that wraps another one, that of the wrapped one."""
    return type(inner_model(model)).__name__


def inner_model(model: nn.Module) -> nn.Module:
    """Returns the model inside one that only wraps it, as the scaling of windows does; any other as it is.

    A wrapper says so by a property `wrapped` of its class; a layer that somebody calls `wrapped` is no such thing.
    """
    inner = model.wrapped if isinstance(getattr(type(model), "wrapped", None), property) else None
    return inner if isinstance(inner, nn.Module) else model
