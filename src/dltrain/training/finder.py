"""The learning-rate range test (Smith, 2017): one step at each of many rising rates, until the loss explodes."""

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
SMOOTHING = 0.9  # weight of the past in the exponential moving average of the losses
EXPLODED = 3.0  # the test ends at a loss so many times the lowest one


@dataclass(frozen=True)
class Trial:
    """The loss at one learning rate, before its step: of the batch, and as an exponential moving average."""

    lr: float
    loss: float
    smooth: float


def try_rates(state: TrainState, task: Task, train: Loader, settings: TrainerSettings, steps: int) -> list[Trial]:
    """Takes one step at each of `steps` learning rates, which grow by a constant factor.

    The state cannot be trained further afterwards.

    Args:
        state: freshly built; its schedule is replaced.
        task: what is learned.
        train: a loader of one batch an epoch, a different one in each.
        settings: of the trainer; epochs, monitor and accumulation are replaced.
        steps: number of rates.

    Returns:
        A trial a step; fewer where the loss exploded or became infinite or NaN.
    """
    growth = (HIGHEST / LOWEST) ** (1 / (steps - 1))
    top = state.optimizer.param_groups[0]["lr"]
    for group in state.optimizer.param_groups:
        group["lr"] = group["initial_lr"] = LOWEST * (group["lr"] / top if top else 1.0)
    state.scheduler = LambdaLR(state.optimizer, lambda step: growth**step)
    settings = replace(settings, epochs=steps, monitor="train/loss", max_minutes=None, accumulate=1)
    trials: list[Trial] = []
    mean = 0.0
    try:
        for number, row in enumerate(epochs_of(fit(state, task, train, None, settings))):
            mean = SMOOTHING * mean + (1 - SMOOTHING) * row["train/loss"]
            trials.append(Trial(row["lr"], row["train/loss"], mean / (1 - SMOOTHING ** (number + 1))))
            if trials[-1].smooth > EXPLODED * min(trial.smooth for trial in trials):
                break
    except Diverged:
        pass
    return trials


def suggest_rate(trials: Sequence[Trial]) -> float:
    """Returns a tenth of the rate at which the loss was lowest, since beyond that rate it no longer falls.

    Raises:
        ConfigError: the loss fell at no rate.
    """
    lowest = min(trials, key=lambda trial: trial.smooth, default=None)
    if lowest is None or lowest is trials[0]:
        raise ConfigError(
            "the loss did not fall at any learning rate", where="optimizer", fix="try another model, loss or optimizer"
        )
    return float(f"{lowest.lr / 10:.1g}")
