"""One model for each fold of the training samples, used together as an ensemble."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from dltrain.types import FrozenTrunk


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
        self.normalises = any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in self.models.modules())

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

    def forward(self, *inputs: Tensor, fold: Tensor | None = None) -> Tensor:
        """Returns `(B, members, out_features)`.

        Args:
            inputs: `(B, ...)` each.
            fold: `(B,)` of each sample, counted from 0; none for samples that no model has learned from.
        """
        if fold is None:
            return self._by_all(inputs).flatten(1, 2)
        if not self.training:
            return self._by_own_fold(inputs, fold).repeat(1, len(self.models), 1)
        others = fold[:, None] != torch.arange(len(self.models), device=fold.device)  # (B, folds)
        outputs = self._by_others(inputs, others) if self.normalises else self._by_all(inputs)
        return outputs[others].unflatten(0, (len(fold), -1)).flatten(1, 2)

    def _by_all(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Returns the outputs `(B, folds, each, out)` of all models."""
        return torch.stack([_with_members(model(*inputs)) for model in self.models], dim=1)

    def _by_others(self, inputs: tuple[Tensor, ...], others: Tensor) -> Tensor:
        """Returns `(B, folds, each, out)` as `_by_all` does, but keeps the samples of its own fold out of each model's
        statistics of a batch; their outputs are 0."""
        outputs = []
        for number, model in enumerate(self.models):
            rows = others[:, number].nonzero().flatten()
            if len(rows) < 2:  # too few for statistics
                rows = torch.arange(len(others), device=others.device)
            output = _with_members(model(*(tensor[rows] for tensor in inputs)))
            empty = output.new_zeros(len(others), *output.shape[1:])
            outputs.append(empty.index_copy(0, rows, output))
        return torch.stack(outputs, dim=1)

    def _by_own_fold(self, inputs: tuple[Tensor, ...], fold: Tensor) -> Tensor:
        """Returns the output `(B, each, out)` of the model that was trained without a sample's fold."""
        parts, order = [], []
        for number, model in enumerate(self.models):
            rows = (fold == number).nonzero().flatten()
            if len(rows):
                parts.append(_with_members(model(*(tensor[rows] for tensor in inputs))))
                order.append(rows)
        return torch.cat(parts)[torch.cat(order).argsort()]


class TrunkEnsemble(FoldEnsemble):
    """Models with a frozen trunk, which is the same for all of them, so that its features are computed once."""

    @property
    def trunk(self) -> nn.Module:
        """Returns the trunk of the models, as in `FrozenTrunk`."""
        return self._first.trunk

    @property
    def is_trunk_fixed(self) -> bool:
        """Tells whether the trunk is frozen in every epoch."""
        return self._first.is_trunk_fixed

    def features(self, *inputs: Tensor) -> Tensor:
        """Returns the outputs of the trunk, `(B, F)`."""
        return self._first.features(*inputs)

    @property
    def _first(self) -> FrozenTrunk:
        first = self.models[0]
        assert isinstance(first, FrozenTrunk)
        return first


def ensemble_of(models: Sequence[nn.Module]) -> FoldEnsemble:
    """Returns the ensemble of a model for each fold."""
    return TrunkEnsemble(models) if isinstance(models[0], FrozenTrunk) else FoldEnsemble(models)


def _with_members(output: Tensor) -> Tensor:
    return output if output.dim() == 3 else output[:, None]
