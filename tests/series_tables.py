"""Tables of series for tests, and what is read from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dltrain.kinds.series.encoder import WindowEncoder
from dltrain.kinds.series.load import series
from dltrain.types import Data


def wave(count: int, period: int = 7, seed: int = 0) -> np.ndarray:
    """A season with noise, above zero."""
    noise = np.random.default_rng(seed).normal(0, 1, count)
    return (50 + 10 * np.sin(2 * np.pi * np.arange(count) / period) + noise).round(3)


def load(frame: pd.DataFrame | str, folder: Path, **options: Any) -> Data:
    """Loads a table, or the text of a file."""
    path = folder / "s.csv"
    path.write_text(frame if isinstance(frame, str) else frame.to_csv(index=False), encoding="utf-8")
    return series(path=str(path), **options)


def encoder_of(data: Data) -> WindowEncoder:
    """The encoder of a data set."""
    return WindowEncoder.of(data.facts)


def next_times(data: Data, count: int = 1) -> list[str]:
    """The times after the end of the first series."""
    encoder = encoder_of(data)
    ended = encoder.states[0].as_series(encoder.names)
    return [ended.spell(len(ended) + step) for step in range(count)]


def days(start: str, count: int, spelling: str = "%Y-%m-%d", freq: str = "D") -> list[str]:
    """Times in a spelling."""
    return pd.date_range(start, periods=count, freq=freq).strftime(spelling).tolist()
