"""scikit-learn's small data sets, as dltrain gives them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn import datasets

from dltrain.kinds.image.digits import digits
from dltrain.kinds.kind import kind_of
from dltrain.kinds.table.scikit_learn import toy_table
from dltrain.types import Data


def sizes(data: Data) -> dict[str, int]:
    return {name: len(split) for name, split in data.splits.items()}


@pytest.mark.parametrize(
    ("name", "classes", "features", "expected"),
    [
        ("iris", ("setosa", "versicolor", "virginica"), 4, {"train": 120, "val": 15, "test": 15}),
        ("wine", ("class_0", "class_1", "class_2"), 13, {"train": 142, "val": 18, "test": 18}),
        ("breast_cancer", ("benign", "malignant"), 30, {"train": 455, "val": 57, "test": 57}),
        ("diabetes", (), 10, {"train": 354, "val": 44, "test": 44}),
    ],
)
def test_tables_have_their_sizes_and_classes(
    name: Any, classes: tuple[str, ...], features: int, expected: dict[str, int]
) -> None:
    data = toy_table(name=name)
    assert data.facts.classes == classes
    assert data.facts.task == ("classification" if classes else "regression")
    assert sizes(data) == expected
    assert sum(data.facts.class_counts) == (expected["train"] if classes else 0)
    if name != "diabetes":  # where one column, sex, is a category of two
        assert data.facts.input_shape == (features,)


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer"])
def test_labels_are_scikit_learns_under_their_names(name: Any) -> None:
    bunch = getattr(datasets, f"load_{name}")()
    data = toy_table(name=name)
    for split in data.splits.values():
        said = [data.facts.classes[label] for label in split.target]
        assert said == [str(bunch.target_names[bunch.target[int(row)]]) for row in split.ids]


def test_values_without_scaling_are_scikit_learns() -> None:
    bunch = datasets.load_iris()
    for split in toy_table(name="iris", numeric="none").splits.values():
        np.testing.assert_allclose(split.inputs[0], bunch.data[np.array(split.ids, dtype=int)], rtol=1e-6)


def test_a_regressions_target_is_scikit_learns() -> None:
    bunch = datasets.load_diabetes()
    data = toy_table(name="diabetes")
    for split in data.splits.values():
        np.testing.assert_allclose(split.target[:, 0], bunch.target[np.array(split.ids, dtype=int)])
    train = bunch.target[np.array(data.splits["train"].ids, dtype=int)]
    assert data.facts.target_mean == pytest.approx(train.mean())
    assert data.facts.target_std == pytest.approx(train.std())


def test_digits_are_scikit_learns() -> None:
    bunch = datasets.load_digits()
    data = digits()
    assert sizes(data) == {"train": 1258, "val": 180, "test": 359}
    assert (data.facts.input_shape, data.facts.classes) == ((1, 8, 8), tuple("0123456789"))
    for split in data.splits.values():
        rows = np.array(split.ids, dtype=int)
        np.testing.assert_array_equal(split.target, bunch.target[rows])
        np.testing.assert_allclose(split.inputs[0][:, 0], bunch.images[rows] * 255 / 16, atol=0.5)
        assert split.inputs[0].dtype == torch.uint8


def test_digits_grow_and_take_on_colours() -> None:
    small, large = digits(), digits(size=28, channels=3)
    assert large.facts.input_shape == (3, 28, 28)
    for name, split in large.splits.items():
        pixels = split.inputs[0]
        assert pixels.shape == (len(split), 3, 28, 28)
        assert torch.equal(pixels[:, 0], pixels[:, 1])
        assert torch.equal(pixels[:, 0], pixels[:, 2])
        assert split.ids == small.splits[name].ids
        mean = small.splits[name].inputs[0].float().mean(dim=(1, 2, 3))
        torch.testing.assert_close(pixels.float().mean(dim=(1, 2, 3)), mean, atol=6.0, rtol=0)


def test_new_digits_are_enlarged_as_those_of_the_training() -> None:
    from sklearn.datasets import load_digits

    data = digits(size=20)
    images = (load_digits().images * 255 / 16).round().astype(np.uint8)
    test = data.splits["test"]
    encoded = kind_of(data.facts).encoder(data.facts).encode(images[np.array(test.ids, dtype=int)][..., None])
    assert torch.equal(encoded.inputs[0], test.inputs[0])
