"""The page: the answer first, all of it in one file, and names that stay text."""

from __future__ import annotations

import json
import logging
import re
import shlex
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from dltrain.drawing.wording import spell, spell_seconds
from dltrain.errors import CheckpointError, StorageError
from dltrain.report import page
from dltrain.report.page import render, write_report
from dltrain.runs.folder import RunDir
from dltrain.runs.reader import Run

torch.set_num_threads(1)
pytestmark = pytest.mark.usefixtures("rendered_plots")
MakeRun = Callable[..., RunDir]
VOID = {"meta", "img", "br", "hr", "link", "input"}


class Outline(HTMLParser):
    """The page's text, its tags and what it asks for; refuses tags that are not closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def read(run: RunDir) -> Outline:
    """The page without its plots."""
    return Outline(render(Run(run), []))


def written(run: RunDir) -> Outline:
    """The page as it lies in the folder."""
    write_report(run)
    return Outline(run.report.read_text(encoding="utf-8"))


def test_a_classification_is_answered_in_words(make_run: MakeRun) -> None:
    text = read(make_run(classes=["a", "b", "c"])).text
    assert "Accuracy 0.500 on 40 test samples that were never trained on. Best epoch 3 of 5 by val/loss." in text


def test_a_regression_is_answered_in_words(make_run: MakeRun) -> None:
    assert "RMSE 0.500 and R² 0.500 on 40 test samples" in read(make_run()).text


@pytest.mark.parametrize(
    ("splits", "said"),
    [
        (("train", "val"), "validation samples that were not trained on, but decided which epoch is best"),
        (("train",), "training samples that the model was trained on; how well it does on others is not known"),
    ],
)
def test_the_answer_says_what_its_split_is_worth(make_run: MakeRun, splits: Sequence[str], said: str) -> None:
    outline = read(make_run(classes=["a", "b"], splits=splits))
    assert said in outline.text
    assert "test (" not in outline.text


def test_a_best_epoch_at_the_end_asks_for_more(make_run: MakeRun) -> None:
    assert "more epochs may help" in read(make_run(epochs=3)).text
    assert "more epochs may help" not in read(make_run("one", epochs=1)).text


def test_everything_is_in_the_file(make_run: MakeRun) -> None:
    outline = written(make_run(classes=["a", "b"], kind="image"))
    images = [attrs for tag, attrs in outline.tags if tag == "img"]
    assert len(images) == 7
    assert all((attrs["src"] or "").startswith("data:image/png;base64,") and attrs["alt"] for attrs in images)
    assert not {"script", "link", "iframe"} & {tag for tag, _ in outline.tags}
    assert not [attrs for _, attrs in outline.tags if "href" in attrs or (attrs.get("src") or "data:")[:5] != "data:"]
    assert ("html", {"lang": "en"}) in outline.tags
    assert "url(" not in (run_html := "".join(outline.words))
    assert "run · dltrain" in run_html


def test_names_stay_text(make_run: MakeRun) -> None:
    name = "<script>alert(1)</script>"
    outline = written(make_run(classes=[name, "</table>&amp;"], features=[f"{name}x"], target="<i>", name="<b>"[1:2]))
    assert not {"script", "i"} & {tag for tag, _ in outline.tags}
    assert name in outline.text
    assert "</table>&amp;" in outline.text


def test_the_tables_hold_the_numbers(make_run: MakeRun) -> None:
    run = make_run(classes=["a", "b"])
    result = json.loads(run.result.read_text())
    result["test"]["accuracy"], result["val"]["accuracy"] = 0.98765, None
    run.result.write_text(json.dumps(result))
    run.predictions.write_text("id,true,predicted,score_a,score_b\n0,a,a,1,0\n1,a,b,0,1\n2,b,b,0,1\n")
    text = read(run).text
    assert "Accuracy 0.5000 – 0.9877" in text.replace("\n", " ")
    assert "y Precision Recall F1 Samples a 1.000 0.500 0.667 2 b 0.500 1.000 0.667 1" in text
    assert "those of y = b, the positive class" in text


def test_many_classes_are_folded(make_run: MakeRun) -> None:
    outline = read(make_run(classes=[f"c{n}" for n in range(100)], samples=300))
    assert "Scores of all 100 classes" in outline.text
    assert "and 40 more" in outline.text


def test_coefficients_stand_in_a_table(make_run: MakeRun) -> None:
    truth = {"truth": {"coefficients": [1.5], "bias": 2.0}}
    run = make_run(facts=truth | {"target_std": 2.0, "preprocessing": {"mean": [1.0], "std": [4.0]}})
    (run.checkpoints / "step-1").mkdir(parents=True)
    (run.checkpoints / "best").write_text("step-1")
    weights = {"linear.weight": np.array([[3.0]], np.float32), "linear.bias": np.array([0.5], np.float32)}
    save_file(weights, run.checkpoints / "step-1" / "model.safetensors")
    # y = 2 · (3 · (x - 1) / 4 + 0.5) = 1.5 · x - 0.5
    text = read(run).text
    assert "x 1.500 1.500 0.000" in text
    assert "intercept 2.000 −0.5000 −2.500" in text


def test_the_run_can_be_reproduced(make_run: MakeRun) -> None:
    outline = read(make_run())
    command = [line for line in outline.words if line.startswith("dltrain ")][-1]
    assert shlex.split(command) == ["dltrain", "model=mlp", "data.target=成 绩"]
    assert "seed: 0" in outline.text


def test_quotes_that_only_hydra_needs_are_left_out(make_run: MakeRun) -> None:
    run = make_run()
    said = ["data.path='成绩.csv'", "data.drop=['姓名',b]", "data.target='a b'"]
    (run.hydra / "overrides.yaml").write_text(json.dumps(said), encoding="utf-8")
    assert Run(run).command == "dltrain 'data.path=成绩.csv' 'data.drop=[姓名,b]' " + shlex.quote("data.target='a b'")


def test_notes_and_classes_are_listed(make_run: MakeRun) -> None:
    text = read(make_run(classes=["及格", "良"], facts={"notes": ["dropped 姓名"]})).text
    assert "dropped 姓名" in text
    assert "及格 (7) · 良 (7) in training" in text


@pytest.mark.parametrize("state", ["failed", "running"])
def test_an_unfinished_run_is_refused(make_run: MakeRun, state: str) -> None:
    run = make_run()
    run.result.unlink()
    run.write_status(state)
    with pytest.raises(CheckpointError, match=f"did not finish.*{state}"):
        write_report(run)
    assert not run.report.exists()
    assert not run.plots.exists()


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="not a run folder"):
        write_report(RunDir(tmp_path / "nothing"))


def test_a_run_that_ended_early_says_so(make_run: MakeRun) -> None:
    run = make_run()
    run.write_status("interrupted")
    assert "ended early; its state is “interrupted”" in read(run).text


def test_damaged_files_take_their_part_alone(make_run: MakeRun, caplog: pytest.LogCaptureFixture) -> None:
    run = make_run(classes=["a", "b"], kind="image")
    run.predictions.write_text("id,true,predicted,score_a,score_b\n0,unheard,a,1,0\n")
    (run.examples / "inputs.safetensors").write_bytes(b"no")
    with caplog.at_level(logging.WARNING, "dltrain"):
        text = written(run).text
    assert "Accuracy 0.500" in text
    assert text.count("This plot could not be drawn.") == 1
    assert text.count("This section could not be written") == 2
    said = [record.getMessage().split(":")[0] for record in caplog.records]
    drawing = [
        f"plots   {name}.png cannot be drawn"
        for name in ("confusion", "confused_pairs", "roc", "precision_recall", "calibration", "samples")
    ]
    assert said == [*drawing, *(f"report  the section {name!r} is left out" for name in ("Limits", "Predictions"))]


def test_files_that_are_gone_leave_a_shorter_page(make_run: MakeRun, caplog: pytest.LogCaptureFixture) -> None:
    run = make_run(classes=["a", "b"])
    for path in (run.predictions, run.history, run.config, run.examples / "examples.csv"):
        path.unlink()
    with caplog.at_level(logging.WARNING, "dltrain"):
        text = written(run).text
    assert "Accuracy 0.500" in text
    assert "Training curves" not in text
    assert not caplog.records


def test_a_full_disk_is_a_storage_error(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    run = make_run()
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match="No space"):
        write_report(run)


def test_a_report_is_the_same_when_it_is_drawn_again(make_run: MakeRun) -> None:
    run = make_run(classes=["a", "b"])
    write_report(run)
    first = run.report.read_bytes()
    write_report(run)
    assert run.report.read_bytes() == first
    assert not list(run.path.rglob("*.tmp"))


def test_the_template_loads_nothing_from_outside() -> None:
    template = (Path(page.__file__).parent / page.TEMPLATE).read_text(encoding="utf-8")
    assert not re.findall(r"https?://|@import|<script|url\(", template)
    assert "|safe" not in re.sub(r'\{\{ "th scope[^}]*\}\}', "", template)


@pytest.mark.parametrize(
    ("value", "spelled"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (0.0, "0.000"),
        (1.0, "1.000"),
        (0.5, "0.5000"),
        (0.99996, "0.99996"),
        (0.0702, "0.0702"),
        (-0.0002896, "−0.000290"),
        (5.74e-5, "5.74×10⁻⁵"),
        (-1.5e12, "−1.50×10¹²"),
        (60.756, "60.76"),
        (9.99996, "10.000"),
        (25780.2, "25,780"),
    ],
)
def test_numbers_are_spelled_for_readers(value: float | None, spelled: str) -> None:
    assert spell(value) == spelled


def test_durations_are_spelled_for_readers() -> None:
    assert [spell_seconds(s) for s in (2.6, 75, 3700)] == ["2.6 s", "1 min 15 s", "1 h 1 min"]
