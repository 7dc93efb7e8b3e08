"""Negatives: random items that are compared with the chosen ones."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dltrain.data.seeding import seeded
from dltrain.data.stored import to_device
from dltrain.kinds.ratings.encoder import PairEncoder
from dltrain.types import Facts


@dataclass(frozen=True)
class Negatives:
    """Draws other items for each chosen one, all equally likely: users `(B,)` and items `(B,)` become users `(B,)` and
    items `(B, 1 + count)`, the chosen one first and only once.

    Items that the user has chosen elsewhere may be among them, which is rare if there are many items.

    Args:
        count: the number of negatives for each chosen item.
        items: the number of items, with item 0, which stands for unknown items and is never drawn.
    """

    count: int
    items: int

    @classmethod
    def of(cls, facts: Facts) -> Negatives | None:
        """Returns the negatives for data with these facts; None if items are not ranked."""
        encoder = PairEncoder.of(facts)
        return cls(encoder.negatives, encoder.sizes[1]) if encoder.ranks_items else None

    def __call__(self, inputs: tuple[Tensor, ...], seed: int, epoch: int, batch: int, /) -> tuple[Tensor, ...]:
        user, item = inputs
        chosen = item[:, None]
        drawn = torch.randint(1, self.items - 1, (len(item), self.count), generator=seeded(seed, epoch, batch))
        drawn = to_device(drawn, item.device)
        return user, torch.cat([chosen, drawn + ((drawn >= chosen) & (chosen > 0))], dim=1)
