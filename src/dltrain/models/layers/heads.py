"""The heads of an attention, which share its width."""

from __future__ import annotations

from dltrain.errors import ConfigError


def check_heads(width: int, heads: int) -> None:
    """Makes sure that the width of an attention can be divided among its heads.

    Raises:
        ConfigError: it cannot.
    """
    if width % heads:
        near = max(1, round(width / heads)) * heads
        raise ConfigError(
            f"a width of {width} cannot be divided into {heads} heads",
            where="model.width",
            fix=f"choose a multiple of {heads}",
            override=f"model.width={near}",
        )
