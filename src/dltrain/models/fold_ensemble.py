"""One model for each fold of the training samples, used together as an ensemble."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn


class FoldEnsemble(nn.Module):
    """Models of one architecture, each trained without the samples of one fold.

    Called with the samples' folds, in training it gives each sample to the models of all other folds; in evaluation to
    the model of its own fold alone, which has not learned from it: that is what validation measures. Called without,
    all models predict. A prediction is the mean of the members' predictions.

    Args:
        models: one for each fold, which return `(B, out_features)`, or `(B, members, out_features)`.
    """

    def __init__(self, models: Sequence[nn.Module]) -> None:
        super().__init__()
        self.models = nn.ModuleList(models)
        parts = dict(self.models.named_children())
        self.no_decay = frozenset(
            f"models.{at}.{name}" for at, model in parts.items() for name in getattr(model, "no_decay", ())
        )
        self.rate_scales: Mapping[str, float] = {
            f"models.{at}.{name}": scale
            for at, model in parts.items()
            for name, scale in getattr(model, "rate_scales", {}).items()
        }

    @property
    def members(self) -> int:
        """Returns the number of members of an output; in training the model of a sample's own fold is none."""
        return (len(self.models) - self.training) * (getattr(self.models[0], "members", 0) or 1)

    @property
    def candidates(self) -> Mapping[str, int]:
        """Returns the candidates of which each model is a blend, as in `Auto`; none if the models are no blends."""
        return getattr(self.models[0], "candidates", {})

    def blend(self, votes: Sequence[int] | None) -> None:
        """Sets the votes of all models, as in `Auto`."""
        for model in self.models:
            model.blend(votes)  # type: ignore[operator]

    def forward(self, x: Tensor, fold: Tensor | None = None) -> Tensor:
        """Returns `(B, members, out_features)`.

        Args:
            x: `(B, ...)`.
            fold: `(B,)` of each sample, counted from 0; none for samples that no model has learned from.
        """
        if fold is not None and not self.training:
            outputs = self._by_own_fold(x, fold)
            return outputs.repeat(1, len(self.models), 1)
        outputs = torch.stack([_with_members(model(x)) for model in self.models], dim=1)  # (B, folds, each, out)
        if fold is None:
            return outputs.flatten(1, 2)
        others = fold[:, None] != torch.arange(len(self.models), device=fold.device)
        return outputs[others].unflatten(0, (len(x), -1)).flatten(1, 2)

    def _by_own_fold(self, x: Tensor, fold: Tensor) -> Tensor:
        """Returns the output `(B, each, out)` of the model that was trained without a sample's fold."""
        rows = [(fold == number).nonzero().flatten() for number in range(len(self.models))]
        parts = [_with_members(model(x[at])) for model, at in zip(self.models, rows, strict=True)]
        return torch.cat(parts)[torch.cat(rows).argsort()]


def _with_members(output: Tensor) -> Tensor:
    return output if output.dim() == 3 else output[:, None]
