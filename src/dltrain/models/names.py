"""The name by which users know a model."""

from __future__ import annotations

from torch import nn


def name_of(model: nn.Module) -> str:
    """Returns the name of a model's class; of a model that wraps another one, that of the wrapped one."""
    inner = getattr(model, "wrapped", None)
    return type(inner if isinstance(inner, nn.Module) else model).__name__
