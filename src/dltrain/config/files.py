"""The config files of a composition, held against the sections and keys that there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from dltrain.config.loader import FOR_ALL, Composed, ConfigFile
from dltrain.config.options import groups
from dltrain.config.overrides import keys_in, unknown_in
from dltrain.config.validation import nearest
from dltrain.errors import ConfigError, DltrainError

FIRST_LINE = "# @package _global_"


def check_files(composed: Composed) -> list[ConfigError]:
    """Returns what the user's files set that does not exist, with the file's name.

    A file of a section of its own, such as `trainer/long.yaml`, is checked with the values, by what it calls.
    """
    return [error for file in composed.files if not file.built_in for error in _check(file, composed)]


def places_of(files: Sequence[ConfigFile], typed: Iterable[str]) -> dict[str, str]:
    """Returns which of the user's files has set each key, where no built-in one and no override did so later."""
    places: dict[str, str] = {}
    for file in files:
        for key, value in keys_in(file.placed):
            places.pop(key, None)
            if not file.built_in and not isinstance(value, Mapping):
                places[key] = file.shown
    return {key: place for key, place in places.items() if key not in typed}


def locate(error: BaseException, places: Mapping[str, str]) -> None:
    """Lets an error of a value, or a group of them, name the file that the value stands in."""
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            locate(one, places)
    elif isinstance(error, DltrainError) and error.where in places:
        error.where = f"{error.where} in {places[error.where]}"


def _check(file: ConfigFile, composed: Composed) -> Iterator[ConfigError]:
    known = composed.sections
    if file.group in FOR_ALL and file.package.split(".")[0] == file.group:
        if file.values:
            what = f"its keys stand under {file.package}: and not where they belong"
            yield ConfigError(what, where=file.shown, fix=f"let its first line be {FIRST_LINE}")
        return
    for section, said in file.placed.items():
        if section == "hydra":
            continue
        if section not in known:
            near = nearest(section, [*groups(), *known])
            fix = f"did you mean {near}?" if near else f"choose from {', '.join(sorted(known))}"
            yield ConfigError("no such section", where=f"{section} in {file.shown}", fix=fix)
        elif isinstance(known[section], Mapping) and not isinstance(said, Mapping):
            what = f"{section} is a section with keys of its own, not {said}"
            yield ConfigError(what, where=file.shown, fix=f"write the keys below it, as {section}: {{key: value}}")
        elif isinstance(said, Mapping) and file.group in FOR_ALL:
            open_section = not known[section] and section != "loss"
            for name in said if not open_section else ():
                if name not in known[section]:
                    error = unknown_in(f"{section}.{name}", said[name], composed)
                    yield ConfigError(error.what, f"{section}.{name} in {file.shown}", error.fix)
