"""The model inside a wrapper, and the name by which users know it."""

from __future__ import annotations

from torch import nn


def name_of(model: nn.Module) -> str:
    """Returns the name of a model's class; of a model that wraps another one or is built around it, that of the other.

    The class of a model that is built around another one has a property `core`.
    """
    core = model.core if isinstance(getattr(type(model), "core", None), property) else None
    return name_of(core) if isinstance(core, nn.Module) else type(inner_model(model)).__name__


def inner_model(model: nn.Module) -> nn.Module:
    """Returns the model inside a wrapper, such as the scaling of windows; any other model as it is.

    The class of a wrapper has a property `wrapped`; a layer with that name does not make a wrapper.
    """
    inner = model.wrapped if isinstance(getattr(type(model), "wrapped", None), property) else None
    return inner if isinstance(inner, nn.Module) else model
