"""Numbers that stand for the levels of a category: means of the target and counts, estimated from other rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from dltrain.data.cells import Cells
from dltrain.data.folds import assign_folds
from dltrain.data.splits import Indices
from dltrain.kinds.table.column_encoder import Floats, as_tuples
from dltrain.kinds.table.scale import Numeric, Scale

FOLDS = 5
FEWEST_LEVELS, FEWEST_COUNTED = 10, 20  # more levels than these have means, and counts
MOST_TARGETS = 10  # means of more targets would be too many inputs
WEAKEST, STRONGEST = 0.5, 100.0  # the prior's weight, in rows


class Codes(NamedTuple):
    """The level of each row, a missing cell's too.

    Args:
        of_row: `(N,)` index into `levels`; for a missing cell the number of levels.
        levels: the texts of the levels.
    """

    of_row: NDArray[np.int64]
    levels: Sequence[str]


@dataclass(frozen=True)
class LevelNumbers:
    """A mean of each target for every level, and the number of its rows.

    A mean is `(sum + m · mean) / (n + m)`, where `m` is the variance of the target within levels over that between
    them (Micci-Barreca, 2001, with the weight of empirical Bayes). A training row's own numbers are those of the other
    folds of the training rows, so that no row sees its own target; where rows belong to groups, a group is in one
    fold, so that no row sees its group's targets, which new groups will not have either.

    Args:
        names: of the numbers, such as `mean price`.
        levels: the texts of the levels.
        values: for each number its value for each level, for a missing cell, and for a new level.
        scales: how each number is scaled.
    """

    names: tuple[str, ...]
    levels: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]
    scales: tuple[Scale, ...]

    @classmethod
    def fit(
        cls,
        cells: Cells,
        targets: Floats,
        names: Sequence[str],
        *,
        numeric: Numeric,
        seed: int,
        groups: Indices | None = None,
    ) -> LevelNumbers | None:
        """Returns the numbers of the levels of training rows; `None` where there are too few levels or rows.

        Args:
            cells: `(N,)` of the training rows.
            targets: `(N, K)` numbers, NaN where one is missing.
            names: of the K targets.
            numeric: how the numbers are scaled.
            seed: of the folds.
            groups: `(N,)` group of each row, numbered from 0 without gaps; those of a group are in one fold.
        """
        codes = _codes_of(cells)
        present = len(np.unique(codes.of_row[codes.of_row < len(codes.levels)]))
        if present <= FEWEST_LEVELS or not 0 < len(names) <= MOST_TARGETS or len(targets) < 2 * FOLDS:
            return None
        counted = present > FEWEST_COUNTED
        values = np.stack(_estimate(codes, targets, np.arange(len(targets)), counted))
        named = (*(f"mean {name}" for name in names), *(["rows"] if counted else []))
        apart = _across_folds(codes, targets, counted, seed, groups)
        scales = tuple(Scale.fit(column, numeric) for column in apart.T)
        return cls(named, tuple(codes.levels), tuple(map(tuple, values.tolist())), scales)

    def encode(self, cells: Cells) -> Floats:
        """Returns the scaled numbers of any rows, `(N, numbers)`."""
        position = {level: index for index, level in enumerate(self.levels)}
        missing, new = len(self.levels), len(self.levels) + 1
        at = np.array([*(position.get(value, new) for value in cells.values), missing])[cells.codes]
        return self._scaled(np.array(self.values)[:, at].T)

    def encode_training(self, cells: Cells, targets: Floats, seed: int, groups: Indices | None = None) -> Floats:
        """Returns the scaled numbers `(N, numbers)` of the training rows, each from the folds without the row."""
        counted = len(self.names) > targets.shape[1]
        return self._scaled(_across_folds(_codes_of(cells), targets, counted, seed, groups))

    def _scaled(self, numbers: Floats) -> Floats:
        columns = [scale.apply(column) for scale, column in zip(self.scales, numbers.T, strict=True)]
        return np.stack(columns, axis=1)

    def to_json(self) -> dict[str, Any]:
        """Returns the values that `from_json` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Returns the numbers that `to_json` described."""
        values = {key: as_tuples(stored[key]) for key in ("names", "levels", "values")}
        scales = ({key: as_tuples(value) for key, value in scale.items()} for scale in stored["scales"])
        return cls(**values, scales=tuple(Scale(**scale) for scale in scales))


def _codes_of(cells: Cells) -> Codes:
    """Returns the levels that these rows have, and the level of each row."""
    used = np.unique(cells.codes[cells.codes >= 0])
    renumbered = np.full(len(cells.values) + 1, len(used))
    renumbered[used] = np.arange(len(used))
    return Codes(renumbered[cells.codes], [cells.values[code] for code in used.tolist()])


def _across_folds(codes: Codes, targets: Floats, counted: bool, seed: int, groups: Indices | None) -> Floats:
    """Returns unscaled numbers `(N, numbers)` of rows, each estimated without the row's own fold."""
    means: Floats | None = None
    if groups is None or not groups.any():
        fold = np.random.default_rng(seed).permutation(len(targets)) % FOLDS
    else:
        fold = assign_folds(len(targets), min(FOLDS, int(groups.max()) + 1), seed=seed, groups=groups)
        # Levels of one group alone have no other rows. The mean outside a fold would tell them the mean inside it.
        means = np.nanmean(targets, axis=0)
    parts = np.empty((len(targets), targets.shape[1] + counted))
    for number in range(int(fold.max()) + 1):
        inside = fold == number
        share = len(targets) / max(1, (~inside).sum())
        estimated = _estimate(codes, targets, np.flatnonzero(~inside), counted, share, means)
        parts[inside] = np.stack(estimated)[:, codes.of_row[inside]].T
    return parts


def _estimate(
    codes: Codes,
    targets: Floats,
    rows: NDArray[np.int64],
    counted: bool,
    share: float = 1.0,
    means: Floats | None = None,
) -> list[Floats]:
    """Returns each number for every level, a missing cell and a new level, estimated from some rows.

    Args:
        codes: the level of every row.
        targets: `(N, K)`.
        rows: positions of the rows that count.
        counted: whether the number of rows is one of the numbers, as `log(1 + n)`.
        share: by which counts are multiplied, because only some of the training rows count.
        means: `(K,)` to which levels are drawn; `None` for those of the rows that count.
    """
    size = len(codes.levels) + 2
    estimates = []
    for at, target in enumerate(targets[rows].T):
        known = ~np.isnan(target)
        code, y = codes.of_row[rows][known], target[known]
        n = np.bincount(code, minlength=size).astype(np.float64)
        total = np.bincount(code, y, minlength=size).astype(np.float64)
        mean = (float(y.mean()) if len(y) else 0.0) if means is None else float(means[at])
        weight = _prior_weight(code, y, n, total)
        estimates.append((total + weight * mean) / (n + weight))
    if counted:
        estimates.append(np.log1p(np.bincount(codes.of_row[rows], minlength=size) * share))
    return estimates


def _prior_weight(code: NDArray[np.int64], y: Floats, n: Floats, total: Floats) -> float:
    """Returns the variance of the target within levels over that between them, from the analysis of variance."""
    filled = n > 0
    levels = int(filled.sum())
    if levels < 2 or len(y) <= levels:
        return STRONGEST
    means = np.divide(total, n, out=np.zeros_like(total), where=filled)
    within = float(((y - means[code]) ** 2).sum()) / (len(y) - levels)
    spread = float((n * (means - y.mean()) ** 2).sum()) / (levels - 1)
    typical = (len(y) - float((n**2).sum()) / len(y)) / (levels - 1)
    between = (spread - within) / typical if typical > 0 else 0.0
    if between <= 0:
        return STRONGEST
    return float(np.clip(within / between, WEAKEST, STRONGEST))
