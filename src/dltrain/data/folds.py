"""Divides the samples that are not for testing into folds, for cross-validation or for an ensemble of models.

Without an order in time, each fold is validated by a model of all others. In order of time, a fold is validated by a
model of the samples before it alone, as in use.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dltrain.data.splits import Indices, split_indices
from dltrain.errors import DataError
from dltrain.types import SPLITS, Data, Range, SplitName

if TYPE_CHECKING:
    from torch import Tensor

FoldsOption = Annotated[int, Range(2)] | Literal["auto", "none"] | None
FoldOption = Annotated[int, Range(0)] | None

USUAL, MOST_SAMPLES = (
    5,
    10_000,
)  # the number of folds if it is chosen, and the number of samples from which there are none


class Divided(NamedTuple):
    """Samples that are divided into folds.

    Args:
        parts: the positions of the samples of each split, in ascending order.
        fold: `(N,)` the fold of each sample of the training split, -1 for others; `None` without a model of each fold.
        notes: how they are divided.
    """

    parts: dict[SplitName, Indices]
    fold: Indices | None = None
    notes: tuple[str, ...] = ()

    @property
    def models(self) -> int:
        """Returns the number of models, as `Facts.folds`: one for each fold, or 0 for a single model."""
        return 0 if self.fold is None else int(self.fold.max()) + 1

    def of_split(self, name: SplitName) -> Tensor | None:
        """Returns the fold of each sample of a split, as `Split.fold`."""
        import torch

        return torch.from_numpy(self.fold[self.parts[name]]) if self.fold is not None and name == "train" else None


@dataclass(frozen=True)
class Folds:
    """What a config says of folds.

    Args:
        count: their number; 0 for none.
        fold: the one that is the validation split; `None` for a model of each fold.
        chosen: whether dltrain chose the number.
    """

    count: int = 0
    fold: int | None = None
    chosen: bool = False

    @classmethod
    def read(
        cls,
        folds: int | str | None,
        fold: int | None,
        samples: int,
        *,
        given: Collection[SplitName] = (),
        where: str = "data.val_path",
        ordered: str = "",
        why_single: str = "",
    ) -> Folds:
        """Returns the folds that a config asks for.

        Args:
            folds: of the config: a number, `auto`, `none` or `None`.
            fold: of the config: the fold that is the validation split; `None` for a model of each fold.
            samples: their number.
            given: the splits that have files of their own.
            where: what gives the validation split files of its own.
            ordered: the key that puts the samples in an order of time; empty for none.
            why_single: why there cannot be a model of each fold, as a clause about that model; empty where there can.

        Raises:
            DataError: the keys contradict each other.
        """
        if folds == "auto":
            suits = samples < MOST_SAMPLES and not ordered and not why_single and "val" not in given
            return cls(USUAL, _checked(fold, USUAL), chosen=True) if suits else cls()
        if folds is None or isinstance(folds, str):
            if fold is not None:
                what = f"data.fold={fold} is a fold, and there are no folds"
                raise DataError(what, where="data.fold", fix="say how many there are", override=f"data.folds={USUAL}")
            return cls()
        if "val" in given:
            raise DataError(
                f"data.folds={folds} cannot be used with {where}, because folds divide the validation rows too",
                where="data.folds",
                fix="train without folds",
                override="data.folds=null",
            )
        if fold is None and (ordered or why_single):
            what = (
                f"data.folds={folds} cannot be used with {ordered}, because folds would train on later rows than those "
                "that they predict"
                if ordered
                else f"data.folds={folds} without data.fold trains a model of each fold, {why_single}"
            )
            raise DataError(
                what,
                where="data.folds",
                fix=f"train without folds, or cross-validate: dltrain -m data.folds={folds} 'data.fold=range({folds})'",
                override="data.folds=null",
            )
        return cls(folds, _checked(fold, folds))

    def divide(
        self,
        parts: Mapping[SplitName, Indices],
        *,
        seed: int,
        strata: NDArray[Any] | None = None,
        classes: Sequence[str] = (),
        groups: Indices | None = None,
        times: Indices | None = None,
    ) -> Divided:
        """Divides the training split.

        Args:
            parts: the positions of the samples of each split.
            seed: fixes the folds.
            strata: `(N,)` class indices of all samples; every fold has about the same share of each class.
            classes: their names.
            groups: `(N,)` group of each sample, numbered from 0; those of a group stay together.
            times: `(N,)` numbers in the order of time; a fold is later than all samples that its model is trained on.

        Raises:
            DataError: there are fewer samples or groups than folds, or fewer samples of a class.
        """
        if not self.count:
            return Divided(dict(parts))
        train = parts["train"]
        if strata is not None and groups is None and times is None and self.fold is not None and not self.chosen:
            _check_classes(strata[train], classes, self.count)
        if times is not None:
            of_train = assign_in_order(times[train], self.count)
        else:
            of_train = assign_folds(
                len(train),
                self.count,
                seed=seed,
                strata=None if strata is None else strata[train],
                groups=None if groups is None else np.unique(groups[train], return_inverse=True)[1],
            )
        if self.fold is None:
            of_all = np.full(max(int(part.max(initial=-1)) for part in parts.values()) + 1, -1)
            of_all[train] = of_train
            return Divided(dict(parts), of_all, (_note_models(self.count),))
        trains = of_train < self.fold if times is not None else of_train != self.fold
        divided = {**parts, "train": train[trains], "val": train[of_train == self.fold]}
        note = f"fold {self.fold} of {self.count} is the validation split"
        note += ", and what comes before it trains (data.fold)" if times is not None else " (data.fold)"
        return Divided({name: divided[name] for name in SPLITS if name in divided}, None, (note,))


NO_FOLDS = Folds()


def by_fold(divide: Callable[[int | None], Data], fold: int | None) -> Data:
    """Returns data that is read, divided by a fold; where one validates, the data of other folds can be had from it.

    Args:
        divide: returns the data with a fold as its validation split; it holds what was read.
        fold: the fold; `None` for none, or for a model of each.
    """
    data = divide(fold)
    return data if fold is None else replace(data, with_fold=partial(by_fold, divide))


def split_samples(
    count: int,
    folds: Folds,
    *,
    val_fraction: float,
    test_fraction: float,
    seed: int,
    strata: Indices | None = None,
    classes: Sequence[str] = (),
) -> Divided:
    """Divides samples at random as `split_indices` does, and those that are not for testing into folds.

    Raises:
        DataError: a split would be empty, or there are too few samples for the folds.
    """
    share = 0.0 if folds.count else val_fraction
    parts = split_indices(count, val_fraction=share, test_fraction=test_fraction, seed=seed, strata=strata)
    return folds.divide(parts, seed=seed, strata=strata, classes=classes)


def assign_folds(
    count: int, folds: int, *, seed: int, strata: Indices | None = None, groups: Indices | None = None
) -> Indices:
    """Returns the fold of each sample `(count,)`, numbered from 0, of about equal sizes.

    Args:
        count: number of samples.
        folds: number of folds.
        seed: fixes the division.
        strata: `(count,)` class indices; every fold gets about the same share of each class.
        groups: `(count,)` group of each sample, numbered from 0 without gaps; those of a group stay together.

    Raises:
        DataError: there are fewer samples or groups than folds.
    """
    random = np.random.default_rng([seed, folds])
    units = count if groups is None else int(groups.max(initial=-1)) + 1
    _check_count(units, folds, "samples" if groups is None else "groups")
    order = random.permutation(units)
    if groups is None:
        if strata is not None:
            order = order[np.argsort(strata[order], kind="stable")]
        fold = np.empty(count, dtype=np.int64)
        fold[order] = np.arange(count) % folds
        return fold
    sizes = np.bincount(groups)
    order = order[np.argsort(-sizes[order], kind="stable")]
    of_group, filled = np.empty(units, dtype=np.int64), np.zeros(folds, dtype=np.int64)
    for group in order:
        smallest = int(filled.argmin())
        of_group[group] = smallest
        filled[smallest] += sizes[group]
    return of_group[groups]


def assign_in_order(times: Indices, folds: int) -> Indices:
    """Returns the fold of each sample `(N,)` in the order of time: -1 for the first part, which only trains, and then
    0, 1, ...; as scikit-learn's `TimeSeriesSplit` divides them, but for samples of one time, which stay together.

    Raises:
        DataError: there are too few different times.
    """
    distinct, codes = np.unique(times, return_inverse=True)
    _check_count(len(distinct), folds + 1, "different times")
    size = len(times) // (folds + 1)
    starts = len(times) - size * np.arange(folds, 0, -1)  # in order, of each fold
    until = np.cumsum(np.bincount(codes))  # samples up to each time
    first = np.concatenate([[0], until[:-1]])
    of_time = np.searchsorted(starts, first, side="right") - 1
    if len(np.unique(of_time)) <= folds:
        raise DataError(
            f"too many samples have the same time for {folds} folds",
            where="data.folds",
            fix="use fewer folds, or none",
            override="data.folds=2" if folds > 2 else "data.folds=null",
        )
    return np.asarray(of_time[codes], dtype=np.int64)


def _checked(fold: int | None, folds: int) -> int | None:
    """Returns the fold; refuses one that does not exist."""
    if fold is not None and fold >= folds:
        raise DataError(
            f"there is no fold {fold} of {folds}, since folds are counted from 0",
            where="data.fold",
            fix=f"give a number from 0 to {folds - 1}",
            override=f"data.fold={folds - 1}",
        )
    return fold


def _check_count(units: int, needed: int, noun: str) -> None:
    if units < needed:
        folds = needed - (noun == "different times")
        most = units - (noun == "different times")
        raise DataError(
            f"{units} {noun} are too few for {folds} folds",
            where="data.folds",
            fix="use fewer folds, or none",
            override=f"data.folds={most}" if most > 1 else "data.folds=null",
        )


def _check_classes(strata: Indices, classes: Sequence[str], folds: int) -> None:
    """Refuses more folds than samples of a class: some model would not learn it, or some fold not measure it."""
    counts = np.bincount(strata, minlength=len(classes))
    rarest = int(np.where(counts, counts, len(strata) + 1).argmin())
    fewest = int(counts[rarest])
    if fewest < folds:
        name = classes[rarest] if classes else str(rarest)
        raise DataError(
            f"the class {name} has {fewest} samples besides those for testing, too few for {folds} folds",
            where="data.folds",
            fix="use fewer folds, or give more samples of it"
            if fewest > 1
            else "give more samples of it, or leave it out",
            override=f"data.folds={fewest}" if fewest > 1 else "",
        )


def _note_models(folds: int) -> str:
    return (
        f"{folds} models, each trained without one of {folds} folds of the samples, which validates it; they predict "
        "together (data.folds)"
    )
