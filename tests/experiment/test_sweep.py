"""Sweeps by Hydra's own sweeper and launcher and by those of plugins: the same jobs, and always a summary."""

from __future__ import annotations

import csv
import json
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins

from dltrain.config.compose import Sweep, compose
from dltrain.config.sweeps import combine
from dltrain.errors import ConfigError
from dltrain.experiment import sources
from dltrain.experiment.sources import SOURCES
from dltrain.experiment.sweep import _hide_secrets
from dltrain.experiment.sweep_job import objective, run_job, worst
from dltrain.kinds.table.kind import Table
from dltrain.runs.folder import RunDir

JOBS = ("model=linear", "data=iris", "baseline=none", "trainer.epochs=2", "trainer.threads=1")
UNSTABLE = ("model=linear", "data=cubic", "optimizer=sgd", "baseline=none", "trainer.epochs=2", "trainer.threads=1")


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "sweep.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_job_is_a_function_that_any_launcher_can_pickle() -> None:
    assert pickle.loads(pickle.dumps(run_job)) is run_job
    sweep = compose([*JOBS, "optimizer.lr=0.1,0.2"], multirun=True)
    assert isinstance(sweep, Sweep)
    loader = pickle.loads(pickle.dumps(sweep.loader))
    again = loader.load_sweep_config(sweep.master, ["model=mlp", "data=iris"])
    assert again.model._target_ == "mlp"


@pytest.fixture
def launcher() -> Any:
    """The class of Hydra's own launcher, as Hydra has loaded it."""
    return Plugins.instance().class_name_to_class["hydra._internal.core_plugins.basic_launcher.BasicLauncher"]


def test_a_job_returns_what_is_monitored_and_a_failed_one_the_worst(
    dltrain: Callable, launcher: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    returned: list[Any] = []
    launch = launcher.launch

    def watched(self: Any, *arguments: Any, **named: Any) -> Any:
        done = launch(self, *arguments, **named)
        returned.extend(one.return_value for one in done)
        return done

    monkeypatch.setattr(launcher, "launch", watched)
    called = dltrain("-m", *UNSTABLE, "optimizer.lr=0.01,1e20", "hydra.sweep.dir=s")
    assert called.code == 6
    result = json.loads((called.folder / "s" / "0" / "result.json").read_text())
    assert returned == [result["val"]["loss"], math.inf]
    assert objective(RunDir("s/0")) == returned[0]
    assert [row["state"] for row in rows_of(called.folder / "s")] == ["done", "diverged"]


def test_the_worst_of_what_is_to_grow_is_the_least() -> None:
    assert worst("val/accuracy") == -math.inf
    assert worst("val/loss") == worst("train/rmse") == math.inf


def test_a_fault_in_one_job_leaves_the_others_and_the_summary(dltrain: Callable, tmp_path: Path) -> None:
    (tmp_path / "faulty.py").write_text(
        "import torch\n"
        "class Faulty(torch.nn.Linear):\n"
        "    def __init__(self, spec, wrong: bool = False):\n"
        "        super().__init__(spec.input_shape[0], spec.out_features)\n"
        "        self.wrong, self.steps = wrong, 0\n"
        "    def forward(self, x):\n"
        "        self.steps += self.training\n"
        "        if self.wrong and self.steps > 5:\n"
        "            raise KeyError('oh')\n"
        "        return super().forward(x)\n"
    )
    (tmp_path / "configs" / "model").mkdir(parents=True)
    (tmp_path / "configs" / "model" / "faulty.yaml").write_text("_target_: faulty.Faulty\nwrong: false\n")
    called = dltrain("-m", "model=faulty", *JOBS[1:], "model.wrong=true,false", "hydra.sweep.dir=s")
    assert called.code == 6
    assert [row["state"] for row in rows_of(tmp_path / "s")] == ["failed", "done"]
    assert "KeyError: 'oh'" in called.err
    assert "faulty.py" in (tmp_path / "s" / "0" / "train.log").read_text()


def test_where_the_sweeper_itself_fails_the_jobs_are_summed_up_all_the_same(
    dltrain: Callable, launcher: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch = launcher.launch

    def broken(self: Any, *arguments: Any, **named: Any) -> Any:
        launch(self, *arguments, **named)
        raise RuntimeError("the cluster is gone")

    monkeypatch.setattr(launcher, "launch", broken)
    called = dltrain("-m", *JOBS, "optimizer.lr=0.1,0.2", "hydra.sweep.dir=s")
    assert (called.code, "the cluster is gone" in called.err) == (1, True)
    assert len(rows_of(called.folder / "s")) == 2


def test_the_settings_of_sweeper_and_launcher_are_checked_before_anything_is_written(dltrain: Callable) -> None:
    for wrong in ("hydra.launcher._target_=nothing.Launcher", "hydra.sweeper._target_=nothing.Sweeper"):
        called = dltrain("-m", *JOBS, "seed=1,2", wrong)
        assert (called.code, "at hydra.sweeper" in called.err) == (2, True), called.err
        assert list(called.folder.iterdir()) == []


def test_jobs_share_data_findings_and_baselines(dltrain: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {"data": 0, "findings": 0, "baselines": 0}

    def counted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            seen[name] += 1
            return function(*arguments, **named)

        return call

    resolve = sources.resolve
    monkeypatch.setattr(sources, "resolve", lambda *given: counted("data", resolve(*given)))
    monkeypatch.setattr(Table, "check", counted("findings", Table.check))
    monkeypatch.setattr(sources, "run_baselines", counted("baselines", sources.run_baselines))
    called = dltrain("-m", "model=linear", "data=iris", "trainer.epochs=1", "trainer.threads=1", "seed=1,2,3")
    assert called.code == 0, called.err
    assert seen == {"data": 1, "findings": 1, "baselines": 1}


def test_where_jobs_are_chosen_from_the_best_one_alone_is_compared_with_baselines(dltrain: Callable) -> None:
    words = ("model=linear", "data=iris", "trainer.epochs=1", "trainer.threads=1", "data.folds=2", "data.fold=0,1")
    called = dltrain("-m", *words, "hydra.sweep.dir=s")
    assert called.code == 0, called.err
    (best,) = {row["job"] for row in rows_of(called.folder / "s")} & {
        path.parent.name for path in (called.folder / "s").glob("*/report.html")
    }
    for job in ("0", "1"):
        result = json.loads((called.folder / "s" / job / "result.json").read_text())
        assert bool(result["baseline"]) == (job == best)
        assert ("best job of the sweep alone" in str(result["diagnosis"])) == (job != best)
        assert result["test"]


def test_another_sweep_in_the_same_process_reads_the_data_anew() -> None:
    SOURCES.forget("first")
    one = SOURCES.load({"_target_": "cubic"})
    SOURCES.forget("first")
    assert SOURCES.load({"_target_": "cubic"}) is one
    SOURCES.forget("second")
    assert SOURCES.load({"_target_": "cubic"}) is not one


def test_secrets_are_taken_out_of_what_a_launcher_leaves(tmp_path: Path) -> None:
    (tmp_path / "0").mkdir()
    for name in ("status.json", "mine.txt"):
        (tmp_path / "0" / name).write_text("hunter22")
    (tmp_path / ".plugin").mkdir()
    (tmp_path / ".plugin" / "log.out").write_text("token hunter22 here")
    (tmp_path / ".plugin" / "job.pkl").write_bytes(b"\xff\xfe hunter22")
    (tmp_path / ".plugin" / "other.pkl").write_bytes(b"\xff\xfe nothing")
    _hide_secrets(tmp_path, ["hunter22"])
    assert (tmp_path / ".plugin" / "log.out").read_text() == "token <redacted> here"
    assert sorted(path.name for path in (tmp_path / ".plugin").iterdir()) == ["log.out", "other.pkl"]
    assert (tmp_path / "0" / "mine.txt").read_text() == "hunter22"  # a run looks after its own folder


def write_secretive_model(folder: Path) -> None:
    (folder / "secretive.py").write_text(
        "import torch\n"
        "class Model(torch.nn.Linear):\n"
        "    def __init__(self, spec, api_token: str = ''):\n"
        "        super().__init__(spec.input_shape[0], spec.out_features)\n"
    )
    (folder / "configs" / "model").mkdir(parents=True)
    (folder / "configs" / "model" / "secretive.yaml").write_text("_target_: secretive.Model\napi_token: ''\n")


def assert_no_secret_below(folder: Path) -> None:
    for path in folder.rglob("*"):
        assert not path.is_file() or b"hunter22" not in path.read_bytes(), path


def launched(dltrain: Callable, tmp_path: Path, *launcher: str) -> None:
    """Holds a sweep by a plugin's launcher against the same one by Hydra's own."""
    write_secretive_model(tmp_path)
    (tmp_path / "table.csv").write_text("a,b,y\n" + "".join(f"{i * 7 % 11},{i * 3 % 5},{i % 2}\n" for i in range(60)))
    jobs = (
        *("model=secretive", "model.api_token=hunter22", "data=csv", "data.path=table.csv", "data.target=y"),
        *("baseline=none", "trainer.epochs=2", "trainer.threads=1", "optimizer.lr=0.1,0.01"),
    )
    for name, more in (("own", ()), ("plugin", launcher)):
        called = dltrain("-m", *jobs, *more, f"hydra.sweep.dir={name}", "--quiet")
        assert called.code == 0, called.err
        assert_no_secret_below(tmp_path / name)
    own, plugin = rows_of(tmp_path / "own"), rows_of(tmp_path / "plugin")
    assert len(plugin) == 2
    for name in own[0]:
        if "seconds" not in name and name not in ("samples_per_second", "error"):
            assert [row[name] for row in plugin] == [row[name] for row in own], name
    assert yaml.safe_load((tmp_path / "plugin" / "best.yaml").read_text())["model"]["api_token"] == "<redacted>"
    assert len(RunDir("plugin/1").read_history()) == 2
    assert "epoch   2/2" in RunDir("plugin/1").log.read_text()


@pytest.mark.filterwarnings("default")
def test_joblib_launches_jobs_in_processes_of_its_own(dltrain: Callable, tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    launched(dltrain, tmp_path, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    joblib = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "hydra.sweep.dir=s")
    assert dltrain("-m", *UNSTABLE, "optimizer.lr=0.01,1e20", *joblib).code == 6
    assert [row["state"] for row in rows_of(tmp_path / "s")] == ["done", "diverged"]


@pytest.mark.filterwarnings("default")
def test_submitit_launches_jobs_on_this_machine(dltrain: Callable, tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    launched(dltrain, tmp_path, "hydra/launcher=submitit_local", "hydra.launcher.timeout_min=9")


@pytest.mark.filterwarnings("default")
def test_ray_launches_jobs(dltrain: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("hydra_plugins.hydra_ray_launcher")
    import ray

    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    try:
        few = ("+hydra.launcher.ray.init.num_cpus=2", "+hydra.launcher.ray.init.include_dashboard=false")
        launched(dltrain, tmp_path, "hydra/launcher=ray", *few)
    finally:
        ray.shutdown()


def test_a_sweeper_that_decides_on_the_way_may_choose_from_an_interval() -> None:
    parsed = OverridesParser.create().parse_overrides(["a=interval(0,1)", "b=x,y,z", "c=range(1,9)", "d=5"])
    jobs, count = combine(parsed, is_basic=False)
    assert count is None
    assert jobs[0] == ["a=0.0", "b=x", "c=1", "d=5"]
    assert ["a=1.0", "b=x", "c=1", "d=5"] in jobs
    assert ["a=0.0", "b=z", "c=1", "d=5"] in jobs
    assert ["a=0.0", "b=x", "c=8", "d=5"] in jobs
    assert len(jobs) == 5
    with pytest.raises(ConfigError, match="does not support intervals"):
        combine(parsed, is_basic=True)
