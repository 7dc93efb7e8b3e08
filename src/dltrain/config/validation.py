"""Checks config values against the signature of the code that they are passed to: names, types and ranges."""

from __future__ import annotations

import difflib
import inspect
import math
import re
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Annotated, Any, Literal

from dltrain.config.foreign_keys import counterpart, translated
from dltrain.errors import LEAVE_OUT, ConfigError
from dltrain.types import Range

# torch's optimizers accept values that ruin every training, such as an infinite learning rate; and products with
# these numbers must fit into 32 bits.
_RANGES = {"lr": Range(0, 1e30), "weight_decay": Range(0, 1e30), "momentum": Range(0, 1), "eps": Range(0, 1e30)}


def check_call(target: Callable[..., Any], values: Mapping[str, Any], where: str, supplied: int) -> list[ConfigError]:
    """Returns an error for each reason not to call `target(*supplied, **values)`.

    Args:
        target: a class or function.
        values: its keyword arguments, from a config.
        where: the config node that contains them.
        supplied: how many leading positional arguments do not come from the config.
    """
    parameters = list(inspect.signature(target).parameters.values())[supplied:]
    try:
        hints = typing.get_type_hints(target.__init__ if inspect.isclass(target) else target, include_extras=True)
    except Exception:  # other packages use annotations that do not exist at run time
        hints = {}
    names = {parameter.name for parameter in parameters if parameter.kind not in _VARIADIC}
    accepts_any = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)
    errors = []
    for name in values.keys() - names if not accepts_any else ():
        errors.append(unknown_key(f"{where}.{name}", [f"{where}.{own_name}" for own_name in sorted(names)]))
    for parameter in parameters:
        key = f"{where}.{parameter.name}"
        if parameter.name not in values:
            if parameter.default is inspect.Parameter.empty and parameter.kind not in _VARIADIC:
                errors.append(missing_value(key, new=True))
            continue
        value = values[parameter.name]
        hint = hints.get(parameter.name, Any)
        if parameter.name in _RANGES and hint is not Any and typing.get_origin(hint) is not Annotated:
            hint = Annotated[hint, _RANGES[parameter.name]]
        if not matches(value, hint):
            what = f"{spelled(value)} is not {described(hint)}"
            errors.append(ConfigError(what, where=key, **_correction(key, hint, value, parameter.default)))
    return errors


_VARIADIC = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)


def missing_value(key: str, *, new: bool = False) -> ConfigError:
    """Returns the error for a config that lacks a value, or, with `new`, the key itself."""
    return ConfigError("the value is missing", where=key, fix="give a value", override=f"{'+' * new}{key}=...")


def unknown_key(key: str, keys: Sequence[str], value: Any = None) -> ConfigError:
    """Returns the error for a key that does not exist, with dltrain's name for it or the most similar key.

    Args:
        key: the key as typed.
        keys: every key that exists.
        value: the value of the key; a correction keeps it, translated to dltrain's own.
    """
    same = [other for other in keys if "." not in key and other.rpartition(".")[2] == key]
    if len(same) > 1:
        return ConfigError("no such key", where=key, fix=f"did you mean {' or '.join(same)}?")
    foreign = counterpart(key) if not same else None
    if foreign is not None and foreign.words:
        override = LEAVE_OUT if foreign.is_needless(value) else ""
        return ConfigError("no such key", where=key, fix=foreign.fix(value), override=override, replaces=key)
    near = same[0] if same else nearest(key, keys)
    meant = next((name for name in foreign.keys if name in keys), near) if foreign is not None else near
    part = "hydra" if key.startswith("hydra.") else "job"
    fix = f"did you mean {meant}?" if meant else f"no key is like it; dltrain --cfg {part} prints every key"
    if meant != near:
        fix = f"dltrain calls it {meant}"
    new = translated(key, meant, value)
    override = meant if new is None else f"{meant}={new}"
    return ConfigError("no such key", where=key, fix=fix, override=override, replaces=key)


def nearest(word: str, candidates: Sequence[str]) -> str:
    """Returns the candidate that was probably meant, empty if none is similar; in a dotted key the last part counts.

    Similar means one typing error (a letter added, left out, replaced or swapped), two in a long word, or an
    abbreviation. A digit is never a typing error: resnet50 is not resnet18. A key of another section than the typed
    one must have the same name.
    """
    section, _, typed = word.rpartition(".")
    if section in {name.rpartition(".")[0] for name in candidates} - {""}:
        candidates = [name for name in candidates if name.rpartition(".")[0] == section or name.endswith(f".{typed}")]

    def slips(name: str) -> tuple[int, float]:
        last = name.rsplit(".", 1)[-1]
        abbreviated = len(typed) >= 3 and last.startswith(typed)
        return (1 if abbreviated else _slips(typed, last), -difflib.SequenceMatcher(None, name, word).ratio())

    digits = re.findall(r"\d", typed)
    best = min(
        (name for name in candidates if re.findall(r"\d", name.rsplit(".", 1)[-1]) == digits), key=slips, default=""
    )
    longest = max(len(typed), len(best.rsplit(".", 1)[-1]))
    return best if best and slips(best)[0] <= (1 if longest < 6 else 2) else ""


def same_word(word: str, candidates: Sequence[str], suffixes: Sequence[str] = ()) -> str:
    """Returns the candidate that differs at most in capitals, hyphens and the suffixes of classes; empty if none does.

    Args:
        word: as typed, such as `CrossEntropyLoss` or `torch.optim.SGD`.
        candidates: the words that there are.
        suffixes: endings of a class's name that mean nothing here, such as `Loss`.
    """

    def plain(text: str) -> str:
        letters = re.sub("[_-]", "", text.rpartition(".")[2].lower())
        ending = next((suffix for suffix in suffixes if letters.endswith(suffix) and letters != suffix), "")
        return letters.removesuffix(ending)

    return next((candidate for candidate in candidates if plain(candidate) == plain(word)), "")


def _slips(typed: str, meant: str) -> int:
    """Returns how many letters must be added, left out, replaced or swapped with their neighbour."""
    above: list[int] = []
    row = list(range(len(meant) + 1))
    for i, letter in enumerate(typed, 1):
        above, before, row = row, above, [i] + [0] * len(meant)
        for j, wanted in enumerate(meant, 1):
            row[j] = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == meant[j - 2] and typed[i - 2] == wanted:
                row[j] = min(row[j], before[j - 2] + 1)
    return row[-1]


def matches(value: Any, hint: Any) -> bool:
    """Tells whether a value from YAML has the annotated type and is in its range; numbers must be finite."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or isinstance(hint, typing.TypeVar):
        return True
    if origin is Annotated:
        inner, *marks = arguments
        ranges = [mark for mark in marks if isinstance(mark, Range)]
        return matches(value, inner) and (
            not _is_number(value) or isinstance(value, bool) or all(value in mark for mark in ranges)
        )
    if origin in (typing.Union, types.UnionType):
        return any(matches(value, option) for option in arguments)
    if origin is Literal:
        return any(value == option and type(value) is type(option) for option in arguments)
    if hint is None or hint is type(None):
        return value is None
    if hint is float:
        return _is_number(value) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63  # what torch counts with
    if origin is tuple:
        items = [arguments[0]] * len(value) if arguments[1:] == (...,) and _is_list(value) else arguments
        return _is_list(value) and len(value) == len(items) and all(map(matches, value, items))
    if inspect.isclass(origin) and issubclass(origin, Mapping):
        return isinstance(value, Mapping) and all(matches(item, arguments[1]) for item in value.values())
    if inspect.isclass(origin) and issubclass(origin, Sequence):
        return _is_list(value) and all(matches(item, arguments[0]) for item in value)
    if inspect.isclass(hint) and issubclass(hint, Enum) and isinstance(value, str):
        return value.removeprefix(f"{hint.__name__}.") in hint.__members__
    return isinstance(value, hint) if inspect.isclass(hint) else False


def described(hint: Any) -> str:
    """Returns in words which values an annotation allows."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        inner, *marks = arguments
        bounds = " and ".join(str(mark) for mark in marks if isinstance(mark, Range))
        words = described(inner)
        return f"{words}, {bounds}" if bounds else words
    if origin in (typing.Union, types.UnionType):
        # YAML cannot write an object, such as a tensor.
        options = [described(option) for option in arguments if not _is_object(option)]
        return (", or " if any("," in option for option in options) else " or ").join(dict.fromkeys(options))
    if origin is Literal:
        return "one of " + ", ".join(str(option) for option in arguments) if len(arguments) > 1 else str(arguments[0])
    if hint is None or hint is type(None):
        return "null"
    names = {float: "a finite number", int: "a whole number", bool: "true or false", str: "a text"}
    if hint in names:
        return names[hint]
    if origin is tuple and arguments[1:] != (...,):
        return "[" + ", ".join(described(item) for item in arguments) + "]"
    if inspect.isclass(origin) and issubclass(origin, Mapping):
        return "a mapping" if arguments[1] is Any else f"a mapping to {described(arguments[1])}"
    if inspect.isclass(origin) and issubclass(origin, Sequence):
        return f"a list, each item {described(arguments[0])}"
    return getattr(hint, "__name__", str(hint))


def spelled(value: Any) -> str:
    """Returns a config value as the user may have written it."""
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(spelled, value)) + "]"
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "null")
    return repr(value)


def _correction(key: str, hint: Any, value: Any, default: Any) -> dict[str, str]:
    """Returns `fix` and, where one is certain, `override` for a wrong value: the same in dltrain's form.

    No other value takes its place, because what was typed says something, and a default would say something else. A
    whole number beyond the largest one is the exception: the default is known to fit.
    """
    meant = translated(key, key, value)
    if meant is not None:
        return {"fix": f"dltrain calls it {meant}", "override": f"{key}={meant}"}
    if isinstance(value, Mapping):
        return {"fix": f"give {described(hint)}{in_order(key, value)}"}
    if value in ("None", "none") and matches(None, hint):
        return {"fix": "Python's None is null here", "override": f"{key}=null"}
    choices = [str(option) for option in _choices(hint)]
    if isinstance(value, str) and choices:
        near = same_word(value, choices) or nearest(value, choices)
        if near:
            return {"fix": f"did you mean {near}?", "override": f"{key}={near}"}
    number = _whole(value)
    if number is not None and matches(number, hint):
        return {"fix": f"give {described(hint)}", "override": f"{key}={number}"}
    items = [_whole(item) if type(item) is float else item for item in value] if _is_list(value) else []
    if items and matches(items, hint):
        return {"fix": f"give {described(hint)}", "override": f"{key}={spelled(items).replace(' ', '')}"}
    if not _is_list(value) and matches([value], hint):
        return {"fix": "put it in brackets", "override": f"{key}=[{value}]"}
    if _is_above(value if number is None else number, hint) and matches(default, hint):
        return {"fix": f"give {described(hint)}", "override": f"{key}={spelled(default)}"}
    percent = _is_number(value) and 1 < value <= 100 and matches(value / 100, hint) and not matches(1.1, hint)
    return {"fix": f"give {described(hint)}" + (", as a share and not in percent" if percent else "")}


def _is_above(value: Any, hint: Any) -> bool:
    """Tells whether a whole number is beyond the end of a range of whole numbers that has 1 in it."""
    bounded = matches(1, hint) and not matches(0.5, hint) and not matches(2**63 - 1, hint)
    return bounded and type(value) is int and value > 1 and not _choices(hint)


def _whole(value: Any) -> int | float | None:
    """Returns the number that a text is, or that a number without decimals is; None if it is none."""
    try:
        number = float(value) if isinstance(value, str | float) else math.nan
    except ValueError:
        return None
    if math.isfinite(number):
        return int(number) if number.is_integer() else number
    return None


def in_order(key: str, value: Any) -> str:
    """Returns the words for a mapping of classes to weights, where a list is needed."""
    if key != "loss.class_weights" or not isinstance(value, Mapping):
        return ""
    if not value or not all(map(_is_number, value.values())) or len({type(name) for name in value}) > 1:
        return ", in the order of the classes: [1,2]"
    names = ", ".join(map(str, sorted(value)))
    weights = ",".join(str(value[name]) for name in sorted(value))
    return f", in the order of the classes; if they are {names}: {key}=[{weights}]"


def _choices(hint: Any) -> list[Any]:
    if typing.get_origin(hint) is Literal:
        return list(typing.get_args(hint))
    return [choice for part in typing.get_args(hint) for choice in _choices(part)]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _is_object(hint: Any) -> bool:
    return inspect.isclass(hint) and hint not in (float, int, bool, str, type(None)) and not typing.get_args(hint)
