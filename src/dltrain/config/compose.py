"""From overrides to the config of every job, checked key by key; nothing here imports torch."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dltrain.config.options import config_dir, groups, more_configs, option_file, options
from dltrain.config.quoting import quoted
from dltrain.config.validation import missing_value, nearest, unknown_key
from dltrain.errors import ConfigError

CONFIG_NAME = "train"


@dataclass(frozen=True)
class Job:
    """One composed configuration.

    Args:
        overrides: what it was composed from.
        config: all values, resolved; what objects are built from.
        run_dir: the folder that Hydra would make for a single run.
        sweep_dir: the folder that Hydra would make for a sweep.
    """

    overrides: tuple[str, ...]
    config: Mapping[str, Any]
    run_dir: Path
    sweep_dir: Path


def compose_jobs(overrides: Sequence[str], *, sweep: bool, config_dir_flag: str | None = None) -> list[Job]:
    """The jobs that the overrides describe: one, or with `sweep` one for each combination of their values.

    Args:
        overrides: quoted for Hydra.
        sweep: whether several values of a key make several jobs.
        config_dir_flag: another folder of configs, Hydra's `--config-dir`.

    Raises:
        ExceptionGroup: of every ConfigError found in the overrides.
        ConfigError: the config cannot be composed.
    """
    folder = Path(config_dir_flag).absolute() if config_dir_flag else None
    if folder is not None and not folder.is_dir():
        raise ConfigError(f"there is no folder {config_dir_flag}", where="--config-dir", fix="name a folder of configs")
    chosen = more_configs.set(folder)
    try:
        with initialize_config_dir(str(config_dir()), job_name=CONFIG_NAME, version_base="1.3"):
            parsed = _parse(overrides)
            _raise_all(error for override in parsed for error in _check_group(override))
            picks = [item for item in parsed if _is_group(item.key_or_group)]
            base = _compose([f"{item.key_or_group}={_values(item)[0]}" for item in picks])
            outside = _named_outside(parsed, base)
            _raise_all(
                error for item in parsed if item not in picks for error in _check_key(item, base, sweep, outside)
            )
            return [_job(combination) for combination in _combinations(parsed, sweep)]
    finally:
        more_configs.reset(chosen)


def compose_choices(
    picks: Mapping[str, str | None], folder: Path | None = None
) -> tuple[Mapping[str, Any], Mapping[str, str | None]]:
    """The config that has these options and nothing else, interpolations unresolved, and the option of every group.

    Args:
        picks: an option for each group that the defaults do not decide.
        folder: another folder of configs.

    Raises:
        ConfigError: it cannot be composed.
    """
    chosen = more_configs.set(folder)
    running = GlobalHydra.instance().hydra  # that of the job that asks
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(config_dir()), job_name=CONFIG_NAME, version_base="1.3"):
            composed = _compose([f"{group}={'null' if option is None else option}" for group, option in picks.items()])
            found = picked_options(composed.hydra.runtime.choices)
    finally:
        GlobalHydra.instance().hydra = running
        more_configs.reset(chosen)
    values = OmegaConf.masked_copy(composed, [str(name) for name in composed if name != "hydra"])
    return cast(dict[str, Any], OmegaConf.to_container(values, resolve=False)), found


def picked_options(choices: Mapping[Any, Any]) -> dict[str, str | None]:
    """Hydra's record of what was picked, without Hydra's own groups."""
    return {str(group): option for group, option in choices.items() if not str(group).startswith("hydra/")}


def _compose(overrides: Sequence[str]) -> DictConfig:
    folder = more_configs.get()
    search = [f"hydra.searchpath=[{quoted(f'file://{folder}')}]"] if folder else []
    try:
        return hydra_compose(CONFIG_NAME, [*overrides, *search], return_hydra_config=True)
    except yaml.YAMLError as error:
        raise ConfigError(" ".join(str(error).split()), where="a config file", fix="mend its YAML") from error
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise ConfigError(" ".join(str(error).split()), where="the overrides", fix="see dltrain --help") from error


def _raise_all(errors: Iterable[ConfigError]) -> None:
    found = list(errors)
    if found:
        raise ExceptionGroup("overrides", found)


def _job(overrides: Sequence[str]) -> Job:
    composed = _compose(overrides)
    values = OmegaConf.masked_copy(composed, [str(name) for name in composed if name != "hydra"])
    try:
        missing = sorted(OmegaConf.missing_keys(values))
        config = OmegaConf.to_container(values, resolve=True)
        folders = [Path(str(node.dir)).absolute() for node in (composed.hydra.run, composed.hydra.sweep)]
    except OmegaConfBaseException as error:
        where = str(getattr(error, "full_key", "") or "the config")
        raise ConfigError(str(error).splitlines()[0], where=where, fix="check what stands in ${...}") from error
    _raise_all(missing_value(key) for key in missing)
    return Job(tuple(overrides), cast(dict[str, Any], config), *folders)


def _parse(overrides: Sequence[str]) -> list[Override]:
    parsed, errors = [], []
    for position, text in enumerate(overrides):
        try:
            parsed.append(OverridesParser.create().parse_override(text))
        except HydraException:
            if position and "=" not in overrides[position - 1]:
                continue
            errors.append(_without_value(text, overrides[position + 1 : position + 2]))
    if errors:
        raise ExceptionGroup("overrides", errors)
    return parsed


def _without_value(text: str, following: Sequence[str]) -> ConfigError:
    """The refusal of an argument that is no `key=value`, such as `epochs 100`, `cnn` or `table.csv`."""
    if "=" in text:
        return ConfigError("this cannot be read as key=value", where=text, fix="put the value in quotes")
    if Path(text).suffix.lower() in (".csv", ".tsv", ".txt") or Path(text).is_file():
        return ConfigError(
            "an override is key=value",
            where=text,
            fix="name the file's key",
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
    known = [*groups(), *_keys(_compose([]))]
    name = text.lstrip("+")
    near = name if name in known else nearest(name, known) or name
    value = following[0] if following and "=" not in following[0] else "..."
    dropped = f"{text} {following[0]}" if value != "..." else text
    return ConfigError(
        "missing an '='", where=text, fix=f"try {near}={value}", override=f"{near}={value}", replaces=dropped
    )


def _check_group(override: Override) -> list[ConfigError]:
    group = override.key_or_group
    if override.is_delete():
        fix = "leave this out: every group and key is needed; give another value instead"
        return [ConfigError("nothing can be taken away", where=f"~{group}", fix=fix)]
    if not _is_group(group):
        return []
    found, values = _group_options(group), _values(override)
    near = {value: nearest(value, found) for value in values if value not in found}
    corrected = ",".join(near.get(value) or value for value in values) if all(near.values()) else ""
    return [
        ConfigError(
            f"there is no {group} named {value}",
            where=group,
            fix=f"did you mean {meant}?" if meant else f"choose from {', '.join(found)}",
            override=f"{group}={corrected}" if corrected else "",
        )
        for value, meant in near.items()
    ]


def _named_outside(parsed: Sequence[Override], base: DictConfig) -> set[str]:
    """The groups whose `_target_` is somebody else's: its signature, and no file of dltrain's, knows its keys."""
    typed = {item.key_or_group.removesuffix("._target_") for item in parsed if item.key_or_group.endswith("._target_")}
    targets = {str(group): str(base[group].get("_target_", "")) for group in base if OmegaConf.is_dict(base[group])}
    own = ("dltrain", "torch")
    return typed | {name for name, target in targets.items() if "." in target and target.split(".")[0] not in own}


def _check_key(override: Override, base: DictConfig, sweep: bool, outside: Collection[str]) -> list[ConfigError]:
    key = override.key_or_group
    known = _keys(base) if not key.startswith("hydra.") else _keys(base.hydra, "hydra.")
    if key not in known and key.split(".")[0] in outside and "." in key:
        if override.is_add() or override.is_force_add():
            return []  # held against the signature later
        if not nearest(key, [name for name in known if name.startswith(f"{key.split('.')[0]}.")]):
            fix = "a key that its file does not name takes a +"
            return [ConfigError("no such key", where=key, fix=fix, override=f"+{key}", replaces=key)]
    if key not in known:
        owners = _owners(key, override)
        if owners:
            group = key.split(".")[0]
            chosen = base.hydra.runtime.choices.get(group)
            return [
                ConfigError(
                    f"{group}={chosen} has no such key",
                    where=key,
                    fix=f"it belongs to {group}={' or '.join(owners)}",
                    override=f"{group}={owners[0]}",
                )
            ]
        parent = OmegaConf.select(base, key.rpartition(".")[0]) if "." in key else None
        if isinstance(parent, DictConfig) and not parent and not key.startswith("loss."):
            return []
        return [unknown_key(key, known if key.startswith("hydra.") else [*groups(), *known])]
    if override.is_sweep_override() and not override.is_discrete_sweep():
        return [ConfigError("this sweeper takes no interval", where=key, fix="give values, a,b,c, or range(...)")]
    if override.is_sweep_override() and not sweep:
        values = override.input_line.partition("=")[2] if override.input_line else ""
        is_list = OmegaConf.is_list(OmegaConf.select(base, key))
        fix = "give a list in brackets" if is_list else "add -m to train with each"
        mended = f"{key}=[{values}]" if is_list else "-m"
        return [ConfigError(f"several values, {values}, and no sweep", where=key, fix=fix, override=mended)]
    return []


def _combinations(parsed: Sequence[Override], sweep: bool) -> list[list[str]]:
    """The overrides of every job, in the order in which Hydra's own sweeper runs them."""
    axes = []
    for item in parsed:
        if sweep and isinstance(item.value(), Glob):
            axes.append([f"{item.key_or_group}={value}" for value in _values(item)])
        elif sweep and item.is_discrete_sweep():
            axes.append([f"{item.get_key_element()}={value}" for value in item.sweep_string_iterator()])
        else:
            axes.append([item.input_line or ""])
    return [list(combination) for combination in itertools.product(*axes)]


def _is_group(key: str) -> bool:
    return bool(_group_options(key))


def _group_options(group: str) -> list[str]:
    """The options of a group, of Hydra's own too."""
    own = options(group) if group in groups() else []
    return own or GlobalHydra.instance().config_loader().get_group_options(group, ObjectType.CONFIG)


def _values(override: Override) -> list[str]:
    """The options that an override of a group names, one or several."""
    value = override.value()
    if isinstance(value, Glob):
        return value.filter(_group_options(override.key_or_group)) or ["*"]
    if override.is_discrete_sweep():
        return [str(value).strip("'\"") for value in override.sweep_string_iterator()]
    return ["null" if value is None else str(value)]


def _keys(node: DictConfig, prefix: str = "") -> list[str]:
    """The dotted path of every value and node."""
    keys = []
    for name in map(str, node):
        if prefix == "" and name == "hydra":
            continue
        path = f"{prefix}{name}"
        keys.append(path)
        child = node._get_node(name)
        if isinstance(child, DictConfig) and not child._is_none() and not child._is_missing():
            keys += _keys(child, f"{path}.")
    return keys


def _owners(key: str, override: Override) -> list[str]:
    """The options of the key's group whose files have it, the likeliest first."""
    group, _, name = key.partition(".")
    if not name or group not in groups():
        return []
    files = {option: option_file(group, option) for option in options(group)}
    found = [option for option, path in files.items() if name in (yaml.safe_load(path.read_text("utf-8")) or {})]
    likeliest = ["images" if Path(str(override.value())).is_dir() else "csv", "cross_entropy"]
    return sorted(found, key=lambda option: option not in likeliest)
