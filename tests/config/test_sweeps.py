"""Sweeps, on the command line and in a config: which jobs they have, and that each is checked before the first."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dltrain.config.compose import Sweep, compose
from dltrain.errors import ConfigError

BASE = """# @package _global_
defaults:
  - override /model: linear
  - override /data: iris
  - override /baseline: none
trainer:
  epochs: 1
  threads: 1
hydra:
  sweeper:
    params:
"""


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Writes an experiment that sweeps over what is named."""
    monkeypatch.chdir(tmp_path)

    def write(name: str, *params: str, mode: str = "") -> None:
        folder = tmp_path / "configs" / "experiment"
        folder.mkdir(parents=True, exist_ok=True)
        lines = "".join(f"      {param}\n" for param in params)
        text = BASE + lines
        (folder / f"{name}.yaml").write_text(
            text.replace("  sweeper:", f"  mode: {mode}\n  sweeper:") if mode else text
        )

    return write


def swept(*overrides: str, multirun: bool = True) -> Sweep:
    found = compose(list(overrides), multirun=multirun)
    assert isinstance(found, Sweep)
    return found


def test_a_sweep_in_a_config_has_every_combination(experiment: Callable) -> None:
    experiment("grid", "optimizer.lr: 0.1,0.01", "seed: range(1,4)")
    sweep = swept("experiment=grid")
    assert sweep.count == 6
    found = [(job.config["optimizer"]["lr"], job.config["seed"]) for job in sweep.jobs]
    assert found == [(lr, seed) for lr in (0.1, 0.01) for seed in (1, 2, 3)]


def test_the_command_line_wins_over_the_sweep_of_a_config(experiment: Callable) -> None:
    experiment("grid", "optimizer.lr: 0.1,0.01", "seed: range(1,4)")
    assert {job.config["seed"] for job in swept("experiment=grid", "seed=7").jobs} == {7}
    assert swept("experiment=grid", "seed=7,8,9,10").count == 8


def test_a_config_may_ask_for_its_sweep_itself(experiment: Callable) -> None:
    experiment("gridm", "optimizer.lr: 0.1,0.01", mode="MULTIRUN")
    assert swept("experiment=gridm", multirun=False).count == 2
    assert swept("experiment=gridm").count == 2


def test_a_sweep_in_a_config_runs_and_ends_with_0(experiment: Callable, dltrain: Callable) -> None:
    experiment("grid", "optimizer.lr: 0.1,0.01", mode="MULTIRUN")
    called = dltrain("experiment=grid", "hydra.sweep.dir=s")
    assert called.code == 0, called.err
    assert [run.path.name for run in called.runs] == ["0", "1"]
    assert json.loads((called.folder / "s" / "0" / "result.json").read_text())["epochs"] == 1
    assert (called.folder / "s" / "sweep.csv").exists()


@pytest.mark.parametrize(
    ("params", "said"),
    [
        (("optimizer.lr: 0.1,-5", "trainer.clip_norm: 1"), "-5 is not a finite number"),
        (
            ("optimizer.lrr: 0.1,0.2",),
            "at optimizer.lrr in configs/experiment/bad.yaml; fix: did you mean optimizer.lr?",
        ),
        (("model: mlp,lineer",), "did you mean linear?"),
        (("optimizer.lr: interval(0.1,1)",), "this sweeper does not support intervals"),
        (("model: mlp,cnn",), "takes image data"),
    ],
)
def test_each_job_is_checked_before_the_first_starts(
    params: tuple[str, ...], said: str, experiment: Callable, dltrain: Callable
) -> None:
    experiment("bad", *params)
    before = sorted(Path.cwd().rglob("*"))
    called = dltrain("-m", "experiment=bad")
    assert (called.code, said in called.err) == (2, True), called.err
    assert sorted(Path.cwd().rglob("*")) == before


def test_a_sweep_in_a_config_without_m_is_refused_with_the_flag(experiment: Callable, dltrain: Callable) -> None:
    experiment("grid", "optimizer.lr: 0.1,0.01")
    called = dltrain("experiment=grid")
    assert called.code == 2
    assert "sweep over optimizer.lr" in called.err
    assert "dltrain experiment=grid -m" in called.err
    assert "dltrain check experiment=grid -m" in dltrain("check", "experiment=grid").err
    assert compose(["experiment=grid", "optimizer.lr=0.3"]).config["optimizer"]["lr"] == 0.3  # type: ignore[union-attr]


def test_keys_of_an_option_that_the_sweep_picks_may_be_set(dltrain: Callable) -> None:
    called = dltrain("-m", "model=cnn,resnet", "data=digits", "model.channels=[4,4]", "debug=smoke", "baseline=none")
    assert called.code == 0, called.err
    with pytest.raises(ExceptionGroup) as refused:
        compose(["model=cnn,mlp", "data=digits", "model.channels=[4,4]"], multirun=True)
    (error,) = refused.value.exceptions
    assert isinstance(error, ConfigError)
    assert "model=mlp has no such key" in error.what


def test_hydras_own_keys_are_not_swept() -> None:
    with pytest.raises(ConfigError, match="cannot be swept"):
        compose(["hydra.job.name=a,b"], multirun=True)


def test_a_search_of_another_model_is_refused_with_the_right_one() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        compose(["search=mlp", "model=cnn", "data=digits"])
    (error,) = caught.value.exceptions
    assert isinstance(error, ConfigError)
    assert (error.where, error.override) == ("search", "search=cnn")
    assert "search=mlp chooses values for model=mlp, and the model is cnn" in error.what
    assert isinstance(compose(["search=rnn", "model=gru", "data=digits"]), Sweep)  # gru inherits from rnn
