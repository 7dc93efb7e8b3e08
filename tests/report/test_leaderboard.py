from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from dltrain.runs.config import differences
from dltrain.runs.folder import RunDir
from dltrain.runs.lock import locked
from dltrain.runs.result import DataRecord, Result
from dltrain.tasks.metric_table import METRICS


@pytest.fixture
def outputs(people_run: Path, pay_run: Path, tmp_path: Path) -> Path:
    """Two runs, in `outputs/`."""
    for name, run in (("stays", people_run), ("pay", pay_run)):
        shutil.copytree(run, tmp_path / "outputs" / name)
    return tmp_path / "outputs"


def test_the_leaderboard_has_a_row_a_run(dltrain: Callable, outputs: Path) -> None:
    lines = dltrain("runs").out.splitlines()
    assert len(lines) == 3
    assert lines[0].split()[:4] == ["run", "state", "model", "data"]
    assert {line.split()[0] for line in lines[1:]} == {"stays", "pay"}
    rows = list(csv.DictReader(io.StringIO(dltrain("runs", "--csv").out)))
    result = json.loads((outputs / "stays" / "result.json").read_text("utf-8"))
    (row,) = [row for row in rows if row["run"] == "stays"]
    assert float(row["test/accuracy"]) == pytest.approx(result["test"]["accuracy"])


def test_the_leaderboard_is_filtered_and_sorted_the_best_first(dltrain: Callable, outputs: Path) -> None:
    shutil.copytree(outputs / "stays", outputs / "better")
    path = outputs / "better" / "result.json"
    result = json.loads(path.read_text("utf-8"))
    result["test"] |= {"accuracy": 1.5, "loss": 0.0}
    path.write_text(json.dumps(result))

    def listed(*arguments: str) -> list[str]:
        return [row["run"] for row in json.loads(dltrain("runs", *arguments, "--json").out)["runs"]]

    assert listed("test/accuracy>0") == ["better", "stays"]
    assert listed("test/accuracy>1") == ["better"]
    assert listed("test/rmse>0") == ["pay"]
    assert listed("--sort", "test/loss")[0] == "better"
    assert set(listed("data.target=stays")) == {"better", "stays"}
    assert listed("model=tabm") == []
    called = dltrain("runs", "test/acuracy>0")
    assert called.code == 2 and "did you mean test/accuracy?" in called.err
    assert dltrain("runs", "nowhere").code == 2


@pytest.mark.parametrize(
    ("metric", "better", "worse"),
    [
        ("test/ndcg@10", {"hit_rate@10": 0.4, "ndcg@10": 0.3, "recall@10": 0.4}, {"hit_rate@10": 0.5, "ndcg@10": 0.2}),
        (
            "test/bits_per_character",
            {"perplexity": 9.0, "bits_per_character": 1.5},
            {"perplexity": 4.0, "bits_per_character": 2.0},
        ),
    ],
)
def test_recommenders_and_language_models_are_ranked_by_what_says_most_of_them(
    dltrain: Callable, tmp_path: Path, metric: str, better: dict[str, float], worse: dict[str, float]
) -> None:
    for name, loss, metrics in (("a", 1.0, worse), ("b", 2.0, better)):  # the loss says the opposite
        run = RunDir(tmp_path / "outputs" / name)
        run.path.mkdir(parents=True)
        run.write_status("done", exit_code=0)
        Result({}, {}, {"loss": loss} | metrics, "test", DataRecord(9, {"test": 9}), seed=0).write(run)
    answer = json.loads(dltrain("runs", "--json").out)
    assert answer["sorted_by"] == metric
    assert [row["run"] for row in answer["runs"]] == ["b", "a"]
    assert metric in dltrain("runs").out.splitlines()[0]


@pytest.mark.usefixtures("rendered_plots")
def test_a_comparison_draws_every_metric_under_its_name(dltrain: Callable, tmp_path: Path) -> None:
    names = [name for name in METRICS if name != "loss"]
    for run in (RunDir(tmp_path / "a"), RunDir(tmp_path / "b")):
        run.path.mkdir(parents=True)
        run.write_status("done", exit_code=0)
        measured = dict.fromkeys(names, 0.5)
        Result({}, measured, {}, "val", DataRecord(9, {"val": 9}), seed=0).write(run)
        head = ["epoch", "lr", "train/loss", "val/loss", *(f"val/{name}" for name in names), "val/of_my_own"]
        rows = [[str(epoch), "0.1", *["0.5"] * (len(head) - 2)] for epoch in (1, 2)]
        run.history.write_text("\n".join(map(",".join, [head, *rows])) + "\n")
    assert dltrain("compare", "a", "b").code == 0
    page = (tmp_path / "compare.html").read_text("utf-8")
    for name in names:
        assert f"validation {METRICS[name].label}" in page
    assert "training Loss" in page and "validation Loss" in page and "validation Of my own" in page
    assert page.count("<img") == len(names) + 3  # the rate never changes


def test_evaluations_are_no_runs(dltrain: Callable, outputs: Path, people_csv: Path) -> None:
    assert dltrain("evaluate", "outputs/stays", f"data.path={people_csv}", "--quiet").code == 0
    assert len(json.loads(dltrain("runs", "--json").out)["runs"]) == 2


def test_a_comparison_tells_what_differs_and_draws_both(dltrain: Callable, outputs: Path, tmp_path: Path) -> None:
    answer = json.loads(dltrain("compare", "outputs/stays", "outputs/pay", "--json").out)
    assert answer["config"]["data.target"] == ["stays", "pay"]
    assert "model.dropout" not in answer["config"]
    assert answer["result"]["test/accuracy"][1] is None
    page = (tmp_path / "compare.html").read_text("utf-8")
    assert page.count("<img") >= 2 and "data.target" in page
    assert "<script" not in page
    assert dltrain("compare", "outputs/stays").code == 2


def test_differences_are_of_either_side() -> None:
    assert differences({"a": 1, "b": 2}, {"a": 1, "c": 3}) == {"b": (2, None), "c": (None, 3)}


def test_a_run_is_reproduced_figure_by_figure(dltrain: Callable, tmp_path: Path) -> None:
    assert dltrain("model=linear", "data=cubic", "data.rows=60", "trainer.epochs=2", "hydra.run.dir=run").code == 0
    called = dltrain("reproduce", "run", "--json")
    assert called.code == 0
    answer = json.loads(called.out)
    assert answer["same"] is True
    assert all(before == after for before, after in answer["figures"].values())
    assert {"train/loss", "test/rmse", "best_epoch"} <= set(answer["figures"])
    assert (tmp_path / "run_again" / "result.json").exists()

    result = json.loads((tmp_path / "run" / "result.json").read_text("utf-8"))
    result["test"]["rmse"] *= 1.01
    (tmp_path / "run" / "result.json").write_text(json.dumps(result))
    changed = dltrain("reproduce", "run")
    assert changed.code == 1 and "≠  test/rmse" in changed.out


def test_a_run_whose_data_is_gone_is_not_reproduced(dltrain: Callable, outputs: Path) -> None:
    called = dltrain("reproduce", "outputs/stays")
    assert called.code == 2 and "data.path" in called.err
    assert not (outputs / "stays_again").exists()


def test_a_first_config_says_what_was_guessed_and_trains(dltrain: Callable, people_csv: Path, tmp_path: Path) -> None:
    shutil.copy(people_csv, tmp_path / "people of mine.csv")
    called = dltrain("init", "people of mine.csv", "data.target=stays")
    assert called.code == 0
    path = tmp_path / "configs" / "data" / "people_of_mine.yaml"
    text = path.read_text("utf-8")
    assert yaml.safe_load(text)["target"] == "stays"
    assert "年龄" in text and "categorical" in text
    command = called.out.strip().splitlines()[-1].removeprefix("train   dltrain ")
    assert dltrain(*command.split(), "trainer.epochs=1", "baseline=none", "--quiet").code == 0
    assert dltrain("init", "people of mine.csv").code == 2


def test_a_target_is_guessed_by_its_name_or_its_place(dltrain: Callable, tmp_path: Path) -> None:
    rows = "\n".join(f"{number},{number * 7 % 5},{'ab'[number % 2]},{number % 3}" for number in range(30))
    (tmp_path / "one.csv").write_text(f"n,x,label,z\n{rows}\n")
    (tmp_path / "two.csv").write_text(f"n,x,kind,z\n{rows}\n")
    assert json.loads(dltrain("init", "one.csv", "--json").out)["target"] == "label"
    assert json.loads(dltrain("init", "two.csv", "--json").out)["target"] == "z"
    assert dltrain("init", "none.csv").code == 2
    assert dltrain("init", ".").code == 2


def test_a_run_whose_process_is_gone_was_killed(dltrain: Callable, tmp_path: Path) -> None:
    run = RunDir(tmp_path / "outputs" / "run")
    run.path.mkdir(parents=True)
    run.write_status("running")
    with locked(run.path):
        (row,) = json.loads(dltrain("runs", "outputs", "--json").out)["runs"]
        assert row["state"] == "running"
    (row,) = json.loads(dltrain("runs", "outputs", "--json").out)["runs"]
    assert row["state"] == "killed"
