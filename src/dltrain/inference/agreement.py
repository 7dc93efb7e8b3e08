"""Checks that a loaded model still gives the recorded outputs on a run's examples, and finds out why it does not."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from dltrain.errors import CheckpointError
from dltrain.experiment.examples import TOLERANCE, outputs_of, read_inputs, read_outputs
from dltrain.experiment.outputs import reason_of
from dltrain.experiment.repeatable import is_repeatable
from dltrain.experiment.results import versions
from dltrain.experiment.source import packages_of, source_of
from dltrain.experiment.unregistered import constants
from dltrain.models.names import inner_model, name_of
from dltrain.types import Encoded

if TYPE_CHECKING:
    from dltrain.inference.load import LoadedModel

ELSEWHERE = 0.02  # on another device than the model was measured on, which may round float32 products more


def check_agreement(model: LoadedModel) -> None:
    """Checks that a loaded model gives the recorded outputs on its run's examples, if the run has some.

    Raises:
        CheckpointError: the outputs differ; the error names the reason if one can be found.
    """
    inputs = read_inputs(model.run)
    if inputs is None:
        return
    tolerance = TOLERANCE[model.precision]
    if str(model.record.device).partition(":")[0] != model.device.type:
        tolerance = max(tolerance, ELSEWHERE)
    try:
        recorded = read_outputs(model.run)
        difference = _difference(model, inputs, recorded) if recorded is not None else _from_table(model, inputs)
    except CheckpointError:
        raise
    except Exception as error:
        why, fix = _reason(model, inputs)
        what = f"the model of {model.run.path} fails on the run's own examples: {reason_of(error)}; {why}"
        raise CheckpointError(what, fix=fix) from error
    if not difference <= tolerance:
        why, fix = _reason(model, inputs)
        raise CheckpointError(
            f"{model.run.path} does not predict what was measured: on its recorded examples it differs by "
            f"{difference:.2g}, relative to the largest output; {why}",
            fix=fix,
        )


def _difference(model: LoadedModel, inputs: tuple[Tensor, ...], recorded: Tensor) -> float:
    """Returns the largest difference from the recorded outputs, relative to the largest of them."""
    outputs = _outputs(model, inputs)
    if outputs.shape != recorded.shape:
        return float("inf")
    same = (outputs == recorded) | (outputs.isnan() & recorded.isnan())
    scale = float(recorded[recorded.isfinite()].abs().max()) if bool(recorded.isfinite().any()) else 1.0
    difference = torch.where(same, 0.0, (outputs - recorded).abs())
    return float(difference.max()) / (scale or 1.0) if difference.numel() else 0.0


def _from_table(model: LoadedModel, inputs: tuple[Tensor, ...]) -> float:
    """Returns the same as `_difference` from examples.csv, for folders of older versions that recorded no outputs."""
    path = model.run.own(model.run.examples / "examples.csv")
    if not path.exists():
        return 0.0
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        predictions = model.predict_encoded(Encoded(inputs, (), ()))
        count = len(predictions.values)
        return float("inf") if len(rows) < count else model.task.difference(predictions, rows[:count])
    except (KeyError, ValueError, TypeError, OSError, csv.Error) as error:
        raise CheckpointError(f"{path} is damaged: {error}", fix="restore the old file, or train again") from None


def _reason(model: LoadedModel, inputs: tuple[Tensor, ...]) -> tuple[str, str]:
    """Returns why a model may give other outputs than when it was measured, and what to do about it."""
    basis = model.record.basis
    again = "or train again"
    parts = (model.module, model.task.loss)
    changed = _changed(basis.get("source"), source_of(*parts))
    if changed:
        files = ", ".join(changed)
        return f"the code of {files} has changed since", f"restore it as it was when the model was trained, {again}"
    name = name_of(model.module)
    try:
        if not is_repeatable(lambda: _outputs(model, inputs)):
            why = f"{name} gives another output on each call"
            return why, "make it deterministic in evaluation, such as F.dropout(x, p, self.training), and train again"
    except Exception:  # the caller reports it already
        pass
    moved = _changed(basis.get("packages"), packages_of(*parts)) + _changed(model.record.versions, versions())
    if tensors := constants(inner_model(model.module)):
        why = f"{name} keeps {', '.join(tensors[:3])} outside its state_dict(), so that it is not saved"
        return why, f"register it with self.register_buffer({tensors[0]!r}, ...), and train again"
    if moved:
        return f"{', '.join(moved)} changed since", f"install the earlier version, {again}"
    return "something that it needs besides its weights, such as a file or a constant, has changed", "train again"


def _changed(before: Any, now: dict[str, str]) -> list[str]:
    """Returns the names whose value differs from the recorded one; none if nothing was recorded."""
    if not isinstance(before, dict):
        return []
    return [f"{name}" for name in before if name in now and before[name] != now[name]]


def _outputs(model: LoadedModel, inputs: tuple[Tensor, ...]) -> Tensor:
    return outputs_of(model.module, model.task, inputs, model.encoder.prepare, model.precision, model.device)
