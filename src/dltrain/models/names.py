"""The model inside a wrapper, and the name by which users know it."""

from __future__ import annotations

from torch import nn


def name_of(model: nn.Module) -> str:
    """Returns the name of a model's class; of a model that wraps another one, that of the wrapped one."""
    return type(inner_model(model)).__name__


def inner_model(model: nn.Module) -> nn.Module:
    """Returns the model inside a wrapper, such as the scaling of windows; any other model as it is.

    The class of a wrapper has a property `wrapped`; a layer with that name does not make a wrapper.
    """
    inner = model.wrapped if isinstance(getattr(type(model), "wrapped", None), property) else None
    return inner if isinstance(inner, nn.Module) else model


def picked_model(model: nn.Module) -> nn.Module:
    """Returns the model that the user picked: the one inside a wrapper, or at the core of one that is built around it.

    The class of a model that is built around another one has a property `core`.
    """
    core = model.core if isinstance(getattr(type(model), "core", None), property) else None
    return picked_model(core) if isinstance(core, nn.Module) else inner_model(model)
