"""`dltrain resume`: what goes on, what may change, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from dltrain import train
from dltrain.runs.folder import RunDir
from dltrain.training.checkpoint import pointed, resumable

SHORT = (
    *("model=linear", "data=iris", "baseline=none", "trainer.epochs=4", "trainer.patience=null"),
    *("trainer.save_epochs=1", "hydra.run.dir=run"),
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which `run` was trained."""
    return trained(tmp_path_factory.mktemp("linear"))


@pytest.fixture(scope="module")
def finished_mlp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `finished`, of a hidden layer."""
    return trained(tmp_path_factory.mktemp("mlp"), "model=mlp", "model.hidden=[8]")


def trained(folder: Path, *overrides: str) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        train(*SHORT, *overrides, quiet=True)
    return folder


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> RunDir:
    """A finished run of four epochs of four steps, with a checkpoint after each of the last two."""
    shutil.copytree(finished / "run", tmp_path / "run")
    return RunDir("run")


def losses(run: RunDir) -> list[float]:
    return [row["train/loss"] for row in run.read_history()]


def test_a_finished_run_learns_more_epochs_with_the_same_bits(dltrain: Callable, run: RunDir) -> None:
    called = dltrain("resume", "run", "trainer.epochs=7")
    assert called.code == 0, called.err
    assert "from step 16" in called.out
    assert "trainer.epochs: 7, was 4" in called.out
    assert dltrain(*SHORT, "trainer.epochs=7", "hydra.run.dir=whole").code == 0
    assert losses(run) == losses(RunDir("whole"))
    assert [row["epoch"] for row in run.read_history()] == list(range(1, 8))
    result = json.loads(run.result.read_text())
    assert result["epochs"] == 7
    assert result["test"] == json.loads(RunDir("whole").result.read_text())["test"]
    assert yaml.safe_load(run.config.read_text())["trainer"]["epochs"] == 7


def test_a_finished_run_that_has_nothing_to_learn_ends_as_it_did(dltrain: Callable, run: RunDir) -> None:
    before = losses(run), json.loads(run.result.read_text())["test"]
    assert dltrain("resume", "run").code == 0
    assert (losses(run), json.loads(run.result.read_text())["test"]) == before


def test_another_learning_rate_is_taken_and_told(dltrain: Callable, run: RunDir) -> None:
    called = dltrain("resume", "run", "trainer.epochs=5", "optimizer.lr=0.25")
    assert called.code == 0, called.err
    assert "optimizer.lr: 0.25" in called.out
    assert [row["lr"] for row in run.read_history()][-2:] == [0.001, 0.25]
    assert "optimizer.lr: 0.25" in run.log.read_text()


def test_a_schedule_is_stretched_over_more_epochs(dltrain: Callable, run: RunDir) -> None:
    assert dltrain(*SHORT, "scheduler=cosine", "hydra.run.dir=short").code == 0
    assert dltrain("resume", "short", "trainer.epochs=8").code == 0
    assert dltrain(*SHORT, "scheduler=cosine", "trainer.epochs=8", "hydra.run.dir=long").code == 0
    rates = [[row["lr"] for row in RunDir(name).read_history()] for name in ("short", "long")]
    assert rates[0][4:] == rates[1][4:]


def test_patience_that_was_spent_counts_anew(dltrain: Callable, run: RunDir) -> None:
    options = ("trainer.patience=2", "trainer.min_delta=10", "trainer.epochs=20", "hydra.run.dir=early")
    assert dltrain(*SHORT, *options).code == 0
    assert len(losses(RunDir("early"))) == 3
    assert dltrain("resume", "early").code == 0
    assert len(losses(RunDir("early"))) == 5


@pytest.mark.parametrize("override", ["model.dropout=0.5", "seed=1", "trainer.monitor=val/accuracy", "data.seed=3"])
def test_another_model_data_or_seed_is_refused_unless_forced(
    override: str, dltrain: Callable, finished_mlp: Path
) -> None:
    shutil.copytree(finished_mlp / "run", "run")
    run = RunDir("run")
    before = run.config.read_bytes(), run.status.read_bytes(), losses(run)
    called = dltrain("resume", "run", override, "trainer.epochs=5")
    assert called.code == 2
    assert "--force" in called.err
    assert (run.config.read_bytes(), run.status.read_bytes(), losses(run)) == before
    assert dltrain("resume", "run", override, "trainer.epochs=5", "--force").code == 0


def test_data_that_has_changed_since_is_refused_and_moved_data_is_not(dltrain: Callable, tmp_path: Path) -> None:
    rows = [f"{i * 7 % 11},{i * 3 % 5},{i % 2}\n" for i in range(60)]
    (tmp_path / "a.csv").write_text("a,b,y\n" + "".join(rows))
    assert dltrain(*SHORT[2:], "model=linear", "data=csv", "data.path=a.csv", "data.target=y").code == 0
    (tmp_path / "a.csv").rename(tmp_path / "b.csv")
    assert dltrain("resume", "run", "trainer.epochs=5", "data.path=b.csv").code == 0
    (tmp_path / "b.csv").write_text("a,b,y\n" + "".join(rows).replace("10,", "9,"))
    called = dltrain("resume", "run", "trainer.epochs=6")
    assert called.code == 2
    assert "the data, or how this version reads it, has changed since this run was trained" in called.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "RUN is missing"),
        (["nowhere"], "not a run folder"),
        (["run", "other"], "unexpected argument other"),
        (["run", "trainer.epoch=9"], "did you mean trainer.epochs?: dltrain resume run trainer.epochs=9"),
        (["run", "trainer.epochs=0"], "at least 1"),
        (["run", "optimizer.lr=nan"], "finite number"),
        (["run", "optimizer=sgd"], "a resumed run keeps its optimizer"),
        (["run", "trainer.epochs=5,6"], "one value for each key"),
        (["run", "--forse"], "there is no flag --forse; fix: did you mean --force?: dltrain resume run --force"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_2(
    arguments: list[str], said: str, dltrain: Callable, run: RunDir
) -> None:
    before = run.status.read_bytes()
    called = dltrain("resume", *arguments)
    assert called.code == 2
    assert said in called.err
    assert run.status.read_bytes() == before


def damage(checkpoint: Path) -> None:
    path = checkpoint / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def test_a_damaged_checkpoint_is_told_of_and_the_one_before_is_used(dltrain: Callable, run: RunDir) -> None:
    expected = losses(run)
    newest, _ = resumable(run.checkpoints)
    damage(newest)
    called = dltrain("resume", "run")
    assert called.code == 0, called.err
    assert "differs from its manifest" in called.err
    assert "from step 12" in called.out
    assert losses(run) == expected
    assert (run.checkpoints / f"damaged-{newest.name}").is_dir()


def test_where_all_are_damaged_nothing_begins_anew(dltrain: Callable, run: RunDir) -> None:
    for folder in resumable(run.checkpoints):
        damage(folder)
    before = run.history.read_bytes(), run.status.read_bytes()
    called = dltrain("resume", "run")
    assert called.code == 2
    assert (run.history.read_bytes(), run.status.read_bytes()) == before


def test_a_run_that_saved_nothing_begins_again_and_says_so(dltrain: Callable, run: RunDir) -> None:
    expected = losses(run)
    shutil.rmtree(run.checkpoints)
    called = dltrain("resume", "run")
    assert "from the beginning" in called.out
    assert called.code == 0
    assert losses(run) == expected


def test_a_checkpoint_of_another_model_is_refused_by_its_differences(dltrain: Callable, run: RunDir) -> None:
    assert dltrain(*SHORT, "data=wine", "hydra.run.dir=other").code == 0
    shutil.rmtree(run.checkpoints)
    shutil.copytree(RunDir("other").checkpoints, run.checkpoints)
    called = dltrain("resume", "run")
    assert called.code == 2
    assert "belongs to another model" in called.err
    assert "(3, 13) and should be (3, 4)" in called.err


def rewrite(run: RunDir, **changes: Any) -> None:
    config = yaml.safe_load(run.config.read_text())
    for key, value in changes.items():
        group, _, name = key.partition("__")
        config[group][name or "_target_"] = value
    run.config.write_text(yaml.safe_dump(config))


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "logging.os.system",
        "torch.load",
        "sklearn.utils.parallel.joblib.load",
        "torch.nn.modules.module.torch.load",
        "torch.nn.modules.module.os.system",
        "builtins.eval",
    ],
)
@pytest.mark.parametrize("slot", ["model", "data", "optimizer", "scheduler"])
def test_a_config_that_would_call_something_else_is_refused(
    target: str, slot: str, dltrain: Callable, run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    rewrite(run, **{slot: target})
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was called"))
    assert dltrain("resume", "run", "trainer.epochs=5").code == 2
    assert dltrain("resume", "run", "trainer.epochs=5", "--trust=numpy").code == 2


def test_code_beside_a_strangers_run_is_not_imported(dltrain: Callable, run: RunDir, tmp_path: Path) -> None:
    (tmp_path / "innocent.py").write_text("from pathlib import Path\nPath('ran').touch()\n")
    rewrite(run, model="innocent.Model")
    called = dltrain("resume", "run")
    assert called.code == 2
    assert "--trust=innocent" in called.err
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "text", ["${oc.env:SECRET_OF_MINE}", "${oc.env:SECRET_OF_MINE,x}", "${${seed}:SECRET_OF_MINE}"]
)
def test_a_run_folder_cannot_ask_for_the_environment(
    text: str, dltrain: Callable, run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_MINE", "hunter2")
    rewrite(run, trainer__device=text)
    called = dltrain("resume", "run")
    assert called.code == 2
    assert "is not resolved in a run folder" in called.err
    assert "hunter2" not in called.err + called.out
    assert dltrain("resume", "run", "trainer.device=cpu").code == 0


def test_a_value_that_was_a_secret_is_asked_for_again(dltrain: Callable, run: RunDir) -> None:
    rewrite(run, trainer__device="<redacted>")
    called = dltrain("resume", "run")
    assert called.code == 2
    assert "a secret, which is not stored" in called.err


@pytest.mark.parametrize("name", ["metrics.csv", "train.log", "checkpoints/last", "plots/loss.png", "new.txt"])
def test_a_link_in_a_run_folder_is_refused_and_nothing_is_written_through_it(
    name: str, dltrain: Callable, run: RunDir, tmp_path: Path
) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("mine")
    (run.path / name).unlink(missing_ok=True)
    (run.path / name).symlink_to(outside)
    called = dltrain("resume", "run", "trainer.epochs=5")
    assert called.code == 2
    assert "is a link" in called.err
    assert outside.read_text() == "mine"


@pytest.mark.parametrize(
    "content", ["", "{", "[1, 2]", "a: ${", "a: !!python/object/apply:os.mkdir [ran]", "x: 1", "model: 3", "\0"]
)
def test_a_config_that_is_none_is_refused(content: str, dltrain: Callable, run: RunDir, tmp_path: Path) -> None:
    run.config.write_text(content)
    called = dltrain("resume", "run")
    assert called.code == 2, called.err
    assert not (tmp_path / "ran").exists()


def test_divergence_goes_back_with_half_the_rate(dltrain: Callable) -> None:
    options = (
        *("model=linear", "data=regression", "optimizer=sgd", "optimizer.lr=1.5", "trainer.epochs=30"),
        *("trainer.clip_norm=null", "trainer.batch_size=full", "trainer.patience=null", "baseline=none"),
    )
    assert dltrain(*options, "trainer.epochs=200", "hydra.run.dir=stopped").code == 3
    called = dltrain(
        *options, "trainer.epochs=200", "trainer.on_divergence=rollback", "hydra.run.dir=run", "trainer.save_epochs=5"
    )
    assert called.code == 0, called.err
    assert "at half the learning rate" in called.err
    run = RunDir("run")
    assert [row["epoch"] for row in run.read_history()] == list(range(1, 201))
    assert run.read_history()[-1]["lr"] < 1.5
    assert json.loads(run.result.read_text())["test"]["r2"] > 0.9
    assert pointed(run.checkpoints, "last").name == "step-00000200"


def test_divergence_ends_after_as_many_rollbacks_as_are_allowed(dltrain: Callable) -> None:
    called = dltrain(
        *("data=cubic", "optimizer=sgd", "optimizer.lr=1e20", "trainer.epochs=2"),
        *("trainer.on_divergence=rollback", "trainer.max_rollbacks=2", "hydra.run.dir=run"),
    )
    assert called.code == 3
    assert called.err.count("at half the learning rate") == 2
    assert RunDir("run").read_status()["state"] == "diverged"


def test_memory_that_does_not_suffice_ends_with_5_and_a_smaller_batch(dltrain: Callable, tmp_path: Path) -> None:
    (tmp_path / "hungry.py").write_text(
        "import torch\n"
        "class Hungry(torch.nn.Linear):\n"
        "    def __init__(self, spec):\n"
        "        super().__init__(spec.input_shape[0], spec.out_features)\n"
        "    def forward(self, x):\n"
        "        if self.training and len(x) > 8:\n"
        "            torch.empty(2**45)\n"
        "        return super().forward(x)\n"
    )
    (tmp_path / "configs" / "model").mkdir(parents=True)
    (tmp_path / "configs" / "model" / "hungry.yaml").write_text("_target_: hungry.Hungry\n")
    called = dltrain("model=hungry", "data=iris", "trainer.batch_size=64")
    assert called.code == 5
    assert "trainer.batch_size=32" in called.err
    assert called.run.read_status()["exit_code"] == 5


def test_the_batch_that_the_memory_holds_is_found_and_written_down(dltrain: Callable) -> None:
    called = dltrain("model=linear", "data=iris", "trainer.batch_size=auto", "trainer.epochs=1", "baseline=none")
    assert called.code == 0, called.err
    assert "64 samples per step" in called.out  # the largest power of two among 120
    assert yaml.safe_load(called.run.config.read_text())["trainer"]["batch_size"] == 64


def test_a_text_run_goes_on(dltrain: Callable) -> None:
    assert dltrain("model=bag", "data=text", "data.rows=200", "trainer.epochs=1", "hydra.run.dir=text").code == 0
    called = dltrain("resume", "text", "trainer.epochs=2")
    assert called.code == 0, called.err
    assert "tokens: auto" in Path("text/config.yaml").read_text()
