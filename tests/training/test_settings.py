from __future__ import annotations

import pytest

from dltrain.training.settings import TrainerSettings
from dltrain.types import Kind


@pytest.mark.parametrize(
    ("count", "epochs"), [(1, 60), (300, 60), (3000, 60), (6000, 30), (30_000, 6), (60_000, 6), (10**7, 6)]
)
def test_the_number_of_epochs_follows_from_the_number_of_samples(count: int, epochs: int) -> None:
    assert TrainerSettings(epochs=None).settled(count).last_epoch == epochs
    assert TrainerSettings(epochs=7).settled(count).last_epoch == 7


@pytest.mark.parametrize(
    ("count", "kind", "size"),
    [(999, "image", 32), (1000, "image", 64), (5000, "image", 128), (999, "table", 32), (5000, "table", 256)],
)
def test_the_batch_size_follows_from_number_and_kind(count: int, kind: Kind, size: int) -> None:
    assert TrainerSettings().batch_size_for(count, kind) == size
    assert TrainerSettings(batch_size="full").batch_size_for(count, kind) == count
    assert TrainerSettings(batch_size=5).batch_size_for(count, kind) == 5
