"""Weights that a model begins with: those of another run (`init_from`), or of files that its own config names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dltrain.errors import CheckpointError, ConfigError
from dltrain.experiment.outside_models import without_start
from dltrain.experiment.targets import arguments, resolve
from dltrain.kinds.kind import kind_of
from dltrain.models.names import picked_model, picked_models
from dltrain.runs.folder import RunDir, refuse_links
from dltrain.storage import digest
from dltrain.tasks.registry import is_known, task_class
from dltrain.training.checkpoint import WEIGHTS, load_weights, pointed, under_present_names
from dltrain.training.random_state import undisturbed
from dltrain.types import Facts, InputFormat, Spec

HEAD = "head"  # the part of a model that may be another one
NAMED = 4  # tensors that a message names


class Start:
    """A run that another one starts from; only its facts and weights are read, and no code runs.

    Args:
        path: its folder.

    Raises:
        ConfigError: there is no such run.
        CheckpointError: its folder is damaged, or it saved no weights.
    """

    def __init__(self, path: str) -> None:
        self.run = RunDir(Path(path).expanduser())
        if not self.run.facts.is_file():
            what = f"{path} is not the folder of a run that has begun"
            raise ConfigError(what, where="init_from", fix="name a folder below outputs/; dltrain runs lists them")
        refuse_links(self.run.path)
        self.facts = self.run.read_facts()
        self.checkpoint = pointed(self.run.own(self.run.checkpoints), "best")

    @property
    def digests(self) -> dict[str, str]:
        """Returns the digest of the weights, by the name of their file."""
        return {str(self.checkpoint.relative_to(self.run.path) / WEIGHTS): digest(self.checkpoint / WEIGHTS)}

    @torch.no_grad()
    def load_into(self, model: nn.Module, facts: Facts, outputs: Callable[[], frozenset[str]]) -> tuple[str, ...]:
        """Copies the run's weights into a model in place, and returns what was taken and what was not.

        Args:
            model: for data with the facts `facts`.
            facts: of the data that it is to be trained on.
            outputs: returns the names of the tensors whose shape depends on the number of outputs.

        Raises:
            ConfigError: the run's model is another one, or its inputs mean something else.
        """
        before, kind = self.facts, kind_of(facts)
        if before.kind != facts.kind:
            raise self._refusal(f"was trained on {before.kind} data, and this is {facts.kind} data")
        if reason := kind.why_unlike(before, facts):
            raise self._refusal(f"was trained on other inputs: {reason}")
        own = model.state_dict()
        saved = _fitted(under_present_names(load_weights(self.checkpoint), own), model)
        same_target = _target(before) == _target(facts)
        new = frozenset() if same_target else outputs()
        taken = [name for name in own if name in saved and saved[name].shape == own[name].shape and name not in new]
        left = [name for name in own if name not in taken]
        if left:
            loose = outputs()
            if strange := [name for name in left if name not in loose and HEAD not in name.split(".")]:
                raise self._refusal(f"has another model: {_difference(strange[0], own, saved)}")
        for name in taken:
            own[name].copy_(saved[name])
        words = f"{len(taken)} of {len(own)} tensors of {self.run.path}"
        if left:
            why = "" if same_target else f" for {_describe_target(facts)}, not {_describe_target(before)}"
            words += f"; not taken, and new{why}: {_shortened(left)}"
        return (words,)

    def _refusal(self, reason: str) -> ConfigError:
        fix = "start from a run with the same model and inputs, or without one"
        return ConfigError(f"{self.run.path} {reason}", where="init_from", fix=fix)


def input_format(config: Mapping[str, Any], before: Facts | None) -> InputFormat | None:
    """Returns the inputs that the weights were trained on which a run's model begins with; None for no such weights.

    Args:
        config: the run's config.
        before: the facts of the run that it starts from or, if it is resumed, its own; None for neither.
    """
    target = resolve("model", config["model"])
    resolve("data", config["data"])  # which registers a kind of the user's own
    own: Callable[..., InputFormat] | None = getattr(target, "input_format", None)
    if before is not None and (own is not None or config.get("init_from") is not None):
        return kind_of(before).input_format(before)
    return None if own is None else own(**arguments(config["model"]))


def fill_in(node: Mapping[str, Any], wanted: InputFormat | None) -> dict[str, Any]:
    """Returns the node of the data with the wanted values where its own are null."""
    options = {} if wanted is None else wanted.options
    return {key: options[key] if value is None and key in options else value for key, value in node.items()}


def without_starting_weights(node: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the node of a model without the weights that it begins with, which others replace."""
    return {"_target_": node["_target_"], **without_start(resolve("model", node), arguments(node))}


def _fitted(saved: Mapping[str, Tensor], model: nn.Module) -> Mapping[str, Tensor]:
    """Returns saved weights by the names of a model, which may consist of another number of networks."""
    picked = picked_model(model)
    fit: Callable[..., Mapping[str, Tensor]] | None = getattr(picked, "weights_from", None)
    if fit is None:
        return saved
    prefix = next(f"{name}." if name else "" for name, module in model.named_modules() if module is picked)
    inside = {name.removeprefix(prefix): tensor for name, tensor in saved.items() if name.startswith(prefix)}
    around = {name: tensor for name, tensor in saved.items() if not name.startswith(prefix)}
    return around | {f"{prefix}{name}": tensor for name, tensor in fit(inside).items()}


def _target(facts: Facts) -> tuple[Any, ...]:
    form = task_class(facts.task).target if is_known(facts.task) else ""
    return (form or facts.task, facts.classes, facts.outputs or facts.target)


def _describe_target(facts: Facts) -> str:
    return _shortened(facts.classes or facts.outputs or (facts.target,))


def _difference(name: str, own: Mapping[str, Tensor], saved: Mapping[str, Tensor]) -> str:
    if name not in saved:
        return f"it has no {name}"
    return f"its {name} is {tuple(saved[name].shape)}, and here it is {tuple(own[name].shape)}"


def _shortened(names: Any) -> str:
    names = list(names)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"


def start_of(config: Mapping[str, Any]) -> Start | None:
    """Returns the run that `init_from` names; None where it names none.

    Raises:
        ConfigError: there is no such run, or it cannot be read.
    """
    path = config.get("init_from")
    if path is None:
        return None
    if not isinstance(path, str):
        raise ConfigError(f"{path} is not the folder of a run", where="init_from", fix="give a folder below outputs/")
    try:
        return Start(path)
    except CheckpointError as error:
        raise ConfigError(error.what, where="init_from", fix=error.fix) from error


def begin(
    model: nn.Module, start: Start | None, facts: Facts, spec: Spec, build_for: Callable[[Spec], nn.Module]
) -> tuple[tuple[str, ...], Mapping[str, str]]:
    """Gives a model the weights of the run that it starts from, if there is one.

    Args:
        model: the model, with random weights or those that its own config names.
        start: the run.
        facts: of the data.
        spec: of the data and the task.
        build_for: builds the same model for another spec.

    Returns:
        What the model begins with, a sentence each, and the digests of the files of weights by their names.

    Raises:
        ConfigError: the run is of another model, or the model cannot learn from random weights.
    """
    picked, *_ = picked_models(model)
    own = tuple(getattr(picked, "start_words", ()))
    if start is not None:
        return start.load_into(model, facts, partial(tensors_of_outputs, build_for, spec)) + own, start.digests
    if reason := getattr(picked, "lacks_weights", ""):
        raise ConfigError(reason, where="model.weights", fix="train it as well", override="model.freeze=none")
    return own, getattr(picked, "start_files", {})


def tensors_of_outputs(build_for: Callable[[Spec], nn.Module], spec: Spec) -> frozenset[str]:
    """Returns the names of a model's tensors whose shape depends on the number of outputs."""
    with undisturbed(torch.device("cpu")):
        specs = (spec, replace(spec, out_features=spec.out_features + 1))
        now, more = ({name: one.shape for name, one in build_for(each).state_dict().items()} for each in specs)
    return frozenset(name for name, shape in now.items() if more.get(name) != shape)
