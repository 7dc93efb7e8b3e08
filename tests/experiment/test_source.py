"""The user's own code that a run consists of."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from sklearn.base import BaseEstimator

from dltrain.experiment.source import code_of
from dltrain.tasks.regression import Regression


def test_own_code_is_recorded_with_what_it_imports_and_other_code_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "steps_of_mine.py").write_text("def halve(x):\n    return x / 2\n")
    (tmp_path / "encoder_of_mine.py").write_text(
        "from steps_of_mine import halve\n\nclass Encoder:\n    step = halve\n\ndef maker(facts):\n    return None\n"
    )
    module = importlib.import_module("encoder_of_mine")
    whole = code_of(module.Encoder())
    assert list(whole) == ["encoder_of_mine", "steps_of_mine"]
    assert code_of(module.maker) == code_of(module.Encoder) == whole
    assert code_of(Regression, BaseEstimator()) == {}
