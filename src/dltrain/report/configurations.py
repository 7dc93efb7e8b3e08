"""Compares the configurations of a sweep: which one is best, and how sure that is.

Jobs that differ only in what repeats a run are one configuration. The best of many equal configurations looks better
than it is, so the best one is declared the winner only if it beats every other one by Tukey's test, which accounts for
the choice among them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

REPEATS = ("seed", "data.seed", "data.fold")  # keys that repeat a run instead of changing it
SPLITTING = ("data.seed", "data.fold")  # those of them with which repeats share most of their training samples
CONFIDENCE = 0.95  # from which a winner is declared

Block = tuple[str, ...]  # the values of the keys in REPEATS


@dataclass(frozen=True)
class Configuration:
    """Jobs that are equal but for what repeats them.

    Args:
        values: the values of the keys in which configurations differ.
        jobs: the names of its jobs.
        scores: the measure of each finished job, by its block.
        overlap: validation samples per training sample, if the repeats share training samples; otherwise 0.
        is_complete: whether each of its jobs has a score.
    """

    values: Mapping[str, str]
    jobs: tuple[str, ...]
    scores: Mapping[Block, float]
    overlap: float = 0.0
    is_complete: bool = True

    @property
    def name(self) -> str:
        return " ".join(f"{key}={value}" for key, value in self.values.items()) or "all jobs"

    @property
    def mean(self) -> float:
        """Returns the mean of its scores; NaN without any."""
        return float(np.mean([*self.scores.values()])) if self.scores else math.nan

    @property
    def deviation(self) -> float | None:
        """Returns the standard deviation of its scores; `None` for fewer than two."""
        return float(np.std([*self.scores.values()], ddof=1)) if len(self.scores) > 1 else None


@dataclass(frozen=True)
class Verdict:
    """The answer to which configuration is best.

    Args:
        best: the configuration with the best mean; `None` where no job has a score.
        tied: the others that may be as good.
        confidence: that the best one is better than every other one; `None` where nothing tells.
        reason: why nothing tells, in one sentence; empty where something does.
    """

    best: Configuration | None
    tied: tuple[Configuration, ...] = ()
    confidence: float | None = None
    reason: str = ""

    @property
    def is_winner(self) -> bool:
        """Tells whether the best one is better than every other one, beyond what chance makes."""
        return self.confidence is not None and self.confidence >= CONFIDENCE


def rank(configurations: Sequence[Configuration], *, larger_is_better: bool) -> list[Configuration]:
    """Returns the configurations with the best mean first; those with failed or missing jobs come after the others."""
    sign = -1 if larger_is_better else 1

    def key(one: Configuration) -> tuple[bool, bool, float]:
        return (not one.scores, not one.is_complete, sign * one.mean if one.scores else 0.0)

    return sorted(configurations, key=key)


def judge(configurations: Sequence[Configuration], *, larger_is_better: bool) -> Verdict:
    """Returns which configuration is best, which others tie with it, and how sure that is.

    Configurations of which a job failed or is missing do not compete with complete ones: the mean of the jobs that
    survived would flatter them.
    """
    ranked = rank([one for one in configurations if one.scores], larger_is_better=larger_is_better)
    rivals = [one for one in ranked if one.is_complete] or ranked
    if not rivals:
        return Verdict(None, reason="No job has a result.")
    best, *others = rivals
    if not others:
        return Verdict(best)
    scores = [np.array([*one.scores.values()]) for one in rivals]
    variances, freedom = _variances(rivals, scores)
    if not freedom:
        reason = "Each configuration ran once, so nothing tells how much of the difference is chance."
        return Verdict(best, tuple(others), reason=reason)
    scale = max(float(np.abs(part).max()) for part in scores)
    if not variances.max() > (1e-9 * scale) ** 2:
        same = tuple(one for one in others if abs(one.mean - best.mean) <= 1e-9 * scale)
        if same:
            return Verdict(best, same, 0.0)
        reason = "The repeats of a configuration gave the same numbers, so nothing tells how much depends on chance."
        return Verdict(best, tuple(others), reason=reason)
    squared = variances * np.array([1 / len(part) + one.overlap for one, part in zip(rivals, scores, strict=True)])
    ratios = [
        abs(one.mean - best.mean) / math.sqrt(squared[0] + squared[number]) for number, one in enumerate(others, 1)
    ]
    limit = _limit(len(rivals), freedom)
    tied = tuple(one for one, ratio in zip(others, ratios, strict=True) if ratio < limit)
    return Verdict(best, tied, _confidence(min(ratios), len(rivals), freedom))


def _variances(
    rivals: Sequence[Configuration], scores: Sequence[NDArray[np.float64]]
) -> tuple[NDArray[np.float64], int]:
    """Returns a variance for each configuration, and the degrees of freedom of the pooled one.

    Where all configurations have the same repeats, what a repeat adds to all of them, such as a difficult fold, is
    taken out. A configuration's own variance counts where it is larger than the pooled one, so that an unstable one
    does not win by a lucky repeat.
    """
    blocks = [*rivals[0].scores]
    if len(blocks) > 1 and all(one.scores.keys() == rivals[0].scores.keys() for one in rivals):
        table = np.array([[one.scores[block] for block in blocks] for one in rivals])
        rest = table - table.mean(1, keepdims=True) - table.mean(0) + table.mean()
        own = (rest**2).sum(1) / (len(blocks) - 1) * len(rivals) / (len(rivals) - 1)
        return np.maximum(own, own.mean()), (len(rivals) - 1) * (len(blocks) - 1)
    freedom = sum(len(part) - 1 for part in scores)
    if not freedom:
        return np.zeros(len(rivals)), 0
    pooled = sum(float(((part - part.mean()) ** 2).sum()) for part in scores) / freedom
    return np.array([max(pooled, part.var(ddof=1)) if len(part) > 1 else pooled for part in scores]), freedom


@lru_cache(maxsize=256)
def _limit(count: int, freedom: int) -> float:
    """Returns the ratio of difference to standard error from which two of `count` configurations differ."""
    from scipy.stats import studentized_range

    return float(studentized_range.ppf(CONFIDENCE, count, freedom)) / math.sqrt(2)


def _confidence(ratio: float, count: int, freedom: int) -> float:
    from scipy.stats import studentized_range

    return float(studentized_range.cdf(ratio * math.sqrt(2), count, freedom))
