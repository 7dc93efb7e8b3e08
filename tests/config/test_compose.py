"""Any overrides are composed or refused; none is a fault in the program."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf, open_dict

from dltrain.config.compose import Sweep, compose, compose_jobs
from dltrain.config.loader import own_hydra
from dltrain.config.quoting import quote
from dltrain.errors import ConfigError

KEYS = ["optimizer.lr", "trainer.epochs", "model.hidden", "data.target", "seed", "model", "data", "+new.key", "~seed"]
VALUES = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["mlp", "cnn", "null", "[1,2]", "{a:1}", "${seed}", "${oc.env:HOME}", "${nothing}", "1,2", "1e400"]
    ),
    st.integers().map(str),
    st.floats().map(str),
)


def refusals(error: Exception) -> list[Exception]:
    return (
        [leaf for one in error.exceptions for leaf in refusals(one)] if isinstance(error, ExceptionGroup) else [error]
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(KEYS) | st.text("abc.", max_size=6), VALUES), min_size=1, max_size=3))
def test_any_overrides_are_composed_or_refused(overrides: list[tuple[str, str]]) -> None:
    with suppress(ConfigError):
        try:
            compose_jobs([quote(f"{key}={value}") for key, value in overrides], sweep=False)
        except ExceptionGroup as group:
            raise refusals(group)[0] from None


def test_a_misspelt_choice_of_a_sweep_leaves_the_others_as_they_are() -> None:
    with pytest.raises(ExceptionGroup) as refused:
        compose_jobs(["model=mlp", "optimizer=adm,sgd"], sweep=True)
    (error,) = refused.value.exceptions
    assert isinstance(error, ConfigError)
    assert error.override == "optimizer=adam,sgd"


def test_a_launcher_gets_the_config_that_was_checked_as_it_would_compose_it() -> None:
    sweep = compose(["model=mlp", "data=iris", "seed=1,2", "optimizer.lr=0.1,0.01"], multirun=True)
    assert isinstance(sweep, Sweep)
    with open_dict(sweep.master.hydra):  # as it is set between check and launch
        sweep.master.hydra.sweep.dir = "some=where"
        sweep.master.hydra.overrides.hydra.append("hydra.sweep.dir='some=where'")
    composing = compose(["model=mlp", "data=iris"], multirun=True)
    assert isinstance(composing, Sweep)
    with own_hydra():
        for job in sweep.jobs:
            words = list(job.overrides)
            first, second = (sweep.loader.load_sweep_config(sweep.master, words) for _ in range(2))
            composed = composing.loader.load_sweep_config(sweep.master, words)
            assert OmegaConf.to_container(first) == OmegaConf.to_container(composed)
            assert OmegaConf.get_cache(first) == OmegaConf.get_cache(composed)
            assert first is not second
            with open_dict(first):
                first.seed = 7
            assert second.seed == composed.seed
