"""What the curves of a training tell."""

from __future__ import annotations

import numpy as np

from dltrain.experiment.verdict import diagnose


def rows(train: list[float], val: list[float] | None = None) -> list[dict[str, float]]:
    found = [{"train/loss": value} for value in train]
    return [row | {"val/loss": value} for row, value in zip(found, val or [], strict=False)] if val else found


def test_over_fitting_is_told_from_the_curves() -> None:
    down = np.linspace(1, 0.1, 40).tolist()
    up = [*np.linspace(1, 0.5, 10), *np.linspace(0.5, 1.2, 30)]
    (said,) = diagnose(rows(down, up), best_epoch=10, epochs=40)
    assert said.startswith("over-fitting: after epoch 10")
    assert diagnose(rows(down, down[::-1][:0] + down), best_epoch=40, epochs=80) == []


def test_stopping_too_early_is_told() -> None:
    down = np.linspace(1, 0.1, 40).tolist()
    (said,) = diagnose(rows(down, down), best_epoch=40, epochs=40)
    assert "trainer.epochs=80" in said


def test_under_fitting_is_told() -> None:
    flat = np.linspace(0.7, 0.69, 40).tolist()
    assert any(said.startswith("under-fitting") for said in diagnose(rows(flat, flat), best_epoch=3, epochs=40))
    assert diagnose(rows(flat), best_epoch=40, epochs=80, solved=True) == []


def test_a_flat_end_says_nothing() -> None:
    curve = [*np.linspace(1, 0.2, 20), *[0.2] * 40]
    assert diagnose(rows(curve, curve), best_epoch=20, epochs=60) == []
