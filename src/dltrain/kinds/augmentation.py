"""What every augmentation offers: a random change of training batches, and the kinds of data that it is for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor

from dltrain.types import Data


class Augmentation(ABC):
    """Changes a batch of stored training inputs at random; it is false where it changes nothing.

    What is drawn is a function of seed, epoch and batch alone, and drawn on the CPU, so that it is the same on every
    device and for a run that is resumed in the middle of an epoch.
    """

    takes: ClassVar[tuple[str, ...]]  # kinds of data

    @abstractmethod
    def __bool__(self) -> bool: ...

    @abstractmethod
    def __call__(self, inputs: tuple[Tensor, ...], seed: int, epoch: int, batch: int, /) -> tuple[Tensor, ...]: ...

    def suited_to(self, data: Data) -> Augmentation:
        """Returns the same augmentation without the changes that would harm this data."""
        return self
