"""Exports a trained model for other programs as ONNX, torch.export or safetensors, and compares it with the model."""

from __future__ import annotations

import json
import logging
import os
import re
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import asdict
from io import StringIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from dltrain.errors import CheckpointError, ConfigError, DltrainError, StorageError, require
from dltrain.inference.load import LoadedModel
from dltrain.models.names import picked_model
from dltrain.runs.folder import SCHEMA
from dltrain.storage import make_folder, write_bytes
from dltrain.tasks.task import TOLERANCE
from dltrain.training.checkpoint import read_tensors
from dltrain.types import Encoded

Format = Literal["onnx", "torch-export", "safetensors"]
SUFFIXES: Mapping[Format, str] = {"onnx": ".onnx", "torch-export": ".pt2", "safetensors": ".safetensors"}
PACKAGES = {"onnx": ("onnx", "onnxscript", "onnxruntime")}
FEW = 2  # samples for tracing


class Deployed(nn.Module):
    """A model with its preparation of inputs and its predictions: stored inputs in, predictions out.

    The inputs are those that `Encoder.encode` returns: scaled columns of a table, or pixels from 0 to 255.
    """

    def __init__(self, model: LoadedModel) -> None:
        super().__init__()
        self.module = model.module
        self.prepare = model.encoder.prepare
        self.task = model.task

    def forward(self, *inputs: Tensor) -> Tensor:
        """Returns the predictions `(B, K)` of stored inputs `(B, ...)`."""
        output = self.module(*(inputs if self.prepare is None else self.prepare(inputs)))
        return self.task.deploy(self.task.combine_members(output))


def export(model: LoadedModel, kind: Format, path: Path) -> float:
    """Writes the model, reads it again, and keeps the file only if it agrees with the model on the run's examples.

    Returns:
        The largest difference, relative to the largest output.

    Raises:
        ConfigError: a package is not installed, or the model cannot be exported in this format.
        CheckpointError: the run's examples are missing, or the file does not agree with the model.
        StorageError: the file cannot be written.
    """
    for package in PACKAGES.get(kind, ()):
        fix = f"pip install 'dltrain[{kind}]' (or pip install {' '.join(PACKAGES[kind])})"
        require(package, kind, f"an export as {kind} needs", ConfigError, where="--format", fix=fix)
    check_format(model.module, kind)
    inputs = read_examples(model)
    deployed = Deployed(model).eval()
    with torch.no_grad():
        expected = deployed(*inputs)
    if not model.task.agrees(expected, model.predict_encoded(Encoded(inputs, (), ()))):
        raise CheckpointError(
            "the exported model would not predict the same as the model", fix="nothing was written; use dltrain predict"
        )
    make_folder(path.parent, parents=True)
    neighbour = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    facts = json.dumps(facts_of(model), ensure_ascii=False)
    try:
        with _quiet():
            exported = _WRITERS[kind](model, deployed, inputs, neighbour, facts)
        difference = float((exported - expected).abs().max() / (expected.abs().max() or 1.0))
        if not difference <= TOLERANCE:
            raise CheckpointError(
                f"the exported model differs from the model by {difference:.2g}, relative to the largest output",
                fix="nothing was written; try another format: --format torch-export",
            )
        neighbour.replace(path)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}", fix="free some space") from error
    except DltrainError:
        raise
    except Exception as error:  # tracing can fail in any way
        raise ConfigError(
            f"the model cannot be exported as {kind}: {_first_sentence(error)}",
            where="--format",
            fix="try another format: --format torch-export, or --format safetensors for the weights alone",
        ) from error
    finally:
        for left in (neighbour, neighbour.with_name(neighbour.name + ".data")):
            with suppress(OSError):
                left.unlink(missing_ok=True)
    return difference


def check_format(module: nn.Module, kind: Format) -> None:
    """Checks that the model may be exported in a format: one that names its `formats` in none but these.

    Raises:
        ConfigError: it may not.
    """
    picked = type(picked_model(module))
    formats: Collection[str] = getattr(picked, "formats", SUFFIXES)
    if kind not in formats:
        raise ConfigError(
            f"{picked.__name__} cannot be exported as {kind}",
            where="--format",
            fix=f"export it as {' or '.join(formats)}, which holds the weights alone, or use dltrain predict",
            override=f"--format={next(iter(formats))}",
            replaces=f"--format {kind}",
        )


def _first_sentence(error: Exception) -> str:
    """Returns the first sentence of an exporter's error, without the colours of a terminal."""
    text = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", str(error)).split())
    return re.split(r"(?<=[.!?]) (?=[A-Z])", text)[0].rstrip(".") or type(error).__name__


def facts_of(model: LoadedModel) -> dict[str, Any]:
    """Returns what a caller of the exported model must know: classes, columns and their scaling, the size of images,
    and the temperature that probabilities include."""
    facts = asdict(model.facts)
    about = {"schema": SCHEMA, "run": model.run.path.resolve().name, "inputs": _describe_inputs(model)}
    about["outputs"] = model.task.export_words
    if temperature := (model.record.certainty or {}).get("temperature"):
        about["temperature"] = temperature
    return about | facts


def read_examples(model: LoadedModel) -> tuple[Tensor, ...]:
    """Returns the stored inputs of the run's examples, on the CPU.

    Raises:
        CheckpointError: they are missing or damaged.
    """
    path = model.run.own(model.run.examples / "inputs.safetensors")
    stored = read_tensors(path, fix="an export is compared on the examples: restore the file, or train again")
    return tuple(stored[f"input_{number}"] for number in range(len(stored)))


def _write_onnx(model: LoadedModel, deployed: Deployed, inputs: tuple[Tensor, ...], path: Path, facts: str) -> Tensor:
    import onnx
    import onnxruntime

    names = [f"input_{number}" for number in range(len(inputs))]
    batch = torch.export.Dim.DYNAMIC
    program = torch.onnx.export(
        deployed,
        _few(inputs),
        dynamo=True,
        input_names=names,
        output_names=["output"],
        dynamic_shapes=(tuple({0: batch} for _ in inputs),),
        verbose=False,
    )
    assert program is not None
    proto = program.model_proto
    onnx.helper.set_model_props(proto, {"dltrain": facts})
    onnx.checker.check_model(proto, full_check=True)
    write_bytes(path, proto.SerializeToString())
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    feed = {name: np.asarray(tensor) for name, tensor in zip(names, inputs, strict=True)}
    return torch.from_numpy(session.run(None, feed)[0])


def _write_torch_export(
    model: LoadedModel, deployed: Deployed, inputs: tuple[Tensor, ...], path: Path, facts: str
) -> Tensor:
    batch = torch.export.Dim.DYNAMIC
    program = torch.export.export(deployed, _few(inputs), dynamic_shapes=(tuple({0: batch} for _ in inputs),))
    torch.export.save(program, path, extra_files={"dltrain.json": facts})
    again = torch.export.load(path).module()
    return torch.as_tensor(again(*inputs)).detach()


def _write_safetensors(
    model: LoadedModel, deployed: Deployed, inputs: tuple[Tensor, ...], path: Path, facts: str
) -> Tensor:
    weights = {name: tensor.contiguous().clone() for name, tensor in model.module.state_dict().items()}
    about = {"dltrain": facts, "model": json.dumps(model.config.node("model"), ensure_ascii=False)}
    write_bytes(path, save(weights, metadata=about))
    before = model.module.state_dict()
    model.module.load_state_dict(load_file(path))
    with torch.no_grad():
        outputs: Tensor = deployed(*inputs)
    model.module.load_state_dict(before)
    return outputs


Writer = Callable[[LoadedModel, Deployed, tuple[Tensor, ...], Path, str], Tensor]
_WRITERS: Mapping[Format, Writer] = {
    "onnx": _write_onnx,
    "torch-export": _write_torch_export,
    "safetensors": _write_safetensors,
}


def _few(inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Returns a batch of two samples; tracing would treat the size of a batch of one as a constant."""
    return tuple(tensor.expand(FEW, *tensor.shape[1:]) if len(tensor) < FEW else tensor[:FEW] for tensor in inputs)


def _describe_inputs(model: LoadedModel) -> list[dict[str, Any]]:
    return [
        {"name": f"input_{number}", "shape": ["batch", *tensor.shape[1:]], "type": str(tensor.dtype).split(".")[1]}
        for number, tensor in enumerate(read_examples(model))
    ]


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences the messages of the exporters."""
    levels = {name: logging.getLogger(name).level for name in ("onnxscript", "onnx_ir", "torch.onnx", "torch.export")}
    with warnings.catch_warnings(), redirect_stdout(StringIO()):
        warnings.simplefilter("ignore")
        for name in levels:
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
