"""A single run: composed once, built once, trained in one turn, and refused without a trace."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

import dltrain as package
from dltrain.data.samples.animals import draw_animals
from dltrain.data.samples.on_demand import on_approval, writing
from dltrain.errors import ConfigError
from dltrain.experiment import build
from dltrain.runs.folder import RunDir

QUICK = ("model=linear", "data=iris", "baseline=none", "trainer.epochs=2", "trainer.threads=1")


class Counted:
    """Counts the calls of a function that it stands in for."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self.count = function, 0

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        self.count += 1
        return self.function(*arguments, **named)


@pytest.fixture
def compositions(monkeypatch: pytest.MonkeyPatch) -> Counted:
    counted = Counted(ConfigLoaderImpl._load_configuration_impl)
    monkeypatch.setattr(ConfigLoaderImpl, "_load_configuration_impl", lambda *a, **k: counted(*a, **k))
    return counted


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> Counted:
    counted = Counted(build.build)
    monkeypatch.setattr(build, "build", counted)
    return counted


def write_experiment(folder: Path) -> None:
    (folder / "configs" / "experiment").mkdir(parents=True)
    (folder / "configs" / "experiment" / "mine.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /optimizer: sgd\noptimizer:\n  lr: 0.25\n"
    )


@pytest.mark.parametrize("more", [(), ("optimizer.lr=0.1", "optimizer=adam"), ("experiment=mine", "debug=smoke")])
def test_a_single_run_is_composed_once_and_built_once(
    more: tuple[str, ...], dltrain: Callable, tmp_path: Path, compositions: Counted, builds: Counted
) -> None:
    write_experiment(tmp_path)
    called = dltrain(*QUICK, *more)
    assert called.code == 0, called.err
    assert (compositions.count, builds.count) == (1, 1)


def test_so_is_one_from_python_and_one_that_is_only_checked(
    dltrain: Callable, tmp_path: Path, compositions: Counted, builds: Counted
) -> None:
    assert dltrain("check", *QUICK).code == 0
    assert (compositions.count, builds.count) == (1, 1)
    model = package.train(*QUICK, "hydra.run.dir=mine", quiet=True)
    assert (compositions.count, builds.count, model.run.path.name) == (2, 2, "mine")


def test_the_defaults_of_the_same_files_are_what_changes_are_told_against(dltrain: Callable, tmp_path: Path) -> None:
    write_experiment(tmp_path)
    (tmp_path / "configs" / "trainer").mkdir()
    (tmp_path / "configs" / "trainer" / "long.yaml").write_text("defaults: [default]\nepochs: 3\n")
    called = dltrain(*QUICK[:3], "experiment=mine", "trainer=long", "trainer.keep=last")
    assert called.code == 0, called.err
    said = {one["key"]: (one["default"], one["value"]) for one in json.loads(called.run.changes.read_text())["changes"]}
    assert said == {
        "experiment": ("null", "mine"),
        "optimizer": ("adamw", "sgd"),
        "optimizer.lr": ("0.1", "0.25"),
        "trainer": ("default", "long"),
        "baseline": ("default", "none"),
        "trainer.keep": ("best", "last"),
    }


def test_the_folder_holds_what_hydra_says_of_a_run(dltrain: Callable, tmp_path: Path) -> None:
    called = dltrain(*QUICK, "hydra.run.dir=mine", "hydra.job.name=x")
    hydra = yaml.safe_load((called.run.hydra / "hydra.yaml").read_text())["hydra"]
    assert hydra["runtime"]["output_dir"] == hydra["run"]["dir"] == str(tmp_path / "mine")
    assert hydra["runtime"]["choices"]["model"] == "linear"
    assert hydra["mode"] == "RUN"
    assert hydra["job"]["name"] == "x"
    assert hydra["job"]["override_dirname"].startswith("baseline=none,data=iris")
    assert f"hydra.run.dir='{tmp_path}/mine'" in hydra["overrides"]["hydra"]
    assert yaml.safe_load((called.run.hydra / "overrides.yaml").read_text()) == list(QUICK)
    assert yaml.safe_load((called.run.hydra / "config.yaml").read_text()) == yaml.safe_load(
        called.run.config.read_text()
    )


def test_callbacks_and_the_environment_of_hydras_job_are_honoured(dltrain: Callable, tmp_path: Path) -> None:
    (tmp_path / "watching.py").write_text(
        "import os\n"
        "from pathlib import Path\n"
        "from hydra.experimental.callback import Callback\n"
        "class Watch(Callback):\n"
        "    def on_job_start(self, config, **kwargs):\n"
        "        Path('started').write_text(os.environ['MINE'] + config.hydra.runtime.output_dir)\n"
        "    def on_run_end(self, config, **kwargs):\n"
        "        Path('ended').touch()\n"
    )
    called = dltrain(
        *QUICK, "+hydra.callbacks.watch._target_=watching.Watch", "+hydra.job.env_set.MINE=x", "hydra.run.dir=mine"
    )
    assert called.code == 0, called.err
    assert (tmp_path / "started").read_text() == f"x{tmp_path}/mine"
    assert (tmp_path / "ended").exists()


def test_what_ends_a_run_is_raised_and_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(package.errors.Diverged) as ended:  # type: ignore[attr-defined]
        package.train("data=cubic", "optimizer=sgd", "optimizer.lr=1e20", "hydra.run.dir=run", quiet=True)
    status = RunDir("run").read_status()
    assert (status["state"], status["error"], status["exit_code"]) == ("diverged", ended.value.what, 3)
    assert "diverged: " in RunDir("run").log.read_text()


HOMEMADE = """
import torch
class Faulty(torch.nn.Linear):
    def __init__(self, spec):
        super().__init__(spec.input_shape[0], spec.out_features)
        self.steps = 0
    def forward(self, x):
        self.steps += self.training
        if self.steps > 5:
            {fault}
        return super().forward(x)
"""


def write_model(folder: Path, fault: str) -> None:
    (folder / "homemade.py").write_text(HOMEMADE.format(fault=fault))
    (folder / "configs" / "model").mkdir(parents=True)
    (folder / "configs" / "model" / "faulty.yaml").write_text("_target_: homemade.Faulty\n")
    sys.modules.pop("homemade", None)


def test_a_fault_in_the_program_is_raised_and_its_traceback_kept(dltrain: Callable, tmp_path: Path) -> None:
    write_model(tmp_path, "raise KeyError('oh')")
    called = dltrain("model=faulty", *QUICK[1:])
    assert (called.code, "KeyError: 'oh'" in called.err) == (1, True)
    assert called.run.read_status()["state"] == "failed"
    log = called.run.log.read_text()
    assert "failed: KeyError: 'oh'" in log
    assert "homemade.py" in log


def test_a_signal_that_comes_while_a_diverged_run_is_put_back_is_heeded(dltrain: Callable, tmp_path: Path) -> None:
    kill = "import os, signal; x = x * torch.nan; self.steps == 6 and os.kill(os.getpid(), signal.SIGTERM)"
    write_model(tmp_path, kill)
    before = signal.getsignal(signal.SIGTERM)
    called = dltrain("model=faulty", *QUICK[1:], "trainer.on_divergence=rollback", "trainer.epochs=9")
    assert called.code == 143, called.err
    assert called.run.read_status()["state"] == "interrupted"
    assert "at half the learning rate" in called.err
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize(
    "refused",
    [
        ("model=cnn", "data=grades"),
        ("data=grades", "data.target=nothing"),
        ("-m", "data=grades", "model=mlp,cnn"),
        ("model=textcnn", "data=animals"),
        ("check", "data=grades"),
        ("data=grades", "trainer.monitor=val/nothing"),
    ],
)
def test_samples_that_were_written_for_a_refused_run_go_again(
    refused: tuple[str, ...], dltrain: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dltrain.kinds.image.load.draw_animals", partial(draw_animals, per_class=5))
    called = dltrain(*refused)
    assert called.code == (0 if refused[0] == "check" else 2), called.err
    assert list(called.folder.iterdir()) == []


def test_samples_of_a_run_that_is_accepted_stay_and_other_files_too(dltrain: Callable, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.csv").write_text("x\n")
    assert dltrain("model=cnn", "data=grades").code == 2
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["mine.csv"]
    assert dltrain("data=grades", "debug=smoke").code == 0
    assert (tmp_path / "data" / "grades.csv").exists()
    assert dltrain("model=cnn", "data=grades").code == 2
    assert (tmp_path / "data" / "grades.csv").exists()  # it was there before


def test_only_what_was_written_meanwhile_goes(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c.csv"
    with on_approval(), on_approval() as inner:
        with writing(path):
            path.parent.mkdir(parents=True)
            path.touch()
        inner.accept()
        (tmp_path / "a" / "other").touch()
    assert sorted(found.name for found in (tmp_path / "a").iterdir()) == ["other"]


def test_a_folder_that_holds_a_run_is_refused_without_a_sample(dltrain: Callable, tmp_path: Path) -> None:
    assert dltrain(*QUICK, "hydra.run.dir=same").code == 0
    assert dltrain("data=grades", "hydra.run.dir=same").code == 2
    assert not (tmp_path / "data").exists()


def test_a_value_that_is_missing_is_printed_as_such(dltrain: Callable) -> None:
    called = dltrain("data=csv", "--cfg", "job")
    assert called.code == 0, called.err
    assert "path: ???" in called.out
    assert yaml.safe_load(dltrain("data=iris", "--cfg", "job", "-p", "optimizer").out)["lr"] == 0.001
    refused = dltrain("data=iris", "--cfg", "job", "-p", "optimiser")
    assert (refused.code, "did you mean optimizer?" in refused.err) == (2, True)
    assert dltrain("data=iris", "--cfg", "job", "trainer.epoch=3").code == 2
    assert "name: iris" in dltrain("data=iris", "--cfg", "job", "--resolve").out
    assert "searchpath" in dltrain("data=iris", "--cfg", "hydra").out
    assert "sampler" not in dltrain("data=iris", "--info", "searchpath").out


def losses(folder: str) -> list[float]:
    return [row["train/loss"] for row in RunDir(folder).read_history()]


def test_calls_from_several_threads_take_turns_and_have_the_numbers_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    overrides = ("model=mlp", "data=iris", "baseline=none", "trainer.epochs=3", "trainer.threads=1")
    package.train(*overrides, "hydra.run.dir=alone", quiet=True)
    found: list[Any] = []

    def train(name: str) -> None:
        found.append(package.train(*overrides, f"hydra.run.dir={name}", quiet=True))

    threads = [threading.Thread(target=train, args=(name,)) for name in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert losses("a") == losses("b") == losses("c") == losses("alone")
    assert RunDir("a").log.read_text().count("epoch   ") == 3


@pytest.mark.parametrize("many", [(), ("-m", "seed=1,2")])
def test_a_callback_that_cannot_be_built_is_refused_before_a_folder_exists(
    dltrain: Callable, tmp_path: Path, many: tuple[str, ...]
) -> None:
    choices = ("model=linear", "data=cubic", "baseline=none", "+hydra.callbacks.mine._target_=no_such_module.Log")
    called = dltrain(*many, *choices)
    assert called.code == 2
    assert "at hydra.callbacks" in called.err and "no_such_module" in called.err
    assert list(tmp_path.iterdir()) == []


def test_it_works_inside_another_program_of_hydras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import hydra
    from hydra import version

    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "train.yaml").write_text(
        "defaults:\n  - _self_\n  - override hydra/job_logging: none\n  - override hydra/hydra_logging: none\n"
        "name: theirs\nhydra:\n  output_subdir: null\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["their_program", "hydra.run.dir=theirs", "name=ours"])
    seen: dict[str, Any] = {}

    @hydra.main(version_base="1.2", config_path=str(tmp_path / "conf"), config_name="train")
    def program(config: DictConfig) -> None:
        around = GlobalHydra.instance().hydra
        before = HydraConfig.get().runtime.output_dir
        model = package.train(*QUICK, "hydra.run.dir=run", quiet=True)
        with pytest.raises(ConfigError):
            package.train("--flag")
        seen["result"] = model.result["test"]
        seen["same"] = GlobalHydra.instance().hydra is around and HydraConfig.get().runtime.output_dir == before
        seen["version"] = str(version.getbase())
        seen["name"] = config.name
        seen["composed"] = hydra.compose("train", ["name=again"]).name
        seen["resolved"] = OmegaConf.create({"x": "${hydra:job.name}"}).x

    program()
    assert (seen["same"], seen["version"], seen["name"], seen["composed"]) == (True, "1.2", "ours", "again")
    assert seen["resolved"] == "test_single"
    assert seen["result"] == json.loads((tmp_path / "run" / "result.json").read_text())["test"]
    assert torch.get_num_threads() == 1
