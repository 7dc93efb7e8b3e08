"""What a search chooses from: the overrides of a sweep, read as distributions of values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep

from dltrain.errors import ConfigError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

DIGITS = 4  # significant ones of a number from an interval: no result depends on more, and folders stay readable


@dataclass(frozen=True)
class Dimension:
    """A key whose value is searched.

    Args:
        key: as it is typed, with its + if it has one.
        values: the options of a choice, as they are typed; empty for a number.
        low: the least number.
        high: the largest number.
        step: between two numbers; `None` for any number between them.
        whole: whether the numbers are whole.
        logarithmic: whether ratios are drawn evenly, rather than differences.
    """

    key: str
    values: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    step: float | None = None
    whole: bool = False
    logarithmic: bool = False

    @property
    def distribution(self) -> BaseDistribution:
        """Returns what Optuna calls it."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        if self.values:
            return CategoricalDistribution(self.values)
        if self.whole:
            return IntDistribution(int(self.low), int(self.high), log=self.logarithmic, step=int(self.step or 1))
        return FloatDistribution(self.low, self.high, log=self.logarithmic, step=self.step)

    @property
    def grid(self) -> list[Any]:
        """Returns all its values in order; empty for an interval of numbers that are not whole."""
        if self.values:
            return list(self.values)
        if self.step is None and not self.whole:
            return []
        step = self.step or 1
        numbers = [self.low + step * position for position in range(int((self.high - self.low) / step + 1e-9) + 1)]
        return [int(number) for number in numbers] if self.whole else numbers

    def spell(self, value: Any) -> str:
        """Returns the override that gives the key a value that was chosen."""
        if self.values:
            return f"{self.key}={value}"
        if self.whole:
            return f"{self.key}={int(value)}"
        short = float(f"{value:.{DIGITS}g}")
        return f"{self.key}={min(max(short, self.low), self.high)!r}"


@dataclass(frozen=True)
class SearchSpace:
    """What a search chooses from.

    Args:
        fixed: the overrides of all jobs.
        dimensions: the keys whose values are chosen.
    """

    fixed: tuple[str, ...]
    dimensions: tuple[Dimension, ...]

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """Returns what Optuna chooses from, by key."""
        return {one.key: one.distribution for one in self.dimensions}

    def spell(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        """Returns the overrides of the job with these values."""
        return (*self.fixed, *(one.spell(values[one.key]) for one in self.dimensions))


def read_space(params: Mapping[str, str], overrides: Sequence[str], loader: ConfigLoader | None = None) -> SearchSpace:
    """Returns the search space of a command; its overrides win over the values in configs.

    Args:
        params: the values in configs, by key.
        overrides: of the command, quoted for Hydra.
        loader: knows the options of groups, for `glob`.

    Raises:
        ConfigError: there is nothing to choose from, or a range is empty.
    """
    parser = OverridesParser.create(loader)
    typed = {item.get_key_element(): item for item in parser.parse_overrides(list(overrides))}
    lines = [f"{key}={value}" for key, value in params.items() if key not in typed]
    parsed = typed | {item.get_key_element(): item for item in parser.parse_overrides(lines)}
    fixed, dimensions = [], []
    for key, item in parsed.items():
        if item.is_sweep_override():
            dimensions.append(_dimension(key, item))
        else:
            fixed.append(f"{key}={item.get_value_element_as_str()}")
    if not dimensions:
        raise ConfigError(
            "the search has nothing to choose from",
            where="hydra/sweeper",
            fix="give a key an interval or several values",
            override="optimizer.lr=tag(log,interval(1e-4,1e-1))",
        )
    return SearchSpace(tuple(fixed), tuple(dimensions))


def _dimension(key: str, item: Override) -> Dimension:
    value = item.value()
    if isinstance(value, IntervalSweep):
        assert value.start is not None and value.end is not None
        whole = isinstance(value.start, int) and isinstance(value.end, int)
        return _number(key, value.start, value.end, None, whole=whole, logarithmic="log" in value.tags)
    if isinstance(value, RangeSweep):
        start, stop, step = value.start, value.stop, value.step
        assert start is not None and stop is not None
        count = len(list(value.range()))
        last = start + step * (count - 1)
        whole = all(isinstance(number, int) for number in (start, stop, step))
        low, high = min(start, last), max(start, last)
        return _number(key, low, high, abs(step), whole=whole, logarithmic="log" in value.tags)
    return Dimension(key, tuple(item.sweep_string_iterator()))


def _number(key: str, low: float, high: float, step: float | None, *, whole: bool, logarithmic: bool) -> Dimension:
    if logarithmic and low <= 0:
        what = f"a logarithmic search cannot begin at {low:g}"
        raise ConfigError(what, where=key, fix="begin above 0, or leave out the tag log")
    if logarithmic and step is not None:
        fix = "give int(tag(log,interval(8,256))), or the values themselves"
        raise ConfigError("a range has even steps, which cannot be logarithmic", where=key, fix=fix)
    return Dimension(key, (), low, high, step, whole, logarithmic)
