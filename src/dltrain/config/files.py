"""Checks the user's config files in a composition: do their sections and keys exist?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from dltrain.config.loader import FOR_ALL, Composed, ConfigFile
from dltrain.config.options import groups
from dltrain.config.overrides import keys_in, unknown_in
from dltrain.config.validation import nearest
from dltrain.errors import ConfigError, DltrainError

FIRST_LINE = "# @package _global_"


def check_files(composed: Composed) -> list[ConfigError]:
    """Returns an error, with the file's name, for each section and key in the user's files that does not exist.

    A file of one section, such as `trainer/long.yaml`, is checked with the values, against the code that it calls.
    """
    return [error for file in composed.files if not file.built_in for error in _check(file, composed)]


def key_files_of(files: Sequence[ConfigFile], typed: Iterable[str]) -> dict[str, str]:
    """Returns the user's file that set each key, except for keys that a built-in file or an override sets later."""
    key_files: dict[str, str] = {}
    for file in files:
        for key, value in keys_in(file.placed):
            key_files.pop(key, None)
            if not file.built_in and not isinstance(value, Mapping):
                key_files[key] = file.display_path
    return {key: path for key, path in key_files.items() if key not in typed}


def locate(error: BaseException, key_files: Mapping[str, str]) -> None:
    """Adds to an error about a value, or to each of a group of errors, the file that sets the value."""
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            locate(one, key_files)
    elif isinstance(error, DltrainError) and error.where in key_files:
        error.where = f"{error.where} in {key_files[error.where]}"


def _check(file: ConfigFile, composed: Composed) -> Iterator[ConfigError]:
    sections = composed.sections
    if file.group in FOR_ALL and file.package.split(".")[0] == file.group:
        if file.values:
            what = f"the file puts its keys under {file.package} instead of in the sections that they belong to"
            yield ConfigError(what, where=file.display_path, fix=f"begin the file with {FIRST_LINE}")
        return
    for section, content in file.placed.items():
        if section == "hydra":
            continue
        if section not in sections:
            near = nearest(section, [*groups(), *sections])
            fix = f"did you mean {near}?" if near else f"choose from {', '.join(sorted(sections))}"
            yield ConfigError("no such section", where=f"{section} in {file.display_path}", fix=fix)
        elif isinstance(sections[section], Mapping) and not isinstance(content, Mapping):
            what = f"{section} is a section with keys, not {content}"
            yield ConfigError(what, where=file.display_path, fix=f"write its keys: {section}: {{key: value}}")
        elif isinstance(content, Mapping) and file.group in FOR_ALL:
            open_section = not sections[section] and section != "loss"
            for name in content if not open_section else ():
                if name not in sections[section]:
                    error = unknown_in(f"{section}.{name}", content[name], composed)
                    yield ConfigError(error.what, f"{section}.{name} in {file.display_path}", error.fix)
