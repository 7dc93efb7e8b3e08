"""Checks a data set before training, and reports findings that call for action.

Each kind of data chooses the checks that apply to it.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dltrain.data.cells import MISSING, name_list
from dltrain.data.nouns import count
from dltrain.tasks.registry import task_class
from dltrain.types import Data, Split, SplitName

FEW_SAMPLES = 50
IMBALANCE = 3.0
MOST_CONFLICTS = 0.01  # groups of equal samples with different targets, as a share of the samples

NO_LABEL = MISSING - {"none"} | {"<na>", "unknown", "unlabelled", "unlabeled", "not labelled", "no label"}
Severity = Literal["warning", "note"]


@dataclass(frozen=True)
class Finding:
    """A finding about the data.

    Args:
        severity: `warning` if results may be misleading, `note` if something could be improved.
        what: the finding, with its numbers.
        fix: what to do about it.
    """

    severity: Severity
    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.what}; {self.fix}"


def check_repeats(data: Data, severity: Severity = "note") -> Iterator[Finding]:
    """Yields samples that are in two splits, and equal samples with different targets.

    Args:
        data: the data.
        severity: of samples in two splits, because rows of a short table are often equal by chance.
    """
    keys = {name: _keys(split) for name, split in data.splits.items()}
    held_out = [name for name in data.splits if name != "train"]
    shared: dict[SplitName, int] = {
        name: sum(key in keys["train"] for key in _each(data.splits[name])) for name in held_out
    }
    yield from find_shared(data, shared, severity, "metrics may be too good; remove them if they are copies")
    if data.facts.classes:
        yield from find_conflicts(data, sum(len(targets) > 1 for targets in keys["train"].values()))


def find_shared(data: Data, shared: Mapping[SplitName, int], severity: Severity, fix: str) -> Iterator[Finding]:
    """Yields how many samples of each held-out split have the same inputs as one in train, if any have."""
    if any(shared.values()):
        counts = " and ".join(f"{count} of {len(data.splits[name])} in {name}" for name, count in shared.items())
        yield Finding(severity, f"samples with the same inputs as one in train: {counts}", fix)


def find_conflicts(data: Data, groups: int) -> Iterator[Finding]:
    """Yields how many groups of equal training samples have different targets, if they are many."""
    if groups > MOST_CONFLICTS * len(data.splits["train"]):
        yield Finding(
            "note",
            f"{groups} groups of equal samples in train have different {data.facts.target}",
            "no model can distinguish them; another column might",
        )


def check_balance(data: Data, without_label: Callable[[Sequence[str]], str] | None = None) -> Iterator[Finding]:
    """Yields classes that are rare, missing in a split, or called as if they were none.

    Args:
        data: the data.
        without_label: returns the argument by which samples of these classes are left out, if there is one.
    """
    counts = dict(zip(data.facts.classes, data.facts.class_counts, strict=False))
    if not counts:
        return
    rarest, commonest = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    if not task_class(data.facts.task).unbalanced and counts[commonest] > IMBALANCE * max(1, counts[rarest]):
        yield Finding(
            "note",
            f"{commonest} has {counts[commonest]:,} training samples and {rarest} {counts[rarest]:,}",
            "if the rare ones matter, look at f1 and try trainer.balance=resample",
        )
    for name, split in data.splits.items():
        present = set(split.target.flatten().tolist())
        absent = [label for index, label in enumerate(counts) if index not in present]
        if absent and name != "train":
            named = ", ".join(absent[:5]) + (" ..." if absent[5:] else "")
            yield Finding("note", f"classes without a sample in the {name} split: {named}", "give more samples of them")
    gaps = [name for name in counts if name.casefold() in NO_LABEL]
    if gaps and len(gaps) + 1 < len(counts):  # + and - are two classes
        count = sum(counts[name] for name in gaps)
        what = f"{name_list(gaps, 5)} {'are classes' if gaps[1:] else 'is a class'} of {count:,} training samples"
        way = (
            "leave them out, or empty their cells"
            if without_label is None
            else f"say so: {shlex.quote(without_label(gaps))}"
        )
        yield Finding("warning", what, f"if these have no label, {way}")
    once = [name for name, count in counts.items() if count <= 1]
    if once:
        named = ", ".join(once[:5]) + (" ..." if once[5:] else "")
        yield Finding(
            "warning", f"classes with a single training sample: {named}", "give more samples, or merge classes"
        )


def check_size(data: Data) -> Iterator[Finding]:
    """Yields splits with few samples."""
    for name, split in data.splits.items():
        if len(split) < FEW_SAMPLES and name != "val":
            effect = "its metrics are uncertain"
            if name == "train":
                effect = "hardly enough for training"
            elif data.facts.classes:
                effect = f"one more error changes accuracy by {100 / len(split):.1f} points"
            yield Finding(
                "note", f"the {name} split has only {count(len(split), 'sample')}: {effect}", "give more data"
            )


def _keys(split: Split) -> Mapping[bytes, set[float]]:
    """Returns the targets of every distinct sample."""
    targets_of: dict[bytes, set[float]] = {}
    targets = split.target.flatten().tolist() if split.target.shape[1:] in ((), (1,)) else [0.0] * len(split)
    for key, target in zip(_each(split), targets, strict=True):
        targets_of.setdefault(key, set()).add(target)
    return targets_of


def _each(split: Split) -> Iterator[bytes]:
    """Yields a digest of each sample's inputs."""
    rows: list[NDArray[np.generic]] = [
        np.ascontiguousarray(tensor.reshape(len(split), -1).numpy()) for tensor in split.tensors
    ]
    for index in range(len(split)):
        yield hashlib.blake2b(b"".join(row[index].tobytes() for row in rows), digest_size=16).digest()
