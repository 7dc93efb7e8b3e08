"""Builds models of other packages, which take no `Spec`: fills in parameters with well-known names."""

from __future__ import annotations

import inspect
import re
import typing
import warnings
from collections.abc import Callable, Collection, Mapping
from math import prod
from typing import Any

from torch import nn

from dltrain.config.validation import missing_value
from dltrain.errors import ConfigError, DltrainError, OutOfMemory, explained
from dltrain.experiment.outputs import reason_of, with_article
from dltrain.experiment.source import is_installed
from dltrain.types import Spec

OUTPUTS = ("num_classes", "n_classes", "num_outputs", "n_outputs", "out_features", "output_dim", "out_dim", "d_out")
CHANNELS = ("in_chans", "in_channels", "n_channels", "num_channels")
FEATURES = ("in_features", "n_features", "num_features", "input_dim", "in_dim", "d_in", "input_size")
SIDES = ("img_size", "image_size")
TOKENS = ("vocab_size", "num_tokens", "num_embeddings")
STEPS = ("seq_len", "sequence_length", "context_length")
PARAMETER_NAMES = frozenset((*OUTPUTS, *CHANNELS, *FEATURES, *SIDES, *TOKENS, *STEPS))
# Tried with functions that pass on **kwargs; torchvision's and timm's both take the first.
PASSED_ON = ("num_classes", "in_chans")
UNEXPECTED = re.compile(r"unexpected keyword argument '(\w+)'")
# A name of torchvision's, a URL or a file of pretrained weights; a finished run no longer needs them.
PRETRAINED = re.compile(
    r"(\w+_Weights\.)?(DEFAULT|[A-Z0-9]+(_[A-Z0-9]+)*_V\d+)|https?://.*|.*\.(pth?|safetensors|ckpt|bin|npz)"
)


def takes_spec(target: Callable[..., Any], given: Collection[str] = ()) -> bool:
    """Tells whether a model takes a `Spec` as its first argument, as dltrain's models do.

    Args:
        target: a class or a function.
        given: the parameters in the config.
    """
    first = next(iter(_parameters(target).values()), None)
    if first is None or first.kind in (first.KEYWORD_ONLY, first.VAR_KEYWORD):
        return False
    if first.kind is first.VAR_POSITIONAL:  # all arguments are passed on to the base class
        above = (
            [base for base in inspect.getmro(target)[1:] if "__init__" in vars(base)] if inspect.isclass(target) else []
        )
        return bool(above) and above[0] is not nn.Module and takes_spec(above[0], given)
    annotation = first.annotation if isinstance(first.annotation, str) else getattr(first.annotation, "__name__", "")
    if first.name == "spec" or annotation.strip("'\"").rpartition(".")[2] == "Spec":
        return True
    if first.name in (*PARAMETER_NAMES, *given) or first.default is not first.empty:
        return False
    # A class that says which kinds of data it takes knows dltrain; and of one's own classes the first parameter has
    # always been the spec, whatever its name, as long as it has no type.
    if hasattr(target, "takes"):
        return annotation not in ("int", "float", "str", "bool")
    return first.annotation is first.empty and not is_installed(target)


def filled(target: Callable[..., Any], given: Collection[str] = ()) -> frozenset[str]:
    """Returns the parameters of a model that are filled in from the data, without those in the config."""
    return (
        frozenset()
        if takes_spec(target, given)
        else (PARAMETER_NAMES | {"spec"}).intersection(_parameters(target)) - set(given)
    )


def construct(target: Callable[..., Any], name: str, spec: Spec, given: Mapping[str, Any]) -> nn.Module:
    """Returns the model of a target, built with values from the data and from the config.

    Args:
        target: a class, or a function that returns a model.
        name: the name of the target in the config.
        spec: the spec of the data.
        given: the keyword arguments in the config.

    Raises:
        ConfigError: the target fails, or does not return a model.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Lazy modules are a new feature")
            model = _call(target, spec, given)
    except DltrainError:
        raise
    except (Exception, SystemExit) as error:
        if isinstance(error, Exception) and isinstance(explanation := explained(error), OutOfMemory):
            raise explanation from error
        where, fix = "model", "see where with --debug"
        if "before Module.__init__() call" in str(error):
            fix = "let its __init__ begin with super().__init__()"
        elif (unexpected := UNEXPECTED.search(str(error))) and unexpected[1] in given:
            where, fix = f"model.{unexpected[1]}", "leave it out"
        raise ConfigError(f"{name} cannot be built: {reason_of(error)}", where=where, fix=fix) from error
    if not isinstance(model, nn.Module):
        what = f"{name} returns {with_article(type(model).__name__)} instead of a model"
        raise ConfigError(what, where="model", fix="let it return an nn.Module")
    if not hasattr(model, "_parameters"):
        what = f"{name} does not call super().__init__(), so that it cannot contain layers"
        raise ConfigError(what, where="model", fix="let its __init__ begin with super().__init__()")
    return model


def without_pretrained(target: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the arguments without those that load pretrained weights, which a checkpoint replaces.

    A parameter is recognized by what it is, not by its name alone: torchvision's `weights` are an enumeration,
    `pretrained` is a switch, and a text means weights if it is a name of torchvision's, a URL or a file of weights. A
    user's own model whose `weights` are numbers, or another word, keeps them.
    """
    arguments = without_start(target, given) | dict.fromkeys(_weights_parameters(target))
    if arguments.get("pretrained") is True:
        arguments["pretrained"] = False
    for name in ("weights", "checkpoint_path"):
        value = arguments.get(name)
        if isinstance(value, str) and PRETRAINED.fullmatch(value):
            arguments[name] = None
    return arguments


def without_start(target: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the arguments without those that a model names in `starting_arguments`: they say where its first weights
    come from, and nothing of the model that they lead to."""
    return dict(given) | dict.fromkeys(getattr(target, "starting_arguments", ()))


def _weights_parameters(target: Callable[..., Any]) -> list[str]:
    """Returns the names of the parameters whose type is one of torchvision's enumerations of pretrained weights."""
    return [
        name
        for name, hint in _hints(target).items()
        if name != "return"
        if any(base.__name__ == "WeightsEnum" for part in _flat(hint) for base in getattr(part, "__mro__", ()))
    ]


def _call(target: Callable[..., Any], spec: Spec, given: Mapping[str, Any]) -> Any:
    if takes_spec(target, given):
        return target(spec, **given)
    if target.__module__.startswith("torchvision."):  # some builders fetch weights of their backbone unasked
        given = {**dict.fromkeys(_weights_parameters(target)), **given}
    values = {name: value for name, value in _values_for(target, spec).items() if name not in given}
    for name, parameter in _parameters(target).items():
        variadic = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if parameter.default is parameter.empty and not variadic and name not in (*values, *given):
            raise missing_value(f"model.{name}", new=True)
    optional = {name: values.pop(name) for name in PASSED_ON if name in values and name not in _parameters(target)}
    while True:
        try:
            return target(**values, **optional, **given)
        except TypeError as error:
            unexpected = UNEXPECTED.search(str(error))
            if unexpected is None or unexpected[1] not in optional:
                raise
            del optional[unexpected[1]]  # the inner function does not take it


def _values_for(target: Callable[..., Any], spec: Spec) -> dict[str, Any]:
    """Returns the values of well-known parameters of a target, from the spec of the data."""
    parameters, shape = _parameters(target), spec.input_shape
    values: dict[str, Any] = dict.fromkeys(OUTPUTS, spec.out_features)
    if spec.vocab_sizes:
        values |= dict.fromkeys(TOKENS, spec.vocab_sizes[0])
    elif len(shape) == 3:
        values |= dict.fromkeys(CHANNELS, shape[0]) | dict.fromkeys(FEATURES, prod(shape))
        values |= dict.fromkeys(SIDES, shape[1] if shape[1] == shape[2] else list(shape[1:]))
    elif shape:
        values |= dict.fromkeys((*CHANNELS, *FEATURES), shape[-1])
        if len(shape) == 2:
            values |= dict.fromkeys(STEPS, shape[0])
    filled_in = {name: values[name] for name in values if name in parameters}
    passes_on = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    if passes_on and not any(name in filled_in for name in OUTPUTS):
        filled_in |= {name: values[name] for name in PASSED_ON if name in values}
    if "spec" in parameters:
        filled_in["spec"] = spec
    return filled_in


def _parameters(target: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(target).parameters
    except (ValueError, TypeError):
        return {}


def _hints(target: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(target.__init__ if inspect.isclass(target) else target)
    except Exception:  # an annotation may use names that do not exist at run time
        return {}


def _flat(hint: Any) -> list[Any]:
    return [hint, *(part for inner in typing.get_args(hint) for part in _flat(inner))]
