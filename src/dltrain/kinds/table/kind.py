"""The kind of data of tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import nn

from dltrain.data.loader import TensorLoader
from dltrain.data.stand_ins import spell_stand_ins
from dltrain.explain.explanation import Explanation
from dltrain.explain.importance import permutation_importance
from dltrain.explain.projection import project_inputs
from dltrain.kinds import estimators
from dltrain.kinds.checks import Finding, check_balance, check_size
from dltrain.kinds.kind import Kind
from dltrain.kinds.method import Method
from dltrain.kinds.page import KindPage
from dltrain.kinds.table import baselines
from dltrain.kinds.table.checks import check_rows
from dltrain.kinds.table.encoder import TableEncoder, inputs_by_column
from dltrain.kinds.table.raw import RawTable
from dltrain.tasks.task import Task
from dltrain.training.budget import Budget
from dltrain.types import Data, Facts, Split, SplitName


class Table(Kind):
    """Rows of numbers and categories."""

    name: ClassVar[str] = "table"
    default_model: ClassVar[str] = "mlp"
    strongest_model: ClassVar[str] = "auto"
    budget: ClassVar[Budget] = Budget(batches=3_000, fewest=4, batch_sizes=((1_000, 32), (10_000, 64)))

    def encoder(self, facts: Facts) -> TableEncoder:
        return TableEncoder.of(facts)

    def page(self, facts: Facts) -> KindPage:
        from dltrain.kinds.table.page import TablePage

        return TablePage(facts)

    def baselines(self, data: Data, split: SplitName, seconds: float) -> Iterator[Method]:
        if isinstance(data.raw, RawTable):
            return baselines.predictors(data, data.raw, split, seconds)
        return estimators.predictors(data, split, encoded_rows, seconds, boosting=True)

    def part_of(self, data: Data, split: SplitName, chosen: NDArray[np.int64]) -> Data:
        part = super().part_of(data, split, chosen)
        return replace(part, raw=part.raw.part_of(split, chosen)) if isinstance(part.raw, RawTable) else part

    def check(self, data: Data) -> Iterator[Finding]:
        """Yields findings about the raw rows; tables that keep none are checked as any samples are."""
        if not isinstance(data.raw, RawTable):
            yield from super().check(data)
            return
        yield from check_rows(data, data.raw)
        yield from check_balance(data, lambda values: spell_stand_ins({data.facts.target: tuple(values)}))
        yield from check_size(data)

    def explain(self, model: nn.Module, task: Task, facts: Facts, loader: TensorLoader, seconds: float) -> Explanation:
        """Returns the permutation importance of each column, and a projection of the rows to a plane."""
        if len(facts.input_shape) != 1 or loader.prepare is not None:
            return Explanation()
        x = loader.inputs[0][:]
        columns = inputs_by_column(facts)
        shuffled = permutation_importance(model, task, (x,), loader.target, columns, seconds, loader.weights)
        return Explanation(tuple(shuffled), project_inputs(x))


def encoded_rows(split: Split) -> NDArray[np.float32]:
    """Returns the inputs of baselines for a split: the model's inputs, `(N, F)`."""
    (inputs,) = split.tensors
    return np.asarray(inputs.flatten(1).float())
