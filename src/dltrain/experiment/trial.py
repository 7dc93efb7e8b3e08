"""Tries a model before anything is written: one training step and one evaluation, on a copy, with a few samples."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from dltrain.data.loader import TensorLoader
from dltrain.errors import ConfigError, OutOfMemory
from dltrain.experiment.losses_and_metrics import check_metrics, loss_of
from dltrain.experiment.outputs import Watch, refusal_of
from dltrain.experiment.reload import check_reload
from dltrain.experiment.repeatable import TOLERANCE, check_alone, check_repeatable
from dltrain.experiment.trial_notes import squashed_output, untrained_layers
from dltrain.experiment.unregistered import (
    check_registered,
    check_same_tensors,
    find_unregistered,
    leaves_of,
    tensor_names,
)
from dltrain.kinds.kind import kind_of
from dltrain.models.footprint import LayerOutputs
from dltrain.models.names import inner_model
from dltrain.tasks.evaluation import evaluate
from dltrain.tasks.metrics import Metric
from dltrain.tasks.precision import Precision, autocast
from dltrain.tasks.task import Task
from dltrain.training.random_state import undisturbed
from dltrain.types import Batch, Data, Spec, Split

SAMPLES = 3  # in the step; the evaluation uses two, so that a hard-coded batch size fails


@dataclass(frozen=True)
class Trial:
    """What a trial shows of a sound model.

    Args:
        multiplications: their number for one sample in linear and convolutional layers.
        kept_bytes: of the outputs of layers that a training step keeps for one sample.
        notes: warnings, each a sentence.
    """

    multiplications: int
    kept_bytes: int
    notes: tuple[str, ...]


def try_model(
    model: nn.Module,
    task: Task,
    data: Data,
    spec: Spec,
    *,
    metrics: Mapping[str, Metric],
    name: str,
    rebuild: Callable[[], nn.Module],
    make_optimizer: Callable[[nn.Module], Optimizer],
    precision: Precision,
    device: torch.device,
) -> Trial:
    """Trains a copy of the model for one step and evaluates it; changes nothing else.

    Args:
        model: the model, on the CPU, without lazy layers.
        task: the task, with its loss on the device.
        data: the data, whose first samples are used.
        spec: the spec that the model was built for.
        metrics: the user's own metrics, by their names in the config.
        name: the name of the model in the config.
        rebuild: builds the model again, as it was built.
        make_optimizer: returns an optimizer of a model's parameters.
        precision: the precision of the forward pass.
        device: the device of training.

    Returns:
        What it shows of the model.

    Raises:
        ConfigError: the model cannot be trained, evaluated or saved; the message says why.
        OutOfMemory: not even these few samples fit into memory.
    """
    check_registered(inner_model(model), name)
    try:
        return _try(model, task, data, spec, metrics, name, rebuild, make_optimizer, precision, device)
    except OutOfMemory as error:
        what = f"the memory of {device} is not enough for {name} with {SAMPLES} samples"
        raise OutOfMemory(what, where="model", fix="choose a smaller one, or smaller inputs") from error


def _try(
    model: nn.Module,
    task: Task,
    data: Data,
    spec: Spec,
    metrics: Mapping[str, Metric],
    name: str,
    rebuild: Callable[[], nn.Module],
    make_optimizer: Callable[[nn.Module], Optimizer],
    precision: Precision,
    device: torch.device,
) -> Trial:
    with undisturbed(device), warnings.catch_warnings(), torch.inference_mode(False), torch.enable_grad():
        warnings.simplefilter("ignore")  # training repeats them
        try:
            twin = _copy(model, rebuild).to(device)
        except Exception as error:
            raise refusal_of(error, f"{name} cannot be copied or moved to {device}") from error
        samples, draw = data.splits["train"], kind_of(data.facts).loader_options(data.facts).draw
        stored = tuple(tensor[:2].to(device, copy=True) for tensor in samples.inputs)
        pair = stored if data.prepare is None else data.prepare(stored)
        chosen = torch.arange(SAMPLES) % len(samples)
        weight = None if samples.weight is None else samples.weight[chosen]
        fold = None if samples.fold is None else samples.fold[chosen]
        inputs = tuple(tensor[chosen] for tensor in samples.inputs)
        few = Split(inputs, samples.target[chosen], (), weight=weight, fold=fold)
        (batch,) = TensorLoader(few, SAMPLES, device, prepare=data.prepare, draw=draw)
        names = tensor_names(twin)
        with Watch(name, spec, task, inner_model(twin), several=draw is not None) as watch:
            multiplications = _evaluate(twin, pair, watch)
            with LayerOutputs(twin) as outputs:
                output = _learn(twin, task, batch, watch, precision)
            notes = [
                *untrained_layers(inner_model(twin), name),
                *squashed_output(output, task.loss, name),
                *(note for part in twin.modules() for note in getattr(part, "notes", ())),
            ]
            check_metrics(metrics, twin, task, batch, precision)
            try:
                evaluate(twin, task, [batch], precision)
            except Exception as error:
                raise refusal_of(error, f"{name} cannot be evaluated") from error
        check_same_tensors(twin, names, name)
        _step(make_optimizer(twin))
        twin.zero_grad(set_to_none=True)
        weights = twin.state_dict()
        expected = _outputs(twin, pair)
        check_reload(
            twin, lambda: rebuild().to(device), weights, lambda fresh: _outputs(fresh, pair), expected, TOLERANCE, name
        )
    return Trial(multiplications, outputs.bytes // SAMPLES, tuple(notes))


def _copy(model: nn.Module, rebuild: Callable[[], nn.Module]) -> nn.Module:
    # A copy of a model in TorchScript computes with other tensors than its parameters.
    if not any(isinstance(layer, torch.jit.ScriptModule) for layer in model.modules()):
        try:
            return deepcopy(model)
        except Exception:  # it contains what cannot be copied, such as a lock, or a weight that a hook computes
            pass
    twin = rebuild()
    twin.load_state_dict(model.state_dict())
    return twin


def _evaluate(model: nn.Module, inputs: tuple[Tensor, ...], watch: Watch) -> int:
    """Returns the multiplications for one sample; checks that its output depends on that sample alone."""
    counts: list[int] = []

    def count(layer: nn.Module, _: object, output: object) -> None:
        weight = getattr(layer, "weight", None)
        if isinstance(layer, nn.Embedding):  # looks up, does not multiply
            return
        if isinstance(weight, Tensor) and weight.dim() > 1 and isinstance(output, Tensor) and output.dim():
            counts.append(output[0].numel() // weight.shape[0] * weight.numel())

    layers = [layer for layer in model.modules() if not isinstance(layer, torch.jit.ScriptModule)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    model.eval()
    with torch.no_grad():
        try:
            watch.call(model, inputs)
        finally:
            for hook in hooks:
                hook.remove()
        check_repeatable(model, inputs, watch)
        check_alone(model, inputs, watch)
    return sum(counts)


@torch.no_grad()
def _outputs(model: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
    output: Tensor = model.eval()(*inputs)
    return output


def _learn(model: nn.Module, task: Task, batch: Batch, watch: Watch, precision: Precision) -> Tensor:
    """Returns the output of a forward and a backward pass in training mode; runs two if the model keeps a graph."""
    buffers = {name: (tensor, tensor.data_ptr()) for name, tensor in model.named_buffers()}
    output = _pass_back(model, task, batch, watch, precision)
    saved, now = model.state_dict(), dict(model.named_buffers())
    for name, (tensor, place) in buffers.items():
        if name in saved and name in now and now[name] is not tensor and now[name].data_ptr() != place:
            raise ConfigError(
                f"{watch.name} replaces its buffer {name} by a new tensor, and the old one would be saved",
                where="model",
                fix=f"change it in place: self.{name}.copy_(...)",
            )
    for name, value in saved.items():
        if not isinstance(value, Tensor):
            raise ConfigError(
                f"the state_dict() of {watch.name} contains a {type(value).__name__}, {name}, and only tensors are "
                "saved",
                where="model",
                fix="keep it in a buffer, or leave it out of the state_dict()",
            )
    if attribute := _keeps_graph(model):
        try:
            _pass_back(model, task, batch, watch, precision)
        except ConfigError as error:
            raise ConfigError(
                f"{watch.name} keeps {attribute} from one batch to the next with its graph, so that the gradients of "
                "the second batch cannot be computed",
                where="model",
                fix=f"detach it: self.{attribute} = self.{attribute}.detach()",
            ) from error
    return output


def _pass_back(model: nn.Module, task: Task, batch: Batch, watch: Watch, precision: Precision) -> Tensor:
    model.train()
    with autocast(precision, batch.target.device):
        output = watch.call(model, batch.inputs, batch.fold)
        loss = loss_of(output, task, batch, watch.name)
    if not loss.requires_grad:
        raise ConfigError(
            f"the output of {watch.name} has no gradients with respect to its parameters",
            where="model",
            fix="leave out detach(), item(), numpy(), argmax, rounding and torch.no_grad() before the output",
        )
    if strangers := _strangers(model, task, batch, loss, precision):
        shapes = ", ".join("×".join(map(str, leaf.shape)) or "()" for leaf in strangers[:3])
        raise ConfigError(
            f"{watch.name} computes its output with tensors of shape {shapes} that require gradients "
            "and are not its parameters: they would be neither trained nor saved",
            where="model",
            fix="make the layers of these tensors attributes of the model",
        )
    try:
        loss.backward()
    except Exception as error:
        raise refusal_of(error, f"the gradients of {watch.name} cannot be computed") from error
    return output


def _strangers(model: nn.Module, task: Task, batch: Batch, loss: Tensor, precision: Precision) -> list[Tensor]:
    """Returns the tensors, no parameters of the model, that a loss has gradients for and that last from call to call.

    Those that forward makes anew of its inputs, to differentiate with respect to them, are none.
    """
    places = {parameter.data_ptr() for parameter in model.parameters()}
    strangers = [leaf for leaf in leaves_of(loss) if leaf.data_ptr() not in places]
    if not strangers:
        return []
    with autocast(precision, batch.target.device):
        again = task.objective(batch.output_of(model), batch.target)
    lasting = {id(leaf) for leaf in leaves_of(again)}
    return [leaf for leaf in strangers if id(leaf) in lasting or isinstance(leaf, nn.Parameter)]


def _step(optimizer: Optimizer) -> None:
    name = type(optimizer).__name__
    remedy = {"fix": "choose another optimizer", "override": "optimizer=adamw", "replaces": "optimizer._target_"}
    if "lr" not in optimizer.param_groups[0]:
        what = f"{name} has no lr in its groups of parameters, where schedules would set it"
        raise ConfigError(what, where="optimizer", **remedy)
    try:
        optimizer.step()
    except Exception as error:
        if "sparse" in str(error):
            remedy = {"fix": "choose optimizer=sgd or adagrad, or give the embeddings sparse=False"}
        what = f"{name} fails in its first step, which is called without a closure after one backward pass"
        raise refusal_of(error, what, where="optimizer", **remedy) from error


def _keeps_graph(model: nn.Module) -> str:
    """Returns the attribute in which a model keeps a tensor with its graph; empty if there is none."""
    for one in find_unregistered(model):
        if isinstance(one.value, Tensor) and one.value.grad_fn is not None:
            return one.attribute
    return next((name for name, tensor in model.named_buffers() if tensor.grad_fn is not None), "")
