"""Run folders written by hand, so that no report's test needs a training."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from dltrain.drawing.style import Drawing, Lettering
from dltrain.report.plots import plots_of
from dltrain.runs.folder import RunDir
from dltrain.runs.reader import Run

MakeRun = Callable[..., RunDir]


def write_rows(path: Path, rows: Sequence[Sequence[Any]]) -> None:
    """A CSV file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def written_history(epochs: int, metrics: Sequence[str], val: bool) -> list[list[Any]]:
    """The rows of metrics.csv, the head first."""
    names = [
        "epoch",
        "step",
        "seconds",
        "lr",
        "train/loss",
        *(f"val/{name}" for name in metrics if val),
        "t",
    ]
    rows = [[n, n * 5, n * 0.1, 0.001, 2 / n, *([1 / (n + 1)] * len(metrics) * val), 0.1] for n in range(1, epochs + 1)]
    return [names, *rows]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Writes a finished run's folder."""

    def make(
        name: str = "run",
        *,
        classes: Sequence[str] = (),
        kind: str = "table",
        features: Sequence[str] = ("x",),
        target: str = "y",
        samples: int = 40,
        epochs: int = 5,
        splits: Sequence[str] = ("train", "val", "test"),
        facts: dict[str, Any] | None = None,
    ) -> RunDir:
        run = RunDir(tmp_path / name)
        (run.path / ".hydra").mkdir(parents=True)
        run.examples.mkdir()
        run.write_status("running")
        random = np.random.default_rng(0)
        shape = (3, 8, 8) if kind == "image" else (len(features),)
        known: dict[str, Any] = {
            "kind": kind,
            "task": "classification" if classes else "regression",
            "input_shape": shape,
            "target": target,
            "classes": classes,
            "class_counts": [7] * len(classes),
            "features": () if kind == "image" else features,
            "target_mean": 0.0,
            "target_std": 1.0,
            "preprocessing": {},
            "truth": {},
            "notes": [],
        }
        run.facts.write_text(json.dumps(known | (facts or {}), ensure_ascii=False), encoding="utf-8")
        metrics = ["loss", *(("accuracy", "precision", "recall", "f1") if classes else ("mse", "rmse", "mae", "r2"))]
        result = {split: dict.fromkeys(metrics, 0.5) if split in splits else {} for split in ("train", "val", "test")}
        shown = next(split for split in ("test", "val", "train") if split in splits)
        run.result.write_text(
            json.dumps(
                result
                | {"baseline": {}, "shown_split": shown, "monitor": "val/loss" if "val" in splits else "train/loss"}
                | {"best_epoch": min(3, epochs), "epochs": epochs, "parameters": 11, "seconds": 1.5}
                | {"samples_per_second": 1e4, "device": "cpu", "threads": 1, "seed": 0, "versions": {"torch": "2.10"}}
                | {
                    "git": None,
                    "data": {"fingerprint": "ab", "rows": 80, "splits": dict.fromkeys(splits, samples)},
                }
            ),
            encoding="utf-8",
        )
        write_rows(run.history, written_history(epochs, metrics, "val" in splits))
        if classes:
            true = random.integers(0, len(classes), samples)
            predicted = np.where(random.random(samples) < 0.7, true, random.integers(0, len(classes), samples))
            scores = random.dirichlet(np.ones(len(classes)), samples).round(4)
            labels = [(classes[t], classes[p]) for t, p in zip(true, predicted, strict=True)]
            rows = [[n, *pair, *row] for n, (pair, row) in enumerate(zip(labels, scores.tolist(), strict=True))]
            write_rows(run.predictions, [["id", "true", "predicted", *(f"score_{name}" for name in classes)], *rows])
        else:
            numbers = random.normal(size=(samples, 2)).round(5).tolist()
            rows = [[n, *pair] for n, pair in enumerate(numbers)]
            write_rows(run.predictions, [["id", "true", "predicted"], *rows])
        few = min(samples, 20)
        write_rows(
            run.examples / "examples.csv",
            [["id", "true", "predicted", "error"], *([row[0], row[1], row[2], 0.9] for row in rows[:few])],
        )
        inputs = random.integers(0, 256, (few, *shape)).astype(np.uint8 if kind == "image" else np.float32)
        save_file({"input_0": inputs}, run.examples / "inputs.safetensors")
        run.config.write_text("seed: 0\n", encoding="utf-8")
        (run.hydra / "overrides.yaml").write_text("- model=mlp\n- data.target=成 绩\n", encoding="utf-8")
        return run

    return make


@pytest.fixture
def draw() -> Callable[[RunDir, str], Drawing | None]:
    """Draws one of the plots that a run may have, by its name."""

    def draw(folder: RunDir, name: str) -> Drawing | None:
        run = Run(folder)
        (plot,) = [plot for plot in plots_of(run) if plot.name == name]
        return plot.draw(run, Lettering([]))

    return draw
