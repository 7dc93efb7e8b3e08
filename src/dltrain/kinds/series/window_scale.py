"""Makes any model forecast relative to each window's own last value and spread, and tells it which series it reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dltrain.models.ridge import solved_parts

LEAST_SPREAD = 0.01  # relative to the training part's, against division by zero in a constant window


class Seen(NamedTuple):
    """Windows as the model sees them.

    Args:
        x: `(B, L, channels)`.
        last: `(B, 1, C)` added to its output.
        spread: `(B, 1, C)` by which that is multiplied before.
        after: `(B, H, C)` the effects of what is known ahead, added as well; None for none.
    """

    x: Tensor
    last: Tensor
    spread: Tensor
    after: Tensor | None


class WindowScaled(nn.Module):
    """Gives a model each window minus its last value, divided by its spread, and reverts that on the forecast.

    So a series may leave the range of training (reversible instance normalisation, Kim et al., 2022). The forecast is
    in the scale of the stored windows, so that losses and metrics do not depend on this.

    Where something is known ahead, a linear map of it, the same at every step, is taken from the window's values before
    that and added to the forecast: so what a promotion adds need not be learned again for each step of a window, which
    the model sees without promotions.

    Of several series, a learned vector of each, and of each of its static cells, is added to every step; for a series
    that training did not have, it is the mean of all. The series' scale follows the forecast, `(B, H·C + 5·C)`.

    Args:
        model: from windows `(B, T, C)` to the values of the next steps `(B, H·C)`, step by step, or of several members
            `(B, members, H·C)`.
        steps: T, where the horizon follows in a window; None where the window is the whole input.
        columns: C, where other channels follow the values; None where there are none.
        effects: `(K, C)` by how much the last channels, which are known ahead, change the values at first; None for no
            such channels.
        divide: whether windows are divided by their spread; what a promotion adds does not depend on it.
        levels: how many series there are, and how many values each of their static columns has; empty for one series.
        width: of the vectors.
    """

    def __init__(
        self,
        model: nn.Module,
        steps: int | None = None,
        columns: int | None = None,
        effects: Tensor | None = None,
        divide: bool = True,
        levels: Sequence[int] = (),
        width: int = 0,
    ) -> None:
        super().__init__()
        self.model = model
        self.steps, self.columns, self.divide = steps, columns, divide
        self.effects: Tensor | None
        trained = not solved_parts(model)  # which were solved with these effects
        if effects is not None and trained:
            self.effects = nn.Parameter(effects.clone())
        else:
            self.register_buffer("effects", None if effects is None else effects.clone())
        self.embeddings = nn.ModuleList(nn.Embedding(count, width) for count in levels)
        names: frozenset[str] = getattr(model, "no_decay", frozenset())
        own = {f"embeddings.{number}.weight" for number in range(len(levels))} | (
            {"effects"} if effects is not None and trained else set()
        )
        self.no_decay = frozenset({f"model.{name}" for name in names} | own)
        for embedding in self.embeddings:
            nn.init.normal_(embedding.weight, std=0.1)  # type: ignore[arg-type]

    @property
    def candidates(self) -> Mapping[str, int]:
        """Returns the candidates of which the model is a blend, as in `Auto`; none if it is no blend."""
        return getattr(self.model, "candidates", {})

    def blend(self, votes: Sequence[int] | None) -> None:
        """Sets the votes of the model, as in `Auto`."""
        self.model.blend(votes)  # type: ignore[operator]

    @property
    def wrapped(self) -> nn.Module:
        """Returns the wrapped model."""
        return self.model

    def seen(self, window: Tensor, codes: Tensor | None = None) -> Seen:
        """Returns windows `(B, T, C)` as the model sees them, and what makes its output a forecast."""
        values = window[:, : self.steps, : self.columns]
        after: Tensor | None = None
        if self.effects is not None:
            effects = window[:, :, -len(self.effects) :] @ self.effects  # (B, T + H, C)
            values, after = values - effects[:, : self.steps], effects[:, self.steps :]
        last = values[:, -1:]  # (B, 1, C)
        spread = values.std(dim=1, keepdim=True, correction=0) + LEAST_SPREAD if self.divide else torch.ones_like(last)
        x = (values - last) / spread
        if self.steps is not None:
            x = torch.cat([x, window[:, self.steps :, : self.columns]], dim=1)
        if self.columns is not None:
            x = torch.cat([x, self._beside(window)], dim=2)
        if codes is not None:
            x = torch.cat([x, self._vectors(codes)[:, None].expand(-1, x.shape[1], -1)], dim=2)
        return Seen(x, last, spread, after)

    def forward(self, window: Tensor, codes: Tensor | None = None, scale: Tensor | None = None) -> Tensor:
        x, last, spread, after = self.seen(window, codes)
        output = self.model(x)
        if output.dim() == 3:
            spread, last = spread[:, None], last[:, None]
        forecast = output.unflatten(-1, (-1, last.shape[-1])) * spread + last  # (B, H, C), or (B, members, H, C)
        if after is not None:
            after = after.repeat(1, forecast.shape[-2] // after.shape[1], 1)  # of the median and of other quantiles
            forecast = forecast + (after if output.dim() == 2 else after[:, None])
        forecast = forecast.flatten(-2)
        if scale is None:
            return forecast
        scale = scale.to(forecast.dtype)
        return torch.cat([forecast, scale if output.dim() == 2 else scale[:, None].expand(-1, output.shape[1], -1)], -1)

    def _beside(self, window: Tensor) -> Tensor:
        """Returns the channels beside the values; what is known ahead only of the steps to forecast, since its effect
        on the window's values has been taken from them."""
        beside = window[:, :, self.columns :]
        if self.effects is None:
            return beside
        observed = beside.shape[2] - len(self.effects)
        past = torch.cat(
            [beside[:, : self.steps, :observed], torch.zeros_like(beside[:, : self.steps, observed:])], dim=2
        )
        return torch.cat([past, beside[:, self.steps :]], dim=1)

    def _vectors(self, codes: Tensor) -> Tensor:
        """Returns the sum of the vectors of a series and its static cells, `(B, width)`."""
        total = torch.zeros((), device=codes.device)
        for code, embedding in zip(codes.unbind(1), self.embeddings, strict=True):
            vectors: Tensor = embedding.weight  # type: ignore[assignment]
            total = total + torch.where((code >= 0)[:, None], vectors[code.clamp(min=0)], vectors.mean(dim=0))
        return total
