"""Finds the class or function that a `_target_` names, and decides whether it may be called.

A short name is built in (`config/built_in.py`). A dotted path is trusted by the object that it leads to, never by its
spelling: a class of the type that its slot needs, or a function that is defined at that path and whose annotation
promises that type. The user's own configs may name anything that is installed; a run folder may name what dltrain,
torch.nn, torch.optim and torchvision define, and everything else only if the user trusts it by name.
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
from dltrain.config.validation import check_call, nearest, spelled
from dltrain.errors import ConfigError
from dltrain.experiment.baselines import BaselineSettings
from dltrain.experiment.outside_models import filled, takes_spec
from dltrain.kinds import kind as kinds
from dltrain.kinds.augmentation import Augmentation
from dltrain.kinds.kind import Kind
from dltrain.loggers.logger import Logger
from dltrain.tasks import registry as tasks
from dltrain.tasks.losses import Loss
from dltrain.tasks.metrics import Metric
from dltrain.tasks.task import Task
from dltrain.training.settings import TrainerSettings
from dltrain.types import Data

TRUSTED_MODULES = ("dltrain", "torch.nn", "torch.optim", "torchvision")
UNTRUSTED_PACKAGES = ("torch", "builtins")  # nothing else in them is a model, and --trust does not help


@dataclass(frozen=True)
class Slot:
    """A node of the config whose `_target_` is called.

    Args:
        kind: the type that the target must be a subclass of, or, if it is a function, promise to return.
        classes: whether classes of that type are allowed.
        functions: whether functions that return such an object are allowed.
        supplied: how many leading arguments do not come from the config.
    """

    kind: type
    classes: bool = True
    functions: bool = False
    supplied: int = 1


SLOTS: Mapping[str, Slot] = {
    "data": Slot(Data, classes=False, functions=True, supplied=0),
    "model": Slot(nn.Module, functions=True),
    "loss": Slot(Loss, functions=True),
    "optimizer": Slot(Optimizer),
    "scheduler": Slot(LRScheduler, classes=False, functions=True, supplied=3),
    "trainer": Slot(TrainerSettings, supplied=0),
    "baseline": Slot(BaselineSettings, supplied=0),
    "augment": Slot(Augmentation, supplied=0),
}
# Each entry of a node that holds several targets by their names.
ENTRIES: Mapping[str, Slot] = {
    "metric": Slot(Metric, classes=False, functions=True),
    "logger": Slot(Logger, functions=True, supplied=0),
}
OWN = {"task": Slot(Task), "kind": Slot(Kind)}  # the user's own, which facts name by a dotted path


def check(config: Mapping[str, Any]) -> list[ConfigError]:
    """Returns every error in a config that shows without loading data."""
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
    for group, slot in ENTRIES.items():
        for name, node in (config.get(group) or {}).items():
            try:
                errors += check_call(
                    resolve_entry(group, name, node), arguments(node), f"{group}.{name}", slot.supplied
                )
            except ConfigError as error:
                errors.append(error)
    seed = config["seed"]
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**63:
        what = f"{spelled(seed)} is not a whole number, at least 0 and below 2^63"
        errors.append(ConfigError(what, where="seed", fix="give such a number"))
    return errors


def resolve(slot_name: str, node: Mapping[str, Any], trusted: Collection[str] | None = None) -> Callable[..., Any]:
    """Returns the class or function that `_target_` names, if its slot allows it.

    Args:
        slot_name: the name of the slot, a section of the config.
        node: the content of that section.
        trusted: for the config of a run folder, the packages and modules that the user trusts in addition; `None` for
            the user's own config, which may name anything that is installed.

    Raises:
        ConfigError: the target does not exist, or does not fit the slot, or is not trusted.
    """
    slot, path = SLOTS[slot_name], node.get("_target_")
    where = f"{slot_name}._target_"
    if not isinstance(path, str) or not path:
        raise ConfigError(
            f"{spelled(path)} is not a class or function", where=where, fix="write it as package.module.Name"
        )
    path = current_target(path)
    if "." not in path:
        path = _built_in(slot_name, path)
    return find_object(path, where, trusted, lambda candidate: fits(slot, candidate, path), _wanted(slot, slot_name))


def resolve_entry(group: str, name: str, node: Any, trusted: Collection[str] | None = None) -> Callable[..., Any]:
    """Returns what an entry of a node names, such as a metric or a logger; `trusted` as in `resolve`.

    Raises:
        ConfigError: it does not exist, or may not be called.
    """
    slot, where = ENTRIES[group], f"{group}.{name}._target_"
    path = node.get("_target_") if isinstance(node, Mapping) else None
    if isinstance(path, str) and path in BUILT_IN.get(group, {}):
        path = BUILT_IN[group][path]
    if not isinstance(path, str) or "." not in path:
        form = "module.Name" if slot.classes else "module.function"
        what = "a class or function" if slot.classes else "a function"
        raise ConfigError(f"{spelled(path)} is not {what}", where=where, fix=f"write it as {form}")
    return find_object(path, where, trusted, lambda one: fits(slot, one, path), _wanted(slot, group))


def meet_task(name: str, trusted: Collection[str] | None = None) -> None:
    """Imports and registers the user's own task by its dotted path; does nothing for a registered one.

    Raises:
        ConfigError: the task does not exist, or is not trusted.
    """
    if "." in name and not tasks.is_known(name):
        wanted = _wanted(OWN["task"], "task")
        tasks.register(find_object(name, "task", trusted, lambda one: fits(OWN["task"], one, name), wanted))


def meet_kind(name: str, trusted: Collection[str] | None = None) -> None:
    """Imports and registers the user's own kind of data by its dotted path; does nothing for a registered one.

    Raises:
        ConfigError: the kind does not exist, or is not trusted.
    """
    if "." in name and not kinds.is_known(name):
        wanted = _wanted(OWN["kind"], "data")
        kinds.register(find_object(name, "data", trusted, lambda one: fits(OWN["kind"], one, name), wanted))


def find_object(
    path: str, where: str, trusted: Collection[str] | None, fits: Callable[[Any], bool], wanted: tuple[str, str]
) -> Any:
    """Returns the object at a dotted path, if it is trusted and fits.

    Args:
        path: the dotted path of the object.
        where: the config key that names it.
        trusted: as in `resolve`.
        fits: tells whether the object is of the type that is needed.
        wanted: that type in words, and the fix for an object of another type.

    Raises:
        ConfigError: the object cannot be found, or does not fit, or is not trusted.
    """
    module_path, name = path.rsplit(".", 1)
    if trusted is not None and not _is_trusted(module_path, trusted):
        raise _refused(path, where)
    try:
        target = getattr(_imported(module_path), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{path} cannot be found: {error}", where=where, fix="check the spelling") from None
    except Exception as error:  # the user's own module may raise anything
        raise ConfigError(f"{module_path} cannot be imported: {error}", where=where, fix="fix the module") from error
    if not fits(target):
        raise ConfigError(f"{path} is not {wanted[0]}", where=where, fix=wanted[1])
    if trusted is not None and not _is_trusted(str(getattr(target, "__module__", "")), trusted):
        raise _refused(path, where)
    return target


def fits(slot: Slot, candidate: Any, path: str) -> bool:
    """Tells whether a slot allows the object at a path."""
    if inspect.isclass(candidate):
        return slot.classes and issubclass(candidate, slot.kind)
    if not slot.functions or not inspect.isfunction(candidate):
        return False
    module_path, name = path.rsplit(".", 1)
    package = module_path.split(".")[0]
    if candidate.__qualname__ != name or candidate.__module__.split(".")[0] != package:
        return False  # only imported there, not defined
    if package == "torch":
        return False  # none of its functions builds a model from plain values, and some execute their arguments
    promised = returned_by(candidate)
    options = typing.get_args(promised) or (promised,)
    promises = any(inspect.isclass(one) and issubclass(one, slot.kind) for one in options)
    return promises or (package != "dltrain" and is_local(candidate))


def returned_by(function: Callable[..., Any]) -> Any:
    """Returns the type that a function's annotation promises; `None` if it has none, or it cannot be read."""
    try:
        return typing.get_type_hints(function).get("return")
    except Exception:  # the names of an annotation may be missing at run time
        text = str(inspect.get_annotations(function).get("return", ""))
        named = [_named(name, function.__globals__) for name in re.findall(r"[\w.]+", text)]
        return typing.Union[tuple(one for one in named if inspect.isclass(one)) or None]  # noqa: UP007


def _named(name: str, names: Mapping[str, Any]) -> Any:
    """Returns what a dotted name of an annotation stands for, or `None` if it stands for nothing."""
    first, *others = name.split(".")
    return functools.reduce(lambda value, part: getattr(value, part, None), others, names.get(first))


def check_arguments(slot_name: str, target: Callable[..., Any], node: Mapping[str, Any]) -> list[ConfigError]:
    """Returns an error for each reason not to call a node's target with the node's arguments."""
    given = arguments(node)
    if slot_name == "optimizer" and needs_closure(target):
        return [
            ConfigError(
                f"{node['_target_']} needs a closure that computes the loss again, which dltrain does not support",
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
    """Removes the arguments of a file's `_target_` from the config if overrides choose another `_target_`.

    Arguments that the new target also takes, and those in overrides, stay.

    Args:
        config: the composed config, a dictionary or a `DictConfig`; it is changed.
        overrides: the overrides that it was composed from.
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
        remaining = {parameter.name for parameter in takes} | {
            key.split(".")[1] for key in typed if key.startswith(f"{slot}.")
        }
        with open_dict(node) if isinstance(node, DictConfig) else nullcontext():
            for key in [key for key in node if key not in remaining]:
                del node[key]


def needs_closure(optimizer: Callable[..., Any]) -> bool:
    """Tells whether an optimizer's step needs a closure, a function that computes the loss again."""
    try:
        closure = inspect.signature(optimizer.step).parameters.get("closure")  # type: ignore[attr-defined]
    except (AttributeError, ValueError, TypeError):
        return False
    return closure is not None and closure.default is closure.empty


def check_trust(config: Mapping[str, Any], trusted: Collection[str]) -> None:
    """Checks that a run's config only calls code that `resolve` trusts; imports nothing else.

    Raises:
        ExceptionGroup: one ConfigError for each target that is not trusted.
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
                    errors.append(_refused(path, place))  # an argument, which a model may call itself
            except ConfigError as error:
                errors.append(error)
    if errors:
        raise ExceptionGroup("config", errors)


def arguments(node: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the arguments that a config node gives its target."""
    return {key: value for key, value in node.items() if key != "_target_"}


def defaults_of(node: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the defaults of the arguments of the model that a config node describes."""
    parameters = inspect.signature(resolve("model", node)).parameters.values()
    return {one.name: one.default for one in parameters if one.default is not one.empty}


def is_local(target: Any) -> bool:
    """Tells whether a class or function is defined below the working directory, and not installed there."""
    try:
        source = Path(inspect.getfile(target)).resolve()
    except (TypeError, OSError):
        return False
    return source.is_relative_to(Path.cwd().resolve()) and "site-packages" not in source.parts


def _built_in(slot_name: str, name: str) -> str:
    built_in = BUILT_IN.get(slot_name, {})
    if name not in built_in:
        near = nearest(name, list(built_in))
        raise ConfigError(
            f"there is no built-in {slot_name} {name!r}",
            where=f"{slot_name}._target_",
            fix=f"did you mean {near}?" if near else "write your own as package.module.Name",
            override=f"{slot_name}._target_={near}" if near else "",
        )
    return built_in[name]


def _imported(module_path: str) -> Any:
    """Imports and returns a module, also from the working directory."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    return importlib.import_module(module_path)


def _is_trusted(module_path: str, trusted: Collection[str]) -> bool:
    return any(f"{module_path}.".startswith(f"{name}.") for name in (*TRUSTED_MODULES, *trusted))


def _refused(path: str, where: str) -> ConfigError:
    """Returns the error for a target in a run folder that the user has not trusted."""
    package = path.split(".")[0]
    what = f"the run's config names {path}, and code from a run folder is run only if you trust it"
    if package in UNTRUSTED_PACKAGES or package in sys.stdlib_module_names:
        return ConfigError(what, where=where, fix="train again with code that dltrain supports")
    fix = "if you know and trust this module, name it as well"
    return ConfigError(what, where=where, fix=fix, override=f"--trust={package}")


def _targets(node: Any, place: str) -> Iterator[tuple[str, str]]:
    """Yields the dotted key and the value of every `_target_` in a node."""
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
