"""dltrain: from a data set to a trained, measured, explained and reusable model, in one command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dltrain.api import train as train
    from dltrain.inference.load import LoadedModel as LoadedModel
    from dltrain.inference.load import load as load

__version__ = "0.1.0"
__all__ = ["LoadedModel", "load", "train"]


def __getattr__(name: str) -> Any:
    """Imports torch only when a model is asked for."""
    if name in ("load", "LoadedModel"):
        from dltrain.inference import load as loaded

        return getattr(loaded, name)
    if name == "train":
        from dltrain.api import train

        return train
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
