"""Tells whether models can train at once, and if not, why not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, OneCycleLR, StepLR

from dltrain.models.names import name_of, picked_models
from dltrain.training.loop import Learner, loss_of
from dltrain.training.random_state import undisturbed
from dltrain.training.stack import Stack
from dltrain.training.stacked_optimizer import why_not_stacked as why_optimizers_are_not
from dltrain.types import Batch, Unfreezing

TOLERANCE = 1e-3  # relative, of a loss and of the norm of its gradient
PROPORTIONAL = (type(None), LambdaLR, StepLR, OneCycleLR)  # schedules whose rates are a share of `lr`


def why_not_stacked(learners: Sequence[Learner]) -> str:
    """Returns why learners cannot take their steps together, in words; empty if nothing is known against it."""
    first = learners[0]
    settings, state = first.settings, first.state
    reasons = {
        f"trainer.{'swa' if settings.ema is None else 'ema'} averages weights": state.average is not None,
        f"trainer.precision={settings.precision}": settings.precision != "float32",
        "trainer.on_divergence=rollback takes one back alone": settings.on_divergence == "rollback",
        "trainer.max_minutes counts the time of each": settings.max_minutes is not None,
        "trainer.profile measures the time of each": settings.profile,
        "trainer.compile compiles each": settings.compile,
        "the schedule follows what each reaches": type(state.scheduler) not in PROPORTIONAL,
        "parameters are unfrozen on the way": any(isinstance(one, Unfreezing) for one in picked_models(state.model)),
        "there is no float64 on mps": next(state.model.parameters()).device.type == "mps",
    }
    for reason, holds in reasons.items():
        if holds:
            return reason
    return why_optimizers_are_not([one.state.optimizer for one in learners]) or next(
        (reason for other in learners[1:] if (reason := structural_difference(state.model, other.state.model))), ""
    )


def structural_difference(model: nn.Module, other: nn.Module) -> str:
    """Returns in what two models differ besides numbers in tensors and probabilities of dropout; empty for nothing."""
    ours, theirs = dict(model.named_modules()), dict(other.named_modules())
    if ours.keys() != theirs.keys():
        return "the models have different layers"
    for name, module in ours.items():
        if type(module) is not type(theirs[name]):
            return f"{name} is another layer"
        ignored = {"p", "training"} if type(module) is nn.Dropout else {"training"}
        before, after = _settings_of(module), _settings_of(theirs[name])
        for key in before.keys() | after.keys():
            if key not in ignored and before.get(key) != after.get(key):
                return f"the models differ in {f'{name}.{key}'.lstrip('.')}"
    shapes = [{name: tensor.shape for name, tensor in _tensors(one)} for one in (model, other)]
    if shapes[0] != shapes[1]:
        return "the models have different sizes"
    return ""


def disagreement(stack: Stack, batch: Batch) -> str:
    """Returns why the stacked step is not that of each model, tried on a batch `(K, B, ...)`; empty if it is.

    Losses and gradients of the first and of the last model are compared with what each computes alone. Nothing is
    changed.
    """
    device = batch.target.device
    with undisturbed(device):
        buffers = {name: tensor.clone() for name, tensor in stack.buffers.items()}
        try:
            stack.model.train()
            stack.losses(batch).sum().backward()
            stack.optimizer.zero_grad()
            _restore(stack.buffers, buffers)
            stack.model.eval()
            losses = stack.losses(batch)
            losses.sum().backward()
            for place in {0, len(stack.learners) - 1}:
                if not _agrees(stack, place, losses[place], batch):
                    return "stacked, the model computes something else than alone"
        except Exception as error:  # whatever a layer does that cannot be vectorised
            reason = " ".join(str(error).split())
            return f"{name_of(stack.learners[0].state.model)} cannot be stacked: {reason[:200]}"
        finally:
            stack.optimizer.zero_grad()
            _restore(stack.buffers, buffers)
    return ""


def _agrees(stack: Stack, place: int, loss: Tensor, batch: Batch) -> bool:
    learner = stack.learners[place]
    weights = None if batch.weights is None else batch.weights[place]
    own = Batch(tuple(tensor[place] for tensor in batch.inputs), batch.target[place], weights)
    model = learner.state.model.eval()
    alone = loss_of(model, learner.task, own)
    names, parameters = zip(*((n, p) for n, p in model.named_parameters() if p.requires_grad), strict=True)
    gradients = torch.autograd.grad(alone, parameters, allow_unused=True)
    pairs = [(alone.detach(), loss.detach())]
    for name, gradient in zip(names, gradients, strict=True):
        stacked = stack.weights[name].grad
        if gradient is not None and stacked is not None:
            pairs.append((gradient.norm(), stacked[place].norm()))
            pairs.append((gradient.norm(), gradient.norm() + (gradient - stacked[place]).norm()))
        elif stacked is not None and bool(stacked[place].any()):
            return False
    scale = max(float(one) for one, _ in pairs[1:]) if len(pairs) > 1 else 1.0
    return all(torch.allclose(one, other, rtol=TOLERANCE, atol=TOLERANCE * scale) for one, other in pairs)


def _restore(buffers: dict[str, Tensor], saved: dict[str, Tensor]) -> None:
    for name, tensor in saved.items():
        buffers[name].copy_(tensor)


def _settings_of(module: nn.Module) -> dict[str, Any]:
    plain = (bool, int, float, str, tuple, type(None))
    return {key: value for key, value in vars(module).items() if isinstance(value, plain)}


def _tensors(model: nn.Module) -> list[tuple[str, Tensor]]:
    return [*model.named_parameters(), *model.named_buffers()]
