"""How sure a result is: 95 % intervals over the samples that it was measured on."""

from __future__ import annotations

import numpy as np

from dltrain.tasks.predicted import Floats

Z = 1.96
RESAMPLES = 1000
MOST_RESAMPLED = 2000  # samples; of more, the mean's own normal distribution is as good and a thousand times cheaper


def wilson(hits: int, count: int) -> tuple[float, float]:
    """Wilson's interval of a share of which `hits` of `count` samples were seen."""
    share, z2 = hits / count, Z * Z
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = Z / (1 + z2 / count) * (share * (1 - share) / count + z2 / (4 * count * count)) ** 0.5
    # The ends are exact where all were hit or none was: what is rounded would be read as something less than that.
    return 0.0 if hits == 0 else middle - half, 1.0 if hits == count else middle + half


def rmse_interval(squared: Floats) -> tuple[float, float]:
    """The interval of the root of the mean of squared errors `(N,)`, by bootstrap where they are few."""
    if len(squared) <= MOST_RESAMPLED:
        index = np.random.default_rng(0).integers(0, len(squared), (RESAMPLES, len(squared)))
        low, high = np.quantile(np.sqrt(squared[index].mean(axis=1)), (0.025, 0.975))
        return float(low), float(high)
    mean, half = float(squared.mean()), Z * float(squared.std(ddof=1)) / len(squared) ** 0.5
    return max(0.0, mean - half) ** 0.5, (mean + half) ** 0.5
