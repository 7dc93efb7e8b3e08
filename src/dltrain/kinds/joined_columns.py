"""Columns of a table that join images or texts in one model: their encoding, and the model around that of samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dltrain.data.cells import Cells, name_list, nearest, read_cells
from dltrain.data.loader import TensorLoader
from dltrain.data.splits import Indices
from dltrain.errors import DataError
from dltrain.explain.importance import Importance, permutation_importance
from dltrain.kinds.forms import DecimalChoice, Reading, ThousandsChoice, read_written
from dltrain.kinds.labels import TargetReader
from dltrain.kinds.table.columns import Column, infer_columns
from dltrain.kinds.table.encoder import TableEncoder, inputs_by_column
from dltrain.tasks.task import Task
from dltrain.types import Facts, FrozenTrunk, Spec, SplitName

STORED = "table"  # the key of the facts' preprocessing that holds the columns' encoder
FEATURES, WIDTH = 64, 32  # of a sample, and of its columns


@dataclass(frozen=True)
class UsedColumns:
    """The columns that join the samples, before they are encoded.

    Args:
        columns: with their roles.
        cells: by the columns' names.
    """

    columns: Sequence[Column]
    cells: Mapping[str, Cells]

    @classmethod
    def read(
        cls,
        frame: pd.DataFrame,
        names: Sequence[str],
        decimal: DecimalChoice = "auto",
        thousands: ThousandsChoice = "auto",
    ) -> UsedColumns:
        """Returns the columns of a table.

        Args:
            frame: the table.
            names: the columns.
            decimal: the decimal mark of numbers; `auto` decides by the columns.
            thousands: the mark between groups of three digits, `none`, or `auto`.

        Raises:
            DataError: there is no such column, or it holds nothing to learn from.
        """
        for name in names:
            if name not in frame.columns:
                near = nearest(name, frame.columns)
                raise DataError(
                    f"the table has no column {name!r}",
                    where="data.use",
                    fix=f"name some of its columns: {name_list(frame.columns)}",
                    override=f"data.use=[{','.join([*(n for n in names if n != name), near[0]])}]" if near else "",
                )
        cells = {name: read_cells(frame[name]) for name in names}
        reading = Reading.of(cells.values(), decimal, thousands)
        cells = {name: read_written(frame[name], reading, of_column) for name, of_column in cells.items()}
        columns = infer_columns(cells, reading=reading)
        for column in columns:
            if column.role == "dropped":
                others = [name for name in names if name != column.name]
                raise DataError(
                    f"the column {column.name!r} cannot be used: {column.reason}",
                    where="data.use",
                    fix="leave it out",
                    override=f"data.use=[{','.join(others)}]",
                )
        return cls(columns, {column.name: cells[column.name].read_as(column.form) for column in columns})

    def take(self, at: Indices) -> UsedColumns:
        """Returns the rows at these positions."""
        return replace(self, cells={name: cells.take(at) for name, cells in self.cells.items()})

    def encode(
        self, reader: TargetReader, y: NDArray[Any], parts: Mapping[SplitName, Indices], seed: int
    ) -> tuple[TableEncoder, dict[SplitName, NDArray[np.float32]]]:
        """Returns an encoder fitted to the training rows, and the encoded rows `(n, F)` of each split."""
        train = self.take(parts["train"])
        encoder = TableEncoder.fit(train.cells, self.columns, reader, y=y[parts["train"]], seed=seed)
        encoded = encoder.encode_parts(self.cells, parts)
        for at, values in encoder.encode_training(train.cells, y[parts["train"]], seed):
            encoded["train"][:, at] = values
        return encoder, encoded


def encoder_of_columns(facts: Facts) -> TableEncoder | None:
    """Returns the encoder of the columns that join the samples, `None` if none do."""
    stored = facts.preprocessing.get(STORED)
    return None if stored is None else TableEncoder.of(replace(facts, preprocessing=stored))


def importance_beside(
    model: nn.Module, task: Task, facts: Facts, own: str, loader: TensorLoader, seconds: float
) -> tuple[Importance, ...]:
    """Returns the importance of the columns that join the samples, and of the samples' own inputs as one more column;
    nothing if no columns do.

    Args:
        model: trained.
        task: of the model.
        facts: of the data.
        own: a name for the samples' own inputs.
        loader: of the samples, or of the features of a frozen trunk.
        seconds: about how long it may take.
    """
    encoder = encoder_of_columns(facts)
    if encoder is None:
        return ()
    positions = inputs_by_column(replace(facts, preprocessing=facts.preprocessing[STORED]))
    features = loader.inputs[0].shape[1] - len(encoder.features) if len(loader.inputs) == 1 else 0
    if features:
        positions = {name: [features + at for at in inputs] for name, inputs in positions.items()}
        positions[own] = list(range(features))
    found = permutation_importance(
        model,
        task,
        loader.inputs,
        loader.target,
        positions,
        seconds,
        loader.weights,
        others="" if features else own,
        prepare=loader.prepare,
        batch=max(loader.sizes),
    )
    return tuple(found)


class WithColumns(nn.Module):
    """A model of samples such as images, whose features are joined by columns of a table in two more layers.

    Args:
        samples: the model of the samples alone, with `FEATURES` outputs.
        columns: the number of encoded columns.
        out_features: the width of the output.
    """

    def __init__(self, samples: nn.Module, columns: int, out_features: int) -> None:
        super().__init__()
        self.samples = samples
        self.count = columns
        self.columns = nn.Sequential(nn.Linear(columns, WIDTH), nn.ReLU())
        self.head = nn.Sequential(nn.Linear(FEATURES + WIDTH, FEATURES), nn.ReLU(), nn.Linear(FEATURES, out_features))
        self.no_decay = frozenset(f"samples.{name}" for name in getattr(samples, "no_decay", ()))

    @property
    def core(self) -> nn.Module:
        """Returns the model of the samples alone."""
        return self.samples

    def forward(self, *inputs: Tensor) -> Tensor:
        """Returns `(B, out_features)` for a sample's own inputs and, as the last one, its encoded columns `(B, F)`."""
        *own, columns = inputs
        features = torch.relu(self.samples(*own))
        if features.dim() == 3:  # (B, members, FEATURES)
            features = features.mean(dim=1)
        return self.head(torch.cat([features, self.columns(columns)], dim=1))


class TrunkWithColumns(WithColumns):
    """The same around a model of a trunk, as `FrozenTrunk`: its features are the trunk's and the encoded columns."""

    @property
    def trunk(self) -> nn.Module:
        """Returns the trunk."""
        return self._picked.trunk

    @property
    def is_trunk_fixed(self) -> bool:
        """Tells whether the trunk is frozen in every epoch."""
        return self._picked.is_trunk_fixed

    @property
    def _picked(self) -> FrozenTrunk:
        assert isinstance(self.samples, FrozenTrunk)
        return self.samples

    def features(self, *inputs: Tensor) -> Tensor:
        """Returns the outputs of the trunk and the encoded columns, `(B, F + columns)`."""
        *own, columns = inputs
        return torch.cat([self._picked.features(*own), columns], dim=1)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Returns `(B, out_features)` for inputs as in `WithColumns`, or for features alone."""
        if len(inputs) > 1:
            return super().forward(*inputs)
        return super().forward(inputs[0][:, : -self.count], inputs[0][:, -self.count :])


def build_with_columns(build: Callable[[Spec], nn.Module], facts: Facts, spec: Spec) -> nn.Module:
    """Returns the model of a spec, which also takes the columns that join the samples, if any do."""
    encoder = encoder_of_columns(facts)
    if encoder is None:
        return build(spec)
    samples = build(replace(spec, out_features=FEATURES))
    around = TrunkWithColumns if isinstance(samples, FrozenTrunk) else WithColumns
    return around(samples, len(encoder.features), spec.out_features)
