"""Windows and horizons that would not fit into the memory are refused with a command that works."""

from __future__ import annotations

import pytest

from dltrain.errors import ConfigError
from dltrain.kinds.series import encoder
from dltrain.kinds.series.load import series


@pytest.mark.parametrize(
    ("steps", "what"),
    [
        ({"window": 8_000, "horizon": 1}, r"[\d,]+ windows of 8,000 steps need at least"),
        ({"window": 10, "horizon": 4_000}, r"[\d,]+ forecasts of 4,000 steps need at least"),
    ],
)
def test_windows_beyond_the_memory_are_refused(
    steps: dict[str, int], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder, "free_memory", lambda: 2**28)
    with pytest.raises(ConfigError, match=what) as refused:
        series(rows=40_000, **steps)
    key, _, value = refused.value.override.partition("=")
    assert refused.value.where == key
    assert series(rows=40_000, **steps | {key.removeprefix("data."): int(value)}).splits["train"].tensors[0].numel()
