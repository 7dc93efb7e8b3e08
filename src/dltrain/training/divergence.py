"""Checks that the losses and weights of a training are finite numbers."""

from __future__ import annotations

import math
from itertools import chain

import torch
from torch import nn

from dltrain.errors import Diverged
from dltrain.training.state import TrainState


def check_finite(state: TrainState, accumulate: int) -> None:
    """Checks that the losses of all steps since the last check, and the weights now, are finite.

    This reads from the device, so it is called once in a while and not after every step.

    Args:
        state: in the middle of an epoch.
        accumulate: batches a step.

    Raises:
        Diverged: some are not; it names the first such step, its learning rate and its first batch.
    """
    running = state.running
    assert running is not None
    lr = running.lr
    # A sum that is not finite stays so.
    sound = int(torch.hstack(running.sums).isfinite().sum()) if running.sums else 0
    if sound < len(running.rates):
        ago = len(running.rates) - sound - 1
        lr = running.rates[sound]
        steps = -(-running.batches // accumulate)
        where = (
            f"step {state.step - ago} (epoch {state.epoch + 1}, batch {(steps - ago - 1) * accumulate + 1}, lr {lr:g})"
        )
        raise _diverged(f"the training loss is {float(running.loss)} since {where}", lr)
    # The last loss was measured before the last step, so it says nothing of the weights that would be saved.
    models = [state.model] if state.average is None else [state.model, state.judged]
    if not all(math.isfinite(largest(model)) for model in models):
        where = f"step {state.step} (epoch {state.epoch + 1}, batch {running.batches}, lr {lr:g})"
        raise _diverged(f"some weights are not finite after {where}", lr)
    running.rates.clear()
    running.sums.clear()


def largest(model: nn.Module) -> float:
    """Returns the largest absolute value among a model's parameters and the running statistics of its batch norms.

    It is not finite where one of them is not. Other buffers may hold infinities on purpose, such as masks.
    """
    norms = (module for module in model.modules() if isinstance(module, nn.modules.batchnorm._NormBase))
    statistics = chain.from_iterable(norm.buffers() for norm in norms)
    tensors = [tensor.detach() for tensor in chain(model.parameters(), statistics) if tensor.is_floating_point()]
    return float(nn.utils.get_total_norm([tensor for tensor in tensors if tensor.numel()], math.inf))


def _diverged(what: str, lr: float) -> Diverged:
    return Diverged(
        what,
        where="optimizer.lr",
        fix="lower the learning rate, or clip gradients with trainer.clip_norm=1",
        override=f"optimizer.lr={min(lr / 10, 1e-3):g}",
    )
