"""Tries a model before anything is written: one training step and one evaluation, on a copy, with a few samples."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from dltrain.data.loader import TensorLoader
from dltrain.errors import ConfigError, OutOfMemory
from dltrain.experiment.outputs import Watch, refusal_of
from dltrain.experiment.unregistered import check_registered, find_unregistered, leaves_of
from dltrain.kinds.kind import kind_of
from dltrain.models.names import inner_model
from dltrain.tasks.evaluation import evaluate
from dltrain.tasks.precision import Precision, autocast
from dltrain.tasks.task import Task
from dltrain.training.random_state import undisturbed
from dltrain.types import Batch, Data, Spec, Split

SAMPLES = 3  # in the step; the evaluation uses two, so that a hard-coded batch size fails


def try_model(
    model: nn.Module,
    task: Task,
    data: Data,
    spec: Spec,
    *,
    name: str,
    rebuild: Callable[[], nn.Module],
    make_optimizer: Callable[[nn.Module], Optimizer],
    precision: Precision,
    device: torch.device,
) -> int:
    """Trains a copy of the model for one step and evaluates it; changes nothing else.

    Args:
        model: the model, on the CPU, without lazy layers.
        task: the task, with its loss on the device.
        data: the data, whose first samples are used.
        spec: the spec that the model was built for.
        name: the name of the model in the config.
        rebuild: builds the model again, if it cannot be copied.
        make_optimizer: returns an optimizer of a model's parameters.
        precision: the precision of the forward pass.
        device: the device of training.

    Returns:
        The number of multiplications for one sample in linear and convolutional layers.

    Raises:
        ConfigError: the model cannot be trained, evaluated or saved; the message says why.
        OutOfMemory: not even these few samples fit into memory.
    """
    check_registered(inner_model(model), name)
    try:
        return _try(model, task, data, spec, name, rebuild, make_optimizer, precision, device)
    except OutOfMemory as error:
        what = f"the memory of {device} is not enough for {name} with {SAMPLES} samples"
        raise OutOfMemory(what, where="model", fix="choose a smaller one, or smaller inputs") from error


def _try(
    model: nn.Module,
    task: Task,
    data: Data,
    spec: Spec,
    name: str,
    rebuild: Callable[[], nn.Module],
    make_optimizer: Callable[[nn.Module], Optimizer],
    precision: Precision,
    device: torch.device,
) -> int:
    with undisturbed(device), warnings.catch_warnings(), torch.inference_mode(False), torch.enable_grad():
        warnings.simplefilter("ignore")  # training repeats them
        try:
            twin = _copy(model, rebuild).to(device)
        except Exception as error:
            raise refusal_of(error, f"{name} cannot be copied or moved to {device}") from error
        samples, draw = data.splits["train"], kind_of(data.facts).loader_options(data.facts).draw
        pair = tuple(tensor[:2].to(device, copy=True) for tensor in samples.inputs)
        chosen = torch.arange(SAMPLES) % len(samples)
        weight = None if samples.weight is None else samples.weight[chosen]
        few = Split(tuple(tensor[chosen] for tensor in samples.inputs), samples.target[chosen], (), weight=weight)
        (batch,) = TensorLoader(few, SAMPLES, device, prepare=data.prepare, draw=draw)
        with Watch(name, spec, task, inner_model(twin), several=draw is not None) as watch:
            multiplications = _evaluate_twice(twin, pair if data.prepare is None else data.prepare(pair), watch)
            _learn(twin, task, batch, watch, precision)
            _judge(twin, task, batch, watch, precision)
        _step(make_optimizer(twin))
    return multiplications


def _copy(model: nn.Module, rebuild: Callable[[], nn.Module]) -> nn.Module:
    try:
        return deepcopy(model)
    except Exception:  # it contains what cannot be copied, such as a lock, or a weight that a hook computes
        twin = rebuild()
        twin.load_state_dict(model.state_dict())
        return twin


def _evaluate_twice(model: nn.Module, inputs: tuple[Tensor, ...], watch: Watch) -> int:
    """Returns the multiplications for one sample; checks that the model returns the same output again."""
    counts: list[int] = []

    def count(layer: nn.Module, _: object, output: object) -> None:
        weight = getattr(layer, "weight", None)
        if isinstance(layer, nn.Embedding):  # looks up, does not multiply
            return
        if isinstance(weight, Tensor) and weight.dim() > 1 and isinstance(output, Tensor) and output.dim():
            counts.append(output[0].numel() // weight.shape[0] * weight.numel())

    hooks = [layer.register_forward_hook(count) for layer in model.modules()]
    model.eval()
    before = [tensor.clone() for tensor in inputs]
    with torch.no_grad():
        try:
            first = watch.call(model, inputs)
        finally:
            for hook in hooks:
                hook.remove()
        if any(bool((old != new).logical_and(old == old).any()) for old, new in zip(before, inputs, strict=True)):
            raise ConfigError(
                f"{watch.name} changes its input in place, and so changes the data",
                where="model",
                fix="compute a new tensor: x = 2 * x instead of x *= 2",
            )
        second = watch.call(model, inputs)
    if not torch.allclose(first, second, rtol=1e-3, atol=1e-3 * float(first.abs().max()), equal_nan=True):
        raise ConfigError(
            f"{watch.name} returns another output for the same samples when it is evaluated again, so that no metric "
            "would be valid",
            where="model",
            fix="use no randomness in evaluation, as in F.dropout(x, p, self.training), and no state from call to call",
        )
    return sum(counts)


def _learn(model: nn.Module, task: Task, batch: Batch, watch: Watch, precision: Precision) -> None:
    """Runs a forward and a backward pass in training mode, twice if the model keeps a graph from the first."""
    buffers = {name: (tensor, tensor.data_ptr()) for name, tensor in model.named_buffers()}
    _pass_back(model, task, batch, watch, precision)
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


def _pass_back(model: nn.Module, task: Task, batch: Batch, watch: Watch, precision: Precision) -> None:
    model.train()
    with autocast(precision, batch.target.device):
        output = watch.call(model, batch.inputs)
        try:
            loss = task.objective(output, *batch.weighted_target)
        except Exception as error:
            raise refusal_of(error, f"the loss of {watch.name}'s output cannot be computed") from error
    if not loss.requires_grad:
        raise ConfigError(
            f"the output of {watch.name} has no gradients with respect to its parameters",
            where="model",
            fix="leave out detach(), item(), numpy(), argmax, rounding and torch.no_grad() before the output",
        )
    own = {id(parameter) for parameter in model.parameters()}
    if strangers := [leaf for leaf in leaves_of(loss) if id(leaf) not in own]:
        shapes = ", ".join("×".join(map(str, leaf.shape)) or "()" for leaf in strangers[:3])
        raise ConfigError(
            f"{watch.name} computes its output with {len(strangers)} tensors of shape {shapes} that require gradients "
            "and are not its parameters: they would be neither trained nor saved",
            where="model",
            fix="make the layers of these tensors attributes of the model",
        )
    try:
        loss.backward()
    except Exception as error:
        raise refusal_of(error, f"the gradients of {watch.name} cannot be computed") from error


def _judge(model: nn.Module, task: Task, batch: Batch, watch: Watch, precision: Precision) -> None:
    """Runs an evaluation, and a training pass after it if the model keeps tensors from it."""
    try:
        evaluate(model, task, [batch], precision)
    except Exception as error:
        raise refusal_of(error, f"{watch.name} cannot be evaluated") from error
    tensors = [*model.buffers(), *(one.value for one in find_unregistered(model))]
    if any(isinstance(tensor, Tensor) and tensor.is_inference() for tensor in tensors):
        _pass_back(model, task, batch, watch, precision)


def _step(optimizer: Optimizer) -> None:
    name = type(optimizer).__name__
    remedy = {"fix": "choose another optimizer", "override": "optimizer=adamw", "replaces": "optimizer._target_"}
    if "lr" not in optimizer.param_groups[0]:
        what = f"{name} has no lr in its groups of parameters, where schedules would set it"
        raise ConfigError(what, where="optimizer", **remedy)
    try:
        optimizer.step()
    except Exception as error:
        what = f"{name} fails in its first step, which is called without a closure after one backward pass"
        raise refusal_of(error, what, where="optimizer", **remedy) from error


def _keeps_graph(model: nn.Module) -> str:
    """Returns the attribute in which a model keeps a tensor with its graph; empty if there is none."""
    for one in find_unregistered(model):
        if isinstance(one.value, Tensor) and one.value.grad_fn is not None:
            return one.attribute
    return next((name for name, tensor in model.named_buffers() if tensor.grad_fn is not None), "")
