"""What is asked and said of how sure predictions are: intervals of numbers, sets of classes, and a threshold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dltrain.errors import ConfigError
from dltrain.tasks.conformal import Conformal

NARROW = 0.04  # share of true values that an interval may lack without a word
LEVEL = 0.9


@dataclass(frozen=True)
class Certainty:
    """What is to be written of how sure predictions are.

    Args:
        level: the share of intervals or sets that hold the truth; `None` for 90 %, where the run can give it.
        sets: whether to write sets of classes.
        threshold: the second of two classes is predicted where its probability is above this; `None` for the more
            probable class.
        top: how many of the most probable classes are written, in place of the scores of all; `None` for these.
    """

    level: float | None = None
    sets: bool = False
    threshold: float | None = None
    top: int | None = None

    @property
    def share(self) -> float:
        """Returns the level, or the default one."""
        return LEVEL if self.level is None else self.level


def check_share(flag: str, value: float | None, example: str, *, zero: bool = False) -> None:
    """Makes sure that a share lies between 0 and 1; `zero` tells whether it may be 0.

    Raises:
        ConfigError: it does not.
    """
    if value is not None and not 0 < value < 1 and not (zero and value == 0):
        percent = f"{value / 100:g}" if 1 < value < 100 else example
        raise ConfigError(
            f"{flag} must lie between 0 and 1, not {value:g}",
            where=flag,
            fix=f"give {flag} {percent}",
            override=percent,
            replaces=f"{value:g}",
        )


def check_level(conformal: Conformal, certainty: Certainty) -> None:
    """Makes sure that there are enough validation samples for a level that was asked for.

    Raises:
        ConfigError: there are too few.
    """
    if conformal.quantile(certainty.share) == float("inf"):
        largest = conformal.largest_level
        few = f"the run's {conformal.count} validation samples are too few for intervals or sets of {certainty.share:g}"
        fix = f"give --interval {largest:g} or less, or train again with a larger data.val_fraction"
        raise ConfigError(few, "--interval", fix, override=f"{largest:g}", replaces=f"{certainty.share:g}")


def describe(certainty: Mapping[str, Any] | None) -> list[str]:
    """Returns sentences about what was measured of certainty; none where nothing was.

    Args:
        certainty: as in `Result`.
    """
    stored = certainty or {}
    measured = stored.get("measured") or {}
    sentences = []
    level = f"{100 * measured.get('level', LEVEL):g} %"
    if stored.get("uncertain"):
        sentences.append(f"Predictions come without intervals: {stored['uncertain']}.")
    if "width" in measured:
        sentences.append(
            f"Intervals of {level} hold {100 * measured['coverage']:.1f} % of the true values; their mean width is "
            f"{measured['width']:.4g}."
        )
    elif "lowest" in measured:
        sentences.append(
            f"Intervals of {level} hold {100 * measured['coverage']:.1f} % of the true values, a mean of all outputs; "
            f"of {measured['lowest_output']} they hold {100 * measured['lowest']:.1f} %, the fewest."
        )
    has_intervals = "width" in measured or "lowest" in measured
    if has_intervals and measured["coverage"] < measured["level"] - NARROW:
        sentences.append("They are too narrow: errors are larger there than where they are learned from.")
    if "error" in measured:
        sentences.append(_calibration(measured["temperature"], measured["error"], measured["error_before"]))
    if "size" in measured:
        sentences.append(
            f"Sets of classes that are to hold the true one for {level} of samples hold it for "
            f"{100 * measured['coverage']:.1f} %; their mean size is {measured['size']:.3g}."
        )
    return sentences


def _calibration(temperature: float, error: float, before: float) -> str:
    if temperature == 1:
        return (
            f"The expected calibration error is {error:.3f}; to scale probabilities by a temperature would not clearly "
            "improve those of the validation split."
        )
    return (
        f"Probabilities are scaled by a temperature of {temperature:.3g}, fitted to the validation split: the expected "
        f"calibration error is {error:.3f}, and {before:.3f} without it."
    )
