"""The base class of augmentations: random changes of training batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor

from dltrain.types import Data, MixTransform


class Augmentation(ABC):
    """Changes a batch of stored training inputs at random; false if it changes nothing.

    The random numbers depend on seed, epoch and batch alone and are drawn on the CPU, so that they are the same on
    every device and in a run that is resumed in the middle of an epoch.
    """

    takes: ClassVar[tuple[str, ...]]  # the kinds of data that it is for

    @abstractmethod
    def __bool__(self) -> bool: ...

    @abstractmethod
    def __call__(self, inputs: tuple[Tensor, ...], seed: int, epoch: int, batch: int, /) -> tuple[Tensor, ...]: ...

    @property
    def mix(self) -> MixTransform | None:
        """Returns what mixes the changed samples of a batch, None for nothing."""
        return None

    def suited_to(self, data: Data) -> Augmentation:
        """Returns the same augmentation without the changes that would harm this data."""
        return self
