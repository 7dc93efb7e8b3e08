from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dltrain.config.validation import check_call, described, matches, nearest
from dltrain.models.cnn import CNN
from dltrain.types import Range


def sample(
    spec: object,
    *,
    count: Annotated[int, Range(1)] = 3,
    layers: Annotated[int, Range(1, 1000)] | None = None,
    rate: Annotated[float, Range(0, 1, open_low=True)] = 0.5,
    kind: Literal["relu", "tanh"] = "relu",
    widths: Sequence[Annotated[int, Range(1)]] = (8, 4),
    path: str | None = None,
    flag: bool = False,
) -> None: ...


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("count", 1),
        ("rate", 1),
        ("rate", 0.5),
        ("kind", "tanh"),
        ("widths", []),
        ("widths", [1, 2]),
        ("path", None),
        ("path", "x"),
        ("flag", True),
    ],
)
def test_values_of_the_annotated_type_pass(name: str, value: object) -> None:
    assert check_call(sample, {name: value}, "model", supplied=1) == []


@pytest.mark.parametrize(
    ("name", "value", "same"),
    [
        ("count", 0, ""),
        ("count", 2**63, ""),
        ("rate", 10**400, ""),
        ("count", 1.5, ""),
        ("count", "3", "3"),
        ("count", 3.0, "3"),
        ("count", "3.0", "3"),
        ("count", "1e3", "1000"),
        ("count", True, ""),
        ("count", None, ""),
        ("rate", 0, ""),
        ("rate", 1.01, ""),
        ("rate", "0.25", "0.25"),
        ("rate", float("nan"), ""),
        ("kind", "rleu", "relu"),
        ("kind", "ReLU", "relu"),
        ("kind", "Tanh", "tanh"),
        ("kind", "swish", ""),
        ("kind", 1, ""),
        ("widths", 3, "[3]"),
        ("widths", [0], ""),
        ("widths", [8.0, 1e9], "[8,1000000000]"),
        ("widths", [8.0, 0.5], ""),
        ("layers", 0, ""),
        ("layers", 1e3, "1000"),
        ("widths", "ab", ""),
        ("path", 1, ""),
        ("flag", 1, ""),
    ],
)
def test_other_values_are_refused_and_replaced_by_nothing_but_the_same(name: str, value: object, same: str) -> None:
    (error,) = check_call(sample, {name: value}, "model", supplied=1)
    assert error.where == f"model.{name}"
    assert error.override == (f"model.{name}={same}" if same else "")


def test_a_number_above_its_range_is_replaced_by_the_default() -> None:
    for value in (65, 10**12, 1e12):
        (error,) = check_call(CNN, {"convolutions": value}, "model", supplied=1)
        assert error.override == "model.convolutions=1"
        (error,) = check_call(CNN, {"members": value}, "model", supplied=1)
        assert error.override == "model.members=null"


def test_a_percentage_is_refused_as_a_share() -> None:
    (error,) = check_call(sample, {"rate": 50}, "model", supplied=1)
    assert (error.override, "as a share and not in percent" in error.fix) == ("", True)


def test_every_error_is_found_at_once() -> None:
    errors = check_call(sample, {"count": 0, "kind": "x", "cuont": 1}, "model", supplied=1)
    assert sorted(error.where for error in errors) == ["model.count", "model.cuont", "model.kind"]


def test_an_unknown_key_is_answered_with_the_nearest() -> None:
    (error,) = check_call(sample, {"widhts": [1]}, "model", supplied=1)
    assert (error.override, error.replaces) == ("model.widths", "model.widhts")


def test_a_missing_value_is_named() -> None:
    def needs(*, path: str) -> None: ...

    (error,) = check_call(needs, {}, "data", supplied=0)
    assert error.where == "data.path"


def test_torch_optimizers_refuse_what_no_training_survives() -> None:
    for lr in (-1, 1e300, float("nan"), float("inf"), "fast"):
        (error,) = check_call(torch.optim.SGD, {"lr": lr}, "optimizer", supplied=1)
        assert error.where == "optimizer.lr"
    assert check_call(torch.optim.AdamW, {"lr": 1, "betas": [0.9, 0.99], "fused": None}, "optimizer", supplied=1) == []


def test_ranges_are_put_into_words() -> None:
    assert described(Annotated[float, Range(0, 1, open_low=True)]) == "a finite number, above 0 and at most 1"
    assert described(int | None) == "a whole number or null"
    assert described(Annotated[int, Range(1)] | None) == "a whole number, at least 1, or null"
    assert matches([0.9, 0.999], tuple[float, float])
    assert not matches([0.9], tuple[float, float])


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("epochs", "trainer.epochs"),
        ("optimizer.lrr", "optimizer.lr"),
        ("lr", "optimizer.lr"),
        ("modle", "model"),
        ("trainer.epoch", "trainer.epochs"),
        ("zzzzzz", ""),
        ("trainer.patch", ""),
        ("data.path2", ""),  # a digit is no typing error
    ],
)
def test_the_nearest_word_is_the_one_that_was_meant(word: str, expected: str) -> None:
    assert nearest(word, ["model", "trainer.epochs", "trainer.patience", "optimizer.lr", "data.path"]) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(["count", "rate", "kind", "widths", "path", "flag", "cuont"]), JSON))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_values_are_called_with_or_refused_key_by_key(values: dict[str, object]) -> None:
    errors = check_call(sample, {"spec": None} | values, "here", supplied=0)
    refused = {error.where for error in errors}
    assert refused <= {f"here.{key}" for key in values}
    for key in values.keys() - {where.removeprefix("here.") for where in refused}:
        value = values[key]
        if key == "count":
            assert isinstance(value, int) and value >= 1
        elif key == "rate":
            assert isinstance(value, int | float) and 0 < value <= 1
        elif key == "widths":
            assert all(isinstance(width, int) and width >= 1 for width in value)  # type: ignore[attr-defined]
        else:
            assert key != "cuont"
