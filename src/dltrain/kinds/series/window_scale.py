"""Makes any model forecast relative to each window's own last value and spread."""

from __future__ import annotations

from torch import Tensor, nn

LEAST_SPREAD = 0.01  # relative to the training part's, against division by zero in a constant window


class WindowScaled(nn.Module):
    """Gives a model each window minus its last value, divided by its spread, and reverts that on the forecast.

    So a series may leave the range of training (reversible instance normalisation, Kim et al., 2022). The forecast is
    in the scale of the stored windows, so that losses and metrics do not depend on this.

    Args:
        model: from windows `(B, T, C)` to the values of the next steps `(B, H·C)`, step by step, or of several members
            `(B, members, H·C)`.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        names: frozenset[str] = getattr(model, "no_decay", frozenset())
        self.no_decay = frozenset(f"model.{name}" for name in names)

    @property
    def wrapped(self) -> nn.Module:
        """Returns the wrapped model."""
        return self.model

    def forward(self, window: Tensor) -> Tensor:
        last = window[:, -1:]  # (B, 1, C)
        spread = window.std(dim=1, keepdim=True, correction=0) + LEAST_SPREAD
        output = self.model((window - last) / spread)
        if output.dim() == 3:
            spread, last = spread[:, None], last[:, None]
        steps = output.unflatten(-1, (-1, window.shape[2]))  # (B, H, C), or (B, members, H, C)
        return (steps * spread + last).flatten(-2)
