"""What a `_target_` names, and whether it may be called: the one place that decides.

A short name is built in (`config/built_in.py`). A dotted path is trusted by what it turns out to be, never by how it
is written: a class of the kind that its slot asks for, or a function that is defined where its path says and whose
annotation promises what the slot asks for. The user's own configs may name anything installed; a run folder may name
what dltrain, torch.nn, torch.optim and torchvision define, and all else only when the user trusts it by name.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import re
import sys
import typing
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, open_dict
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from dltrain.config.built_in import BUILT_IN, current_target
from dltrain.config.validation import check_call, nearest
from dltrain.errors import ConfigError
from dltrain.experiment.baselines import BaselineSettings
from dltrain.experiment.outside_models import filled, takes_spec
from dltrain.kinds import kind as kinds
from dltrain.kinds.augmentation import Augmentation
from dltrain.kinds.kind import Kind
from dltrain.tasks import registry as tasks
from dltrain.tasks.losses import Loss
from dltrain.tasks.metrics import Metric
from dltrain.tasks.task import Task
from dltrain.training.settings import TrainerSettings
from dltrain.types import Data

TRUSTED_MODULES = ("dltrain", "torch.nn", "torch.optim", "torchvision")
UNTRUSTED_PACKAGES = ("torch", "builtins")  # of which nothing else is a model, whatever anybody says


@dataclass(frozen=True)
class Slot:
    """A node of the config whose `_target_` is called.

    Args:
        kind: what the target must be a subclass of, or, where it is a function, promise to return.
        classes: whether classes of that kind will do.
        functions: whether functions that return such an object will do.
        supplied: how many leading arguments do not come from the config.
    """

    kind: type
    classes: bool = True
    functions: bool = False
    supplied: int = 1


SLOTS: Mapping[str, Slot] = {
    "data": Slot(Data, classes=False, functions=True, supplied=0),
    "model": Slot(nn.Module, functions=True),
    "loss": Slot(Loss),
    "optimizer": Slot(Optimizer),
    "scheduler": Slot(LRScheduler, classes=False, functions=True, supplied=3),
    "trainer": Slot(TrainerSettings, supplied=0),
    "baseline": Slot(BaselineSettings, supplied=0),
    "augment": Slot(Augmentation, supplied=0),
}
METRIC = Slot(Metric, classes=False, functions=True)  # of each entry of the node `metric`
OWN = {"task": Slot(Task), "kind": Slot(Kind)}  # named by facts, where they are not built in


def check(config: Mapping[str, Any]) -> list[ConfigError]:
    """Returns every reason why a config cannot be built, as far as that shows without loading data."""
    errors: list[ConfigError] = []
    for name in SLOTS:
        node = config[name]
        if name == "loss" and "_target_" not in node:
            continue
        try:
            target = resolve(name, node)
        except ConfigError as error:
            errors.append(error)
            continue
        errors += check_arguments(name, target, node)
    for name, node in (config.get("metric") or {}).items():
        try:
            errors += check_call(resolve_metric(name, node), arguments(node), f"metric.{name}", METRIC.supplied)
        except ConfigError as error:
            errors.append(error)
    seed = config["seed"]
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**63:
        what = f"{seed!r} is not a whole number, at least 0 and below 2^63"
        errors.append(ConfigError(what, where="seed", fix="give one", override="seed=0"))
    return errors


def resolve(slot_name: str, node: Mapping[str, Any], trusted: Collection[str] | None = None) -> Callable[..., Any]:
    """Returns the class or function that `_target_` names, if its slot may hold it.

    Args:
        slot_name: of the config.
        node: of the config.
        trusted: where a run folder names the target, the further packages and modules that the user trusts; `None`
            where the user wrote the config: then anything that is installed will do.

    Raises:
        ConfigError: it does not exist, or is not of the slot's kind, or is not trusted.
    """
    slot, path = SLOTS[slot_name], node.get("_target_")
    where = f"{slot_name}._target_"
    if not isinstance(path, str) or not path:
        raise ConfigError(f"{path!r} is no class or function", where=where, fix="write it as package.module.Name")
    path = current_target(path)
    if "." not in path:
        path = _built_in(slot_name, path)
    return find_object(path, where, trusted, lambda found: fits(slot, found, path), _wanted(slot, slot_name))


def resolve_metric(name: str, node: Any, trusted: Collection[str] | None = None) -> Callable[..., Metric]:
    """Returns the function that makes a metric of the user's own, `(facts, **config) -> Metric`; `trusted` as in
    `resolve`.

    Raises:
        ConfigError: there is none, or it may not be called.
    """
    where, path = f"metric.{name}._target_", node.get("_target_") if isinstance(node, Mapping) else None
    if not isinstance(path, str) or "." not in path:
        raise ConfigError(f"{path!r} is no function", where=where, fix="write it as module.function")
    found: Callable[..., Metric] = find_object(
        path, where, trusted, lambda one: fits(METRIC, one, path), _wanted(METRIC, "metric")
    )
    return found


def meet_task(name: str, trusted: Collection[str] | None = None) -> None:
    """Imports a task of one's own by its dotted path, so that facts may name it; a built-in one is known already.

    Raises:
        ConfigError: there is none of that name, or it is not trusted.
    """
    if "." in name and not tasks.is_known(name):
        wanted = _wanted(OWN["task"], "task")
        tasks.register(find_object(name, "task", trusted, lambda found: fits(OWN["task"], found, name), wanted))


def meet_kind(name: str, trusted: Collection[str] | None = None) -> None:
    """Imports a kind of data of one's own by its dotted path, as `meet_task` does a task.

    Raises:
        ConfigError: there is none of that name, or it is not trusted.
    """
    if "." in name and not kinds.is_known(name):
        wanted = _wanted(OWN["kind"], "data")
        kinds.register(find_object(name, "data", trusted, lambda found: fits(OWN["kind"], found, name), wanted))


def find_object(
    path: str, where: str, trusted: Collection[str] | None, fits: Callable[[Any], bool], wanted: tuple[str, str]
) -> Any:
    """Returns the object at a dotted path, if it is trusted and fits.

    Args:
        path: of the object.
        where: the config key that names it.
        trusted: as for `resolve`.
        fits: whether the object is of the kind that is asked for.
        wanted: that kind in words, and what to do where another is named.

    Raises:
        ConfigError: it cannot be found, or does not fit, or is not trusted.
    """
    module_path, name = path.rsplit(".", 1)
    if trusted is not None and not _is_trusted(module_path, trusted):
        raise _refused(path, where)
    try:
        found = getattr(_imported(module_path), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{path} cannot be found: {error}", where=where, fix="check its spelling") from None
    except Exception as error:  # a module of the user's own may raise anything
        raise ConfigError(f"{module_path} cannot be imported: {error}", where=where, fix="fix the module") from error
    if not fits(found):
        raise ConfigError(f"{path} is not {wanted[0]}", where=where, fix=wanted[1])
    if trusted is not None and not _is_trusted(str(getattr(found, "__module__", "")), trusted):
        raise _refused(path, where)
    return found


def fits(slot: Slot, found: Any, path: str) -> bool:
    """Tells whether a slot may hold an object that was found at a path."""
    if inspect.isclass(found):
        return slot.classes and issubclass(found, slot.kind)
    if not slot.functions or not inspect.isfunction(found):
        return False
    module_path, name = path.rsplit(".", 1)
    package = module_path.split(".")[0]
    if found.__qualname__ != name or found.__module__.split(".")[0] != package:
        return False  # merely imported there
    if package == "torch":
        return False  # none of its functions builds a model from plain values, and some run what they are given
    promised = returned_by(found)
    options = typing.get_args(promised) or (promised,)
    promises = any(inspect.isclass(one) and issubclass(one, slot.kind) for one in options)
    return promises or (package != "dltrain" and is_local(found))


def returned_by(function: Callable[..., Any]) -> Any:
    """Returns what a function's annotation promises; `None` where it has none, or one that cannot be read."""
    try:
        return typing.get_type_hints(function).get("return")
    except Exception:  # the names of an annotation may be missing at run time
        text = str(inspect.get_annotations(function).get("return", ""))
        found = [_named(name, function.__globals__) for name in re.findall(r"[\w.]+", text)]
        return typing.Union[tuple(one for one in found if inspect.isclass(one)) or None]  # noqa: UP007


def _named(name: str, names: Mapping[str, Any]) -> Any:
    """What a dotted name of an annotation stands for; nothing where that is not known."""
    first, *others = name.split(".")
    return functools.reduce(lambda found, part: getattr(found, part, None), others, names.get(first))


def check_arguments(slot_name: str, target: Callable[..., Any], node: Mapping[str, Any]) -> list[ConfigError]:
    """Returns every reason why what a node names must not be called with the node's arguments."""
    given = arguments(node)
    if slot_name == "optimizer" and needs_closure(target):
        return [
            ConfigError(
                f"{node['_target_']} computes the loss anew within a step, by a closure, and dltrain gives it none",
                where="optimizer",
                fix="choose another optimizer",
                override="optimizer=adamw",
                replaces="optimizer._target_",
            )
        ]
    if slot_name != "model":
        return check_call(target, given, slot_name, SLOTS[slot_name].supplied)
    from_data = {f"model.{name}" for name in filled(target, given)}
    errors = check_call(target, given, "model", int(takes_spec(target, given)))
    return [error for error in errors if error.where not in from_data]


def drop_leftovers(config: Any, overrides: Sequence[str]) -> None:
    """Takes away, where overrides name another `_target_` than a file does, what the file says for its own.

    What the other one takes by the same name, and what overrides give, stays.

    Args:
        config: composed, a dictionary or a `DictConfig`; it is changed.
        overrides: that it was composed from.
    """
    typed = {override.partition("=")[0].lstrip("+") for override in overrides}
    for slot in SLOTS:
        node = config.get(slot)
        if f"{slot}._target_" not in typed or not node:
            continue
        try:
            takes = inspect.signature(resolve(slot, node)).parameters.values()
        except (ConfigError, ValueError, TypeError):
            continue  # it is refused later
        kept = {parameter.name for parameter in takes} | {
            key.split(".")[1] for key in typed if key.startswith(f"{slot}.")
        }
        with open_dict(node) if isinstance(node, DictConfig) else nullcontext():
            for key in [key for key in node if key not in kept]:
                del node[key]


def needs_closure(optimizer: Callable[..., Any]) -> bool:
    """Tells whether an optimizer's step cannot do without a function that computes the loss again."""
    try:
        closure = inspect.signature(optimizer.step).parameters.get("closure")  # type: ignore[attr-defined]
    except (AttributeError, ValueError, TypeError):
        return False
    return closure is not None and closure.default is closure.empty


def check_trust(config: Mapping[str, Any], trusted: Collection[str]) -> None:
    """Makes sure that a run's config calls no code but what `resolve` trusts; nothing else is imported.

    Raises:
        ExceptionGroup: of every ConfigError in it.
    """
    errors: list[ConfigError] = []
    task = str((config.get("task") or {}).get("name", ""))
    if "." in task and not _is_trusted(task.rpartition(".")[0], trusted):
        errors.append(_refused(task, "task"))
    for name, node in config.items():
        for place, path in _targets(node, name):
            try:
                if place in {f"{slot}._target_" for slot in SLOTS}:
                    resolve(name, node, trusted)
                elif "." in path and not _is_trusted(path.rpartition(".")[0], trusted):
                    errors.append(_refused(path, place))  # an argument, which a model may call by itself
            except ConfigError as error:
                errors.append(error)
    if errors:
        raise ExceptionGroup("config", errors)


def arguments(node: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a config node calls its target with."""
    return {key: value for key, value in node.items() if key != "_target_"}


def is_local(found: Any) -> bool:
    """Tells whether a class or function was written below the working directory, and not installed there."""
    try:
        source = Path(inspect.getfile(found)).resolve()
    except (TypeError, OSError):
        return False
    return source.is_relative_to(Path.cwd().resolve()) and "site-packages" not in source.parts


def _built_in(slot_name: str, name: str) -> str:
    known = BUILT_IN.get(slot_name, {})
    if name not in known:
        near = nearest(name, list(known))
        raise ConfigError(
            f"there is no built-in {slot_name} {name!r}",
            where=f"{slot_name}._target_",
            fix=f"did you mean {near}?" if near else "write your own as package.module.Name",
            override=f"{slot_name}._target_={near}" if near else "",
        )
    return known[name]


def _imported(module_path: str) -> Any:
    """Imports a module; what stands in the working directory is found there."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    return importlib.import_module(module_path)


def _is_trusted(module_path: str, trusted: Collection[str]) -> bool:
    return any(f"{module_path}.".startswith(f"{name}.") for name in (*TRUSTED_MODULES, *trusted))


def _refused(path: str, where: str) -> ConfigError:
    """The refusal of what a run folder names and nobody has said to trust."""
    package = path.split(".")[0]
    what = f"the run's config names {path}, and code that a run folder names is not run without being asked for"
    if package in UNTRUSTED_PACKAGES or package in sys.stdlib_module_names:
        return ConfigError(what, where=where, fix="train again with what dltrain knows")
    fix = "if you know that module and trust it, say so"
    return ConfigError(what, where=where, fix=fix, override=f"--trust={package}", replaces="--trust")


def _targets(node: Any, place: str) -> Iterator[tuple[str, str]]:
    """Every `_target_` below a node, with its dotted key."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key == "_target_":
                yield f"{place}._target_", str(value)
            else:
                yield from _targets(value, f"{place}.{key}")
    elif isinstance(node, list | tuple):
        for number, value in enumerate(node):
            yield from _targets(value, f"{place}[{number}]")


def _wanted(slot: Slot, slot_name: str) -> tuple[str, str]:
    forms = [f"a subclass of {slot.kind.__name__}"] * slot.classes
    forms += [f"a function that returns {slot.kind.__name__} (-> {slot.kind.__name__})"] * slot.functions
    return " or ".join(forms), f"choose one: dltrain list {slot_name}"
