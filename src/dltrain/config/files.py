"""Checks the user's config files in a composition: do their sections and keys exist?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from dltrain.config.loader import FOR_ALL, Composed, ConfigFile
from dltrain.config.options import groups, options
from dltrain.config.overrides import keys_in, unknown_in
from dltrain.config.validation import nearest, spelled
from dltrain.errors import ConfigError, DltrainError

CALLED = ("data", "model", "optimizer", "scheduler", "trainer", "baseline", "augment")  # sections with a _target_
FIRST_LINE = "# @package _global_"


def check_files(composed: Composed) -> list[ConfigError]:
    """Returns an error, with the file's name, for each section and key in the user's files that does not exist.

    A file of one section, such as `trainer/long.yaml`, is checked with the values, against the code that it calls.
    """
    return [error for file in composed.files if not file.built_in for error in _check(file, composed)]


def check_search(composed: Composed) -> list[ConfigError]:
    """Returns the error of a search whose keys are those of another model than the one that is picked."""
    search, model = composed.options.get("search"), composed.options.get("model")
    wanted = composed.overridden_by("search").get("model")
    if wanted is None or model is None or wanted in composed.repository.family("model", model):
        return []
    own = next((one for one in composed.repository.family("model", model) if one in options("search")), "")
    fix = f"search with that of {model}" if own else f"leave out model={model}, or write the keys to search yourself"
    what = f"search={search} chooses values for model={wanted}, and the model is {model}"
    return [ConfigError(what, where="search", fix=fix, override=f"search={own}" if own else "")]


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
    elif isinstance(error, DltrainError):
        paths = [path for key, path in key_files.items() if key == error.where or key.startswith(f"{error.where}.")]
        if paths:
            error.where = f"{error.where} in {paths[-1]}"


def _check(file: ConfigFile, composed: Composed) -> Iterator[ConfigError]:
    sections = composed.sections
    if file.group in FOR_ALL and file.package.split(".")[0] == file.group:
        if file.values:
            what = f"the file puts its keys under {file.package} instead of in the sections that they belong to"
            yield ConfigError(what, where=file.display_path, fix=f"begin the file with {FIRST_LINE}")
        return
    if file.package in CALLED and "_target_" not in (sections.get(file.package) or {}):
        usual = composed.usual_options.get(file.package)
        fix = f"begin it with defaults: [{usual}], to change keys of that option, or give _target_ and every key"
        yield ConfigError("the file does not say what it configures", where=file.display_path, fix=fix)
        return
    for section, content in file.placed.items():
        if section == "hydra":
            continue
        if "." in section and section.split(".")[0] in sections:
            name, _, key = section.partition(".")
            fix = f"write {name}: {{{key}: {spelled(content)}}}"
            yield ConfigError("a key of a file has no dots", where=f"{section} in {file.display_path}", fix=fix)
        elif section not in sections:
            near = nearest(section, [*groups(), *sections])
            fix = f"did you mean {near}?" if near else f"choose from {', '.join(sorted(sections))}"
            yield ConfigError("no such section", where=f"{section} in {file.display_path}", fix=fix)
        elif isinstance(sections[section], Mapping) and not isinstance(content, Mapping):
            what = f"{section} is a section with keys, not {spelled(content)}"
            fix = f"write its keys: {section}: {{key: value}}"
            if content in options(section):
                fix = f"write - override /{section}: {content} under defaults"
            yield ConfigError(what, where=file.display_path, fix=fix)
        elif isinstance(content, Mapping) and file.group in FOR_ALL:
            open_section = not sections[section] and (section != "loss" or "_target_" in content)
            for name in content if not open_section else ():
                if name not in sections[section]:
                    error = unknown_in(f"{section}.{name}", content[name], composed)
                    yield ConfigError(error.what, f"{section}.{name} in {file.display_path}", _fix_in_file(error))


def _fix_in_file(error: ConfigError) -> str:
    """Returns the fix of an unknown key for a file, where an option is not picked as on the command line."""
    group, _, option = error.override.split(" ")[0].partition("=")
    return f"{error.fix}; write - override /{group}: {option} under defaults" if group in groups() else error.fix
