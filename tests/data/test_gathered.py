"""Inputs that come part by part: the same rows from memory and from a temporary file."""

from __future__ import annotations

import errno
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from dltrain.data.gathered import Gathered
from dltrain.errors import StorageError
from dltrain.types import OnDemand, Split, Stored


def gather(parts: list[Tensor], most: int) -> Stored:
    gathered = Gathered(most)
    for part in parts:
        gathered.add(part)
    return gathered.finish()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.int64])
def test_rows_in_a_file_are_those_in_memory(dtype: torch.dtype) -> None:
    parts = [(torch.arange(size * 6).reshape(size, 2, 3) + size).to(dtype) for size in (5, 1, 4)]
    whole, read = gather(parts, 1 << 20), gather(parts, parts[0].nbytes + 1)
    assert isinstance(whole, Tensor)
    assert isinstance(read, OnDemand)
    assert (read.shape, read.dtype, read.nbytes, len(read)) == (whole.shape, whole.dtype, whole.nbytes, len(whole))
    for rows in (slice(None), slice(2, 7), torch.tensor([9, 0, 3]), torch.zeros(10).bool()):
        assert torch.equal(read[rows], whole[rows])
    assert [part.tolist() for part in read.split(3)] == [part.tolist() for part in whole.split(3)]
    assert torch.equal(read.subset([7, 2, 5])[torch.tensor([2, 0])], whole[[5, 7]])


def test_some_samples_of_a_split_stay_unread() -> None:
    read = gather([torch.arange(20.0).reshape(10, 2)], 0)
    split = Split((read,), torch.arange(10), tuple(map(str, range(10))))
    (chosen,) = split.of(torch.tensor([1, 8]).numpy()).inputs
    assert isinstance(chosen, OnDemand)
    assert chosen[:].tolist() == [[2, 3], [16, 17]]


def test_a_disk_without_room_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(**_: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(StorageError, match=r"more than a third of the free memory.*No space left") as caught:
        gather([torch.ones(4, 4)], 0)
    assert "TMPDIR" in caught.value.fix
