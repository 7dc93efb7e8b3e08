"""Temperature scaling (Guo et al., 2017): outputs are divided by one number, so that probabilities match frequencies.

The number is fitted to the validation split, and used only where it lowers the log-loss there by cross-validation. The
most probable class stays the same.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

FOLDS = 5
FEWEST = 50  # samples, below which one number cannot be told from chance
MOST_NUMBERS = 2_000_000  # outputs that it is fitted to; of more samples, evenly spaced ones do as well
RANGE = (0.05, 20.0)

Probabilities = Callable[[Tensor], Tensor]


def fit_temperature(outputs: Tensor, target: Tensor, probabilities: Probabilities) -> float:
    """Returns the temperature for outputs like these; 1 where no other is clearly better.

    Args:
        outputs: `(N, out_features)` of the validation split.
        target: `(N,)` its true classes.
        probabilities: turns outputs into probabilities `(N, K)`.
    """
    if len(target) < FEWEST or not bool(outputs.isfinite().all()):
        return 1.0

    most = max(20 * FEWEST, MOST_NUMBERS // outputs.shape[1])
    if len(target) > most:
        at = torch.linspace(0, len(target) - 1, most).long()
        outputs, target = outputs[at], target[at]

    @torch.no_grad()
    def losses(temperature: float, chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
        at = torch.from_numpy(chosen)
        scores = probabilities(outputs[at] / temperature)
        return -np.asarray(scores.gather(1, target[at, None]).flatten().double().clamp(min=1e-12).log())

    everything = np.ones(len(target), dtype=bool)
    folds = np.random.default_rng(0).permutation(len(target)) % FOLDS
    gains = np.empty(len(target))
    for fold in range(FOLDS):
        inside = folds == fold
        gains[inside] = losses(1.0, inside) - losses(_best(losses, ~inside), inside)
    helps = gains.mean() > gains.std(ddof=1) / np.sqrt(len(gains))
    return float(f"{_best(losses, everything):.4g}") if helps else 1.0


def _best(losses: Callable[[float, NDArray[np.bool_]], NDArray[np.float64]], chosen: NDArray[np.bool_]) -> float:
    """Returns the temperature with the smallest mean loss on the chosen samples."""
    from scipy.optimize import minimize_scalar

    low, high = np.log(RANGE)
    found = minimize_scalar(
        lambda log: float(losses(float(np.exp(log)), chosen).mean()), bounds=(low, high), method="bounded"
    )
    return float(np.exp(found.x))
