"""Composes the config of every job from overrides, and checks it key by key; imports no torch.

A single run is composed once. The values of the command line are checked inside that composition, after the files
are merged and before the values are set. The defaults that a run is compared with are the same files without them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import yaml
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import MISSING, DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from dltrain.config.defaults import ON_TOP, Defaults, defaults_of
from dltrain.config.files import FIRST_LINE, check_files, check_search, key_files_of, locate
from dltrain.config.loader import (
    CONFIG_NAME,
    FIXED,
    Composed,
    Loader,
    hydra_config,
    own_hydra,
    search_path_of,
)
from dltrain.config.options import UNPICKED, check_local_configs, configs_named
from dltrain.config.overrides import check_group, check_key, check_single, group_options, outside_groups, parse
from dltrain.config.sweeps import combine, is_basic, params_of
from dltrain.config.validation import missing_value
from dltrain.errors import ConfigError


@dataclass(frozen=True)
class Job:
    """One composed configuration.

    Args:
        overrides: the overrides that it was composed from.
        composed: all values as written, Hydra's own included.
        config: all of dltrain's values, resolved; objects are built from these.
        defaults: the config without the user's changes.
        key_files: the user's file that set each key, for keys that one did set.
        run_dir: the folder that Hydra would create for a single run.
        loader: the loader that composed it.
    """

    overrides: tuple[str, ...]
    composed: DictConfig
    config: Mapping[str, Any]
    defaults: Defaults
    key_files: Mapping[str, str]
    run_dir: Path
    loader: Loader


@dataclass(frozen=True)
class Sweep:
    """Jobs for Hydra's sweeper and launcher.

    Args:
        master: the config of the sweep itself: sweeper, launcher and folder.
        loader: the loader that composes each job.
        overrides: the overrides from which the sweeper makes the jobs.
        jobs: all jobs; for a sweeper that decides as it goes, one for each end of its choices.
        count: the number of jobs; None if the sweeper decides as it goes.
        folder: the folder that Hydra would create.
    """

    master: DictConfig
    loader: Loader
    overrides: tuple[str, ...]
    jobs: list[Job]
    count: int | None
    folder: Path


class _IsSweep(Exception):
    """Raised when a config itself asks for several jobs, by `hydra.mode`."""


def compose_job(overrides: Sequence[str], folder: str | None = None) -> Job:
    """Returns the one job that the overrides describe.

    Args:
        overrides: quoted for Hydra.
        folder: an additional folder of configs, Hydra's `--config-dir`.

    Raises:
        ExceptionGroup: of every ConfigError found in the overrides and the user's files.
        ConfigError: the config cannot be composed, or describes several jobs.
    """
    composed = compose(overrides, folder)
    if isinstance(composed, Sweep):
        fix = "give hydra.mode=RUN, or leave out what sets it, such as search=..."
        raise ConfigError("the config describes a sweep", where="hydra.mode", fix=fix)
    return composed


def compose(overrides: Sequence[str], folder: str | None = None, *, multirun: bool = False) -> Job | Sweep:
    """Returns what the overrides describe: one job, or a sweep if `multirun` or the config says so.

    Raises:
        ExceptionGroup, ConfigError: as `compose_job`; a sweep is checked job by job.
    """
    with _configs(folder) as search_path:
        parsed, loader = _parse(overrides, search_path)
        if not multirun:
            try:
                return _single(parsed, loader)
            except _IsSweep:
                pass
        return _sweep(parsed, loader)


def compose_raw(overrides: Sequence[str], folder: str | None = None) -> DictConfig:
    """Returns the whole config of one job as written: nothing resolved, missing values left open.

    Raises:
        ExceptionGroup, ConfigError: as `compose_job`.
    """
    with _configs(folder) as search_path:
        parsed, loader = _parse(overrides, search_path)
        config, _ = _compose(loader, parsed, lambda composed: _check(composed, parsed, sweep=False))
        return config


def compose_jobs(overrides: Sequence[str], *, sweep: bool = False) -> list[Job]:
    """Returns the jobs that the overrides describe: one, or with `sweep` one for each combination of values.

    Raises:
        ExceptionGroup, ConfigError: as `compose_job`.
    """
    composed = compose(overrides, multirun=sweep)
    return composed.jobs if isinstance(composed, Sweep) else [composed]


def compose_defaults(options: Mapping[str, str | None], folder: Path | None) -> Defaults:
    """Returns the defaults of a run with these options.

    Raises:
        ConfigError: the options cannot be composed.
    """
    with _configs(None if folder is None else str(folder)) as search_path:
        loader = Loader(search_path)
        fixed = [_pick(group, options[group]) for group in FIXED if options.get(group)]
        usual = defaults_of(_composed(loader, fixed))
        others = {group: option for group, option in options.items() if group not in (*FIXED, *ON_TOP)}
        picked = [_pick(group, option) for group, option in others.items() if option != usual.options.get(group)]
        if not picked:
            return usual
        return Defaults(defaults_of(_composed(loader, [*fixed, *picked])).values, usual.options)


@contextmanager
def _configs(folder: str | None) -> Iterator[ConfigSearchPath]:
    """Makes Hydra search all folders of configs inside the block, also within another Hydra program."""
    named = Path(folder).absolute() if folder else None
    if named is not None and not named.is_dir():
        raise ConfigError(f"there is no folder {folder}", where="--config-dir", fix="give a folder of configs")
    with own_hydra(), configs_named(named):
        check_local_configs()
        yield search_path_of(named)


def _parse(overrides: Sequence[str], search_path: ConfigSearchPath) -> tuple[list[Override], Loader]:
    """Parses the overrides and checks the options that they pick.

    Raises:
        ExceptionGroup: one ConfigError for each thing that is wrong with them.
    """
    loader = Loader(search_path)
    parsed = parse(overrides, loader)
    for item in parsed:
        if item.key_or_group in UNPICKED:
            check_local_configs({item.key_or_group})
        if item.key_or_group == "hydra.output_subdir":
            what = "a run always keeps its config and overrides in .hydra/"
            raise ConfigError(what, where="hydra.output_subdir", fix="leave it out")
        if item.key_or_group == "hydra.searchpath" and isinstance(folders := item.value(), list):
            loader.look_also_in([str(folder) for folder in folders])
    _raise_all(error for item in parsed for error in check_group(item, loader))
    return parsed, loader


def _single(parsed: Sequence[Override], loader: Loader) -> Job:
    """Composes the one job of a run.

    Raises:
        _IsSweep: the config asks for several jobs.
    """

    def check(composed: Composed) -> None:
        modes = [item.value() for item in parsed if item.key_or_group == "hydra.mode"]
        mode = modes[-1] if modes else composed.config.hydra.mode
        if str(getattr(mode, "name", mode)) == RunMode.MULTIRUN.name:
            raise _IsSweep
        _raise_all(error for item in parsed for error in check_single(item, loader))
        _check(composed, parsed, sweep=False)

    composed, seen = _compose(loader, parsed, check)
    swept = params_of(composed)
    if left := [key for key in swept if key not in {item.key_or_group for item in parsed}]:
        what = f"the config describes a sweep over {' and '.join(left)}"
        raise ConfigError(what, where="hydra.sweeper.params", fix="add -m to train with each value", override="-m")
    with open_dict(composed.hydra):
        composed.hydra.mode = RunMode.RUN
        composed.hydra.overrides.hydra.append("hydra.mode=RUN")
    return _job(composed, seen, parsed, loader)


def _sweep(parsed: Sequence[Override], loader: Loader) -> Sweep:
    """Composes a sweep and each of its jobs."""
    own = [item for item in parsed if item.is_hydra_override()]
    tasks = [item for item in parsed if not item.is_hydra_override()]
    if swept := [item for item in own if item.is_sweep_override()]:
        raise ConfigError("Hydra's own keys cannot be swept", where=swept[0].key_or_group, fix="give one value")
    own_lines = [*(item.input_line or "" for item in own), "hydra.mode=MULTIRUN"]
    picks = [item for item in tasks if group_options(item.key_or_group, loader) and not item.is_sweep_override()]

    # Without the keys: they may belong to an option that only a job picks.
    sweeping = [*parse(own_lines, loader), *picks]
    master, seen = _compose(loader, sweeping, lambda composed: _check(composed, own, sweep=True), RunMode.MULTIRUN)
    lines = [item.input_line or "" for item in tasks]
    with open_dict(master.hydra):
        master.hydra.overrides.task = lines
    params = params_of(master)
    placed = key_files_of(seen.files, ())
    param_files = {key: placed[place] for key in params if (place := f"hydra.sweeper.params.{key}") in placed}
    try:
        swept_over = parse([f"{key}={value}" for key, value in params.items()], loader)
        _raise_all(error for item in swept_over for error in check_group(item, loader))
        combinations, count = combine([*swept_over, *tasks], is_basic=is_basic(master))
        composed = [_sweep_job(number, words, own_lines, loader) for number, words in enumerate(combinations)]
        jobs = [replace(job, key_files={**job.key_files, **param_files}) for job in composed]
    except (ConfigError, ExceptionGroup) as error:
        locate(error, param_files)
        raise
    for job in jobs:
        loader.keep_for_launch(job.overrides, job.composed)
    with hydra_config(master):
        folder = Path(str(master.hydra.sweep.dir)).absolute()
    return Sweep(master, loader, tuple(lines), jobs, count, folder)


def _sweep_job(number: int, words: Sequence[str], own_lines: Sequence[str], loader: Loader) -> Job:
    parsed, own = parse(words, loader), parse(own_lines, loader)
    composed, seen = _compose(loader, [*own, *parsed], lambda composed: _check(composed, parsed, sweep=True))
    with open_dict(composed.hydra):
        composed.hydra.job.num, composed.hydra.job.id = number, str(number)
    return _job(composed, seen, parsed, loader)


def _check(composed: Composed, parsed: Sequence[Override], *, sweep: bool) -> None:
    """Checks that the keys in the user's files and in the overrides exist.

    Raises:
        ExceptionGroup: one ConfigError for each thing that is wrong with them.
    """
    keys = [item for item in parsed if not composed.repository.group_exists(item.key_or_group)]
    errors, outside = [*check_search(composed), *check_files(composed)], outside_groups(parsed, composed)
    _raise_all([*errors, *(error for item in keys for error in check_key(item, composed, sweep, outside))])


def _compose(
    loader: Loader,
    parsed: Sequence[Override],
    check: Callable[[Composed], None],
    run_mode: RunMode = RunMode.RUN,
) -> tuple[DictConfig, Composed]:
    """Lets Hydra compose the config, and calls `check` before the values of overrides are set.

    Raises:
        ConfigError: Hydra cannot compose it.
    """
    with _hydra_explained():
        composed = loader.composed(parsed, run_mode)
        check(composed)
        lines = [item.input_line or "" for item in parsed]
        config = loader.load_configuration(
            CONFIG_NAME, lines, run_mode, from_shell=False, validate_sweep_overrides=False
        )
        return config, composed


def _composed(loader: Loader, picks: Sequence[str]) -> Composed:
    """Returns the composition of options alone.

    Raises:
        ConfigError: Hydra cannot compose it.
    """
    with _hydra_explained():
        return loader.composed(parse(picks, loader))


@contextmanager
def _hydra_explained() -> Iterator[None]:
    """Turns what Hydra says about a composition inside the block into a ConfigError."""
    try:
        yield
    except yaml.YAMLError as error:
        raise ConfigError(" ".join(str(error).split()), where="a config file", fix="fix its YAML") from error
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        text = " ".join(str(error).split())
        raise ConfigError(text, where="the config", fix=_fix_of_defaults(text)) from error


def _fix_of_defaults(text: str) -> str:
    """Returns the fix for what Hydra says about a list of defaults."""
    if pick := re.search(r"Multiple values for ([\w/]+)\. To override a value use 'override [\w/]+: (\w+)'", text):
        return f"write - override /{pick[1]}: {pick[2]} in the defaults of the file"
    if re.search(r"In '(experiment|debug)/\w+': Could not override", text):
        return f"begin the file with {FIRST_LINE}"
    return "see dltrain --help"


def _job(composed: DictConfig, seen: Composed, parsed: Sequence[Override], loader: Loader) -> Job:
    values = OmegaConf.masked_copy(composed, [str(name) for name in composed if name != "hydra"])
    key_files = key_files_of(seen.files, {item.key_or_group for item in parsed})
    try:
        with hydra_config(composed):
            config = OmegaConf.to_container(values, resolve=True)
            missing = sorted(OmegaConf.missing_keys(values)) if str(MISSING) in str(config) else []
            run_dir = Path(str(composed.hydra.run.dir)).absolute()
    except OmegaConfBaseException as error:
        where = str(getattr(error, "full_key", "") or "the config")
        raise ConfigError(str(error).splitlines()[0], where=where, fix="check the reference in ${...}") from error
    if missing:
        refusal = ExceptionGroup("config", [missing_value(key) for key in missing])
        locate(refusal, key_files)
        raise refusal
    words = tuple(item.input_line or "" for item in parsed)
    return Job(words, composed, cast(dict[str, Any], config), defaults_of(seen), key_files, run_dir, loader)


def _pick(group: str, option: str | None) -> str:
    return f"{group}={'null' if option is None else option}"


def _raise_all(errors: Iterable[ConfigError]) -> None:
    if all_errors := list(errors):
        raise ExceptionGroup("overrides", all_errors)
