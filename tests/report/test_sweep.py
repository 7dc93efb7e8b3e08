from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from dltrain.report.sweep import summarize
from dltrain.runs.folder import RunDir
from dltrain.runs.result import DataRecord, Metrics, Result


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_grid_leaves_a_folder_and_a_row_a_job(dltrain: Callable) -> None:
    called = dltrain(
        "-m", "data=iris", "optimizer.lr=0.1,0.01", "seed=1,2,3", "trainer.epochs=2", "hydra.sweep.dir=grid"
    )
    assert called.code == 0, called.err
    rows = read(called.folder / "grid" / "sweep.csv")
    assert [(row["job"], row["optimizer.lr"], row["seed"]) for row in rows] == [
        (str(number), lr, seed)
        for number, (lr, seed) in enumerate((lr, seed) for lr in ("0.1", "0.01") for seed in "123")
    ]
    assert len(called.runs) == 6
    results = {run.path.name: json.loads(run.result.read_text()) for run in called.runs}
    losses = {job: result["val"]["loss"] for job, result in results.items()}
    chosen = min(("0", "1", "2"), ("3", "4", "5"), key=lambda jobs: sum(losses[job] for job in jobs))
    best = min(chosen, key=losses.__getitem__)
    for row in rows:
        assert float(row["val/loss"]) == losses[row["job"]]
        assert (row["state"], row["folder"], float(row["seconds"]) > 0) == ("done", row["job"], True)
        # The test split is read for what was chosen, and for nothing else.
        assert (row["test/accuracy"] != "") == (row["job"] in chosen)
        assert bool(results[row["job"]]["test"]) == (row["job"] in chosen)
        assert results[row["job"]]["data"]["splits"]["test"] > 0
    assert [run.path.name for run in called.runs if run.report.exists()] == [best]
    best_config = yaml.safe_load((called.folder / "grid" / "best.yaml").read_text())
    assert best_config["seed"] == results[best]["seed"]


def test_failed_jobs_do_not_stop_the_others_and_end_with_6(dltrain: Callable) -> None:
    called = dltrain("-m", "data=cubic", "optimizer=sgd", "optimizer.lr=1e20,0.01", "trainer.epochs=2")
    assert called.code == 6
    (table,) = called.folder.rglob("sweep.csv")
    failed, done = read(table)
    assert (failed["state"], done["state"]) == ("diverged", "done")
    assert "nan" in failed["error"]
    assert "job 0" in called.err


def test_a_job_that_is_refused_is_so_before_the_first(dltrain: Callable) -> None:
    called = dltrain("-m", "model=linear,mlp", "data=cubic", "model.hidden=[8]", "trainer.epochs=1")
    assert called.code == 2
    sizes = ("model.hidden=[8],[4194304,4194304]", "model.embed=null")
    called = dltrain("-m", "model=mlp", "data=cubic", "baseline=none", "trainer.epochs=1", *sizes)
    assert called.code == 2 and "of memory" in called.err
    assert not list(called.folder.rglob("result.json"))


def finish(run: RunDir, val: Metrics, monitor: str = "val/loss") -> None:
    Result({}, val, {}, "val", DataRecord(9, {"val": 9}), seed=0, monitor=monitor).write(run)


def test_more_is_better_where_the_measure_says_so(tmp_path: Path) -> None:
    for job, accuracy in (("0", 0.5), ("1", 0.9), ("10", 0.7), ("2", None)):
        run = RunDir(tmp_path / job)
        run.path.mkdir()
        run.write_status("done" if accuracy else "failed", exit_code=0)
        run.config.write_text(f"job: {job}\n")
        if accuracy:
            finish(run, {"accuracy": accuracy}, monitor="val/accuracy")
    summary = summarize(tmp_path)
    assert [row["job"] for row in summary.rows] == ["0", "1", "2", "10"]
    assert summary.best is not None
    assert summary.best["job"] == "1"
    assert [row["job"] for row in summary.failed] == ["2"]


def test_losses_of_different_kinds_are_compared_by_what_they_share(dltrain: Callable) -> None:
    called = dltrain("-m", "data=iris", "loss=cross_entropy,focal", "trainer.epochs=2")
    assert "val/accuracy" in next(line for line in called.out.splitlines() if line.startswith("best"))


@pytest.mark.parametrize(
    ("varied", "measure"),
    [
        (("optimizer.lr=0.0001,0.1",), "val/loss"),
        (("loss=cross_entropy", "loss.label_smoothing=0.9,0"), "val/bits_per_character"),
    ],
)
def test_a_sweep_of_language_models_names_the_best(dltrain: Callable, varied: tuple[str, ...], measure: str) -> None:
    model = ("model=transformer", "model.width=8", "model.layers=1", "model.heads=1", "model.ngrams=1")
    small = ("data=verse", "data.rows=50", "data.length=8", "trainer.batch_size=8", "debug=smoke", "baseline=none")
    called = dltrain("-m", *model, *small, *varied)
    assert called.code == 0, called.err
    results = {run.path.name: json.loads(run.result.read_text("utf-8"))["val"] for run in called.runs}
    best = min(results, key=lambda job: results[job]["bits_per_character"])
    assert measure in next(line for line in called.out.splitlines() if line.startswith("best"))
    assert [run.path.name for run in called.runs if run.report.exists()] == [best]


@pytest.mark.parametrize(
    ("first", "second", "measure"),
    [
        ({"model": "gru"}, {"model": "transformer"}, "val/loss"),
        ({"loss.label_smoothing": 0.1}, {"loss.label_smoothing": 0}, "val/bits_per_character"),
        ({"data.tokens": "character"}, {"data.tokens": "word"}, "val/bits_per_character"),  # the loss is of a token
        ({"data.tokens": "word", "data.vocabulary": 9}, {"data.vocabulary": 99}, "val/bits_per_character"),
        ({"data.path": "a.txt"}, {"data.path": "b.txt"}, ""),
    ],
)
def test_language_models_are_compared_by_what_their_jobs_share(
    tmp_path: Path, first: dict[str, object], second: dict[str, object], measure: str
) -> None:
    losses = (2.0, 1.0) if measure == "val/loss" else (1.0, 2.0)
    for job, (varied, loss, bits) in enumerate(zip((first, second), losses, (3.0, 2.5), strict=True)):
        run = RunDir(tmp_path / str(job))
        run.hydra.mkdir(parents=True)
        (run.hydra / "overrides.yaml").write_text(yaml.safe_dump([f"{key}={value}" for key, value in varied.items()]))
        run.config.write_text(f"job: {job}\n")
        run.write_status("done", exit_code=0)
        finish(run, {"loss": loss, "perplexity": 2**bits, "bits_per_character": bits})
    summary = summarize(tmp_path)
    assert summary.measure == measure
    assert (summary.best or {}).get("job") == ("1" if measure else None)


def test_jobs_on_different_data_have_no_best(dltrain: Callable) -> None:
    called = dltrain("-m", "data=iris,wine", "debug=smoke")
    assert called.code == 0
    assert "best    none" in called.out
    assert not list(called.folder.rglob("best.yaml"))


def test_a_folder_that_holds_a_sweep_of_other_jobs_is_not_written_into(dltrain: Callable) -> None:
    assert dltrain("-m", "data=iris", "seed=1,2", "debug=smoke", "hydra.sweep.dir=s").code == 0
    called = dltrain("-m", "data=iris", "seed=1,3", "debug=smoke", "hydra.sweep.dir=s")
    assert called.code == 2
    assert "already contains a sweep" in called.err


def test_jobs_that_would_share_a_folder_fail_but_for_the_first(dltrain: Callable) -> None:
    called = dltrain("-m", "data=iris", "seed=1,2", "debug=smoke", "hydra.sweep.subdir=same")
    assert called.code == 6
    assert len(called.runs) == 1


def test_jobs_say_one_line_each(dltrain: Callable) -> None:
    out = dltrain("-m", "data=iris", "seed=1,2", "trainer.epochs=3").out
    assert not any(line.startswith("epoch") for line in out.splitlines())
    assert sum(line.startswith("job") for line in out.splitlines()) == 2


def test_a_sweep_over_seeds_alone_chooses_nothing_and_reads_the_test_split_of_each(dltrain: Callable) -> None:
    small = ("model=linear", "data=iris", "trainer.epochs=2", "trainer.threads=1", "baseline=none")
    called = dltrain("-m", *small, "seed=1,2,3", "hydra.sweep.dir=s")
    rows = read(called.folder / "s" / "sweep.csv")
    assert all(row["test/accuracy"] for row in rows)
    mean = sum(float(row["test/loss"]) for row in rows) / 3
    assert f"test/loss is {mean:.4g} ± " in called.out and "Nothing was chosen by the test split." in called.out
