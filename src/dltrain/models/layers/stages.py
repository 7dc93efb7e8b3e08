"""The stages of a pretrained trunk: which of them are frozen, and how fast the others learn."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Literal

from torch import nn

from dltrain.errors import ConfigError
from dltrain.types import Range

Freeze = Literal["trunk", "none"] | Annotated[int, Range(0)]


class Stages:
    """The stages of a trunk from the input on, of which the first may be frozen.

    Frozen stages stay as they are in training, with the statistics of their batch norms and without their dropout.

    Args:
        trunk: the trunk.
        stages: the name of each stage, and the names of its modules.
        freeze: `trunk` for all stages, `none`, or how many.
        unfreeze_epoch: the number of epochs after which everything is trained; None for never.
        name: of the network.

    Raises:
        ConfigError: there are not so many stages, or none is frozen that could be trained later.
    """

    def __init__(
        self,
        trunk: nn.Module,
        stages: Sequence[tuple[str, Sequence[str]]],
        freeze: Freeze,
        unfreeze_epoch: int | None,
        name: str,
    ) -> None:
        self.trunk = trunk
        self.names = tuple(stage for stage, _ in stages)
        self.modules = tuple(tuple(modules) for _, modules in stages)
        self.unfreeze_epoch = unfreeze_epoch
        if isinstance(freeze, int) and freeze > len(stages):
            raise ConfigError(
                f"{name} has {len(stages)} stages",
                where="model.freeze",
                fix="give fewer, or freeze them all",
                override="model.freeze=trunk",
            )
        self.frozen = {"trunk": len(stages), "none": 0}[freeze] if isinstance(freeze, str) else freeze
        if unfreeze_epoch is not None and not self.frozen:
            raise ConfigError(
                "nothing is frozen that could be trained later",
                where="model.unfreeze_epoch",
                fix="freeze the trunk first",
                override="model.freeze=trunk",
            )
        self.freeze(self.frozen)

    @property
    def are_fixed(self) -> bool:
        """Tells whether all stages are frozen, in every epoch."""
        return self.frozen == len(self.modules) and self.unfreeze_epoch is None

    def freeze_for(self, epoch: int) -> None:
        """Freezes the stages that an epoch, counted from 0, does not train, and unfreezes the others."""
        if self.unfreeze_epoch is not None:
            self.freeze(self.frozen if epoch < self.unfreeze_epoch else 0)

    def freeze(self, count: int) -> None:
        """Freezes so many stages from the input on; with at least one, also what belongs to none."""
        self.frozen_now = count
        trained = [name for modules in self.modules[count:] for name in modules]
        for name, parameter in self.trunk.named_parameters():
            parameter.requires_grad_(count == 0 or _is_in(name, trained))

    def set_mode(self) -> None:
        """Sets frozen stages to evaluation mode."""
        if self.frozen_now == len(self.modules):
            self.trunk.eval()
        for modules in self.modules[: self.frozen_now]:
            for name in modules:
                self.trunk.get_submodule(name).eval()

    def rate_scales(self, decay: float, last: float = 1.0) -> Mapping[str, float]:
        """Returns the learning rate of each parameter of the trunk as a share of the head's.

        Args:
            decay: the rate of a stage as a share of that of the next one, the last of which is the head.
            last: a factor of all of them.
        """
        lowest = last * decay ** len(self.modules)
        scales = {name: lowest for name, _ in self.trunk.named_parameters()}  # such as position embeddings
        for number, modules in enumerate(self.modules):
            scale = last * decay ** (len(self.modules) - number)
            scales |= {name: scale for name in scales if _is_in(name, modules)}
        return scales

    def describe(self) -> str:
        """Returns in words which stages are trained, and when."""
        frozen, trained = self.names[: self.frozen], self.names[self.frozen :]
        first = "" if self.unfreeze_epoch is None else f"in the first {self.unfreeze_epoch} epochs "
        then = "" if self.unfreeze_epoch is None else ", and then everything"
        if not frozen:
            return f"trains all {len(trained)} stages ({', '.join(trained)}) and the head"
        if not trained:
            return f"{first}trains the head alone{then}; the {len(frozen)} stages of the trunk are frozen"
        return f"{first}trains {', '.join(trained)} and the head{then}; frozen: {', '.join(frozen)}"


def _is_in(name: str, modules: Collection[str]) -> bool:
    return any(name.startswith(f"{module}.") for module in modules)
