"""Decides when checkpoints are written, keeps the best weights, and restores training from a checkpoint."""

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
    remove_others,
    resumable,
    save_checkpoint,
    set_aside,
    set_pointer,
    under_present_names,
    verify,
)
from dltrain.training.state import TrainState

log = logging.getLogger("dltrain")

SECONDS_BETWEEN_SAVES = 5.0
SECONDS_BEFORE_A_PAUSE = 60.0  # between two saves within one epoch
LARGEST_SHARE = 0.05  # of the training time, spent on saving


class Saver:
    """Keeps the best weights in memory, and the best and the last ones on disk, never more than a few seconds behind.

    Args:
        root: the folder of the run's checkpoints.
        state: what is saved; the best weights are those of the last epoch after which `state.improved` holds.
        every_epochs: epochs between two saves, however long they take; none to go by time alone.
        every_minutes: minutes between two saves, also within an epoch; none for 5 seconds after an epoch and 60 within
            one, or more where saving would otherwise take over a twentieth of the time.
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
        """Tells, after an epoch, whether it is time to save."""
        its_turn = self.every_epochs is not None and self.state.epoch % self.every_epochs == 0
        return its_turn or perf_counter() - self.saved_at >= self._interval(SECONDS_BETWEEN_SAVES)

    def save(self) -> None:
        """Writes the best and the last checkpoint, and deletes older ones.

        The best is written first, so that a kill in between never leaves a checkpoint without its best weights.

        Raises:
            StorageError: they cannot be written; earlier checkpoints are still there.
        """
        state = self.state
        began = perf_counter()
        if (state.step, state.epoch) != self.saved:
            other = state.best_step if state.best_step != state.step else 0
            if other:
                best = save_checkpoint(self.root, other, self.best, None, state.best_epoch)
            last = save_checkpoint(self.root, state.step, self.live, state.state_dict(), state.epoch, other or None)
            if state.best_step:
                set_pointer(self.root, "best", best if other else last)
            set_pointer(self.root, "last", last)
            remove_others(self.root)
            self.saved = (state.step, state.epoch)
        self.saved_at = perf_counter()
        self.cost = self.saved_at - began
        self.seconds += self.cost
        state.pause_at = self.saved_at + self._interval(SECONDS_BEFORE_A_PAUSE)

    def restore(self) -> bool:
        """Restores state and best weights from the newest sound checkpoint, and removes later ones.

        Returns:
            Whether there was a checkpoint; without one nothing changes.

        Raises:
            CheckpointError: all of them are damaged, or belong to another model.
        """
        checkpoints = resumable(self.root)
        for number, folder in enumerate(checkpoints, 1):
            try:
                best = best_beside(folder)
                for path in {folder, best}:
                    verify(path)
                saved, weights, best_weights = load_state(folder), load_weights(folder), load_weights(best)
                break
            except CheckpointError as error:
                if number == len(checkpoints):
                    raise
                log.warning("warning %s; training goes on from the checkpoint before it", error.what)
        else:
            return False
        load_into(self.live, weights, folder)
        load_training(self.state, saved, folder)
        if self.state.best_step:
            load_into(self.best, best_weights, best)
            set_pointer(self.root, "best", best)
        set_pointer(self.root, "last", folder)
        set_aside(self.root, self.state.step)
        remove_others(self.root)
        self.saved, self.saved_at = (self.state.step, self.state.epoch), perf_counter()
        return True

    def roll_back(self) -> None:
        """Goes back to the last checkpoint and halves the learning rate."""
        rollbacks = self.state.rollbacks + 1
        self.restore()
        self.state.scale_rates(0.5 ** (rollbacks - self.state.rollbacks))
        self.state.rollbacks = rollbacks

    def load_best(self) -> None:
        """Copies the best weights into the judged model, if there is a best epoch."""
        if self.state.best_step:
            load_into(self.live, self.best, self.root)

    def _interval(self, seconds: float) -> float:
        """Returns how many seconds to wait after a save: `every_minutes` if it is set, else at least `seconds`."""
        if self.every_minutes is not None:
            return 60 * self.every_minutes
        return max(seconds, self.cost / LARGEST_SHARE)


@torch.no_grad()
def load_into(weights: Mapping[str, Tensor], saved: Mapping[str, Tensor], checkpoint: Path | str) -> None:
    """Copies saved weights into a model's weights, in place.

    Raises:
        CheckpointError: names or shapes differ; the error names the first five differences.
    """
    saved = under_present_names(saved, weights)
    differences = [f"{name} is missing" for name in weights if name not in saved]
    differences += [f"{name} is unknown" for name in saved if name not in weights]
    differences += [
        f"{name} is {tuple(saved[name].shape)} and should be {tuple(tensor.shape)}"
        for name, tensor in weights.items()
        if name in saved and saved[name].shape != tensor.shape
    ]
    if differences:
        more = f" and {len(differences) - 5} more" if len(differences) > 5 else ""
        raise CheckpointError(f"{checkpoint} belongs to another model: {', '.join(differences[:5])}{more}")
    for name, tensor in weights.items():
        tensor.copy_(saved[name])


def load_training(state: TrainState, saved: Mapping[str, Any], checkpoint: Path) -> None:
    """Restores everything but the weights from a saved state.

    Raises:
        CheckpointError: it belongs to another model or optimizer, or is no training state.
    """
    try:
        state.load_state_dict(saved)
    except KeyError as error:
        raise CheckpointError(
            f"the state in {checkpoint} has no {error}: an older version of dltrain wrote it",
            fix="the run still predicts; to train it longer, train again",
        ) from None
    except Exception as error:  # a stranger's file may hold anything
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(f"the state in {checkpoint} does not fit: {type(error).__name__}: {reason}") from None
    for parameter, values in state.optimizer.state.items():
        for name, value in values.items():
            if isinstance(value, Tensor) and value.dim() and not _covers(value, parameter):
                raise CheckpointError(
                    f"the state in {checkpoint} belongs to another model: {name} has shape {tuple(value.shape)} for a "
                    f"parameter of shape {tuple(parameter.shape)}"
                )
    if f"step-{state.step:08d}" != checkpoint.name:
        raise CheckpointError(f"the state in {checkpoint} belongs to step {state.step}")


def _covers(value: Tensor, parameter: Tensor) -> bool:
    """Tells whether the shape of an optimizer's value fits a parameter: each size is the same, or 1 as in Adafactor."""
    sizes = zip(value.shape, parameter.shape, strict=False)
    return value.dim() == parameter.dim() and all(size in (1, full) for size, full in sizes)
