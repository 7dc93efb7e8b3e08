"""Run folders whose files are damaged or of a newer version: refused with 2 by every command, and left as they are."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import dltrain as package
from dltrain.data.samples.ratings_and_series import generate_ratings
from dltrain.errors import DataError, Diverged

COMMANDS = {
    "predict": ("new.csv",),
    "evaluate": (),
    "export": ("--format", "safetensors"),
    "report": (),
    "reproduce": (),
    "resume": ("trainer.epochs=5",),
}


@pytest.fixture
def run(people_run: Path, people_csv: Path, dltrain: Callable) -> Path:
    """A copy of a finished run, where the command line is called, and new rows beside it."""
    shutil.copy(people_csv, "new.csv")
    return Path(shutil.copytree(people_run, "run"))


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | values), "utf-8")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", ["result", "facts"])
def test_a_newer_run_is_left_to_a_newer_dltrain(command: str, name: str, dltrain: Callable, run: Path) -> None:
    change(run / f"{name}.json", schema=99)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    called = dltrain(command, "run", *COMMANDS[command])
    assert called.code == 2
    assert "newer dltrain" in called.err
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("command", ["predict", "evaluate", "report", "reproduce"])
@pytest.mark.parametrize("broken", [{"test": 5}, {"data": 3}, {"shown_split": "x"}, {"test": {"accuracy": "much"}}])
def test_a_result_that_is_none_is_refused(command: str, broken: dict, dltrain: Callable, run: Path) -> None:
    change(run / "result.json", **broken)
    called = dltrain(command, "run", *COMMANDS[command])
    assert called.code == 2
    assert "result.json is damaged" in called.err


@pytest.mark.parametrize(
    "broken", [{"classes": 5}, {"kind": "zzz"}, {"input_shape": "x"}, {"features": None}, {"preprocessing": 1}]
)
def test_facts_that_are_none_are_refused(broken: dict, dltrain: Callable, run: Path) -> None:
    change(run / "facts.json", **broken)
    called = dltrain("predict", "run", "new.csv")
    assert called.code == 2
    assert "facts.json is damaged" in called.err


@pytest.mark.parametrize("command", ["predict", "evaluate", "export", "reproduce"])
def test_facts_that_are_not_those_of_the_training_are_refused(command: str, dltrain: Callable, run: Path) -> None:
    facts = json.loads((run / "facts.json").read_text("utf-8"))
    column = next(column for column in facts["preprocessing"]["columns"] if column["kind"] == "numeric")
    column["mean"] += 1  # well formed, and it would change every prediction
    change(run / "facts.json", **facts)
    called = dltrain(command, "run", *COMMANDS[command])
    assert called.code == 2
    assert "facts.json is not the one that the model was trained with" in called.err


def test_another_loss_or_activation_than_that_of_the_training_is_refused(dltrain: Callable, run: Path) -> None:
    config = (run / "config.yaml").read_text("utf-8")
    hinge = "loss:\n  _target_: dltrain.tasks.losses.Hinge"
    for old, new in (("loss: {}", hinge), ("activation: relu", "activation: gelu")):
        assert old in config
        (run / "config.yaml").write_text(config.replace(old, new), "utf-8")
        called = dltrain("predict", "run", "new.csv")
        assert called.code == 2, new
    assert "model.activation is 'gelu' in run/config.yaml, and was 'relu'" in called.err
    (run / "config.yaml").write_text(config.replace("trainer:", "trainer: # mine"), "utf-8")
    assert dltrain("predict", "run", "new.csv").code == 0


def test_a_resumed_run_rests_on_what_it_has_then(dltrain: Callable, run: Path) -> None:
    assert dltrain("data=iris", "model=mlp", "trainer.epochs=2", "hydra.run.dir=iris").code == 0
    forced = ("model.dropout=0.5", "data.seed=5", "trainer.epochs=3", "--force")
    assert dltrain("resume", "iris", *forced).code == 0
    assert dltrain("report", "iris").code == 0
    package.load("iris")


def test_a_status_or_a_history_that_is_none_is_refused_before_anything_changes(dltrain: Callable, run: Path) -> None:
    config = (run / "config.yaml").read_bytes()
    (run / "metrics.csv").write_text("epoch,step\nabc,1\n")
    called = dltrain("resume", "run", "trainer.epochs=5")
    assert (called.code, (run / "config.yaml").read_bytes()) == (2, config)
    assert "metrics.csv is damaged" in called.err
    (run / "status.json").write_text("{}")
    assert "status.json is damaged" in dltrain("resume", "run").err


def test_one_broken_folder_does_not_hide_the_others(dltrain: Callable, run: Path) -> None:
    for name, text in (("loop", "a: &a\n  b: *a\n"), ("none", "[1")):
        shutil.copytree(run, name)
        Path(name, "config.yaml").write_text(text)
    shutil.copytree(run, "numbers")
    change(Path("numbers", "result.json"), test=5)
    called = dltrain("runs", ".")
    assert called.code == 0
    assert any(line.startswith("run ") and "done" in line for line in called.out.splitlines())


def test_a_second_evaluation_of_the_same_name_leaves_the_first(dltrain: Callable, run: Path) -> None:
    for _ in range(2):
        assert dltrain("evaluate", "run", "data.path=new.csv").code == 0
    assert sorted(path.name for path in (run / "evaluations").iterdir()) == ["new", "new-2"]


def test_python_hears_what_stopped_it_and_a_refusal_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError) as refused:
        package.train("data=csv", "data.path=nope.csv", "data.target=y", quiet=True)
    assert any("fix:" in note for note in refused.value.__notes__)
    assert not list(tmp_path.iterdir())
    with pytest.raises(Diverged):
        package.train("data=iris", "optimizer.lr=1e20", quiet=True)


@pytest.mark.parametrize(
    "words",
    [
        ("predict", "run", "new.csv", "-o", "run/predictions.csv"),
        ("export", "run", "--format", "safetensors", "-o", "run/result.json"),
        ("export", "run", "--format", "safetensors", "-o", "."),
    ],
)
def test_an_output_takes_the_place_of_nothing_in_the_run(words: tuple[str, ...], dltrain: Callable, run: Path) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert dltrain(*words).code == 2
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_a_run_cannot_go_on_to_fewer_epochs_than_it_has(dltrain: Callable, run: Path) -> None:
    assert dltrain("data=iris", "trainer.epochs=3", "hydra.run.dir=iris").code == 0
    config = Path("iris", "config.yaml").read_bytes()
    called = dltrain("resume", "iris", "trainer.epochs=1")
    assert (called.code, Path("iris", "config.yaml").read_bytes()) == (2, config)
    assert "dltrain resume iris trainer.epochs=6" in called.err
    assert "at the end, after 3 epochs" in dltrain("resume", "iris").out


def test_a_config_is_written_among_configs_alone(dltrain: Callable, run: Path, tmp_path: Path) -> None:
    called = dltrain("init", "new.csv", "--name", "../../escaped")
    assert called.code == 2
    assert not list(tmp_path.parent.glob("escaped*"))


def test_a_run_that_was_killed_before_it_began_is_told_how_to_begin_anew(dltrain: Callable, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "status.json").write_text('{"schema": 1, "state": "running"}')
    train = ("data=iris", "debug=smoke", "hydra.run.dir=run")
    for words in (("resume", "run"), ("predict", "run", "new.csv"), train):
        called = dltrain(*words)
        assert called.code == 2
        assert "rm -r" in called.err, words
    assert "killed" in dltrain("runs", ".").out
    shutil.rmtree("run")
    assert dltrain(*train).code == 0


def test_what_users_rated_is_written_again_and_refused_where_it_is_damaged(dltrain: Callable, tmp_path: Path) -> None:
    generate_ratings(300, 0).to_csv("new.csv", index=False)
    sizes = ("model.width=8", "trainer.epochs=1", "baseline=none", "data.split=leave_last", "hydra.run.dir=run")
    assert dltrain("data=ratings", "data.path=new.csv", *sizes).code == 0
    kept = Path("run/kept.safetensors")
    before = kept.read_bytes()
    kept.unlink()
    shutil.rmtree("run/checkpoints")  # as if it had been killed right after its config was written
    assert dltrain("resume", "run").code == 0
    assert kept.read_bytes() == before
    kept.write_bytes(before.replace(b'"rated"', b"{}     "))
    change(Path("run/result.json"), basis={})  # as older versions wrote it, without digests of files
    called = dltrain("evaluate", "run", "data.path=new.csv")
    assert (called.code, "kept.safetensors cannot be read" in called.err) == (2, True)
