"""Checks that the losses and weights of a training are finite numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn

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
    bad, largest = running.read(largest_on_gpu(state.numbers))
    if bad is not None:
        ago = len(running.rates) - bad - 1
        lr = running.rates[bad]
        steps = -(-running.batches // accumulate)
        where = (
            f"step {state.step - ago} (epoch {state.epoch + 1}, batch {(steps - ago - 1) * accumulate + 1}, lr {lr:g})"
        )
        raise _diverged(f"the training loss is {running.loss} since {where}", lr)
    # The last loss was measured before the last step, so it says nothing of the weights that would be saved.
    if not (sums_are_finite(state.numbers) if largest is None else math.isfinite(largest)):
        where = f"step {state.step} (epoch {state.epoch + 1}, batch {running.batches}, lr {lr:g})"
        raise _diverged(f"some weights are not finite after {where}", lr)
    running.rates.clear()


def largest_on_gpu(tensors: Sequence[Tensor]) -> Tensor | None:
    """Returns the largest of all numbers in the tensors of a GPU, without waiting for it; `None` on a CPU."""
    on_cpu = not tensors or tensors[0].device.type == "cpu"
    return None if on_cpu else nn.utils.get_total_norm(tensors, math.inf)


def sums_are_finite(tensors: Sequence[Tensor]) -> bool:
    """Tells whether all numbers in the tensors of a CPU are finite.

    They are if their sums are; if one is not, it may also have overflown, and the largest number decides.
    """
    if all(math.isfinite(tensor.detach().sum().item()) for tensor in tensors):
        return True
    return math.isfinite(nn.utils.get_total_norm(tensors, math.inf).item())


def _diverged(what: str, lr: float) -> Diverged:
    return Diverged(
        what,
        where="optimizer.lr",
        fix="lower the learning rate, or clip gradients with trainer.clip_norm=1",
        override=f"optimizer.lr={min(lr / 10, 1e-3):g}",
    )
