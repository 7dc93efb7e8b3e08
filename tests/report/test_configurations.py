"""How sure a sweep is of its winner: chance declares none, and real differences are seen."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from dltrain.report.configurations import Configuration, Verdict, judge, rank

SWEEPS = 400


def configurations(scores: NDArray[np.float64], overlap: float = 0.0) -> list[Configuration]:
    """A configuration for each row of `scores`, repeated with a seed for each column."""
    return [
        Configuration({"lr": str(number)}, (), {(str(seed),): float(x) for seed, x in enumerate(row)}, overlap)
        for number, row in enumerate(scores)
    ]


def judged(scores: NDArray[np.float64], overlap: float = 0.0) -> Verdict:
    return judge(configurations(scores, overlap), larger_is_better=True)


@pytest.mark.parametrize("noise", ["normal", "heavy", "skewed", "shares", "shared seeds"])
def test_among_20_equal_configurations_chance_rarely_declares_a_winner(noise: str) -> None:
    random = np.random.default_rng(0)
    draws = {
        "normal": lambda: random.normal(size=(20, 3)),
        "heavy": lambda: random.standard_t(3, size=(20, 3)),
        "skewed": lambda: random.lognormal(size=(20, 3)),
        "shares": lambda: random.binomial(30, 0.95, size=(20, 3)) / 30,
        "shared seeds": lambda: random.normal(size=(20, 3)) + random.normal(size=3) * 5,
    }
    winners = sum(judged(draws[noise]()).is_winner for _ in range(SWEEPS))
    assert winners <= 0.05 * SWEEPS


@pytest.mark.parametrize(("count", "repeats"), [(2, 2), (2, 5), (5, 3)])
def test_a_few_equal_configurations_rarely_have_a_winner(count: int, repeats: int) -> None:
    random = np.random.default_rng(1)
    winners = sum(judged(random.normal(size=(count, repeats))).is_winner for _ in range(SWEEPS))
    assert winners <= 0.07 * SWEEPS  # 5 % and two standard deviations


def test_an_unstable_configuration_does_not_win_by_a_lucky_repeat() -> None:
    random = np.random.default_rng(2)
    spread = np.where(np.arange(20) == 7, 5.0, 1.0)[:, None]
    winners = sum(judged(random.normal(size=(20, 3)) * spread).is_winner for _ in range(SWEEPS))
    assert winners <= 0.05 * SWEEPS


def test_folds_that_share_training_samples_declare_no_winner_too_often() -> None:
    # The error that all folds of one training set share is invisible in their spread: here a correlation of 1/5.
    random = np.random.default_rng(3)
    winners = 0
    for _ in range(SWEEPS):
        scores = random.normal(size=(10, 5)) * math.sqrt(0.8) + random.normal(size=(10, 1)) * math.sqrt(0.2)
        winners += judged(scores, overlap=0.25).is_winner
    assert winners <= 0.05 * SWEEPS


def test_a_real_winner_is_declared_and_what_ties_is_called_so() -> None:
    random = np.random.default_rng(4)
    clear, tied = 0, 0
    for _ in range(100):
        scores = random.normal(size=(20, 3))
        scores[3] += 8
        clear += (verdict := judged(scores)).is_winner and verdict.best is not None and verdict.best.name.endswith("=3")
        scores[5] += 8
        tied += [one.name for one in judged(scores).tied] in (["lr=3"], ["lr=5"])
    assert clear > 95
    assert tied > 85


def test_what_ran_once_is_not_judged() -> None:
    verdict = judged(np.array([[0.1], [0.9], [0.5]]))
    assert (verdict.best or verdict).name == "lr=1"  # type: ignore[union-attr]
    assert (verdict.is_winner, verdict.confidence, len(verdict.tied)) == (False, None, 2)
    assert "ran once" in verdict.reason


def test_repeats_that_change_nothing_say_nothing_of_chance() -> None:
    different = judged(np.array([[0.5, 0.5], [0.9, 0.9]]))
    assert (different.is_winner, "same numbers" in different.reason) == (False, True)
    same = judged(np.array([[1.0, 1.0], [1.0, 1.0], [0.9, 0.9]]))
    assert (same.is_winner, len(same.tied), same.reason) == (False, 1, "")


def test_a_configuration_whose_repeats_failed_does_not_compete_with_a_whole_one() -> None:
    def one(value: str, scores: Mapping[tuple[str, ...], float], complete: bool) -> Configuration:
        return Configuration({"lr": value}, (), scores, is_complete=complete)

    lucky = one("9", {("1",): 0.99}, False)
    whole = [one(str(lr), {("1",): 0.8 + lr, ("2",): 0.81 + lr}, True) for lr in (0.0, 0.01)]
    verdict = judge([lucky, *whole], larger_is_better=True)
    assert verdict.best is whole[1]
    assert rank([lucky, *whole], larger_is_better=True) == [whole[1], whole[0], lucky]
    assert judge([lucky], larger_is_better=True).best is lucky
    assert judge([one("1", {}, False)], larger_is_better=True).best is None


def test_uneven_repeats_are_compared_without_pairs() -> None:
    values = {"a": (1.0, 1.1, 0.9), "b": (5.0,), "c": (1.05, 0.95)}
    sweep = [
        Configuration({"model": name}, (), {(f"{name}{number}",): x for number, x in enumerate(scores)})
        for name, scores in values.items()
    ]
    verdict = judge(sweep, larger_is_better=True)
    assert (verdict.is_winner, verdict.best is sweep[1], verdict.tied) == (True, True, ())
