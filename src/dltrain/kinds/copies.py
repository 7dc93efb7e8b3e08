"""Findings about samples that are copies of each other: across splits, within training, with different labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dltrain.data.nouns import count, verb
from dltrain.kinds.checks import Finding
from dltrain.kinds.labels import TargetReader
from dltrain.types import SPLITS, Data

NAMED = 5  # samples, or groups of samples, in a finding

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Copies:
    """Groups of samples that are copies of each other, among those of all splits in their order.

    Args:
        data: the samples.
        group: `(N,)` a number for each sample, equal for copies.
        exact: `(N,)` a number for each sample, equal for exact copies.
        noun: one sample in words, such as image.
        changed: how copies differ that are not exact, such as "in another size".
        name: names samples that are copies.
        limits: what the search left out, in words; empty for nothing.
        fix: what to do about copies in two splits.
    """

    data: Data
    group: Rows
    exact: Rows
    noun: str
    changed: str
    name: Callable[[Sequence[int]], str]
    limits: str = ""
    fix: str = "remove the copies from one of the two"

    def find(self) -> Iterator[Finding]:
        """Yields findings about copies with different labels, in two splits, and in training."""
        splits = [self.data.splits[name] for name in SPLITS if name in self.data.splits]
        split_of = np.repeat(np.arange(len(splits)), [len(split) for split in splits])
        groups = _groups(self.group)
        if self.data.facts.classes:
            reader = TargetReader.of(self.data.facts)
            target = np.array([reader.spell(one) for split in splits for one in split.target.numpy()], dtype=object)
            yield from self._conflicts(groups, target)
        yield from self._across(groups, split_of)
        yield from self._within(groups, split_of)

    def _conflicts(self, groups: Sequence[Rows], target: NDArray[np.object_]) -> Iterator[Finding]:
        unlike = [group for group in groups if len(set(target[group].tolist())) > 1]
        if not unlike:
            return
        pairs = []
        for group in unlike:
            _, first = np.unique(target[group], return_index=True)
            pairs.append(" = ".join(f"{self.name([row])} ({target[row]})" for row in group[np.sort(first)].tolist()))
        copies = f"{count(len(unlike), self.noun)} {verb(len(unlike), 'has a copy', 'have copies')}"
        what = f"{copies} with another {self.data.facts.target}: {name_some(pairs)}"
        yield Finding("warning", what, "at most one of these labels is right")

    def _across(self, groups: Sequence[Rows], split_of: Rows) -> Iterator[Finding]:
        """Yields the samples of each held-out split that have a copy in train, or in the split before."""
        names = [name for name in SPLITS if name in self.data.splits]
        for number in range(1, len(names)):
            for earlier in range(number):
                pairs: list[tuple[int, int]] = []
                near = 0
                for group in groups:
                    rows, others = (group[split_of[group] == split] for split in (number, earlier))
                    if len(others):
                        pairs += [(row, int(others[0])) for row in rows.tolist()]
                        near += int((~np.isin(self.exact[rows], self.exact[others])).sum())
                if not pairs:
                    continue
                total = int((split_of == number).sum())
                words = list(map(self.name, pairs[:NAMED])) + [""] * (len(pairs) - NAMED)
                changed = f", {near:,} of them {self.changed}" if near else ""
                some = f"{len(pairs):,} of {count(total, self.noun)} in {names[number]}"
                yield Finding(
                    "warning",
                    f"{some} {verb(len(pairs), 'is', 'are')} also in {names[earlier]}{changed}: {name_some(words)}"
                    f"{self.limits}",
                    f"metrics are too good by {verb(len(pairs), 'it', 'them')}; {self.fix}",
                )

    def _within(self, groups: Sequence[Rows], split_of: Rows) -> Iterator[Finding]:
        """Yields groups of copies among the training samples."""
        own = [members for group in groups if len(members := group[split_of[group] == 0]) > 1]
        if own:
            extra = sum(len(group) - 1 for group in own)
            words = [self.name([*group[:3].tolist()]) + (" = ..." if len(group) > 3 else "") for group in own]
            copies = f"{self.noun} in train is a copy" if extra == 1 else f"{self.noun}s in train are copies"
            what = f"{extra:,} {copies} of others there: {name_some(words)}{self.limits}"
            yield Finding("note", what, "each counts again in training; keep one of each")


def _groups(group: Rows) -> list[Rows]:
    """Returns the samples of each group of more than one."""
    order = np.argsort(group, kind="stable")
    _, starts, sizes = np.unique(group[order], return_index=True, return_counts=True)
    return [order[start : start + size] for start, size in zip(starts, sizes, strict=True) if size > 1]


def name_some(words: Sequence[str]) -> str:
    """Returns the first of some words, and how many more there are."""
    return ", ".join(words[:NAMED]) + (f" and {len(words) - NAMED:,} more" if len(words) > NAMED else "")
