from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

import dltrain as package
from dltrain.errors import CheckpointError, ConfigError, DataError, DltrainError
from dltrain.inference.load import load


@pytest.fixture
def run(people_run: Path, tmp_path: Path) -> Path:
    """A copy of a finished run."""
    return Path(shutil.copytree(people_run, tmp_path / "run"))


def change_config(run: Path, **nodes: Any) -> None:
    config = yaml.safe_load((run / "config.yaml").read_text("utf-8"))
    for name, node in nodes.items():
        config[name] = config[name] | node
    (run / "config.yaml").write_text(yaml.safe_dump(config), "utf-8")


def change_json(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | values), "utf-8")


def test_importing_the_package_imports_no_torch() -> None:
    script = "import sys, dltrain; dltrain.__version__; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_training_from_python_returns_the_model_that_its_folder_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = package.train("model=linear", "data=cubic", "data.rows=50", "trainer.epochs=2", quiet=True)
    assert model.run.path.is_relative_to(tmp_path / "outputs")
    assert model.result["epochs"] == 2
    again = package.load(model.run.path)
    x = torch.tensor([[1.0], [2.0]])
    assert list(again.predict(x)["predicted"]) == list(model.predict(x)["predicted"])
    with pytest.raises(DltrainError):
        package.train("model=cnn", "data=cubic", quiet=True)


def test_loading_leaves_the_callers_random_numbers_alone(run: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    load(run)
    assert torch.equal(torch.rand(2), expected)


def test_a_run_that_never_finished_is_refused(run: Path) -> None:
    (run / "result.json").unlink()
    change_json(run / "status.json", state="interrupted")
    with pytest.raises(CheckpointError, match="never finished: its state is interrupted"):
        load(run)


@pytest.mark.parametrize("name", ["facts.json", "result.json", "status.json"])
def test_a_run_of_a_newer_version_is_refused(run: Path, name: str) -> None:
    change_json(run / name, schema=2)
    with pytest.raises(CheckpointError, match="newer dltrain"):
        _ = load(run).result


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "logging.os.system",
        "torch.load",
        "sklearn.utils.parallel.joblib.load",
        "torch.nn.modules.module.torch.load",
        "dltrain.cli.main.main",
    ],
)
@pytest.mark.parametrize("slot", ["model", "loss"])
def test_what_is_no_model_is_never_called(run: Path, target: str, slot: str) -> None:
    change_config(run, **{slot: {"_target_": target}})
    with pytest.raises(ConfigError):
        load(run)


MINE = """
from pathlib import Path
from torch import nn

Path("ran").write_text("")

class Tiny(nn.Module):
    def __init__(self, spec):
        super().__init__()
        self.layer = nn.Linear(spec.input_shape[0], spec.out_features)

    def forward(self, x):
        return self.layer(x)
"""


def test_code_of_the_working_directory_runs_only_if_it_is_trusted(
    dltrain: Callable, people_csv: Path, tmp_path: Path
) -> None:
    (tmp_path / "tiny_of_mine.py").write_text(MINE)
    (tmp_path / "configs" / "model").mkdir(parents=True)
    (tmp_path / "configs" / "model" / "tiny.yaml").write_text("_target_: tiny_of_mine.Tiny\n")
    data = ["data=csv", f"data.path={people_csv}", "data.target=stays", "trainer.epochs=1", "baseline=none"]
    assert dltrain("model=tiny", *data, "hydra.run.dir=run").code == 0
    (tmp_path / "ran").unlink()
    sys.modules.pop("tiny_of_mine")

    refused = dltrain("predict", "run", str(people_csv))
    assert refused.code == 2
    assert "--trust=tiny_of_mine" in refused.err
    assert not (tmp_path / "ran").exists()
    assert dltrain("predict", "run", str(people_csv), "--trust=tiny_of_mine").code == 0
    assert dltrain("predict", "run", str(people_csv), "--trust", "tiny_of_mine").code == 0


def test_the_environment_never_gets_into_a_model(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "64")
    change_config(run, data={"path": "${oc.env:SECRET}"})
    assert load(run).config.node("data")["path"] == "${oc.env:SECRET}"
    change_config(run, model={"activation": "${oc.env:SECRET}"})
    with pytest.raises(CheckpointError, match="not resolved"):
        load(run)


@pytest.mark.parametrize("reference", ["../../elsewhere", "/tmp", "step-1/../../..", ""])
def test_a_pointer_out_of_the_folder_is_refused(run: Path, reference: str) -> None:
    (run / "checkpoints" / "best").write_text(reference)
    with pytest.raises(CheckpointError, match="names no checkpoint"):
        load(run)


@pytest.mark.parametrize("name", ["facts.json", "config.yaml", "checkpoints", "checkpoints/best"])
def test_links_out_of_the_folder_are_refused(run: Path, people_run: Path, name: str) -> None:
    path = run / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    path.symlink_to(people_run / name)
    with pytest.raises(CheckpointError, match="is a link"):
        load(run)


def test_weights_of_another_model_are_refused_with_the_differences(run: Path) -> None:
    change_config(run, model={"hidden": [3]})
    with pytest.raises(CheckpointError, match=r"is of another model: .* is "):
        load(run)


def test_a_changed_byte_is_noticed(run: Path) -> None:
    (weights,) = run.glob("checkpoints/step-*/model.safetensors")
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(CheckpointError, match="not what its manifest says"):
        load(run)


def test_what_is_no_run_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is no run folder"):
        load(tmp_path)


def test_a_config_with_aliases_is_refused(run: Path) -> None:
    (run / "config.yaml").write_text("a: &a [1, 2]\nb: [*a, *a]\n")
    with pytest.raises(CheckpointError, match="aliases"):
        load(run)


def test_rows_come_as_dictionaries_lists_arrays_and_frames(pay_run: Path) -> None:
    model = load(pay_run)
    row = {"number": 1007, "年龄": 30, "city": "Ulm", "stays": "yes"}
    frame = package.load(pay_run).predict(pd.DataFrame([row]))
    assert model.predict([row]).equals(frame)
    ordered = [row[column.name] for column in model.encoder.columns]  # type: ignore[attr-defined]
    assert model.predict(np.array([ordered], dtype=object)).equals(frame)
    for empty in (pd.DataFrame(), []):
        with pytest.raises(DataError, match="no samples"):
            model.predict(empty)
