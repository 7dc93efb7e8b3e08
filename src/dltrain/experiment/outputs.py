"""Checks a model's output, and explains what is wrong with it."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Iterator, Mapping, Sized
from pathlib import Path
from textwrap import shorten
from types import TracebackType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import dltrain
from dltrain.errors import ConfigError, DltrainError, OutOfMemory, explained
from dltrain.experiment.source import is_installed
from dltrain.experiment.unregistered import constants
from dltrain.tasks.task import Task
from dltrain.types import Spec

LONGEST_REASON = 240  # characters
LIBRARIES = tuple(Path(module.__file__ or "").parent for module in (torch, np, dltrain))


class Watch:
    """Checks every output of a model inside a `with` block against what its task needs.

    Args:
        name: the name of the model in the config.
        spec: the spec that it was built for.
        task: the task that it learns.
        model: the model to watch; it may be a part of the module that is called.
        several: whether the last input may hold several items per sample, each with an output.
    """

    def __init__(self, name: str, spec: Spec, task: Task, model: nn.Module, *, several: bool = False) -> None:
        self.name, self.spec, self.task, self.model, self.several = name, spec, task, model, several
        self.scripted = isinstance(model, torch.jit.ScriptModule)  # which takes no hooks
        self.around = "wrap it in a model of your own: " if is_installed(type(model)) else ""

    def __enter__(self) -> Watch:
        self.hook = None if self.scripted else self.model.register_forward_hook(self._look)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.hook is not None:
            self.hook.remove()

    def call(self, model: nn.Module, inputs: tuple[Tensor, ...], fold: Tensor | None = None) -> Tensor:
        """Returns the model's output; `fold` as in `Batch`.

        Raises:
            ConfigError: the model fails, or changes its input, or returns something else than the task needs.
        """
        when = "in training" if model.training else "in evaluation"
        if refusal := signature_refusal(self.model, inputs if model is self.model else inputs[:1], self.name):
            raise refusal
        before = [tensor.clone() for tensor in inputs]
        try:
            output: Tensor = model(*inputs) if fold is None else model(*inputs, fold=fold)
        except Exception as error:
            shape = "×".join(map(str, self.spec.input_shape))
            what = f"{self.name} fails {when} on an input of shape {shape}"
            raise refusal_of(error, what, fix=self._advice(error, inputs)) from error
        if self.scripted:
            self._look(model, inputs, output)
        if not all(map(_is_same, before, inputs)):
            raise ConfigError(
                f"{self.name} changes its input in place {when}, and so changes the data",
                where="model",
                fix="compute a new tensor: x = 2 * x instead of x *= 2",
            )
        return output

    def _look(self, model: nn.Module, inputs: tuple[Tensor, ...], output: Any) -> None:
        length = tuple(inputs[-1].shape[1:2]) if self.spec.causal else ()
        items = tuple(inputs[-1].shape[1:2]) if self.several else ()
        wanted = (len(inputs[0]), *length, *(items or (self.spec.out_features,)))
        when = "in training" if model.training else "in evaluation"
        if not isinstance(output, Tensor):
            raise self._no_tensor(output, wanted, when)
        if not output.dtype.is_floating_point:
            raise ConfigError(
                f"{self.name} returns {str(output.dtype).removeprefix('torch.')} {when} instead of floats",
                where="model",
                fix="return the scores themselves, without argmax, rounding or comparisons, and not as complex numbers",
            )
        if not self._fits(tuple(output.shape), wanted, model.training):
            raise ConfigError(
                f"{self.name} returns an output of shape {tuple(output.shape)} {when} instead of {wanted}",
                where="model",
                fix=self.around + self._shape_advice(tuple(output.shape), wanted),
            )
        if bool((output.isnan() | output.isposinf()).any()):
            raise self._no_number()

    def _fits(self, shape: tuple[int, ...], wanted: tuple[int, ...], training: bool) -> bool:
        members = count_members(self.model)
        if not self.spec.causal and members > 0 and len(shape) == len(wanted) + 1 and shape[1] == members:
            shape = (shape[0], *shape[2:])
        penalised = training and self.task.takes_penalty and shape[-1:] > wanted[-1:]
        return shape == wanted or (penalised and shape[:-1] == wanted[:-1])

    def _no_tensor(self, output: Any, wanted: tuple[int, ...], when: str) -> ConfigError:
        place = next((path for path, part in _parts(output) if _shape(part) == wanted), "")
        fix = "let it return that tensor alone"
        if isinstance(output, np.ndarray):
            fix = "compute it in torch: NumPy has no gradients"
        elif output is None:
            fix = "let forward return its output"
        elif place:
            fix = f"let it return output{place} alone"
        return ConfigError(
            f"{self.name} returns {_described(output)} {when} instead of one tensor of shape {wanted}",
            where="model",
            fix=self.around + fix,
        )

    def _no_number(self) -> ConfigError:
        bad = [name for name, parameter in self.model.named_parameters() if not bool(parameter.isfinite().all())]
        what = f"the parameter {bad[0]} of {self.name} is" if bad else f"outputs of {self.name} are"
        return ConfigError(
            f"{what} NaN or infinite before training",
            where="model",
            fix="initialise every parameter" if bad else "look for divisions, logarithms and roots in it",
        )

    def _shape_advice(self, shape: tuple[int, ...], wanted: tuple[int, ...]) -> str:
        if shape == wanted[:-1] and wanted[-1] == 1:
            return "keep the last axis, for the one output: output[:, None]"
        if shape[:1] != wanted[:1]:
            return "keep the first axis, for the samples: do not sum or average over it"
        if tuple(size for size in shape[1:] if size != 1) == tuple(size for size in wanted[1:] if size != 1):
            return f"let it reshape its output to (-1, {', '.join(map(str, wanted[1:]))})"
        if len(shape) == len(wanted) + 1 and shape[-1] == wanted[-1] and not self.spec.causal:
            return f"if it consists of several models, set self.members = {shape[1]}; otherwise return one of them"
        if self.spec.causal:
            return "return an output for each position, and give the last layer spec.out_features outputs"
        return "give the last layer spec.out_features outputs"

    def _advice(self, error: Exception, inputs: tuple[Tensor, ...]) -> str:
        tensors = constants(self.model)
        if tensors and "device" in str(error):
            return (
                f"register {', '.join(tensors[:3])} with register_buffer, so that it moves to the device with the model"
            )
        types = {parameter.dtype for parameter in self.model.parameters() if parameter.dtype.is_floating_point}
        if "dtype" in str(error) and types - {torch.float32}:
            return "keep its parameters float32, like the inputs; trainer.precision chooses another precision"
        shapes = " and ".join("×".join(map(str, tensor.shape)) for tensor in inputs)
        outputs = self.spec.out_features
        return f"let forward take a batch of shape {shapes} and return {outputs} output{'s' * (outputs > 1)} per sample"


def count_members(model: nn.Module) -> int:
    """Returns how many models a model consists of, from its attribute `members`, a number or a list; 0 without it."""
    members = getattr(model, "members", 0)
    if isinstance(members, int) and not isinstance(members, bool):
        return members
    return len(members) if isinstance(members, Sized) and not isinstance(members, str | Tensor) else 0


def signature_refusal(model: nn.Module, inputs: tuple[Tensor, ...], name: str) -> ConfigError | None:
    """Returns an error if a model's forward, by its parameters, cannot be called with just these inputs, else None."""
    try:
        signature = inspect.signature(model.forward)
    except (ValueError, TypeError):
        return None
    try:
        signature.bind(*inputs)
    except TypeError:
        pass
    else:
        return None
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    named = list(signature.parameters.values())
    takes = [parameter.name for parameter in named if parameter.kind in positional]
    missing = [
        parameter.name
        for number, parameter in enumerate(named)
        if parameter.default is parameter.empty
        and (parameter.kind is parameter.KEYWORD_ONLY or (parameter.kind in positional and number >= len(inputs)))
    ]
    shapes = " and ".join("×".join(map(str, tensor.shape)) for tensor in inputs)
    given = f"{len(inputs)} tensor{'s' * (len(inputs) > 1)} of shape {shapes}"
    if missing:
        what, fix = f"also needs {', '.join(missing)}", f"give {', '.join(missing)} a default"
    else:
        what, fix = f"takes {len(takes)}: {', '.join(takes) or 'nothing'}", f"let it take {len(inputs)}"
    return ConfigError(f"{name} is called with {given}, and its forward {what}", where="model", fix=fix)


def reason_of(error: BaseException) -> str:
    """Returns an error's message in one line, with the place in the user's code that raised it."""
    text = shorten(str(error), LONGEST_REASON, placeholder=" ...")
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not any(Path(frame.filename).is_relative_to(library) for library in LIBRARIES) and "<" not in frame.filename
    ]
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}{': ' if text else ''}{text}{place}"


def refusal_of(
    error: Exception,
    what: str,
    where: str = "model",
    fix: str = "see where with --debug",
    override: str = "",
    replaces: str = "",
) -> DltrainError:
    """Returns the error to print for an exception in the user's code; a DltrainError stays as it is."""
    if isinstance(error, DltrainError):
        return error
    if isinstance(explanation := explained(error), OutOfMemory):
        return explanation
    return ConfigError(f"{what}: {reason_of(error)}", where, fix, override, replaces)


def with_article(word: str) -> str:
    """Returns a word with its article: `a list`, `an Out`."""
    return f"{'an' if word[:1].lower() in 'aeiou' else 'a'} {word}"


def _parts(output: Any) -> Iterator[tuple[str, Any]]:
    """Yields the parts of an output, each with the expression that reaches it."""
    if isinstance(output, Mapping):
        yield from ((f"[{key!r}]", part) for key, part in output.items())
    elif isinstance(output, tuple) and hasattr(output, "_fields"):
        yield from ((f".{name}", getattr(output, name)) for name in output._fields)
    elif isinstance(output, tuple | list):
        yield from ((f"[{number}]", part) for number, part in enumerate(output))
    elif hasattr(output, "__dict__"):
        yield from ((f".{name}", part) for name, part in vars(output).items())


def _described(output: Any) -> str:
    kind = type(output).__name__
    if output is None:
        return "nothing"
    if isinstance(output, np.ndarray):
        return "a NumPy array"
    parts = [path.strip(".[]'") for path, _ in _parts(output)]
    if isinstance(output, tuple | list):
        return f"{with_article(kind)} of {len(parts)}"
    return with_article(kind) + (f" with {', '.join(parts[:5])}" if parts else "")


def _is_same(before: Tensor, now: Tensor) -> bool:
    return bool(((before == now) | (before != before) & (now != now)).all())  # where both are NaN, too


def _shape(part: Any) -> tuple[int, ...]:
    return tuple(part.shape) if isinstance(part, Tensor) else ()
