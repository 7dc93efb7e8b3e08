"""Strings as a target: a character at each place, blanks behind short ones, whole strings, and members of ensembles."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from dltrain.errors import ConfigError
from dltrain.experiment.build import build_loss, build_task, check_settings
from dltrain.tasks.characters import Characters
from dltrain.tasks.comparison import Baseline, Contest
from dltrain.tasks.losses import BinaryCrossEntropy, CrossEntropy, Focal
from dltrain.tasks.predictions import Predictions
from dltrain.training.settings import TrainerSettings
from dltrain.types import Facts, Split

PLACES = ("place 1", "place 2", "place 3")


def facts(characters: tuple[str, ...] = ("A", "B", "7")) -> Facts:
    counts = (3,) * len(characters)
    return Facts("image", "characters", (1, 8, 8), "text", outputs=PLACES, classes=characters, class_counts=counts)


def task_of(characters: tuple[str, ...] = ("A", "B", "7"), **loss: Any) -> Characters:
    node = {"_target_": "cross_entropy", **loss} if loss else {}
    task = build_task(facts(characters), build_loss(node, facts(characters)))
    assert isinstance(task, Characters)
    return task


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def split_of(target: Tensor) -> Split:
    return Split((torch.zeros(len(target), 1, 8, 8, dtype=torch.uint8),), target, tuple(map(str, range(len(target)))))


def test_the_objective_is_the_mean_cross_entropy_over_the_places() -> None:
    task, output, target = task_of(), random(5, 9), torch.arange(15).reshape(5, 3) % 3
    assert task.loss.out_features == 9
    by_place = [functional.cross_entropy(output[:, 3 * place : 3 * place + 3], target[:, place]) for place in range(3)]
    torch.testing.assert_close(task.objective(output, target), torch.stack(by_place).mean())


def test_means_of_ragged_batches_combine_to_the_mean_of_all() -> None:
    for options in ({}, {"class_weights": "balanced"}):
        task, output, target = task_of(**options), random(7, 9), torch.arange(21).reshape(7, 3) ** 2 % 3
        parts = [(output[:5], target[:5]), (output[5:], target[5:])]
        weights = [float(task.loss.weight(part)) for _, part in parts]
        mean = sum(w * float(task.objective(*part)) for w, part in zip(weights, parts, strict=True)) / sum(weights)
        assert mean == pytest.approx(float(task.objective(output, target)), rel=1e-6)


def test_samples_with_weights_count_by_them() -> None:
    task, output, target = task_of(), random(4, 9), torch.arange(12).reshape(4, 3) % 3
    weights = torch.tensor([2.0, 0.5, 0.5, 1.0])[:, None].expand(4, 3)  # as `Split.weights` has them
    weighted = task.objective(output, target, weights)
    each = torch.stack([task.objective(output[row : row + 1], target[row : row + 1]) for row in range(4)])
    torch.testing.assert_close(weighted, (each * torch.tensor([2.0, 0.5, 0.5, 1.0])).sum() / 4)


def test_members_are_combined_place_by_place() -> None:
    task, members = task_of(), random(6, 2, 9)
    combined = task.combine_members(members)
    assert combined.shape == (6, 9)
    mean = members.unflatten(2, (3, 3)).softmax(dim=3).mean(dim=1)
    probabilities = task.predict(combined).probabilities
    assert probabilities is not None
    torch.testing.assert_close(probabilities, mean)
    target = torch.arange(18).reshape(6, 3) % 3
    each = torch.stack([task.objective(members[:, number], target) for number in range(2)])
    torch.testing.assert_close(task.objective(members, target), each.mean())


def test_characters_and_whole_strings_are_counted_exactly() -> None:
    task = task_of()
    true, predicted = torch.tensor([[0, 1, 2], [2, 2, 2], [1, 0, 0]]), torch.tensor([[0, 1, 2], [2, 2, 0], [0, 1, 1]])
    assert task.metric.compute(task.metric.update(predicted, true)) == {"exact": 1 / 3, "accuracy": 5 / 9}
    weights = torch.tensor([1.0, 2.0, 1.0])
    assert task.metric.compute(task.metric.sums_of(predicted, true, weights)) == {"exact": 1 / 4, "accuracy": 7 / 12}


def test_blanks_fill_short_strings_and_do_not_count_as_characters() -> None:
    task = task_of(("", "A", "B"))
    true, predicted = torch.tensor([[1, 0, 0], [1, 2, 1]]), torch.tensor([[1, 0, 0], [1, 2, 0]])
    assert task.metric.compute(task.metric.update(predicted, true)) == {"exact": 0.5, "accuracy": 3 / 4}
    assert task.columns(Predictions(predicted, torch.ones(2, 3, 3)), ())["predicted"] == ["A", "AB"]


def test_a_string_ends_before_its_first_blank() -> None:
    task = task_of(("", "A", "B"))
    output = torch.zeros(1, 3, 3)
    output[0, 0, 1] = output[0, 1, 0] = output[0, 2, 2] = 5.0  # A, blank, B
    predictions = task.predict(output.flatten(1))
    assert predictions.values.tolist() == [[1, 0, 0]]
    assert predictions.probabilities is not None
    (score,) = task.columns(predictions, ())["score"]
    assert score == pytest.approx(float(predictions.probabilities[0, 0, 1] * predictions.probabilities[0, 1, 0]))


def test_predictions_hold_strings_and_the_probability_of_all_their_characters() -> None:
    task, target = task_of(), torch.tensor([[0, 1, 2], [2, 2, 1]])
    predictions = task.predict(random(2, 9))
    head, cells = task.table(split_of(target), predictions)
    assert head == ["id", "true", "predicted", "score"]
    rows = list(cells)
    assert [row[1] for row in rows] == ["AB7", "77B"]
    best = predictions.probabilities.amax(dim=2).prod(dim=1)  # type: ignore[union-attr]
    assert [float(row[3]) for row in rows] == pytest.approx(best.tolist(), rel=1e-5)
    errors = task.errors(split_of(target), predictions)
    chosen = predictions.probabilities.gather(2, target[:, :, None]).prod(dim=1).flatten()  # type: ignore[union-attr]
    np.testing.assert_allclose(errors, 1 - chosen.double(), rtol=1e-5)


def test_what_is_exported_agrees_with_what_is_predicted_scaled_too() -> None:
    task, output = task_of(), random(4, 9)
    task.use_certainty({"temperature": 2.0})
    deployed = task.deploy(output)
    assert deployed.shape == (4, 3, 3)
    assert task.agrees(deployed, task.calibrated(task.predict(output)))
    assert not task.agrees(deployed, task.predict(output))
    with pytest.raises(ValueError, match="not a positive number"):
        task.use_certainty({"temperature": -1})


def test_a_model_is_compared_with_the_best_baseline_in_whole_strings() -> None:
    task, target = task_of(), torch.arange(90).reshape(30, 3) % 3
    poor, poorer = target.clone(), (target + 1) % 3
    poor[:, 0] = (poor[:, 0] + 1) % 3
    baselines = [
        Baseline(name, task.measure(Predictions(values), target), Predictions(values), 0.0)
        for name, values in (("poorer", poorer), ("poor", poor))
    ]
    comparison = task.compare(Contest("CNN", target, Predictions(target), baselines))
    assert comparison is not None
    assert (comparison.baseline, comparison.measure, comparison.difference) == ("poor", "exact", 100.0)
    assert comparison.words == "CNN beats poor by 100.0 ± 0.0 points of whole strings"


def test_losses_of_classes_serve_characters_and_others_are_refused() -> None:
    focal = build_task(facts(), Focal(facts(), gamma=0.0))
    plain, output, target = task_of(), random(5, 9), torch.arange(15).reshape(5, 3) % 3
    torch.testing.assert_close(focal.objective(output, target), plain.objective(output, target))
    with pytest.raises(ConfigError, match="this loss is for classification or multilabel"):
        build_task(facts(), BinaryCrossEntropy(facts()))
    assert CrossEntropy(facts(), label_smoothing=0.1).out_features == 9


def test_places_cannot_be_balanced() -> None:
    with pytest.raises(ConfigError, match="only classes can be balanced, and the target is a string") as refused:
        check_settings(TrainerSettings(balance="resample"), task_of(), torch.device("cpu"))
    assert refused.value.override == "trainer.balance=none"


def test_the_page_reads_strings_back_as_they_were_written(tmp_path: Path) -> None:
    from dltrain.runs.tables import safe_cell
    from dltrain.tasks.pages.characters import CharactersPage

    page = CharactersPage(facts(("", "'", "+", "=")))
    for string in ("=+'", "'", "+", "''", "+="):
        assert page.read_cell(safe_cell(string)) == string
    with (tmp_path / "predictions.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["id", "true", "predicted", "score"], ["a", "'=+'", "+", "0.5"]])

    class Folder:
        predictions = tmp_path / "predictions.csv"

    class Run:
        folder = Folder()

    predicted = page.read(Run())  # type: ignore[arg-type]
    assert predicted is not None
    assert (predicted.true.tolist(), predicted.predicted.tolist()) == ([[3, 2, 1]], [[2, 0, 0]])
