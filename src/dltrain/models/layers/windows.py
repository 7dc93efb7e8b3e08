"""What models of series share: the columns of a window apart, and what is given beside them."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from dltrain.types import Spec

USUAL = 24  # steps, the largest number that a default has, which may be beyond a short window


class WindowShape(NamedTuple):
    """The shape of a window.

    Args:
        steps: T, those before the forecast.
        length: all of them, with those of the horizon where something of these is known.
        columns: C, of values.
        beside: K, the channels beside the values.
        horizon: H, the numbers to forecast of each column.
    """

    steps: int
    length: int
    columns: int
    beside: int
    horizon: int

    @classmethod
    def of(cls, spec: Spec) -> WindowShape:
        """Returns the shape of the windows of data with this spec."""
        length, channels = spec.input_shape
        columns = spec.columns or channels
        return cls(spec.steps or length, length, columns, channels - columns, max(1, spec.out_features // columns))

    def values(self, window: Tensor) -> Tensor:
        """Returns the values of windows `(B, L, channels)` before the forecast, each column apart, `(B, C, T)`."""
        return window[:, : self.steps, : self.columns].transpose(1, 2)

    def others(self, window: Tensor) -> Tensor:
        """Returns what is beside the values of windows `(B, L, channels)`, for each column alike, `(B, C, L, K)`."""
        return window[:, None, :, self.columns :].expand(-1, self.columns, -1, -1)

    def for_outputs(self, ahead: Tensor) -> Tensor:
        """Returns what is known of the steps to forecast `(B, C, steps, K)` for each of the H forecast numbers, which
        are several times these steps where quantiles are forecast."""
        return ahead.repeat(1, 1, self.horizon // ahead.shape[2], 1)

    def join(self, forecasts: Tensor) -> Tensor:
        """Returns forecasts of each column `(B, C, H)` step by step, `(B, H·C)`."""
        return forecasts.transpose(1, 2).flatten(1)


def notes_beyond(most: int, **given: int) -> tuple[str, ...]:
    """Returns a note for each number of steps, given by its key, that is larger than the largest with an effect."""
    return tuple(
        f"model.{key} of {value:,} steps does what {most} do, which are all that there are"
        for key, value in given.items()
        if value > max(most, USUAL)
    )
