"""When weights are kept, when they reach the disk, and how training goes on from there."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from dltrain.errors import CheckpointError
from dltrain.training.checkpoint import (
    best_beside,
    load_state,
    load_weights,
    point,
    remove_others,
    resumable,
    save_checkpoint,
    set_aside,
    verify,
)
from dltrain.training.state import TrainState

log = logging.getLogger("dltrain")

SECONDS_BETWEEN_SAVES = 5.0
SECONDS_BEFORE_A_PAUSE = 60.0  # of an epoch that takes so long
LARGEST_SHARE = 0.05  # of the time, spent on saving


class Saver:
    """Keeps the best weights in memory, and the best and the last ones on disk, never more than a few seconds behind.

    Args:
        root: the folder of the run's checkpoints.
        state: what is saved; the best weights are those of the last epoch after which `state.improved` holds.
        every_epochs: after how many epochs it is saved whatever the time; none to go by the time alone.
        every_minutes: between two saves, in the middle of an epoch too; none for as often as it costs a twentieth of
            the time at most, five seconds apart after an epoch and a minute apart within one.
    """

    def __init__(
        self, root: Path, state: TrainState, every_epochs: int | None = None, every_minutes: float | None = None
    ) -> None:
        self.root, self.state = root, state
        self.every_epochs, self.every_minutes = every_epochs, every_minutes
        self.live = state.judged.state_dict()
        self.best = {name: tensor.clone() for name, tensor in self.live.items()}
        self.saved = (-1, 0)  # step and epoch: an epoch's last step may be saved before its validation, and after it
        self.cost = 0.0  # seconds of the last save
        self.seconds = 0.0
        self.saved_at = perf_counter()
        state.pause_at = self.saved_at + self._interval(SECONDS_BEFORE_A_PAUSE)

    def after_epoch(self) -> None:
        """Remembers the weights if this epoch was the best."""
        began = perf_counter()
        if self.state.improved:
            with torch.no_grad():
                for name, tensor in self.live.items():
                    self.best[name].copy_(tensor)
        self.seconds += perf_counter() - began

    @property
    def is_due(self) -> bool:
        """Whether it is time to save, after an epoch."""
        its_turn = self.every_epochs is not None and self.state.epoch % self.every_epochs == 0
        return its_turn or perf_counter() - self.saved_at >= self._interval(SECONDS_BETWEEN_SAVES)

    def save(self) -> None:
        """Writes the best and the last checkpoint, and deletes older ones.

        The best comes first: whatever a kill leaves, a checkpoint's own best weights lie beside it.

        Raises:
            StorageError: they cannot be written; those written before are still there.
        """
        state = self.state
        began = perf_counter()
        if (state.step, state.epoch) != self.saved:
            other = state.best_step if state.best_step != state.step else 0
            if other:
                best = save_checkpoint(self.root, other, self.best, None, state.best_epoch)
            last = save_checkpoint(self.root, state.step, self.live, state.state_dict(), state.epoch, other or None)
            if state.best_step:
                point(self.root, "best", best if other else last)
            point(self.root, "last", last)
            remove_others(self.root)
            self.saved = (state.step, state.epoch)
        self.saved_at = perf_counter()
        self.cost = self.saved_at - began
        self.seconds += self.cost
        state.pause_at = self.saved_at + self._interval(SECONDS_BEFORE_A_PAUSE)

    def restore(self) -> bool:
        """Puts state and best weights to the newest checkpoint that is sound, and forgets what came after it.

        Returns:
            Whether there was one; where none was ever saved, nothing changes.

        Raises:
            CheckpointError: all of them are damaged, or of another model.
        """
        found = resumable(self.root)
        for number, folder in enumerate(found, 1):
            try:
                best = best_beside(folder)
                for path in {folder, best}:
                    verify(path)
                saved, weights, best_weights = load_state(folder), load_weights(folder), load_weights(best)
                break
            except CheckpointError as error:
                if number == len(found):
                    raise
                log.warning("warning %s; the checkpoint before it is used", error.what)
        else:
            return False
        load_into(self.live, weights, folder)
        load_training(self.state, saved, folder)
        if self.state.best_step:
            load_into(self.best, best_weights, best)
            point(self.root, "best", best)
        point(self.root, "last", folder)
        set_aside(self.root, self.state.step)
        remove_others(self.root)
        self.saved, self.saved_at = (self.state.step, self.state.epoch), perf_counter()
        return True

    def roll_back(self) -> None:
        """Goes back to the last checkpoint, with half the learning rate that it was left with."""
        rollbacks = self.state.rollbacks + 1
        self.restore()
        self.state.scale_rates(0.5 ** (rollbacks - self.state.rollbacks))
        self.state.rollbacks = rollbacks

    def load_best(self) -> None:
        """Puts the best weights into the judged model, where an epoch was judged best at all."""
        if self.state.best_step:
            load_into(self.live, self.best, self.root)

    def _interval(self, seconds: float) -> float:
        """How long to wait after a save, at least `seconds` where the user says nothing."""
        if self.every_minutes is not None:
            return 60 * self.every_minutes
        return max(seconds, self.cost / LARGEST_SHARE)


@torch.no_grad()
def load_into(weights: Mapping[str, Tensor], saved: Mapping[str, Tensor], checkpoint: Path) -> None:
    """Copies saved weights into a model's.

    Raises:
        CheckpointError: they are another model's; it names the first five differences.
    """
    differences = [f"{name} is missing" for name in weights if name not in saved]
    differences += [f"{name} is unknown" for name in saved if name not in weights]
    differences += [
        f"{name} is {tuple(saved[name].shape)} and should be {tuple(tensor.shape)}"
        for name, tensor in weights.items()
        if name in saved and saved[name].shape != tensor.shape
    ]
    if differences:
        more = f" and {len(differences) - 5} more" if len(differences) > 5 else ""
        raise CheckpointError(f"{checkpoint} is of another model: {', '.join(differences[:5])}{more}")
    for name, tensor in weights.items():
        tensor.copy_(saved[name])


def load_training(state: TrainState, saved: Mapping[str, Any], checkpoint: Path) -> None:
    """Lets training go on from a saved state, whose weights are loaded apart.

    Raises:
        CheckpointError: it is of another model or optimizer, or no state at all.
    """
    try:
        state.load_state_dict(saved)
    except Exception as error:  # a stranger's file may hold anything
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(f"the state in {checkpoint} does not fit: {type(error).__name__}: {reason}") from None
    for parameter, values in state.optimizer.state.items():
        for name, value in values.items():
            if isinstance(value, Tensor) and value.dim() and not _covers(value, parameter):
                raise CheckpointError(
                    f"the state in {checkpoint} is of another model: {name} is {tuple(value.shape)} for a parameter "
                    f"of {tuple(parameter.shape)}"
                )
    if f"step-{state.step:08d}" != checkpoint.name:
        raise CheckpointError(f"the state in {checkpoint} is of step {state.step}")


def _covers(value: Tensor, parameter: Tensor) -> bool:
    """Whether an optimizer's value belongs to a parameter: the same shape, or 1 along a dimension that it sums over."""
    sizes = zip(value.shape, parameter.shape, strict=False)
    return value.dim() == parameter.dim() and all(size in (1, full) for size, full in sizes)
