"""The model inside a wrapper, and the name by which users know it."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from dltrain.models.auto import Auto
from dltrain.models.cnn import CNN
from dltrain.models.fold_ensemble import FoldEnsemble
from dltrain.types import Remembering


def name_of(model: nn.Module) -> str:
    """Returns the name of the model that the user picked."""
    return class_of(model).__name__


def class_of(model: nn.Module) -> type[nn.Module]:
    """Returns the class of the model that the user picked, of an ensemble over folds that of its models."""
    return type(picked_models(model)[0])


def count_models(model: nn.Module) -> int:
    """Returns how many networks a model calls one after another, as ensembles do; 1 for any other model."""
    return len(networks_of(model))


def networks_of(model: nn.Module) -> list[nn.Module]:
    """Returns the networks that a model calls one after another, as ensembles do; of any other model the one that the
    user picked."""
    picked = picked_model(model)
    several = isinstance(picked, Auto | FoldEnsemble) or (isinstance(picked, CNN) and picked.networks > 1)
    parts = picked.models if several else ()
    return [one for part in parts for one in networks_of(part)] or [picked]  # type: ignore[union-attr]


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


def picked_models(model: nn.Module) -> list[nn.Module]:
    """Returns the model that the user picked; of an ensemble over folds those of all folds."""
    picked = picked_model(model)
    if not isinstance(picked, FoldEnsemble):
        return [picked]
    return [one for part in picked.models for one in picked_models(part)]


def make_room(model: nn.Module, saved: Mapping[str, Tensor]) -> None:
    """Makes room in a model that stores training samples for those among saved weights; changes no other model."""
    for name, part in model.named_modules():
        if isinstance(part, Remembering):
            prefix = f"{name}." if name else ""
            part.make_room({key.removeprefix(prefix): saved[key] for key in saved if key.startswith(prefix)})
