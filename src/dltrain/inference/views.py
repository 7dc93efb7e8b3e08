"""Test-time augmentation: the mean prediction of a sample seen in several ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from dltrain.inference.load import LoadedModel
from dltrain.types import BatchTransform


class Averaged(nn.Module):
    """A model that sees each sample in several ways, whose outputs are those of an ensemble's members.

    Args:
        model: the model.
        views: change its inputs.
    """

    def __init__(self, model: nn.Module, views: Sequence[BatchTransform]) -> None:
        super().__init__()
        self.model = model
        self.views = tuple(views)

    @property
    def wrapped(self) -> nn.Module:
        """Returns the model."""
        return self.model

    def forward(self, *inputs: Tensor) -> Tensor:
        """Returns the outputs `(B, views, out_features)`; of an ensemble `(B, views · members, out_features)`."""
        outputs = [self.model(*view(inputs)) for view in self.views]
        return torch.cat([output if output.dim() == 3 else output[:, None] for output in outputs], dim=1)


def with_views(model: LoadedModel) -> LoadedModel:
    """Returns the same model, whose predictions are means over the views that its kind of data has of a sample.

    Raises:
        ConfigError: there is only one view of such samples.
    """
    return replace(model, module=Averaged(model.module, model.kind.views(model.facts)).eval())
