"""The page of a sweep: the answer first, how sure it is, every configuration, value, curve and failure."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml

from dltrain.report.sweep import read_summary, summarize
from dltrain.report.sweep_page import describe_answer, describe_test, write_page
from dltrain.runs.folder import RunDir
from dltrain.runs.result import DataRecord, Metrics, Result
from dltrain.runs.sweep_record import SweepRecord


def make_job(folder: Path, number: int, overrides: Mapping[str, object], val: float | None, test: Metrics) -> None:
    run = RunDir(folder / str(number))
    run.hydra.mkdir(parents=True)
    (run.hydra / "overrides.yaml").write_text(yaml.safe_dump([f"{key}={value}" for key, value in overrides.items()]))
    run.config.write_text(f"job: {number}\n")
    if val is None:
        run.write_status("failed", exit_code=1, error="<b>KeyError</b>: 'oh'")
        return
    run.write_status("done", exit_code=0)
    sizes = {"train": 80, "val": 10, "test": 10}
    Result({}, {"loss": val}, test, "val", DataRecord(100, sizes), seed=0, monitor="val/loss").write(run)
    run.history.write_text(f"epoch,val/loss\n1,{val + 1}\n2,{val}\n")


def make_sweep(folder: Path, scores: Mapping[str, tuple[float | None, ...]]) -> None:
    number = 0
    for lr, values in scores.items():
        for seed, val in enumerate(values):
            make_job(folder, number, {"model": "mlp", "optimizer.lr": lr, "seed": seed}, val, {})
            number += 1


def page_of(folder: Path) -> str:
    return write_page(summarize(folder), folder).read_text("utf-8")


def test_a_winner_is_named_with_how_sure_that_is(tmp_path: Path) -> None:
    make_sweep(tmp_path, {"0.1": (1.0, 1.01, 0.99), "0.01": (2.0, 2.02, 2.01), "1": (3.0, 3.0, 3.03)})
    first, sure = describe_answer(read_summary(tmp_path))
    assert first == "optimizer.lr=0.1 is the winner, with a val/loss of 1 ± 0.01 over 3 repeats."
    assert "confidence" in sure
    page = page_of(tmp_path)
    assert page.index("is the winner") < page.index("Configurations")
    table = page[: page.index("Effect of each value")]
    ranked = re.findall(r"<td>(\d)</td><td>([\d.]+)</td><td>[\d.]+</td>", table)
    assert ranked == [("1", "0.1"), ("2", "0.01"), ("3", "1")]


def test_a_tie_is_called_a_tie(tmp_path: Path) -> None:
    make_sweep(tmp_path, {"0.1": (1.0, 1.2, 0.9), "0.01": (1.1, 1.0, 1.05), "1": (3.0, 3.1, 3.03)})
    first, tie = describe_answer(read_summary(tmp_path))
    assert "that does not make it the winner" in first
    assert "It ties with optimizer.lr=0.01: " in tie and "optimizer.lr=1," not in tie
    page = page_of(tmp_path)
    assert page.count("<td>tie</td>") == 1 and "<td>winner</td>" not in page


def test_what_ran_once_is_said_to_be_unsure(tmp_path: Path) -> None:
    make_sweep(tmp_path, {"0.1": (1.0,), "0.01": (1.1,)})
    sentences = " ".join(describe_answer(read_summary(tmp_path)))
    assert "ran once" in sentences and "seed=range(3)" in sentences
    assert "winner</td>" not in page_of(tmp_path)


def test_failed_jobs_are_shown_with_their_error_and_do_not_flatter(tmp_path: Path) -> None:
    make_sweep(tmp_path, {"0.1": (0.5, None), "0.01": (1.1, 1.0)})
    summary = read_summary(tmp_path)
    assert summary.best is not None and summary.best["optimizer.lr"] == "0.01"
    page = page_of(tmp_path)
    assert "&lt;b&gt;KeyError&lt;/b&gt;" in page and "<b>" not in page
    assert "1 of 2" in page


def test_the_test_split_of_other_jobs_is_admitted(tmp_path: Path) -> None:
    for number, (lr, val) in enumerate((("0.1", 1.0), ("0.01", 2.0))):
        make_job(tmp_path, number, {"optimizer.lr": lr}, val, {"loss": val + 0.5} if number == 0 else {})
    assert describe_test(read_summary(tmp_path)) == (
        "test/loss is 1.5. The test split was read for it alone, after it was chosen."
    )
    make_job(tmp_path, 2, {"optimizer.lr": "3"}, 3.0, {"loss": 3.5})
    assert "also read for job 2" in describe_test(read_summary(tmp_path))


def test_a_running_sweep_shows_what_waits_and_reloads(tmp_path: Path) -> None:
    make_sweep(tmp_path, {"0.1": (1.0, 1.1)})
    jobs = tuple(("model=mlp", f"optimizer.lr={lr}", f"seed={seed}") for lr in ("0.1", "0.01") for seed in (0, 1))
    SweepRecord(("optimizer.lr=0.1,0.01", "seed=0,1"), jobs=jobs).write(tmp_path)
    page = page_of(tmp_path)
    assert "4 jobs: 2 done, 2 waiting" in page and 'http-equiv="refresh"' in page and "So far, " in page
    record = SweepRecord.read(tmp_path)
    assert record is not None
    record.with_state("done").write(tmp_path)
    assert 'http-equiv="refresh"' not in page_of(tmp_path)


def test_the_drawings_hold_every_job_and_configuration(tmp_path: Path) -> None:
    make_sweep(tmp_path, {"0.1": (1.0, 1.1), "0.01": (1.5, 1.2), "10": (9.0, 8.0)})
    parallel, curves = re.findall(r"<svg.*?</svg>", page_of(tmp_path), re.DOTALL)
    assert (parallel.count("<polyline"), curves.count("<polyline")) == (3, 6)
    assert (parallel.count('class="best"'), curves.count('class="best"')) == (1, 1)


def test_the_page_is_updated_while_the_sweep_runs(
    dltrain: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dltrain.experiment import sweep_job

    seen: list[str] = []
    original = sweep_job.write_page

    def noted(*arguments: object) -> Path:
        path = original(*arguments)  # type: ignore[arg-type]
        seen.append(re.search(r"2 jobs: ([^<·]*)", path.read_text("utf-8"))[1].strip())  # type: ignore[index]
        return path

    monkeypatch.setattr(sweep_job, "write_page", noted)
    monkeypatch.setattr(sweep_job, "UPDATE_SECONDS", 0.0)
    monkeypatch.setattr(sweep_job, "UPDATE_SHARE", 0.0)
    small = ("model=linear", "data=iris", "baseline=none", "trainer.epochs=2", "trainer.threads=1")
    assert dltrain("-m", *small, "optimizer.lr=0.1,0.01", "hydra.sweep.dir=s").code == 0
    assert seen == ["1 running, 1 waiting", "1 done, 1 waiting", "1 done, 1 running", "2 done"]


def test_the_command_on_the_page_repeats_the_best_job(dltrain: Callable, tmp_path: Path) -> None:
    (tmp_path / "configs" / "experiment").mkdir(parents=True)
    (tmp_path / "configs" / "experiment" / "grid.yaml").write_text(
        "# @package _global_\n"
        "defaults:\n  - override /data: iris\n  - override /model: mlp\n"
        "trainer:\n  epochs: 2\n  threads: 1\n"
        "hydra:\n  mode: MULTIRUN\n  sweeper:\n    params:\n      model.hidden: '[4],[8,4]'\n      seed: 1,2\n"
    )
    called = dltrain("experiment=grid", "baseline=none", "hydra.sweep.dir=s", "--json")
    assert called.code == 0, called.err
    answer = json.loads(called.out)
    command = shlex.split(answer["command"])
    assert (tmp_path / "s" / "best.yaml").read_text("utf-8").startswith(f"# {answer['command']}\n")
    assert command[0] == "dltrain" and dltrain(*command[1:], "hydra.run.dir=again").code == 0
    again = Result.read(RunDir(tmp_path / "again"))
    assert again.val["loss"] == answer["best"]["val/loss"]
    assert again.test == {name: answer["best"][f"test/{name}"] for name in again.test}
