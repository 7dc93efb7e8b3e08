"""Columns of a table that join the images in one model: their encoding, and the model around a model of images."""

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
from dltrain.data.splits import Indices
from dltrain.errors import DataError
from dltrain.kinds.forms import Reading, read_written
from dltrain.kinds.labels import TargetReader
from dltrain.kinds.table.columns import Column, infer_columns
from dltrain.kinds.table.encoder import TableEncoder
from dltrain.types import Facts, Spec, SplitName

STORED = "table"  # the key of the facts' preprocessing that holds the columns' encoder
FEATURES, WIDTH = 64, 32  # of an image, and of its columns


@dataclass(frozen=True)
class UsedColumns:
    """The columns that join the images, before they are encoded.

    Args:
        columns: with their roles.
        cells: by the columns' names.
    """

    columns: Sequence[Column]
    cells: Mapping[str, Cells]

    @classmethod
    def read(cls, frame: pd.DataFrame, names: Sequence[str]) -> UsedColumns:
        """Returns the columns of a table.

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
        reading = Reading.of(cells.values())
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
    """Returns the encoder of the columns that join the images, `None` if none do."""
    stored = facts.preprocessing.get(STORED)
    return None if stored is None else TableEncoder.of(replace(facts, preprocessing=stored))


class WithColumns(nn.Module):
    """A model of images whose features are joined by columns of a table, in two more layers.

    Args:
        images: the model of images, with `FEATURES` outputs.
        columns: the number of encoded columns.
        out_features: the width of the output.
    """

    def __init__(self, images: nn.Module, columns: int, out_features: int) -> None:
        super().__init__()
        self.images = images
        self.columns = nn.Sequential(nn.Linear(columns, WIDTH), nn.ReLU())
        self.head = nn.Sequential(nn.Linear(FEATURES + WIDTH, FEATURES), nn.ReLU(), nn.Linear(FEATURES, out_features))

    @property
    def core(self) -> nn.Module:
        """Returns the model of images."""
        return self.images

    def forward(self, images: Tensor, columns: Tensor) -> Tensor:
        features = torch.relu(self.images(images))
        return self.head(torch.cat([features, self.columns(columns)], dim=1))


def build_with_columns(build: Callable[[Spec], nn.Module], facts: Facts, spec: Spec) -> nn.Module:
    """Returns the model of a spec, which also takes the columns that join the images, if any do."""
    encoder = encoder_of_columns(facts)
    if encoder is None:
        return build(spec)
    images = build(replace(spec, out_features=FEATURES))
    return WithColumns(images, len(encoder.features), spec.out_features)
