"""What each user has chosen, in order, for models that score items by what a user chose before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn


@runtime_checkable
class ReadsHistories(Protocol):
    """A model that reads what users have chosen."""

    @property
    def histories(self) -> Histories:
        """Returns the training choices."""
        ...

    @property
    def needs_order(self) -> bool:
        """Tells whether it must be known which choices came first."""
        ...


class Histories(nn.Module):
    """Stores the choices of each user, from the first to the last.

    Args:
        users: number of users, with user 0, the unknown one, who has none.
        items: number of items, with item 0, the unknown one, which is in no history.
    """

    items: Tensor  # (N,) user by user
    ends: Tensor  # (users,) of each user's part of them
    keys: Tensor  # (N,) user · number of items + item, in ascending order
    ages: Tensor  # (N,) of each key, how many choices that user made after it

    def __init__(self, users: int, items: int) -> None:
        super().__init__()
        self.count = items
        for name, length in (("items", 0), ("ends", users), ("keys", 0), ("ages", 0)):
            self.register_buffer(name, torch.zeros(length, dtype=torch.int64))

    def store(self, user: Tensor, item: Tensor) -> None:
        """Stores choices `(N,)`, from the first to the last, in place of those before."""
        trained = (user > 0) & (item > 0)
        order = torch.argsort(user[trained], stable=True)
        owner, self.items = user[trained][order], item[trained][order]
        self.ends = torch.bincount(owner, minlength=len(self.ends)).cumsum(0)
        ages = self.ends[owner] - 1 - torch.arange(len(owner))
        self.keys, by_key = (owner * self.count + self.items).sort()
        self.ages = ages[by_key]

    def make_room(self, saved: Mapping[str, Tensor], prefix: str) -> None:
        """Stores zeros in the shapes of saved histories, so that these can be copied.

        Args:
            saved: tensors by their names.
            prefix: of the names of the histories.
        """
        for name, own in list(self.named_buffers()):
            if f"{prefix}.{name}" in saved:
                setattr(self, name, own.new_zeros(saved[f"{prefix}.{name}"].shape))

    def lengths(self, user: Tensor) -> Tensor:
        """Returns how many choices users have, of the shape of `user`."""
        return torch.where(user > 0, self.ends[user] - self.ends[(user - 1).clamp(min=0)], 0)

    def age(self, user: Tensor, item: Tensor) -> Tensor:
        """Returns how many choices a user made after choosing an item; -1 where the user has not chosen it."""
        if not len(self.keys):
            return torch.full_like(item, -1)
        key = user * self.count + item
        at = torch.searchsorted(self.keys, key).clamp(max=len(self.keys) - 1)
        return torch.where(self.keys[at] == key, self.ages[at], -1)

    def latest(self, user: Tensor, length: int, skipped: Tensor) -> Tensor:
        """Returns the latest choices of users, `(B, length)`: the last one at the end, and 0 before the first one.

        Args:
            user: `(B,)`.
            length: how many to return.
            skipped: `(B,)` how many of the last ones to leave out.
        """
        ages = skipped[:, None] + torch.arange(length - 1, -1, -1, device=user.device)
        if not len(self.items):
            return torch.zeros_like(ages)
        at = (self.ends[user][:, None] - 1 - ages).clamp(min=0)
        return torch.where(ages < self.lengths(user)[:, None], self.items[at], 0)
