"""How a model is called that knows nothing of dltrain: by parameters whose names are known, in place of a `Spec`."""

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
KNOWN = frozenset((*OUTPUTS, *CHANNELS, *FEATURES, *SIDES, *TOKENS, *STEPS))
# What a function takes that hands on everything it does not know: torchvision's and timm's both know the first.
HANDED_ON = ("num_classes", "in_chans")
UNEXPECTED = re.compile(r"unexpected keyword argument '(\w+)'")
# A name of torchvision's, an address or a file: what begins a training, and what a finished one needs no more.
PRETRAINED = re.compile(
    r"(\w+_Weights\.)?(DEFAULT|[A-Z0-9]+(_[A-Z0-9]+)*_V\d+)|https?://.*|.*\.(pth?|safetensors|ckpt|bin|npz)"
)


def takes_spec(target: Callable[..., Any], given: Collection[str] = ()) -> bool:
    """Tells whether a model is called with a `Spec` first, as dltrain's are; those of other packages are not.

    Args:
        target: a class or function.
        given: the parameters that a config names.
    """
    first = next(iter(_parameters(target).values()), None)
    if first is None or first.kind in (first.KEYWORD_ONLY, first.VAR_KEYWORD):
        return False
    if first.kind is first.VAR_POSITIONAL:  # whatever comes is handed on to the class above
        above = (
            [base for base in inspect.getmro(target)[1:] if "__init__" in vars(base)] if inspect.isclass(target) else []
        )
        return bool(above) and above[0] is not nn.Module and takes_spec(above[0], given)
    annotation = first.annotation if isinstance(first.annotation, str) else getattr(first.annotation, "__name__", "")
    if first.name == "spec" or annotation.strip("'\"").rpartition(".")[2] == "Spec":
        return True
    if first.name in (*KNOWN, *given) or first.default is not first.empty:
        return False
    # A class that says which kinds of data it takes knows dltrain; and of one's own classes the first parameter has
    # always been the spec, whatever its name, as long as it has no type.
    if hasattr(target, "takes"):
        return annotation not in ("int", "float", "str", "bool")
    return first.annotation is first.empty and not is_installed(target)


def filled(target: Callable[..., Any], given: Collection[str] = ()) -> frozenset[str]:
    """Returns the parameters of a model that the data fills in, but for those that the config gives itself."""
    return (
        frozenset() if takes_spec(target, given) else (KNOWN | {"spec"}).intersection(_parameters(target)) - set(given)
    )


def construct(target: Callable[..., Any], name: str, spec: Spec, given: Mapping[str, Any]) -> nn.Module:
    """Calls what a config names, with what the data knows and the config says.

    Args:
        target: a class, or a function that returns a model.
        name: of the target, in the config's words.
        spec: of the data.
        given: the keyword arguments of the config.

    Raises:
        ConfigError: it fails, or returns no model.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Lazy modules are a new feature")
            model = _call(target, spec, given)
    except DltrainError:
        raise
    except (Exception, SystemExit) as error:
        if isinstance(error, Exception) and isinstance(known := explained(error), OutOfMemory):
            raise known from error
        where, fix = "model", "see where with --debug"
        if "before Module.__init__() call" in str(error):
            fix = "let its __init__ begin with super().__init__()"
        elif (unexpected := UNEXPECTED.search(str(error))) and unexpected[1] in given:
            where, fix = f"model.{unexpected[1]}", "leave it out"
        raise ConfigError(f"{name} cannot be built: {reason_of(error)}", where=where, fix=fix) from error
    if not isinstance(model, nn.Module):
        what = f"{name} returns {with_article(type(model).__name__)} in place of a model"
        raise ConfigError(what, where="model", fix="let it return an nn.Module")
    if "_parameters" not in vars(model):
        what = f"{name} does not call super().__init__(), so it can hold no layers"
        raise ConfigError(what, where="model", fix="let its __init__ begin with super().__init__()")
    return model


def without_pretrained(target: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the arguments without what only fetches weights to begin with: a checkpoint holds what became of them.

    By what a parameter is, not by its name alone: torchvision's `weights` are an enumeration; `pretrained` is a switch;
    and a text names weights where it is a name of torchvision's, an address or a file of weights. A model of somebody's
    own whose `weights` are numbers, or a word of its own, keeps them.
    """
    arguments = dict(given)
    hints = _hints(target)
    for name, hint in hints.items():
        if any(base.__name__ == "WeightsEnum" for part in _flat(hint) for base in getattr(part, "__mro__", ())):
            arguments[name] = None
    if arguments.get("pretrained") is True:
        arguments["pretrained"] = False
    for name in ("weights", "checkpoint_path"):
        value = arguments.get(name)
        if isinstance(value, str) and PRETRAINED.fullmatch(value):
            arguments[name] = None
    return arguments


def _call(target: Callable[..., Any], spec: Spec, given: Mapping[str, Any]) -> Any:
    if takes_spec(target, given):
        return target(spec, **given)
    known = {name: value for name, value in _known(target, spec).items() if name not in given}
    for name, parameter in _parameters(target).items():
        variadic = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if parameter.default is parameter.empty and not variadic and name not in (*known, *given):
            raise missing_value(f"model.{name}", new=True)
    optional = {name: known.pop(name) for name in HANDED_ON if name in known and name not in _parameters(target)}
    while True:
        try:
            return target(**known, **optional, **given)
        except TypeError as error:
            unexpected = UNEXPECTED.search(str(error))
            if unexpected is None or unexpected[1] not in optional:
                raise
            del optional[unexpected[1]]  # what it hands on to does not know it


def _known(target: Callable[..., Any], spec: Spec) -> dict[str, Any]:
    """What the data knows of parameters with these names."""
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
    found = {name: values[name] for name in values if name in parameters}
    hands_on = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    if hands_on and not any(name in found for name in OUTPUTS):
        found |= {name: values[name] for name in HANDED_ON if name in values}
    if "spec" in parameters:
        found["spec"] = spec
    return found


def _parameters(target: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(target).parameters
    except (ValueError, TypeError):
        return {}


def _hints(target: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(target.__init__ if inspect.isclass(target) else target)
    except Exception:  # the names of an annotation may be missing at run time
        return {}


def _flat(hint: Any) -> list[Any]:
    return [hint, *(part for inner in typing.get_args(hint) for part in _flat(inner))]
