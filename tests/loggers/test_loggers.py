"""Loggers: rows, results and plots reach them, one that fails stops nothing, and a missing package is refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from dltrain.config.compose import compose_job
from dltrain.loggers.logger import LoggedRun, Logger, Loggers
from dltrain.runs.folder import RunDir

QUICK = ("model=mlp", "data=iris", "baseline=none", "trainer.epochs=3", "trainer.threads=1", "trainer.patience=null")
NOTEBOOK = """
import json
from pathlib import Path
from dltrain.loggers.logger import Logger


class Notebook(Logger):
    def __init__(self, path: str = "notes.jsonl", fails_at: str = "", api_key: str = "") -> None:
        self.path, self.fails_at = Path(path), fails_at

    def note(self, what, **more):
        if what == self.fails_at:
            raise OSError("the notebook is full")
        with self.path.open("a") as file:
            file.write(json.dumps({"what": what} | more) + "\\n")

    def begin(self, run):
        self.note("begin", name=run.name, sweep=run.sweep, epoch=run.epoch, changes=dict(run.changes),
                  lr=run.config["optimizer"]["lr"], config=str(run.config))
        return f"see {self.path}"

    def log(self, row):
        self.note("log", **row)

    def finish(self, result, plots):
        self.note("finish", result=dict(result), plots=sorted(plots))

    def close(self, state):
        self.note("close", state=state)
"""


@pytest.fixture
def notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[dict[str, Any]]]:
    """Writes a logger of the user's own, and returns a function that reads what it logged."""
    monkeypatch.delitem(sys.modules, "notebook", raising=False)
    (tmp_path / "notebook.py").write_text(NOTEBOOK)
    (tmp_path / "configs" / "logger").mkdir(parents=True)
    for name in ("notebook", "second"):
        entry = f"# A notebook.\n{name}:\n  _target_: notebook.Notebook\n  path: {name}.jsonl\n  fails_at: ''\n"
        (tmp_path / "configs" / "logger" / f"{name}.yaml").write_text(entry)

    def read(name: str = "notebook") -> list[dict[str, Any]]:
        path = tmp_path / f"{name}.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    return read


def test_a_logger_gets_config_rows_results_and_plots(dltrain: Callable, notebook: Callable) -> None:
    called = dltrain(*QUICK, "logger=notebook", "optimizer.lr=0.02", "hydra.run.dir=r")
    assert called.code == 0, called.err
    begin, *rows, finish, close = notebook()
    assert (begin["name"], begin["sweep"], begin["epoch"], begin["lr"]) == ("r", "", 0, 0.02)
    assert begin["changes"]["optimizer.lr"] == "0.02"
    assert [row["val/loss"] for row in rows] == [row["val/loss"] for row in RunDir("r").read_history()]
    assert finish["result"]["test/accuracy"] == called.result["test"]["accuracy"]
    assert "loss" in finish["plots"] and close["state"] == "done"
    assert "logger  notebook: see notebook.jsonl" in called.out


def test_several_loggers_are_picked_as_a_list(dltrain: Callable, notebook: Callable) -> None:
    called = dltrain(*QUICK, "logger=[notebook,second]", "logger.second.fails_at=log")
    assert called.code == 0, called.err
    assert [note["what"] for note in notebook()] == ["begin", "log", "log", "log", "finish", "close"]
    assert [note["what"] for note in notebook("second")] == ["begin"]
    assert called.err.count("the logger second is left out from here on: OSError: the notebook is full") == 1
    several = dltrain(*QUICK, "logger=notebook,second")
    assert (several.code, "'logger=[notebook,second]'" in several.err) == (2, True)
    misspelt = dltrain(*QUICK, "logger=[notebok,second]")
    assert (misspelt.code, "'logger=[notebook,second]'" in misspelt.err) == (2, True)
    models = dltrain("model=[mlp,linear]", "data=iris")
    assert (models.code, "several options cannot be combined at model" in models.err) == (2, True)


@pytest.mark.parametrize("method", ["begin", "finish", "close"])
def test_a_logger_that_fails_stops_no_run(method: str, dltrain: Callable, notebook: Callable) -> None:
    called = dltrain(*QUICK, "logger=notebook", f"logger.notebook.fails_at={method}")
    assert called.code == 0
    assert called.run.read_status()["state"] == "done"
    assert called.err.count("the logger notebook is left out") == 1


def test_a_logger_that_fails_in_several_jobs_of_a_sweep_is_reported_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Logger):
        def begin(self, run: LoggedRun) -> str:
            raise OSError("the server is gone")

    caplog.set_level("DEBUG")
    for sweep, job in (("a", "0"), ("a", "1"), ("b", "0"), ("", "run"), ("", "run")):
        Loggers({"broken": Broken()}).begin(LoggedRun(job, tmp_path / sweep / job, sweep, {}, {}))
    assert [record.levelname for record in caplog.records] == ["WARNING", "DEBUG", "WARNING", "WARNING", "WARNING"]
    assert "broken is left out from here on, and so in each other job" in caplog.text


def test_a_resumed_run_says_how_many_epochs_are_behind_it(dltrain: Callable, notebook: Callable) -> None:
    dltrain(*QUICK, "logger=notebook", "hydra.run.dir=r")
    assert dltrain("resume", "r", "trainer.epochs=5", "--trust", "notebook").code == 0
    begun = [note["epoch"] for note in notebook() if note["what"] == "begin"]
    assert begun == [0, 3]
    assert [note["epoch"] for note in notebook() if note["what"] == "log"] == [1, 2, 3, 4, 5]


def test_a_failed_run_closes_its_logs_with_its_state(dltrain: Callable, notebook: Callable) -> None:
    called = dltrain("model=linear", "data=cubic", "optimizer=sgd", "optimizer.lr=1e20", "logger=notebook")
    assert called.code == 3
    assert notebook()[-1] == {"what": "close", "state": "diverged"}


def test_a_run_that_goes_back_begins_its_log_again(dltrain: Callable, notebook: Callable) -> None:
    going_back = ("trainer.on_divergence=rollback", "trainer.max_rollbacks=2", "trainer.epochs=2")
    dltrain("model=linear", "data=cubic", "optimizer=sgd", "optimizer.lr=1e20", "logger=notebook", *going_back)
    assert [note["epoch"] for note in notebook() if note["what"] == "begin"] == [0, 0, 0]


def test_jobs_of_a_sweep_are_logged_and_the_best_one_gets_its_plots(dltrain: Callable, notebook: Callable) -> None:
    called = dltrain("-m", *QUICK, "logger=notebook", "optimizer.lr=0.02,0.0001", "hydra.sweep.dir=s")
    assert called.code == 0, called.err
    notes = notebook()
    assert [note["name"] for note in notes if note["what"] == "begin"] == ["s/0", "s/1", "s/0"]
    assert {note["sweep"] for note in notes if note["what"] == "begin"} == {"s"}
    finished = [note for note in notes if note["what"] == "finish"]
    assert [bool(note["plots"]) for note in finished] == [False, False, True]
    assert ["test/loss" in note["result"] for note in finished] == [False, False, True]


def test_secrets_reach_no_logger(dltrain: Callable, notebook: Callable, tmp_path: Path) -> None:
    path = tmp_path / "configs" / "logger" / "notebook.yaml"
    path.write_text(path.read_text() + "  api_key: ''\n")
    called = dltrain(*QUICK, "logger=notebook", "logger.notebook.api_key=hunter22")
    assert called.code == 0, called.err
    assert "hunter22" not in (tmp_path / "notebook.jsonl").read_text()


@pytest.mark.parametrize("name", ["tensorboard", "mlflow", "wandb"])
def test_a_logger_whose_package_is_missing_is_refused_before_training(
    name: str, dltrain: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    called = dltrain(*QUICK, f"logger={name}")
    assert called.code == 2
    assert f"{name}, which logger={name} needs, is not installed" in called.err
    assert f"pip install 'dltrain[{name}]'" in called.err
    assert list(called.folder.iterdir()) == []


def test_a_logger_is_checked_as_any_other_target(dltrain: Callable, notebook: Callable) -> None:
    typo = dltrain(*QUICK, "logger=mlflow", "logger.mlflow.expriment=mine")
    assert (typo.code, "logger.mlflow.experiment=mine" in typo.err) == (2, True)
    wrong = dltrain(*QUICK, "logger=wandb", "logger.wandb.mode=sometimes")
    assert (wrong.code, "logger.wandb.mode" in wrong.err) == (2, True)
    other = dltrain(*QUICK, "logger=notebook", "logger.notebook._target_=json.JSONDecoder")
    assert (other.code, "is not a subclass of Logger" in other.err) == (2, True)
    assert compose_job(["data=iris"]).config["logger"] == {}


@pytest.mark.filterwarnings("default")
def test_tensorboard_shows_each_epoch_once_after_a_resume(dltrain: Callable) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    dltrain(*QUICK, "logger=tensorboard", "hydra.run.dir=r")
    assert dltrain("resume", "r", "trainer.epochs=4").code == 0
    events = EventAccumulator("r/tensorboard").Reload()
    shown = {event.step: event.value for event in events.Scalars("val/loss")}
    assert len(events.Scalars("val/loss")) == len(shown) == 4
    assert list(shown.values()) == pytest.approx([row["val/loss"] for row in RunDir("r").read_history()])
    assert "plots/loss" in events.Tags()["images"]
    assert "result/test/accuracy" in events.Tags()["scalars"]
    assert "_hparams_/experiment" in events.summary_metadata


@pytest.mark.filterwarnings("default")
def test_mlflow_keeps_one_run_over_a_resume(dltrain: Callable, tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    pytest.importorskip("alembic")
    from mlflow.tracking import MlflowClient

    uri = f"sqlite:///{tmp_path}/tracks.db"
    called = dltrain(*QUICK, "logger=mlflow", f"logger.mlflow.uri={uri}", "hydra.run.dir=r")
    assert called.code == 0, called.err
    assert "left out" not in called.err
    assert dltrain("resume", "r", "trainer.epochs=4").code == 0
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("dltrain")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.status, run.data.params["optimizer.lr"]) == ("FINISHED", "0.001")
    logged = client.get_metric_history(run.info.run_id, "val/loss")
    assert [one.value for one in logged] == [row["val/loss"] for row in RunDir("r").read_history()]
    assert "loss.png" in str(client.list_artifacts(run.info.run_id, "plots"))


@pytest.mark.filterwarnings("default")
def test_wandb_writes_offline_and_keeps_its_id(dltrain: Callable, tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    called = dltrain(*QUICK, "logger=wandb", "hydra.run.dir=r")
    assert called.code == 0, called.err
    assert "left out" not in called.err
    (first,) = (tmp_path / "wandb").glob("offline-run-*")
    own_id = json.loads((tmp_path / "r" / "wandb.json").read_text())["id"]
    assert first.name.endswith(own_id)
    assert (first / f"run-{own_id}.wandb").stat().st_size > 1000
    assert yaml.safe_load((tmp_path / "r" / "config.yaml").read_text())["logger"]["wandb"]["mode"] == "offline"
    assert dltrain("resume", "r", "trainer.epochs=4").code == 0  # nothing in the run's folder is a link
