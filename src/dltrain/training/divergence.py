"""Whether training is still among the finite numbers."""

from __future__ import annotations

import math
from itertools import chain

import torch
from torch import nn

from dltrain.errors import Diverged
from dltrain.training.state import TrainState


def check_finite(state: TrainState, accumulate: int) -> None:
    """Reads from the device whether the losses of all steps since the last look, and the weights now, are finite.

    Args:
        state: with an epoch under way.
        accumulate: batches a step.

    Raises:
        Diverged: they are not; it names the first step whose loss was not, its learning rate and its first batch.
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
    # The losses were measured before the last step, and the weights after it are what would be kept.
    models = [state.model] if state.average is None else [state.model, state.judged]
    if not all(math.isfinite(largest(model)) for model in models):
        where = f"step {state.step} (epoch {state.epoch + 1}, batch {running.batches}, lr {lr:g})"
        raise _diverged(f"the weights are no finite numbers after {where}", lr)
    running.rates.clear()
    running.sums.clear()


def largest(model: nn.Module) -> float:
    """The largest absolute value of a model's weights and of what its norms have seen; not finite where one is not."""
    norms = (module for module in model.modules() if isinstance(module, nn.modules.batchnorm._NormBase))
    seen = chain.from_iterable(norm.buffers() for norm in norms)  # other buffers may hold what they like
    tensors = [tensor.detach() for tensor in chain(model.parameters(), seen) if tensor.is_floating_point()]
    return float(nn.utils.get_total_norm([tensor for tensor in tensors if tensor.numel()], math.inf))


def _diverged(what: str, lr: float) -> Diverged:
    return Diverged(
        what,
        where="optimizer.lr",
        fix="lower it, or clip gradients with trainer.clip_norm=1",
        override=f"optimizer.lr={min(lr / 10, 1e-3):g}",
    )
