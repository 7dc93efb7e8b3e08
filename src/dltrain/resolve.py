"""What a `_target_` names, and whether it may be called: the one place that decides.

A target is trusted by what it turns out to be, never by how it is written: a class of the kind that its slot asks for,
or a function that is defined where its path says, from dltrain, torch or torchvision, or from the user's own folder.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn
from torch.optim import Optimizer

from dltrain.baselines.plain import BaselineSettings
from dltrain.data.augment import Augment
from dltrain.data.augment_text import AugmentText
from dltrain.errors import ConfigError
from dltrain.losses import Loss
from dltrain.signatures import check_call
from dltrain.training.settings import TrainerSettings

_TRUSTED_PACKAGES = ("dltrain", "torch", "torchvision")


@dataclass(frozen=True)
class Slot:
    """A node of the config whose `_target_` is called.

    Args:
        kind: what the target must be a subclass of, one class or one of several; `None` where it must be a function.
        module: where such a function must be defined, below dltrain.
        supplied: how many leading arguments do not come from the config.
    """

    kind: type | tuple[type, ...] | None
    module: str = ""
    supplied: int = 1


SLOTS: Mapping[str, Slot] = {
    "data": Slot(None, "dltrain.data.", supplied=0),
    "model": Slot(nn.Module),
    "loss": Slot(Loss),
    "optimizer": Slot(Optimizer),
    "scheduler": Slot(None, "dltrain.training.schedules", supplied=3),
    "trainer": Slot(TrainerSettings, supplied=0),
    "baseline": Slot(BaselineSettings, supplied=0),
    "augment": Slot((Augment, AugmentText), supplied=0),
}


def check(config: Mapping[str, Any]) -> list[ConfigError]:
    """Every reason why a config cannot be built, as far as that shows without loading data."""
    errors: list[ConfigError] = []
    for name, slot in SLOTS.items():
        node = config[name]
        if name == "loss" and "_target_" not in node:
            continue
        try:
            target = resolve(name, node)
        except ConfigError as error:
            errors.append(error)
            continue
        errors += check_call(target, arguments(node), name, slot.supplied)
    seed = config["seed"]
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**63:
        what = f"{seed!r} is not a whole number, at least 0 and below 2^63"
        errors.append(ConfigError(what, where="seed", fix="give one", override="seed=0"))
    return errors


def resolve(slot_name: str, node: Mapping[str, Any], trusted: Collection[str] | None = None) -> Callable[..., Any]:
    """The class or function that `_target_` names, if its slot may hold it.

    Args:
        slot_name: of the config.
        node: of the config.
        trusted: the modules below the working directory that may be imported; `None`, where the user wrote the config,
            for all of them.

    Raises:
        ConfigError: it does not exist, or is not of the slot's kind, or comes from elsewhere.
    """
    slot, path = SLOTS[slot_name], node.get("_target_")
    where = f"{slot_name}._target_"
    if not isinstance(path, str) or "." not in path:
        raise ConfigError(f"{path!r} is no class or function", where=where, fix="write it as package.module.Name")
    package = path.split(".")[0]
    if package not in _TRUSTED_PACKAGES and not _is_local(package):
        raise ConfigError(
            f"{path} is not from {', '.join(_TRUSTED_PACKAGES)} or the working directory",
            where=where,
            fix="put your own class into a module where you run dltrain",
        )
    module_path, name = path.rsplit(".", 1)
    if package not in _TRUSTED_PACKAGES and trusted is not None and not _is_among(module_path, trusted):
        raise ConfigError(
            f"the run's config names {path}, and code that a run folder names is not run unasked",
            where=where,
            fix="if you know that module and trust it, say so",
            override=f"--trust={package}",
            replaces="--trust",
        )
    try:
        found = getattr(importlib.import_module(module_path), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{path} cannot be found: {error}", where=where, fix="check its spelling") from None
    except Exception as error:  # a module of the user's own may raise anything
        raise ConfigError(f"{module_path} cannot be imported: {error}", where=where, fix="mend the module") from error
    origin = getattr(found, "__module__", None) or ""
    local = _is_below_here(found)
    if slot.kind is not None:
        fits = inspect.isclass(found) and issubclass(found, slot.kind)
        fits = fits and (local or origin.split(".")[0] in _TRUSTED_PACKAGES)
    else:
        written = inspect.isfunction(found) and (origin, found.__qualname__) == (module_path, name)
        fits = written and (local or origin.startswith(slot.module))
    if not fits:
        kinds = slot.kind if isinstance(slot.kind, tuple) else (slot.kind,)
        names = " or ".join(one.__name__ for one in kinds if one is not None)
        kind = f"a subclass of {names}" if slot.kind else f"a function of {slot.module.rstrip('.')}"
        raise ConfigError(f"{path} is not {kind}", where=where, fix="choose one: dltrain list " + slot_name)
    return found


def arguments(node: Mapping[str, Any]) -> dict[str, Any]:
    """What a config node calls its target with."""
    return {key: value for key, value in node.items() if key != "_target_"}


def _is_among(module_path: str, trusted: Collection[str]) -> bool:
    return any(module_path == name or module_path.startswith(f"{name}.") for name in trusted)


def _is_local(package: str) -> bool:
    """Whether the working directory holds a module of that name; importing may still find another one."""
    here = Path.cwd()
    return bool(package) and ((here / f"{package}.py").is_file() or (here / package).is_dir())


def _is_below_here(found: Any) -> bool:
    """Whether a class or function was written below the working directory, and not installed there."""
    try:
        source = Path(inspect.getfile(found)).resolve()
    except (TypeError, OSError):
        return False
    return source.is_relative_to(Path.cwd().resolve()) and "site-packages" not in source.parts
