from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

import dltrain as package
from dltrain.errors import CheckpointError
from dltrain.experiment.targets import resolve
from dltrain.inference import export as exporting
from dltrain.inference.load import LoadedModel


@pytest.fixture(params=["people_run", "pay_run", "image_run"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return Path(shutil.copytree(request.getfixturevalue(request.param), tmp_path / "run"))


@torch.no_grad()
def output_of(model: LoadedModel, inputs: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """What the network says of stored inputs."""
    prepare = model.encoder.prepare
    return model.module(*(inputs if prepare is None else prepare(inputs)))


def known(run: Path) -> tuple[tuple[torch.Tensor, ...], np.ndarray]:
    """The stored inputs of the examples, and what the model says of them: probabilities or numbers, `(n, K)`."""
    model = package.load(run)
    inputs = (load_file(run / "examples" / "inputs.safetensors")["input_0"],)
    output = output_of(model, inputs)
    said = model.task.predict(output)
    return inputs, np.asarray(said.values if said.probabilities is None else said.probabilities)


def test_torch_export_says_what_the_model_says_for_any_batch(dltrain: Callable, run: Path) -> None:
    called = dltrain("export", str(run), "--format", "torch-export", "--json")
    assert called.code == 0
    extra = {"dltrain.json": ""}
    program = torch.export.load(json.loads(called.out)["export"], extra_files=extra)
    inputs, expected = known(run)
    np.testing.assert_allclose(program.module()(*inputs).detach(), expected, rtol=1e-4, atol=1e-5)
    few = tuple(tensor[:3] for tensor in inputs)
    np.testing.assert_allclose(program.module()(*few).detach(), expected[:3], rtol=1e-4, atol=1e-5)
    facts = json.loads(extra["dltrain.json"])
    assert facts["classes"] == list(package.load(run).facts.classes)
    assert facts["preprocessing"]


def test_onnx_says_what_the_model_says_for_any_batch(dltrain: Callable, run: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    called = dltrain("export", str(run), "--format=onnx", "-o", "mine.onnx")
    assert called.code == 0
    session = onnxruntime.InferenceSession("mine.onnx", providers=["CPUExecutionProvider"])
    inputs, expected = known(run)
    for count in (1, 5, len(expected)):
        (said,) = session.run(None, {"input_0": inputs[0][:count].numpy()})
        np.testing.assert_allclose(said, expected[:count], rtol=1e-4, atol=1e-5)
    facts = json.loads(session.get_modelmeta().custom_metadata_map["dltrain"])
    assert facts["classes"] == list(package.load(run).facts.classes)


@pytest.mark.parametrize(
    "overrides",
    [
        ("data=series", "data.rows=200", "data.window=12", "data.horizon=3", "model=linear"),
        ("data=series", "data.rows=200", "data.window=12", "model=rnn", "model.hidden=4"),
        ("data=ratings", "data.rows=300"),
        ("data=ratings", "data.rows=300", "data.split=leave_last", "model=recommender"),
    ],
)
def test_numbers_and_scores_are_exported_as_they_are_predicted(dltrain: Callable, overrides: tuple[str, ...]) -> None:
    assert dltrain(*overrides, "trainer.epochs=1", "baseline=none", "hydra.run.dir=run").code == 0
    called = dltrain("export", "run", "--format", "torch-export", "--json")
    assert called.code == 0, called.err
    model, extra = package.load("run"), {"dltrain.json": ""}
    inputs = tuple(load_file("run/examples/inputs.safetensors").values())
    said = torch.export.load(json.loads(called.out)["export"], extra_files=extra).module()(*inputs)
    output = output_of(model, inputs)
    torch.testing.assert_close(said, model.task.predict(output).values.float())
    assert "probabilities" not in json.loads(extra["dltrain.json"])["outputs"]


def test_safetensors_holds_the_weights_and_the_facts(dltrain: Callable, run: Path) -> None:
    assert dltrain("export", str(run), "--format", "safetensors").code == 0
    with safe_open(run / "exports" / "model.safetensors", "pt") as file:
        facts, node = (json.loads(file.metadata()[name]) for name in ("dltrain", "model"))
        names = set(file.keys())
    assert names == set(package.load(run).module.state_dict())
    assert facts["features"] == list(package.load(run).facts.features)
    assert resolve("model", node) is type(package.load(run).module)
    assert "." not in node["_target_"]  # whoever reads it need not know where dltrain keeps its models


def test_what_differs_from_the_model_is_not_kept(people_run: Path, tmp_path: Path) -> None:
    model = package.load(people_run)
    path = tmp_path / "model.pt2"
    wrong = {"torch-export": lambda *_: torch.full((64, 2), 0.5)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exporting, "_WRITERS", wrong)
        with pytest.raises((CheckpointError, package.errors.ConfigError)):
            exporting.export(model, "torch-export", path)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_extra_is_answered_with_the_install_command(
    dltrain: Callable, people_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    called = dltrain("export", str(people_run), "--format", "onnx", "-o", "model.onnx")
    assert called.code == 2
    assert "pip install 'dltrain[onnx]'" in called.err


def test_a_misspelt_format_is_answered(dltrain: Callable, people_run: Path) -> None:
    for arguments in (["--format", "onx"], ["--format=onx"]):
        called = dltrain("export", str(people_run), *arguments)
        assert called.code == 2 and called.err.strip().endswith("--format=onnx")


def test_missing_examples_are_said(dltrain: Callable, people_run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(people_run, tmp_path / "run")
    shutil.rmtree(run / "examples")
    called = dltrain("export", str(run), "--format", "safetensors")
    assert called.code == 2 and "an export is compared on the examples: restore the file" in called.err


@pytest.mark.parametrize(
    ("raised", "sentence"),
    [
        ("\x1b[96mFailed to\nexport the model. \x1b[0mThis is step 1/3 of it.", "Failed to export the model"),
        ("Constraints violated (batch)! For more, run with\nTORCH_LOGS", "Constraints violated (batch)!"),
        ("torch.nn.Bilinear has no e.g. converter", "torch.nn.Bilinear has no e.g. converter"),
        ("", "RuntimeError"),
    ],
)
def test_the_reason_of_a_failed_export_is_one_sentence_without_colours(
    raised: str, sentence: str, people_run: Path, monkeypatch: pytest.MonkeyPatch, dltrain: Callable
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError(raised)

    monkeypatch.setitem(exporting._WRITERS, "torch-export", fail)
    called = dltrain("export", str(people_run), "--format", "torch-export")
    assert called.code == 2
    assert f"the model cannot be exported as torch-export: {sentence} at --format; fix: " in called.err
