"""When weights are kept and when they reach the disk."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import torch

from dltrain.training.checkpoint import point, remove_others, save_checkpoint
from dltrain.training.state import TrainState

SECONDS_BETWEEN_SAVES = 5.0


class Saver:
    """Keeps the best weights in memory, and the best and the last ones on disk, never more than a few seconds behind.

    Args:
        root: the folder of the run's checkpoints.
        state: what is saved; the best weights are those of the last epoch after which `state.improved` holds.
    """

    def __init__(self, root: Path, state: TrainState) -> None:
        self.root, self.state = root, state
        self.live = state.judged.state_dict()
        self.best = {name: tensor.clone() for name, tensor in self.live.items()}
        self.best_at = (0, 0)  # (step, epoch)
        self.saved_step = -1
        self.saved_at = perf_counter()
        self.seconds = 0.0

    def after_epoch(self) -> None:
        """Remembers the weights if this epoch was the best, and saves if it is time."""
        began = perf_counter()
        if self.state.improved:
            with torch.no_grad():
                for name, tensor in self.live.items():
                    self.best[name].copy_(tensor)
            self.best_at = (self.state.step, self.state.epoch)
        self.seconds += perf_counter() - began
        if began - self.saved_at >= SECONDS_BETWEEN_SAVES:
            self.save()

    def save(self) -> None:
        """Writes the last and the best checkpoint, and deletes older ones.

        Raises:
            StorageError: they cannot be written; those written before are still there.
        """
        step, epoch = self.state.step, self.state.epoch
        if step == self.saved_step:
            return
        began = perf_counter()
        last = save_checkpoint(self.root, step, self.live, self.state.state_dict(), epoch)
        best_step, best_epoch = self.best_at
        if best_step:
            best = last if best_step == step else save_checkpoint(self.root, best_step, self.best, None, best_epoch)
            point(self.root, "best", best)
        point(self.root, "last", last)
        remove_others(self.root)
        self.saved_step, self.saved_at = step, perf_counter()
        self.seconds += self.saved_at - began

    def load_best(self) -> None:
        """Puts the best weights into the judged model, where an epoch was judged best at all."""
        if self.best_at[0]:
            with torch.no_grad():
                for name, tensor in self.live.items():
                    tensor.copy_(self.best[name])
