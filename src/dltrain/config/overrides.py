"""Checks the overrides of a command line: do their groups, options and keys exist?"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.types import Glob, Override
from hydra.errors import HydraException
from omegaconf import DictConfig

from dltrain.config.foreign_keys import NETWORKS, OTHERWISE, VALUES, counterpart, translated
from dltrain.config.loader import CONFIG_NAME, Composed, Loader
from dltrain.config.options import COMBINED, config_dir, groups, option_file, options
from dltrain.config.validation import in_order, nearest, same_word, spelled, unknown_key
from dltrain.errors import ConfigError

PLACEHOLDER = "..."  # a value that only the user knows
TABLE_ENDINGS = (".csv", ".tsv", ".txt", ".xlsx", ".parquet")
EXTRAS = {  # options of Hydra's groups that plugins bring, and the extra that installs the plugin
    "hydra/launcher": {
        "joblib": "joblib",
        "submitit_local": "slurm",
        "submitit_slurm": "slurm",
        "ray": "ray",
    },
}


def parse(overrides: Sequence[str], loader: Loader) -> list[Override]:
    """Returns the overrides as Hydra parses them.

    Raises:
        ExceptionGroup: one ConfigError for each argument that is not `key=value`.
    """
    parsed, errors = [], []
    for position, text in enumerate(overrides):
        try:
            if text.startswith("="):
                raise HydraException
            parsed.append(loader.parse(text))
        except HydraException:
            if overrides[position + 1 : position + 2] == ["="] and len(overrides) > position + 2:
                new, typed = text + "=" + overrides[position + 2], " ".join(overrides[position : position + 3])
                errors.append(ConfigError("blanks around '='", text, "leave them out", new, replaces=typed))
                continue
            if text == "=" or overrides[max(position - 1, 0)] == "=":
                continue  # belongs to the key before it
            if position and "=" not in overrides[position - 1]:
                continue  # the value of the previous argument, which is refused
            errors.append(_without_value(text, overrides[position + 1 : position + 2], loader))
    if errors:
        raise ExceptionGroup("overrides", errors)
    return parsed


def usual_keys() -> list[str]:
    """Returns every key of the default options of dltrain's groups, from their files."""
    content = _content(config_dir() / f"{CONFIG_NAME}.yaml")
    picks = {group: name for entry in content["defaults"] if isinstance(entry, dict) for group, name in entry.items()}
    usual = {group: name for group, name in picks.items() if group in groups() and name}
    sections = [f"{group}.{key}" for group, name in usual.items() for key in _content(option_file(group, name))]
    return ["seed", *sections]


def is_group(key: str, loader: Loader) -> bool:
    """Tells whether a key is a group with options; Hydra's own groups count."""
    return bool(group_options(key, loader))


def group_options(group: str, loader: Loader) -> list[str]:
    """Returns the options of a group, which may be one of Hydra's own."""
    return list(loader.repository.get_group_options(group, ObjectType.CONFIG))


def values_of(override: Override, loader: Loader) -> list[str]:
    """Returns the options that an override of a group picks, one or several."""
    value = override.value()
    if isinstance(value, Glob):
        return value.filter(group_options(override.key_or_group, loader)) or ["*"]
    if isinstance(value, list):
        return [str(one).strip("'\"") for one in value]
    if override.is_discrete_sweep():
        return [str(value).strip("'\"") for value in override.sweep_string_iterator()]
    return ["null" if value is None else str(value)]


def check_group(override: Override, loader: Loader) -> list[ConfigError]:
    """Returns the errors of an override that picks options of a group, or that deletes a key or a group."""
    group = override.key_or_group
    if override.is_delete():
        fix = "leave this out, or give another value instead"
        return [ConfigError("groups and keys cannot be deleted", where=f"~{group}", fix=fix)]
    choices = group_options(group, loader)
    if not choices:
        return []
    if isinstance(keys := override.value(), Mapping):
        fix = f"give its keys one by one: {' '.join(f'{group}.{key}={_spelled(value)}' for key, value in keys.items())}"
        return [ConfigError(f"{group} takes the name of an option", where=group, fix=fix)]
    values = values_of(override, loader)
    if isinstance(override.value(), list) and group not in COMBINED:
        fix = "give one option, or train with each of them by -m"
        return [ConfigError("several options cannot be combined", group, fix, f"{group}={','.join(values)}")]
    unknown = [value for value in values if not _exists(group, value, choices, loader)]
    if group == "data" and len(values) == 1 and unknown and _is_table(unknown[0]):
        fix, new = "give the file as data.path", f"data=csv data.path={unknown[0]}"
        return [ConfigError(f"there is no data named {unknown[0]}", where=group, fix=fix, override=new)]
    if group == "model" and len(values) == 1 and unknown and (unknown[0] in NETWORKS or unknown[0].startswith("timm/")):
        what, new = f"there is no model named {unknown[0]}", f"model=pretrained model.name={unknown[0]}"
        return [ConfigError(what, where=group, fix="networks of torchvision and timm are pretrained", override=new)]
    if missing := [value for value in unknown if value in EXTRAS.get(group, {})]:
        extra = EXTRAS[group][missing[0]]
        what, fix = f"{missing[0]} needs a package that is not installed", f"pip install 'dltrain[{extra}]'"
        return [ConfigError(what, where=group, fix=fix)]
    near = {value: _option_meant(group, value, choices) for value in unknown}
    corrected = ",".join(near.get(value) or value for value in values) if all(near.values()) else ""
    corrected = f"[{corrected}]" if corrected and isinstance(override.value(), list) else corrected
    return [
        ConfigError(
            f"there is no {group} named {value or repr(value)}",
            where=group,
            fix=f"did you mean {meant}?" if meant else f"choose from {', '.join(choices)}",
            override=f"{group}={corrected}" if corrected else "",
        )
        for value, meant in near.items()
    ]


def check_single(override: Override, loader: Loader) -> list[ConfigError]:
    """Returns the error of an override that picks several options of a group, where there is one job."""
    if not override.is_sweep_override() or not is_group(override.key_or_group, loader):
        return []
    typed = (override.input_line or "").partition("=")[2]
    error = _several_values(override.key_or_group, typed)
    if override.key_or_group in COMBINED:
        error.fix, error.override = "put them in brackets", f"{override.key_or_group}=[{typed}]"
    return [error]


def _several_values(key: str, typed: str) -> ConfigError:
    fix = "give one value, or train with each of them by -m"
    return ConfigError(f"several values ({typed}) need a sweep", where=key, fix=fix, override="-m")


def _option_meant(group: str, value: str, choices: Sequence[str]) -> str:
    """Returns the option that another spelling of it, another tool's name or a typing error stands for."""
    suffixes = {"loss": ("loss",), "scheduler": ("scheduler", "lr")}.get(group, ())
    names = {**VALUES.get(group, {}), **dict(zip(choices, choices, strict=True))}
    return names.get(same_word(value, list(names), suffixes), "") or nearest(value, choices)


def outside_groups(parsed: Sequence[Override], composed: Composed) -> set[str]:
    """Returns the groups whose `_target_` is other people's code: their keys are in its signature, not in a file."""
    ending = "._target_"
    typed = {item.key_or_group.removesuffix(ending) for item in parsed if item.key_or_group.endswith(ending)}
    targets = {
        name: str(node.get("_target_", "")) for name, node in composed.sections.items() if isinstance(node, Mapping)
    }
    own = ("dltrain", "torch")
    return typed | {name for name, target in targets.items() if "." in target and target.split(".")[0] not in own}


def check_key(override: Override, composed: Composed, sweep: bool, outside: Collection[str] = ()) -> list[ConfigError]:
    """Returns the errors of an override that sets a key.

    Args:
        override: sets a key, does not pick an option.
        composed: the config that it changes.
        sweep: whether several values make several jobs.
        outside: the groups whose keys are in a signature and in no file.
    """
    key = override.key_or_group
    group = key.split(".")[0]
    if "." in key and group in outside and key not in valid_keys(key, composed):
        if override.is_add() or override.is_force_add():
            return []  # checked against the signature later
        if not nearest(key, [name for name in valid_keys(key, composed) if name.startswith(f"{group}.")]):
            fix = "a key that is not in the file of its group needs a +"
            return [ConfigError("no such key", where=key, fix=fix, override=f"+{key}", replaces=key)]
    if key not in valid_keys(key, composed):
        if override.is_hydra_override() and (override.is_add() or override.is_force_add()):
            return []  # a plugin's own settings may be open; Hydra itself refuses what they do not take
        parent = value_at(key.rpartition(".")[0], composed.sections)
        if not _owners(key) and parent == {} and not key.startswith("loss."):
            return []  # an open section takes any key
        return [unknown_in(key, None if override.is_sweep_override() else override.value(), composed)]
    added = override.is_add() and not override.is_force_add() and not override.is_hydra_override()
    if added and not isinstance(value_at(key, composed.sections), Mapping):
        typed = (override.input_line or "").partition("=")[2]
        value = None if override.is_sweep_override() else translated(key, key, override.value())
        new = f"{key}={typed if value is None else value}"
        return [ConfigError("the key exists already", where=key, fix="leave out the +", override=new)]
    if override.is_sweep_override() and not sweep:
        values = override.input_line.partition("=")[2] if override.input_line else ""
        error = _several_values(key, values)
        if isinstance(value_at(key, composed.sections), list):
            error.fix, error.override = "give a list in brackets", f"{key}=[{values}]"
        return [error]
    return []


def unknown_in(key: str, value: Any, composed: Composed) -> ConfigError:
    """Returns the error for a key that the config lacks: another option may have it, or it has another name."""
    if _owners(key):
        return _of_other_option(key, key, value, composed)
    all_keys = [*groups(), "hydra.run.dir", *valid_keys(key, composed)]
    foreign = counterpart(key)
    same = [other for other in keys_named(key) if "." in other and "." not in key]
    meant = [*foreign.keys, *same] if foreign is not None else same
    if meant and not set(meant) & set(all_keys) and _owners(meant[0]):
        return _of_other_option(key, meant[0], value, composed)
    error = unknown_key(key, all_keys, value)
    wants_list = isinstance(value_at(error.override, composed.sections), list)
    if wants_list and isinstance(value, str | int | float):
        error.override = f"{error.override}=[{value}]"
    return error


def _of_other_option(typed: str, key: str, value: Any, composed: Composed) -> ConfigError:
    """Returns the error for a key that only other options of its group have.

    The option is exchanged only if the user did not pick it and it is certain which other one is meant; a model never
    is, because the user would get another one than they think.

    Args:
        typed: the key as typed.
        key: dltrain's name for it.
        value: its value; None if there are several.
        composed: the config.
    """
    group = key.split(".")[0]
    option, owners = composed.options.get(group), _owners(key)
    what = f"{group}={option} has no such key"
    belongs = f"it belongs to {group}={' or '.join(owners)}"
    fix = belongs if typed == key else f"dltrain calls it {key}; {belongs}"
    other = next((words for name, words in OTHERWISE.get(key, {}).items() if name in valid_keys(key, composed)), "")
    if other:
        return ConfigError(what, where=typed, fix=f"{other}; {key} {belongs.removeprefix('it ')}")
    foreign = counterpart(typed) if "." not in typed else None
    if foreign is not None and foreign.words:
        return ConfigError(what, where=typed, fix=f"{foreign.words}; {key} {belongs.removeprefix('it ')}")
    if isinstance(value, Mapping):
        return ConfigError(what, where=typed, fix=f"{fix}, as a list{in_order(key, value)}")
    certain = _certain_owner(group, owners, value)
    is_picked = group in composed.repository.picked or option != composed.usual_options.get(group)
    if not certain or is_picked:
        return ConfigError(what, where=typed, fix=fix)
    new_key = "" if typed == key else f" {key}={PLACEHOLDER if value is None else _spelled(value)}"
    replaces = "" if typed == key else typed
    return ConfigError(what, where=typed, fix=fix, override=f"{group}={certain}{new_key}", replaces=replaces)


def _certain_owner(group: str, owners: Sequence[str], value: Any) -> str:
    """Returns the option that a key of an unpicked group can only mean; empty if it may be one of several."""
    usual = {"loss": "cross_entropy", "optimizer": "momentum", "data": "images" if _is_folder(value) else "csv"}
    if usual.get(group) in owners:
        return usual[group]
    return owners[0] if len(owners) == 1 and group not in ("model", "optimizer") else ""


def valid_keys(key: str, composed: Composed) -> list[str]:
    """Returns every key of the config, or every key of Hydra's if `key` is one of those."""
    if key.startswith("hydra."):
        return _hydra_keys(composed.config.hydra, "hydra.")
    return [path for path, _ in keys_in(composed.sections)]


def keys_in(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields the dotted path and the value of every key and section."""
    for name, value in node.items():
        yield f"{prefix}{name}", value
        if isinstance(value, Mapping):
            yield from keys_in(value, f"{prefix}{name}.")


def value_at(key: str, sections: Mapping[str, Any]) -> Any:
    """Returns the value of a dotted key; None if there is no such key."""
    value: Any = sections
    for name in key.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _hydra_keys(node: DictConfig, prefix: str) -> list[str]:
    keys = []
    for name in map(str, node):
        keys.append(f"{prefix}{name}")
        child = node._get_node(name)
        if isinstance(child, DictConfig) and not child._is_none() and not child._is_missing():
            keys += _hydra_keys(child, f"{prefix}{name}.")
    return keys


def _exists(group: str, value: str, choices: Sequence[str], loader: Loader) -> bool:
    return value in choices or ("/" in value and loader.repository.config_exists(f"{group}/{value}"))


def _without_value(text: str, following: Sequence[str], loader: Loader) -> ConfigError:
    """Returns the error for an argument that is not `key=value`, such as `epochs 100`, `cnn` or `table.csv`."""
    if text.startswith("="):
        return ConfigError("an override is key=value", where=text, fix="write a key before the '='")
    if "=" in text:
        return ConfigError("this cannot be read as key=value", where=text, fix="put the value in quotes")
    if _is_table(text):
        return ConfigError(
            "an override is key=value",
            where=text,
            fix="write the key of the file",
            override=f"data=csv data.path={text}",
            replaces=text,
        )
    for group in sorted(groups(), key="experiment".__eq__):
        if text in options(group):
            return ConfigError(
                "an override is key=value",
                where=text,
                fix=f"missing {group}=",
                override=f"{group}={text}",
                replaces=text,
            )
    name, keys = text.lstrip("+"), [*groups(), *usual_keys()]
    foreign = counterpart(name)
    near = next((key for key in foreign.keys if key in keys), "") if foreign else ""
    near = name if name in keys else near or nearest(name, keys)
    if text.endswith("]"):
        fix = "write a list without blanks, as in [64,32]"
        return ConfigError("an override is key=value", where=text, fix=fix)
    if not near or not name[:1].isalpha():
        return ConfigError("an override is key=value", where=text, fix="see dltrain --help")
    value = following[0] if following and "=" not in following[0] else PLACEHOLDER
    dropped = f"{text} {following[0]}" if value != PLACEHOLDER else text
    fix, new = f"write {near}={PLACEHOLDER}", f"{near}={value}"
    return ConfigError("missing an '='", where=text, fix=fix, override=new, replaces=dropped)


def keys_named(name: str) -> list[str]:
    """Returns dltrain's groups and keys of that name: the usual ones, or else those of all options."""
    if name == "seed" or name in groups() or "." in name:
        return [name]
    usual = [key for key in usual_keys() if key.rpartition(".")[2] == name]
    return usual or [f"{group}.{name}" for group in groups() if _owners(f"{group}.{name}")]


def _owners(key: str) -> list[str]:
    """Returns the options of the key's group whose files have the key."""
    group, _, name = key.partition(".")
    if not name or group not in groups():
        return []
    return [option for option in options(group) if name in _content(option_file(group, option))]


def _is_table(text: str) -> bool:
    return Path(text).suffix.lower() in TABLE_ENDINGS or Path(text).is_file()


def _is_folder(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and Path(value).is_dir()


def _spelled(value: Any) -> str:
    """Returns a value as it is typed, as far as a single one can be."""
    return spelled(value) if value is None or isinstance(value, bool | list) else str(value)


def _content(path: Path) -> Mapping[str, Any]:
    """Returns the content of a file; empty if it cannot be read, because it may belong to another program."""
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, OSError, UnicodeDecodeError):
        return {}
    return content if isinstance(content, dict) else {}
