"""The learning-rate range test."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import copy
from itertools import pairwise

import pytest

from dltrain.config.compose import compose_jobs
from dltrain.errors import ConfigError
from dltrain.experiment import build
from dltrain.training.finder import HIGHEST, LOWEST, Trial, suggest_rate, try_rates


def trials(*overrides: str, steps: int = 60) -> list[Trial]:
    (job,) = compose_jobs(list(overrides), sweep=False)
    setup = build.build(job.config)
    one_batch = copy(setup.train)
    one_batch.sizes = one_batch.sizes[:1]
    return try_rates(setup.state, setup.task, one_batch, setup.settings, steps)


def test_rates_grow_by_one_ratio_until_the_loss_explodes() -> None:
    found = trials("model=linear", "data=regression", "optimizer=sgd")
    assert found[0].lr == pytest.approx(LOWEST)
    ratios = {round(after.lr / before.lr, 6) for before, after in pairwise(found)}
    assert ratios == {round((HIGHEST / LOWEST) ** (1 / 59), 6)}
    assert len(found) < 60
    assert found[-1].smooth > 3 * min(trial.smooth for trial in found)


def test_plain_descent_on_a_line_is_advised_a_rate_that_converges() -> None:
    """For standardised features the mean squared error has curvature 2, so that rates from 1 on diverge."""
    lr = suggest_rate(trials("model=linear", "data=regression", "optimizer=sgd", "trainer.batch_size=full"))
    assert 0.003 < lr < 1


def test_a_rate_is_a_tenth_of_the_best_one() -> None:
    falls = [Trial(1e-6, 2.0, 2.0), Trial(1e-3, 1.5, 1.5), Trial(0.02, 1.0, 1.0), Trial(1.0, 9.0, 3.5)]
    assert suggest_rate(falls) == 0.002


@pytest.mark.parametrize("never", [[], [Trial(1e-6, 1.0, 1.0), Trial(1e-5, 1.5, 1.2)]])
def test_a_loss_that_never_falls_is_said(never: list[Trial]) -> None:
    with pytest.raises(ConfigError, match="did not fall at any learning rate"):
        suggest_rate(never)


def test_the_command_ends_with_one_to_paste_and_writes_nothing(dltrain: Callable) -> None:
    called = dltrain("find_lr", "data=iris", "optimizer.lr=1")
    assert called.code == 0, called.err
    last = called.out.splitlines()[-1]
    assert last.startswith("try     dltrain data=iris optimizer.lr=0.")
    assert not called.runs
    said = dltrain("find_lr", "data=iris", "--json")
    assert f"optimizer.lr={json.loads(said.out)['lr']:g}" in last
