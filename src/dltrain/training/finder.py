"""The learning-rate range test (Smith, 2017): a step at each of many rates, from tiny ones until the loss explodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch.optim.lr_scheduler import LambdaLR

from dltrain.errors import ConfigError, Diverged
from dltrain.tasks.task import Task
from dltrain.training.loop import epochs_of, fit
from dltrain.training.settings import TrainerSettings
from dltrain.training.state import TrainState
from dltrain.types import Loader

LOWEST, HIGHEST = 1e-6, 10.0
SMOOTHING = 0.9  # share of the mean so far in the mean of the losses
EXPLODED = 3.0  # how many times the lowest loss ends the test


@dataclass(frozen=True)
class Trial:
    """The loss at one rate, before its step: of the batch, and as a mean that forgets."""

    lr: float
    loss: float
    smooth: float


def try_rates(state: TrainState, task: Task, train: Loader, settings: TrainerSettings, steps: int) -> list[Trial]:
    """Takes one step at each of `steps` rates, equally far apart by their ratio; the state is spent afterwards.

    Args:
        state: freshly built; its schedule is replaced.
        task: that is learned.
        train: with one batch an epoch, another in each.
        settings: of the trainer, but for its length.
        steps: how many rates.

    Returns:
        A trial a step, fewer where the loss exploded or became no number.
    """
    growth = (HIGHEST / LOWEST) ** (1 / (steps - 1))
    for group in state.optimizer.param_groups:
        group["lr"] = group["initial_lr"] = LOWEST
    state.scheduler = LambdaLR(state.optimizer, lambda step: growth**step)
    whole = replace(settings, epochs=steps, monitor="train/loss", max_minutes=None, accumulate=1)
    trials: list[Trial] = []
    mean = 0.0
    try:
        for number, row in enumerate(epochs_of(fit(state, task, train, None, whole))):
            mean = SMOOTHING * mean + (1 - SMOOTHING) * row["train/loss"]
            trials.append(Trial(row["lr"], row["train/loss"], mean / (1 - SMOOTHING ** (number + 1))))
            if trials[-1].smooth > EXPLODED * min(trial.smooth for trial in trials):
                break
    except Diverged:
        pass
    return trials


def suggest_rate(trials: Sequence[Trial]) -> float:
    """A tenth of the rate at which the loss was lowest: beyond that one it no longer falls.

    Raises:
        ConfigError: the loss never fell.
    """
    lowest = min(trials, key=lambda trial: trial.smooth, default=None)
    if lowest is None or lowest is trials[0]:
        raise ConfigError(
            "the loss fell at no learning rate", where="optimizer", fix="try another model, loss or optimizer"
        )
    return float(f"{lowest.lr / 10:.1g}")
