"""The largest batch that fits, found without a trace."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from dltrain.errors import OutOfMemory
from dltrain.experiment.build import build_task
from dltrain.tasks.losses import MeanSquaredError
from dltrain.training.batch_size import LARGEST_ON_CPU, find_batch_size
from dltrain.types import Facts, Split

CPU = torch.device("cpu")
FACTS = Facts("table", "regression", (2,))


class Full(nn.Linear):
    """Has room for so many samples."""

    def __init__(self, room: int) -> None:
        super().__init__(2, 1)
        self.room = room

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > self.room:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory")
        return super().forward(nn.functional.dropout(x, 0.5, self.training))


def found(room: int, rows: int) -> int:
    split = Split((torch.randn(rows, 2),), torch.randn(rows, 1), ("",) * rows)
    model = Full(room)
    before, random = model.weight.clone(), torch.get_rng_state()
    size = find_batch_size(model, build_task(FACTS, MeanSquaredError(FACTS)), split, None, "float32", CPU)
    assert torch.equal(model.weight, before) and model.weight.grad is None
    assert torch.equal(torch.get_rng_state(), random)
    return size


@pytest.mark.parametrize(
    ("room", "rows", "size"), [(100, 5000, 64), (10**6, 5000, LARGEST_ON_CPU), (10**6, 70, 64), (9, 9, 9)]
)
def test_it_is_the_largest_power_of_two_that_fits(room: int, rows: int, size: int) -> None:
    assert found(room, rows) == size


def test_where_nothing_fits_that_is_said() -> None:
    with pytest.raises(OutOfMemory) as refused:
        found(3, 100)
    assert refused.value.exit_code == 5
