"""What a model is called."""

from __future__ import annotations

from torch import nn


def name_of(model: nn.Module) -> str:
    """Returns the name of a model's family; of a model that stands around another one, the other one's."""
    inner = getattr(model, "wrapped", None)
    return type(inner if isinstance(inner, nn.Module) else model).__name__
