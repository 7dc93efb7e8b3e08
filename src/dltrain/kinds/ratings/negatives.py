"""Items that nobody chose, to hold the chosen ones against."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dltrain.data.seeding import seeded
from dltrain.kinds.ratings.encoder import PairEncoder
from dltrain.types import Facts


@dataclass(frozen=True)
class Negatives:
    """Draws other items beside each chosen one, all alike likely: users `(B,)` and items `(B,)` become users `(B,)` and
    items `(B, 1 + count)`, the chosen one first and not again.

    One that the user has chosen elsewhere may be among them; where there are many items that is rare.

    Args:
        count: drawn beside each.
        items: how many there are, with item 0, which is none and is never drawn.
    """

    count: int
    items: int

    @classmethod
    def of(cls, facts: Facts) -> Negatives | None:
        """Returns what the facts ask for; nothing where items are not put in order."""
        encoder = PairEncoder.of(facts)
        return cls(encoder.negatives, encoder.sizes[1]) if encoder.ranks_items else None

    def __call__(self, inputs: tuple[Tensor, ...], seed: int, epoch: int, batch: int, /) -> tuple[Tensor, ...]:
        user, item = inputs
        chosen = item[:, None]
        drawn = torch.randint(1, self.items - 1, (len(item), self.count), generator=seeded(seed, epoch, batch))
        drawn = drawn.to(item.device)
        return user, torch.cat([chosen, drawn + ((drawn >= chosen) & (chosen > 0))], dim=1)
