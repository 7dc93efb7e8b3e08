"""Searches by Optuna: what is refused, what a study contains, jobs that end early, and a search that goes on."""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins

from dltrain.config.compose import Sweep, compose
from dltrain.config.options import options
from dltrain.config.redaction import redacted, secrets_of
from dltrain.errors import ConfigError
from dltrain.experiment.pruning import Pruned, Pruning
from dltrain.experiment.search_space import read_space
from dltrain.experiment.signals import Stopped
from dltrain.experiment.targets import check
from dltrain.runs.folder import RunDir
from dltrain.runs.search_record import SearchRecord
from dltrain.training.settings import TrainerSettings

JOBS = ("model=linear", "data=iris", "baseline=none", "trainer.epochs=2", "trainer.threads=1")
OPTUNA = ("-m", *JOBS, "hydra/sweeper=optuna")
RATE = "optimizer.lr=tag(log,interval(1e-4,1e-1))"


@pytest.fixture
def optuna() -> Any:
    """Optuna, or no test."""
    module = pytest.importorskip("optuna", minversion="5")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # SQLAlchemy leaves connections to the garbage collector
        yield module


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "sweep.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def untimed(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    timed = ("seconds", "samples_per_second")
    return [{key: value for key, value in row.items() if key not in timed} for row in rows]


def study_of(optuna: Any, folder: Path) -> Any:
    return optuna.load_study(study_name="search", storage=f"sqlite:///{folder}/study.db")


def test_what_hydra_imports_at_every_start_is_light() -> None:
    code = "import sys, hydra_plugins.dltrain_optuna; print(sorted({'torch', 'optuna'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_dltrains_sweeper_has_the_name_whatever_another_plugin_stores() -> None:
    store = ConfigStore.instance()
    other = {"_target_": "hydra_plugins.other.Sweeper", "defaults": [{"sampler": "tpe"}], "n_trials": 3}
    store.store(group="hydra/sweeper", name="optuna", node=other, provider="another plugin")
    try:
        sweep = compose([*OPTUNA[1:], RATE], multirun=True)
    finally:
        del store.repo["hydra"]["sweeper"]["optuna.yaml"]
    assert isinstance(sweep, Sweep)
    assert sweep.master.hydra.sweeper._target_ == "hydra_plugins.dltrain_optuna.OptunaSweeper"


def test_without_optuna_a_search_is_refused_with_the_extra(dltrain: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    called = dltrain(*OPTUNA, RATE)
    assert called.code == 2
    assert "optuna, which hydra/sweeper=optuna needs, is not installed at hydra/sweeper" in called.err
    assert "pip install 'dltrain[optuna]'" in called.err
    assert list(called.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("seed=range(5,5)",), "range(5,5) contains no value at seed"),
        (("optimizer.lr=interval(0.1,0.1)",), "interval(0.1,0.1) contains no value at optimizer.lr"),
        (("optimizer.lr=tag(log,interval(0,0.1))",), "cannot begin at 0 at optimizer.lr"),
        ((), "nothing to choose from at hydra/sweeper"),
        ((RATE, "hydra.sweeper.sampler=bayes"), "at hydra.sweeper.sampler"),
        ((RATE, "hydra.sweeper.n_trials=0"), "at hydra.sweeper.n_trials"),
        ((RATE, "hydra.sweeper.n_trails=3"), "hydra.sweeper.n_trials=3"),
        ((RATE, "hydra.sweeper.sampler=grid"), "no end in an interval of numbers at optimizer.lr"),
        ((RATE, "hydra.sweeper.sampler=cmaes"), "at least two keys with numbers"),
        ((RATE, "trainer.monitor=val/nothing"), "'val/nothing' is not measured after every epoch"),
        ((RATE, "hydra.sweeper.direction=maximize"), "hydra.sweeper.direction=minimize"),
        ((RATE, "hydra.sweeper.storage=sqlite:///a.db"), "hydra.sweeper.study_name=mine"),
        ((RATE, "hydra.sweeper.storage=nonsense", "hydra.sweeper.study_name=a"), "at hydra.sweeper.storage"),
    ],
)
def test_what_cannot_be_searched_is_refused_and_nothing_is_written(
    words: tuple[str, ...], expected: str, dltrain: Callable, optuna: Any
) -> None:
    called = dltrain(*OPTUNA, *words)
    assert (called.code, expected in called.err) == (2, True), called.err
    assert list(called.folder.iterdir()) == []


def test_an_empty_range_is_refused_without_a_search_too(dltrain: Callable) -> None:
    called = dltrain("-m", *JOBS, "seed=range(3,3)")
    assert (called.code, "range(3,3) contains no value at seed" in called.err) == (2, True)


def test_hydras_grammar_is_read_as_distributions() -> None:
    words = [
        "a=tag(log,interval(0.001,1))",
        "b=int(interval(2,9))",
        "c=range(0,10,5)",
        "d=choice([64],[32,16])",
        "e=5",
        "f=range(0.5,2,0.5)",
    ]
    space = read_space({"a": "interval(5,6)", "g": "int(tag(log,interval(8,64)))"}, words)
    assert space.fixed == ("e=5",)
    a, b, c, d, f, g = space.dimensions
    assert (a.low, a.high, a.logarithmic, a.whole) == (0.001, 1, True, False)  # the command wins over a config
    assert (b.low, b.high, b.whole) == (2, 9, True)
    assert c.grid == [0, 5]
    assert d.values == ("[64]", "[32,16]")
    assert f.grid == pytest.approx([0.5, 1.0, 1.5])
    assert (g.whole, g.logarithmic) == (True, True)
    chosen = {"a": 0.0123456789, "b": 3, "c": 5, "d": "[64]", "f": 1.0, "g": 8}
    assert space.spell(chosen) == ("e=5", "a=0.01235", "b=3", "c=5", "d=[64]", "f=1.0", "g=8")
    assert a.spell(0.00100000001) == "a=0.001"
    with pytest.raises(ConfigError, match="even steps"):
        read_space({}, ["a=tag(log,range(1,9))"])


def test_a_search_optimizes_what_jobs_monitor(dltrain: Callable, optuna: Any, tmp_path: Path) -> None:
    accurate = ("trainer.monitor=val/accuracy", "hydra.sweeper.n_trials=11", "hydra.sweep.dir=s")
    called = dltrain(*OPTUNA, RATE, "model.bias=true,false", *accurate)
    assert called.code == 0, called.err
    rows, study = rows_of(tmp_path / "s"), study_of(optuna, tmp_path / "s")
    assert study.direction.name == "MAXIMIZE"
    assert [trial.value for trial in study.trials] == [float(row["val/accuracy"]) for row in rows]
    assert len(rows) == 11
    record = SearchRecord.read(tmp_path / "s")
    assert record is not None
    assert sum(record.importance.values()) == pytest.approx(1)
    page = (tmp_path / "s" / "sweep.html").read_text()
    assert "Importance of each key" in page and "11 finished trials" in page
    assert "Each configuration ran once" in called.out and "Train it again with other seeds" in called.out


@pytest.mark.parametrize("sampler", ["tpe", "cmaes", "gp", "qmc", "random", "grid"])
def test_every_sampler_chooses_anew_and_from_the_space(
    sampler: str, dltrain: Callable, optuna: Any, tmp_path: Path
) -> None:
    pytest.importorskip("cmaes")
    words = (RATE, "trainer.l2=interval(0,1)", "hydra.sweeper.n_trials=3")
    if sampler == "grid":
        words = ("optimizer.lr=0.1,0.01", "model.bias=true,false", "hydra.sweeper.n_trials=null")
    called = dltrain(*OPTUNA, *words, f"hydra.sweeper.sampler={sampler}", "hydra.sweep.dir=s", "--quiet")
    assert called.code == 0, called.err
    rows = rows_of(tmp_path / "s")
    assert len({row["overrides"] for row in rows}) == len(rows) == (4 if sampler == "grid" else 3)
    assert all(1e-4 <= float(row["optimizer.lr"]) <= 1e-1 for row in rows)


def test_a_job_that_does_worse_than_others_ends_early(dltrain: Callable, optuna: Any, tmp_path: Path) -> None:
    grid = ("hydra.sweeper.sampler=grid", "hydra.sweeper.pruner=median", "hydra.sweep.dir=s")
    rates = "optimizer.lr=0.1,0.09,0.08,0.07,0.06,1e-06"
    called = dltrain(*OPTUNA, "trainer.epochs=6", rates, *grid)
    assert called.code == 0, called.err
    rows = rows_of(tmp_path / "s")
    states = [row["state"] for row in rows]
    pruned = states.index("pruned")
    assert states.count("done") == 5 and rows[pruned]["optimizer.lr"] == "1e-06"
    assert "ended after epoch" in rows[pruned]["error"]
    assert not RunDir(tmp_path / "s" / str(pruned)).result.exists()
    assert len(RunDir(tmp_path / "s" / str(pruned)).read_history()) < 6
    assert [trial.state.name for trial in study_of(optuna, tmp_path / "s").trials].count("PRUNED") == 1
    page = (tmp_path / "s" / "sweep.html").read_text()
    assert "Jobs that ended early" in page and "Jobs that did not finish" not in page
    assert f"pruned  job {pruned} ended after epoch" in called.out


def test_a_job_asks_after_each_epoch_and_goes_on_where_the_study_is_gone() -> None:
    reported: list[tuple[float, int]] = []

    class Trial:
        def report(self, value: float, step: int) -> None:
            reported.append((value, step))

        def should_prune(self) -> bool:
            if len(reported) == 3:
                raise OSError("no route to host")
            return reported[-1][0] > 0.5

    pruning = Pruning(Trial(), None)  # type: ignore[arg-type]
    pruning.after_epoch({"epoch": 1, "val/loss": 0.4}, "val/loss")
    with pytest.raises(Pruned, match="after epoch 2"):
        pruning.after_epoch({"epoch": 2, "val/loss": 0.6}, "val/loss")
    pruning.after_epoch({"epoch": 3, "val/loss": 0.6}, "val/loss")
    pruning.after_epoch({"epoch": 4, "val/loss": 0.6}, "val/loss")
    assert reported == [(0.4, 1), (0.6, 2), (0.6, 3)]


def test_a_search_that_was_stopped_goes_on_and_ends_as_if_it_had_not_been(
    dltrain: Callable, optuna: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = (*OPTUNA, RATE, "trainer.l2=interval(0,0.1)", "hydra.sweeper.n_trials=6", "--quiet")
    assert dltrain(*search, "hydra.sweep.dir=whole").code == 0
    launcher = Plugins.instance().class_name_to_class["hydra._internal.core_plugins.basic_launcher.BasicLauncher"]
    launch, launched = launcher.launch, []

    def stops(self: Any, overrides: Any, initial_job_idx: int) -> Any:
        launched.append(initial_job_idx)
        if len(launched) in (3, 5):  # before the job begins, with its trial in the study
            raise Stopped
        return launch(self, overrides, initial_job_idx)

    monkeypatch.setattr(launcher, "launch", stops)
    assert dltrain(*search, "hydra.sweep.dir=s").code == 130
    assert SearchRecord.read(tmp_path / "s") is not None
    assert dltrain("resume", "s", "--quiet").code == 130
    assert dltrain(*search, "hydra.sweep.dir=s").code == 0
    assert launched == [0, 1, 2, 2, 3, 3, 4, 5]
    whole, parts = rows_of(tmp_path / "whole"), rows_of(tmp_path / "s")
    assert untimed(parts) == untimed(whole)
    assert dltrain("resume", "s", "--quiet").code == 0
    assert launched == [0, 1, 2, 2, 3, 3, 4, 5]  # nothing twice
    assert dltrain("resume", "s", "hydra.sweeper.n_trials=7", "--quiet").code == 0
    assert launched[-1] == 6 and len(rows_of(tmp_path / "s")) == 7
    other = dltrain("resume", "s", "optimizer.lr=0.1")
    assert (other.code, "a sweep is continued as it began" in other.err) == (2, True)


def test_a_search_of_other_data_or_configs_does_not_go_on(dltrain: Callable, optuna: Any, tmp_path: Path) -> None:
    (tmp_path / "configs" / "model").mkdir(parents=True)
    model, table = tmp_path / "configs" / "model" / "plain.yaml", tmp_path / "table.csv"
    model.write_text("# Plain.\n_target_: linear\nbias: true\n")
    table.write_text("a,b,y\n" + "".join(f"{i * 7 % 11},{i * 3 % 5},{i % 2}\n" for i in range(60)))
    own = ("model=plain", "data=csv", "data.path=table.csv", "data.target=y")
    search = ("-m", *own, *OPTUNA[3:], RATE, "hydra.sweeper.n_trials=1", "hydra.sweep.dir=s", "--quiet")
    assert dltrain(*search).code == 0
    model.write_text("# Plain.\n_target_: linear\nbias: false\n")
    called = dltrain("resume", "s", "hydra.sweeper.n_trials=2")
    assert (called.code, "the configs have changed since the sweep" in called.err) == (2, True), called.err
    model.write_text("# Plain.\n_target_: linear\nbias: true\n")
    table.write_text(table.read_text() + "1,1,1\n")
    called = dltrain("resume", "s", "hydra.sweeper.n_trials=2")
    assert (called.code, "the data has changed since the sweep" in called.err) == (2, True), called.err
    assert len(rows_of(tmp_path / "s")) == 1


def test_searches_join_one_study_if_they_search_the_same(dltrain: Callable, optuna: Any, tmp_path: Path) -> None:
    shared = (f"hydra.sweeper.storage=sqlite:///{tmp_path}/study.db", "hydra.sweeper.study_name=rates")
    for name in ("a", "b"):
        few = ("hydra.sweeper.n_trials=2", f"hydra.sweep.dir={name}", "--quiet")
        called = dltrain(*OPTUNA, RATE, *shared, *few)
        assert called.code == 0, called.err
    study = optuna.load_study(study_name="rates", storage=f"sqlite:///{tmp_path}/study.db")
    assert len({trial.params["optimizer.lr"] for trial in study.trials}) == 4
    assert len(rows_of(tmp_path / "a")) == len(rows_of(tmp_path / "b")) == 2
    wider = dltrain(*OPTUNA, "optimizer.lr=interval(0.001,0.2)", *shared)
    assert wider.code == 2
    assert "the study rates searches something else: optimizer.lr is" in wider.err
    assert "hydra.sweeper.study_name=rates-2" in wider.err
    elsewhere = dltrain("-m", "model=linear", "data=wine", *OPTUNA[3:], RATE, *shared)
    assert (elsewhere.code, "data=iris is given there alone" in elsewhere.err) == (2, True)


def test_a_password_of_the_storage_is_stored_nowhere() -> None:
    words = ["hydra.sweeper.storage=postgresql://me:hunter22@host/db", "data.path=https://host/a@b.csv"]
    assert redacted(words) == ["hydra.sweeper.storage=postgresql://me:<redacted>@host/db", words[1]]
    assert list(secrets_of({"storage": "mysql://me:hunter22@host/db", "path": "a:b@c"})) == ["hunter22"]


def test_minutes_are_a_limit_of_the_whole_search(dltrain: Callable, optuna: Any, tmp_path: Path) -> None:
    long = ("trainer.epochs=100000", "trainer.patience=null", "hydra.sweeper.max_minutes=0.05", "hydra.sweep.dir=s")
    called = dltrain(*OPTUNA, RATE, *long, "--quiet")
    assert called.code == 0, called.err
    rows, record = rows_of(tmp_path / "s"), SearchRecord.read(tmp_path / "s")
    assert 1 <= len(rows) <= 3 and {row["state"] for row in rows} == {"done"}
    assert record is not None and record.seconds >= 0.05 * 60 * 0.5
    settings = Pruning(None, None).limited(TrainerSettings(max_minutes=5.0), 0)
    assert settings.max_minutes == 5.0
    over = Pruning(None, 0.0).limited(TrainerSettings(max_minutes=5.0), 30)
    assert over.max_minutes == pytest.approx(0.5)


def test_a_failed_job_is_trained_again_when_the_search_goes_on(dltrain: Callable, optuna: Any, tmp_path: Path) -> None:
    (tmp_path / "faulty.py").write_text(
        "import torch\nfrom pathlib import Path\n"
        "class Faulty(torch.nn.Linear):\n"
        "    def __init__(self, spec, scale: float = 1.0):\n"
        "        super().__init__(spec.input_shape[0], spec.out_features)\n"
        "        self.steps = 0\n"
        "    def forward(self, x):\n"
        "        self.steps += self.training\n"
        "        if self.steps > 3 and Path('broken').exists():\n"
        "            raise KeyError('oh')\n"
        "        return super().forward(x)\n"
    )
    (tmp_path / "configs" / "model").mkdir(parents=True)
    (tmp_path / "configs" / "model" / "faulty.yaml").write_text("# Faulty.\n_target_: faulty.Faulty\nscale: 1.0\n")
    (tmp_path / "broken").touch()
    few = ("hydra.sweeper.n_trials=2", "hydra.sweep.dir=s", "--quiet")
    assert dltrain("-m", "model=faulty", *OPTUNA[2:], RATE, *few).code == 6
    (tmp_path / "broken").unlink()
    assert dltrain("resume", "s", "--quiet").code == 0
    assert [row["state"] for row in rows_of(tmp_path / "s")] == ["done", "done"]
    values = [trial.value for trial in study_of(optuna, tmp_path / "s").trials if trial.state.name == "COMPLETE"]
    assert sorted(values) == sorted(float(row["val/loss"]) for row in rows_of(tmp_path / "s"))
    assert all(math.isfinite(value) for value in values)


DATA = {
    **dict.fromkeys(("cnn", "resnet", "pretrained"), "digits"),
    **dict.fromkeys(("bag", "textcnn", "transformer"), "text"),
    **dict.fromkeys(("rnn", "dlinear", "patchtst", "tide"), "series"),
    "recommender": "ratings",
}


@pytest.mark.parametrize("name", options("search"))
def test_each_model_has_a_search_whose_ends_pass_the_checks(name: str) -> None:
    data = DATA.get(name, "iris")
    sweep = compose([f"search={name}", f"data={data}"])
    assert isinstance(sweep, Sweep)
    assert len(sweep.jobs) > 4
    for job in sweep.jobs:
        assert check(job.config) == []
    assert str(sweep.master.hydra.runtime.choices.model) == name


def test_a_search_of_a_config_is_a_sweep_and_repeats_as_one_run(dltrain: Callable, optuna: Any, tmp_path: Path) -> None:
    few = ("hydra.sweeper.n_trials=2", "hydra.sweep.dir=s", "--json")
    called = dltrain("search=linear", *JOBS[1:], "trainer.l1=0", *few)
    assert called.code == 0, called.err
    answer = json.loads(called.out)
    assert answer["command"].endswith("hydra.mode=RUN")
    assert "trainer.l1=0" in answer["jobs"][0]["overrides"] and "trainer.l2=" in answer["jobs"][0]["overrides"]
