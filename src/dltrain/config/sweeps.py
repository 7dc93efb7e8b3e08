"""The jobs of a sweep, as far as they are known before it begins."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper, BasicSweeperConf
from hydra.core.override_parser.types import IntervalSweep, Override
from omegaconf import DictConfig, OmegaConf

from dltrain.errors import ConfigError


def params_of(master: DictConfig) -> Mapping[str, str]:
    """Returns the keys that a config itself sweeps, with their values: `hydra.sweeper.params`."""
    params = OmegaConf.select(master, "hydra.sweeper.params")
    container = OmegaConf.to_container(params, resolve=True) if params else {}
    return {str(key): str(value) for key, value in container.items()} if isinstance(container, dict) else {}


def is_basic(master: DictConfig) -> bool:
    """Tells whether the sweep uses Hydra's own sweeper, which runs every combination in order."""
    return bool(OmegaConf.select(master, "hydra.sweeper._target_") == BasicSweeperConf._target_)


def combine(parsed: Sequence[Override], *, is_basic: bool) -> tuple[list[list[str]], int | None]:
    """Returns the overrides of every job, and how many jobs there will be.

    A sweeper that chooses as it goes, such as Optuna's, is checked at the ends of its choices: one job for each value
    and for both ends of an interval, with the other keys at their first value.

    Raises:
        ConfigError: Hydra's own sweeper cannot choose from an interval.
    """
    for item in parsed:
        _refuse_empty(item)
    if is_basic:
        for item in parsed:
            if item.is_sweep_override() and not item.is_discrete_sweep():
                fix = "give values as a,b,c or as range(...)"
                raise ConfigError("this sweeper does not support intervals", where=item.key_or_group, fix=fix)
        combinations = list(itertools.chain(*BasicSweeper.split_arguments(list(parsed), None)))
        return combinations, len(combinations)
    choices = {item.get_key_element(): _ends(item) for item in parsed}  # if a key is given twice, the last counts
    first = {key: values[0] for key, values in choices.items()}
    jobs = [[f"{key}={value}" for key, value in first.items()]]
    for key, values in choices.items():
        jobs += [[f"{name}={value}" for name, value in (first | {key: other}).items()] for other in values[1:]]
    return jobs, None


def _refuse_empty(item: Override) -> None:
    """Checks that an override of several values has at least one.

    Raises:
        ConfigError: it has none.
    """
    if not item.is_sweep_override():
        return
    value, typed = item.value(), (item.input_line or "").partition("=")[2]
    if isinstance(value, IntervalSweep):
        assert value.start is not None and value.end is not None
        is_empty = value.start >= value.end
        fix = "give the smaller number first, as in interval(0.001,0.1)"
    else:
        is_empty = not any(True for _ in item.sweep_string_iterator())
        fix = "give values as a,b,c, or a range whose end, which does not count, lies behind its start: range(0,5)"
    if is_empty:
        raise ConfigError(f"{typed} contains no value", where=item.key_or_group, fix=fix)


def _ends(item: Override) -> list[str]:
    if not item.is_sweep_override():
        return [str(item.get_value_element_as_str())]
    if isinstance(interval := item.value(), IntervalSweep):
        return [str(interval.start), str(interval.end)]
    values = list(item.sweep_string_iterator())
    return [values[0], values[-1]] if item.is_range_sweep() else values
