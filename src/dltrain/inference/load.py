"""Loads a trained model from its run folder alone."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from dltrain.errors import CheckpointError, ConfigError, DataError, DltrainError
from dltrain.experiment.build import build_loss, build_metrics, build_model, build_task, code_behind, spec_of
from dltrain.experiment.examples import read_inputs
from dltrain.experiment.lazy_layers import lazy_parts, materialise
from dltrain.experiment.outside_models import without_pretrained
from dltrain.experiment.source import is_installed
from dltrain.experiment.targets import arguments, check_arguments, meet_kind, meet_task, resolve
from dltrain.inference.agreement import check_agreement
from dltrain.inference.frames import prediction_frame, with_remarks, with_unlike
from dltrain.inference.inputs import Input, open_inputs
from dltrain.kinds.kind import Kind, kind_of
from dltrain.kinds.kind import is_known as is_known_kind
from dltrain.models.footprint import LayerOutputs
from dltrain.models.names import make_room
from dltrain.runs.config import RunConfig
from dltrain.runs.folder import RunDir, advise_restart, refuse_links
from dltrain.runs.lock import state_of
from dltrain.runs.provenance import check_code, check_config, check_files
from dltrain.runs.result import Result
from dltrain.tasks.certainty import Certainty
from dltrain.tasks.precision import Precision, autocast
from dltrain.tasks.predictions import Joined, Predictions
from dltrain.tasks.registry import is_known as is_known_task
from dltrain.tasks.task import EVALUATION_BATCH, Task
from dltrain.training.checkpoint import load_weights, pointed, read_tensors
from dltrain.training.random_state import seed_in_use, undisturbed
from dltrain.training.saving import load_into
from dltrain.training.settings import choose_device
from dltrain.types import Encoded, Encoder, Facts, Spec

if TYPE_CHECKING:
    from dltrain.types import Raw

FEWEST = 1  # samples of a batch, however large they are
LARGE_INPUT = 2**14  # numbers, from which on it is measured how much the layers put out for it


@dataclass(frozen=True)
class LoadedModel:
    """A trained model, ready to predict.

    Args:
        run: the run's folder.
        config: the run's config.
        facts: the run's facts about the data.
        task: the run's task, which turns outputs into predictions.
        module: the model, in evaluation mode, on the device.
        device: the device of the model.
        precision: the precision of training and evaluation.
        bytes_each: of what the layers put out for a sample; 0 where that is little, or not known.
    """

    run: RunDir
    config: RunConfig
    facts: Facts
    task: Task
    module: nn.Module
    device: torch.device
    precision: Precision
    bytes_each: int = 0

    @cached_property
    def record(self) -> Result:
        """Returns the run's result."""
        return Result.read(self.run)

    @cached_property
    def result(self) -> dict[str, Any]:
        """Returns the content of result.json."""
        return self.record.as_dict()

    @cached_property
    def kind(self) -> Kind:
        """Returns the kind of data that the model was trained on."""
        return kind_of(self.facts)

    @cached_property
    def encoder(self) -> Encoder:
        """Returns the encoder, which turns new samples into the model's stored inputs."""
        return self.kind.encoder(self.facts)

    @cached_property
    def kept(self) -> Mapping[str, Tensor]:
        """Returns the tensors that the run keeps beyond its facts, such as the items that each user has rated.

        Raises:
            CheckpointError: the file is missing or damaged.
        """
        path = self.run.own(self.run.kept)
        if not path.exists():
            raise CheckpointError(f"{path} is missing: {self.kind.stored_words}", fix="train again")
        return read_tensors(path, fix="train again")

    def predict(
        self,
        samples: Raw | str | PathLike[str] | Tensor,
        *,
        interval: float | None = None,
        sets: bool = False,
        threshold: float | None = None,
        top: int | None = None,
        beams: int | None = None,
    ) -> pd.DataFrame:
        """Returns the predictions of new samples: `id`, `predicted`, for numbers `low` and `high`, for classes a
        `score_` for each, and `remarks`.

        Args:
            samples: a frame without the target's column, one dictionary per row, an array in the order of the training
                columns or of images `(N, H, W, C)`, paths of images, or the path of a table, an image or a folder.
            interval: the share of intervals or sets that hold the truth; `None` for 0.9.
            sets: whether to add the column `set`, classes of which one is the true one in that share of samples.
            threshold: of the second of two classes' probability, above which it is predicted; `None` for one half.
            top: how many of the most probable classes are returned, as `top_1`, `score_1` ..., in place of a `score_`
                for each class; `None` for these.
            beams: the number of beginnings of an answer that are followed side by side; `None` for one.

        Raises:
            DataError: they are not what the model was trained on.
            ConfigError: the run cannot give what is asked for.
        """
        if beams is not None:
            return self.with_beams(beams).predict(samples)
        certainty = Certainty(interval, sets, threshold, top)
        self.task.check_certainty(certainty)
        if isinstance(samples, str | PathLike):
            opened = open_inputs([str(samples)], self.encoder)
        else:
            opened = Input(iter([_as_raw(samples)]))
        with closing(opened):
            frames = [prediction_frame(self.task, *part, certainty) for part in self.predict_each(opened.parts)]
        return pd.concat(frames, ignore_index=True)

    def predict_each(self, parts: Iterable[Raw]) -> Iterator[tuple[Encoded, Predictions]]:
        """Yields new samples part by part, encoded, and their predictions.

        Raises:
            DataError: they are not what the model was trained on.
        """
        yield from map(self.predict_part, parts)

    def predict_part(self, raw: Raw) -> tuple[Encoded, Predictions]:
        """Returns new samples, encoded, and their predictions.

        Raises:
            DataError: there are none, or they are not what the model was trained on.
        """
        if not len(raw):
            raise DataError("there are no samples", fix="give at least one")
        encoded = self.encoder.encode(raw)
        with self.kind.telling_unlike(self) as tell_unlike:
            predictions = self.predict_encoded(encoded)
        unlike = tell_unlike(encoded.inputs)
        if unlike is not None:
            encoded = with_unlike(encoded, unlike, self.kind.unlike_words)
        return with_remarks(encoded, predictions), predictions

    def with_beams(self, beams: int) -> LoadedModel:
        """Returns the same model, which follows so many beginnings of an answer side by side.

        Raises:
            ConfigError: it writes no answers, or there are none to follow.
        """
        return replace(self, task=self.task.with_beams(beams))

    @torch.no_grad()
    def predict_encoded(self, encoded: Encoded) -> Predictions:
        """Returns the predictions of encoded samples, computed in batches."""
        prepare = self.encoder.prepare
        joined = Joined()
        size = (
            self.task.fitting_batch(EVALUATION_BATCH, self.bytes_each, FEWEST) if self.bytes_each else EVALUATION_BATCH
        )
        for start in range(0, len(encoded.inputs[0]), size):
            stored = tuple(tensor[start : start + size].to(self.device) for tensor in encoded.inputs)
            with autocast(self.precision, self.device):
                joined.add(self.task.infer(self.module, stored if prepare is None else prepare(stored)))
        return self.task.calibrated(joined.whole())


def _as_raw(samples: Any) -> Raw:
    """Returns samples as encoders take them: tensors and lists of numbers as arrays, dictionaries as a frame."""
    if isinstance(samples, Tensor):
        return samples.numpy(force=True)
    if isinstance(samples, list) and samples and isinstance(samples[0], Mapping):
        return pd.DataFrame(samples)
    if isinstance(samples, list) and samples and not isinstance(samples[0], str | PathLike):
        return np.asarray(samples)
    return samples


def load(path: str | PathLike[str], *, trust: Collection[str] | None = (), device: str = "auto") -> LoadedModel:
    """Loads a run's best model from its folder alone, without running code from the folder or code that is not trusted.

    Args:
        path: the run folder.
        trust: packages and modules of the user that the run's config may use; `None` for all of them.
        device: `auto`, `cpu`, `cuda` ...

    Raises:
        CheckpointError: the folder is not a finished run, or is damaged or of a newer version, or the user's own code
            has changed, or the model does not give the recorded outputs on its examples.
        ConfigError: the config needs code that is not trusted, or the device does not exist.
    """
    run = finished(RunDir(Path(path)), trust)
    config = RunConfig(run)
    facts, result = run.read_facts(), Result.read(run)
    chosen = choose_device(device)
    loss_node, model_node = config.whole_node("loss"), config.whole_node("model")
    with undisturbed(chosen):  # the caller's random numbers stay as they are
        if "_target_" in loss_node:
            _check_arguments("loss", loss_node, trust)
        loss = build_loss(loss_node, facts, trust)
        _check_arguments("model", model_node, trust)
        metrics = config.node("metric")
        task = build_task(facts, loss.to(chosen), list(build_metrics(metrics, facts, trust).values()))
        check_code(run, result.basis, code_behind(task, metrics, trust))
        _recall_certainty(task, result, run)
        run.own(run.checkpoints / "best")
        best = pointed(run.checkpoints, "best")
        weights = load_weights(best)
        precision: Precision = config.node("trainer").get("precision", "float32")
        for node, last in _without_and_with_pretrained(model_node, trust):
            try:
                module = _build(run, node, facts, spec_of(facts, task, config.node("augment")), result.seed, trust)
                make_room(module, weights)
                load_into(module.state_dict(), weights, best)
                check_config(run, result.basis)
                loaded = LoadedModel(run, config, facts, task, module.to(chosen).eval(), chosen, precision)
                check_agreement(loaded)
                loaded = replace(loaded, bytes_each=_bytes_each(loaded))
                break
            except DltrainError:
                if last:
                    raise
    return loaded


@torch.no_grad()
def _bytes_each(model: LoadedModel) -> int:
    """Returns how many bytes the layers put out for the first example of the run; 0 for small ones, and without any."""
    inputs, prepare = read_inputs(model.run), model.encoder.prepare
    if inputs is None or sum(part[:1].numel() for part in inputs) < LARGE_INPUT:
        return 0
    first = tuple(part[:1].to(model.device) for part in inputs)
    prepared = first if prepare is None else prepare(first)
    with LayerOutputs(model.module) as outputs, autocast(model.precision, model.device):
        model.module(*prepared)
    return outputs.bytes + sum(part.nbytes for part in prepared)


def _recall_certainty(task: Task, result: Result, run: RunDir) -> None:
    """Lets the task go by what the run learned of how sure predictions are.

    Raises:
        CheckpointError: it is damaged.
    """
    if result.certainty is None:
        return
    try:
        task.use_certainty(result.certainty)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{run.result} is damaged: its certainty cannot be read: {error}") from None


def _build(
    run: RunDir, node: Mapping[str, Any], facts: Facts, spec: Spec, seed: int, trust: Collection[str] | None
) -> nn.Module:
    """Returns the model as training built it: with its seed, and lazy layers in the shapes that samples give them."""
    seed_in_use(seed)
    try:
        module = build_model(node, facts, spec, trust)
    except ConfigError as error:
        raise CheckpointError(f"{run.config}: {error.what}", where=error.where, fix=error.fix) from error
    if lazy_parts(module):
        inputs = read_inputs(run)
        if inputs is None:
            raise CheckpointError(
                f"{run.examples} is missing, and lazy layers take their shapes from its examples",
                fix="restore it, or train again",
            )
        pair = tuple(tensor[:2] for tensor in inputs)
        prepare = kind_of(facts).encoder(facts).prepare
        materialise(module, pair if prepare is None else prepare(pair), node["_target_"])
    return module


def _without_and_with_pretrained(
    node: Mapping[str, Any], trust: Collection[str] | None
) -> Iterator[tuple[Mapping[str, Any], bool]]:
    """Yields the model's node without arguments that load pretrained weights, and whether it is the last to be tried.

    A model of the user's own may differ without these arguments; then it is built with them.
    """
    target = resolve("model", node, trust)
    without = {"_target_": node["_target_"], **without_pretrained(target, arguments(node))}
    same = without == node or is_installed(target) or hasattr(target, "starting_arguments")
    yield without, same
    if not same:
        yield node, True


def finished(run: RunDir, trust: Collection[str] | None = ()) -> RunDir:
    """Returns the run if it has a result; `trust` as in `load`, for a task or a kind of data of the user's own.

    Raises:
        CheckpointError: the folder is not a run, or training did not finish.
    """
    refuse_links(run.path)
    state = state_of(run)
    if not run.result.exists():
        advice = "wait until it is done, or stop and continue it" if state == "running" else "continue it"
        resume = f"{advice}: dltrain resume {shlex.quote(str(run.path))}"
        fix = resume if run.config.exists() else advise_restart(run.path)
        raise CheckpointError(f"{run.path} never finished: its state is {state}", fix=fix)
    result = Result.read(run)
    facts = run.read_facts()
    meet_kind(facts.kind, trust)
    meet_task(facts.task, trust)
    if not is_known_kind(facts.kind) or not is_known_task(facts.task):
        raise CheckpointError(f"{run.facts} is damaged: there is no kind of data {facts.kind} or no task {facts.task}")
    check_files(run, result.basis)
    return run


def _check_arguments(slot: str, node: Mapping[str, Any], trust: Collection[str] | None) -> None:
    """Checks a node of the run's config against the signature of its target.

    Raises:
        ConfigError: the target does not exist, or does not take these arguments.
    """
    errors = check_arguments(slot, resolve(slot, node, trust), node)
    if errors:
        first = errors[0]
        raise ConfigError(
            f"{first.what} in the run's config", where=first.where, fix="undo any change made by hand, or train again"
        )
