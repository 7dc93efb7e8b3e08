"""Plots: which are drawn of which run, that what they show is right, and that nothing in a run breaks them."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

import dltrain as package
from dltrain.data.loader import TensorLoader
from dltrain.drawing import style
from dltrain.drawing.names import shorten_apart, wrap
from dltrain.drawing.plot import Plot
from dltrain.drawing.style import Drawing, Lettering, shorten, text_width
from dltrain.drawing.tiles import Tile, draw_tiles
from dltrain.kinds.image.augment import Augment
from dltrain.kinds.image.augmented import save_augmented
from dltrain.kinds.image.plots import draw_samples
from dltrain.kinds.table.coefficients import coefficients
from dltrain.kinds.table.plots import draw_fit
from dltrain.report import plots
from dltrain.report.figures import curves
from dltrain.report.plots import draw_plots
from dltrain.report.sections.limits import limits
from dltrain.runs.folder import RunDir
from dltrain.runs.reader import Run
from dltrain.storage import write_csv
from dltrain.tasks.plots import classes as matrices
from dltrain.tasks.plots import curves as rates
from dltrain.tasks.registry import page_of
from dltrain.types import Split

torch.set_num_threads(1)
pytestmark = pytest.mark.usefixtures("rendered_plots")
MakeRun = Callable[..., RunDir]
Draw = Callable[[RunDir, str], Drawing | None]
HOSTILE = [
    "<script>alert(1)</script>",
    "$x_1$ and $",
    "_hidden",
    r"\$\frac",
    "=cmd()",
    "new\nline",
    "及格",
    "l" * 240,
]


def drawn(run: RunDir) -> set[str]:
    """The names of what was drawn, each of it on disk and whole."""
    done = draw_plots(Run(run))
    assert all(one.png is not None and one.words for one in done)
    assert {f"{one.plot.name}.png" for one in done} == {path.name for path in run.plots.iterdir()}
    return {one.plot.name for one in done}


def test_a_classification_draws_its_plots(make_run: MakeRun) -> None:
    assert drawn(make_run(classes=["a", "b", "c"])) == {
        "loss",
        "metrics",
        "confusion",
        "roc",
        "precision_recall",
        "calibration",
    }


def test_a_regression_draws_its_plots(make_run: MakeRun) -> None:
    assert drawn(make_run()) == {"loss", "metrics", "predicted_against_true", "residuals", "fit"}
    assert "fit" not in drawn(make_run("two", features=("x", "z")))


def test_images_are_shown(make_run: MakeRun) -> None:
    assert "samples" in drawn(make_run(classes=["a", "b"], kind="image"))


def test_samples_say_right_and_wrong_in_signs_as_in_colours(make_run: MakeRun) -> None:
    run = Run(make_run(classes=["a", "b"], kind="image"))
    drawing = draw_samples(run, Lettering([]))
    assert drawing is not None
    (axes,) = drawing.figure.axes
    assert len(axes.texts) == len(axes.images)
    for title, row in zip(axes.texts, run.examples, strict=False):
        right = row.true == row.predicted
        assert title.get_text().endswith("✓" if right else "✗")
        assert title.get_color() == (style.RIGHT if right else style.WRONG)


def test_samples_of_numbers_are_neither_right_nor_wrong(make_run: MakeRun) -> None:
    drawing = draw_samples(Run(make_run(kind="image")), Lettering([]))
    assert drawing is not None
    assert "the largest errors first" in drawing.words
    titles = drawing.figure.axes[0].texts
    assert titles
    assert {title.get_color() for title in titles} == {style.INK}
    assert not any("✗" in title.get_text() for title in titles)


@pytest.mark.parametrize("splits", [("train", "val"), ("train", "test"), ("train",)])
def test_missing_splits(make_run: MakeRun, splits: tuple[str, ...]) -> None:
    names = drawn(make_run(classes=["a", "b"], splits=splits))
    assert ("metrics" in names) == ("val" in splits)
    assert {"loss", "confusion", "roc"} <= names


@pytest.mark.parametrize("epochs", [0, 1, 400])
@pytest.mark.parametrize("classes", [(), ("a", "b")])
def test_any_number_of_epochs(make_run: MakeRun, epochs: int, classes: tuple[str, ...]) -> None:
    assert ("loss" in drawn(make_run(classes=classes, epochs=epochs))) == (epochs > 0)


def test_the_rate_is_drawn_only_where_it_changes(make_run: MakeRun) -> None:
    run = make_run()
    assert "lr" not in drawn(run)
    run.history.write_text("epoch,lr,train/loss\n1,0.1,1\n2,0.01,0.5\n")
    assert "lr" in drawn(run)


def test_empty_and_infinite_cells_are_gaps(make_run: MakeRun) -> None:
    run = make_run()
    run.history.write_text(
        "epoch,lr,train/loss,val/loss,val/r2\n1,0.1,inf,,nan\n2,0.1,1,,-300\n3,0.1,nan,,0.5\n4,0.1,,,\n"
    )
    read = Run(run)
    np.testing.assert_array_equal(read.curve("train/loss"), [np.nan, 1, np.nan, np.nan])
    drawing = curves.draw_loss(read, Lettering([]))
    assert drawing is not None
    assert "validation" not in drawing.words
    assert {"loss", "metrics"} <= drawn(run)


@pytest.mark.parametrize(("last", "scale"), [(0.9, "linear"), (1e-4, "log"), (-1.0, "linear")])
def test_loss_is_logarithmic_where_it_spans_decades(make_run: MakeRun, last: float, scale: str) -> None:
    run = make_run()
    run.history.write_text(f"epoch,train/loss\n1,1\n2,{last}\n")
    drawing = curves.draw_loss(Run(run), Lettering([]))
    assert drawing is not None
    assert drawing.figure.axes[0].get_yscale() == scale


@pytest.mark.parametrize("count", [2, 20, 21, 100])
def test_any_number_of_classes(make_run: MakeRun, draw: Draw, count: int) -> None:
    run = make_run(classes=[f"class {n}" for n in range(count)], samples=4 * count)
    assert {"confusion", "roc"} <= drawn(run)
    drawing = draw(run, "confusion")
    assert drawing is not None
    axes = drawing.figure.axes[0]
    assert bool(axes.texts) == (count <= 20)
    assert len(axes.get_yticklabels()) <= 60


LONG = [
    f"{plant}___{illness}"
    for plant in ("Tomato", "Apple", "Corn_(maize)", "Grape", "Pepper,_bell", "Potato", "Orange")
    for illness in ("Bacterial_spot", "Early_blight", "healthy", "Cercospora_leaf_spot Gray_leaf_spot", "Spider_mites")
]


def test_long_names_stand_whole_beside_the_matrix_and_in_pairs(make_run: MakeRun, draw: Draw) -> None:
    run = make_run(classes=LONG, samples=6 * len(LONG))
    matrix = draw(run, "confusion")
    assert matrix is not None
    rows = [label.get_text() for label in matrix.figure.axes[0].get_yticklabels()]
    assert rows == [f"{name} · {number}" for number, name in enumerate(LONG, 1)]
    columns = [label.get_text() for label in matrix.figure.axes[0].get_xticklabels()]
    assert columns == [str(number) for number in range(1, 36)]
    assert matrix.figure.get_size_inches()[0] <= 10.6  # the page would make it smaller
    pairs = draw(run, "confused_pairs")
    assert pairs is not None
    labels = [label.get_text() for label in pairs.figure.axes[0].get_yticklabels()]
    assert all({name.replace("\n", "") for name in label.split(" →\n")} <= set(LONG) for label in labels)
    bars = [patch.get_width() for patch in pairs.figure.axes[0].patches]
    assert bars == sorted(bars, reverse=True)
    predicted = page_of(Run(run).facts).predicted(Run(run))
    assert predicted is not None
    true, other = labels[0].split(" →\n")
    count = np.sum((predicted.true == LONG.index(true)) & (predicted.predicted == LONG.index(other)))
    assert bars[0] == count


def test_no_pairs_where_nothing_is_confused(make_run: MakeRun, draw: Draw) -> None:
    classes = [f"class {number}" for number in range(6)]
    run = make_run(classes=classes, samples=6)
    rows = [[n, name, name, *(float(name == other) for other in classes)] for n, name in enumerate(classes)]
    write_csv(run.predictions, ["id", "true", "predicted", *(f"score_{name}" for name in classes)], rows)
    assert draw(run, "confusion") is not None
    assert draw(run, "confused_pairs") is None
    assert draw(make_run("few", classes=classes[:4]), "confused_pairs") is None


def test_very_many_classes_have_pairs_and_the_curves_of_the_largest(
    make_run: MakeRun, draw: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matrices, "MAX_CLASSES", 5)
    monkeypatch.setattr(rates, "MOST_MEASURED", 4)
    run = make_run(classes=[f"class {number}" for number in range(6)], samples=60)
    assert draw(run, "confusion") is None  # a class would be smaller than a pixel
    said = list(page_of(run.read_facts()).omissions())
    assert len(said) == 1 and "A confusion matrix of 6 classes is not drawn" in said[0]
    assert said[0] in limits(Run(run), {}).notes
    assert draw(run, "confused_pairs") is not None
    for name in ("roc", "precision_recall"):
        drawing = draw(run, name)
        assert drawing is not None and "of the 4 largest of 6 on the" in drawing.words


def test_long_names_are_wrapped_above_samples(make_run: MakeRun) -> None:
    run = Run(make_run(classes=LONG, kind="image"))
    drawing = draw_samples(run, Lettering([]))
    assert drawing is not None
    for text, row in zip(drawing.figure.axes[0].texts, run.examples, strict=False):
        title = text.get_text()
        assert max(map(len, title.split("\n"))) <= 28
        words = title.replace("\n", "").replace(" ", "")
        assert row.true.replace(" ", "") in words
        assert row.predicted.replace(" ", "") in words


def test_legends_lie_on_no_data(make_run: MakeRun, draw: Draw) -> None:
    classes = [*LONG[:9], "x"]
    runs = [make_run("classes", classes=classes, samples=200), make_run("two", classes=["a", "b"]), make_run("number")]
    legends = 0
    for run in runs:
        for name in drawn(run):
            drawing = draw(run, name)
            assert drawing is not None
            drawing.figure.draw_without_rendering()
            for legend in drawing.figure.legends:
                legends += 1
                box = legend.get_window_extent()
                assert box.x0 >= 0
                assert box.x1 <= drawing.figure.bbox.x1
                for axes in drawing.figure.axes:
                    assert not box.overlaps(axes.get_window_extent())
            assert all(axes.get_legend() is None for axes in drawing.figure.axes)
    assert legends >= 8


@pytest.mark.parametrize("width", [8, 12, 30])
def test_shortened_names_stay_apart(width: int) -> None:
    short = shorten_apart(LONG, width)
    assert len(set(short)) == len(LONG)
    assert max(map(text_width, short)) <= max(width, max(map(text_width, LONG)))
    assert shorten_apart(["a", "a", "b"], width) == ["a", "a", "b"]


@pytest.mark.parametrize("text", [*LONG, "word", "l" * 240, "a " * 90, "没有空格的很长的名字" * 3, ""])
def test_wrapped_names_fit(text: str) -> None:
    wrapped = wrap(text, 20)
    assert len(wrapped.split("\n")) <= 3
    assert max(map(text_width, wrapped.split("\n"))) <= 20
    if text_width(text) <= 20:
        assert wrapped == text.strip()


@pytest.mark.parametrize("count", [1, 2, 7, 8])
def test_where_the_model_looks_is_drawn_below_each_example(make_run: MakeRun, draw: Draw, count: int) -> None:
    run = make_run(classes=["a", "b"], kind="image")
    assert draw(run, "explained") is None
    rows, places = np.array([0, 9, 1, 8, 2, 7, 3, 6])[:count], np.zeros((count, 8, 8), dtype=np.uint8)
    places[0, 2, 3] = 255
    save_file({"rows": rows, "places": places}, run.examples / "maps.safetensors")
    drawing = draw(run, "explained")
    assert drawing is not None
    images = drawing.figure.axes[0].images
    assert len(images) == 2 * count
    columns = -(-count // 2)
    plain, below = (np.asarray(images[at].get_array()) for at in (0, columns))
    grey = np.repeat(plain.astype(float).mean(axis=2, keepdims=True), 3, axis=2).round()
    marked = np.abs(below - grey).max(axis=2) > 1
    assert marked.sum() == 1 and marked[2, 3]


def test_what_the_augmentation_shows_is_drawn(make_run: MakeRun, draw: Draw) -> None:
    run = make_run(classes=["a", "b"], kind="image")
    assert draw(run, "augmentation") is None
    split = Split((torch.randint(0, 256, (9, 3, 8, 8), dtype=torch.uint8),), torch.zeros(9), tuple("abcdefghi"))
    save_augmented(run, TensorLoader(split, 3, torch.device("cpu"), seed=0))
    assert draw(run, "augmentation") is None
    augment = Augment(crop=0.3, brightness=0.5, cutmix=1.0)
    save_augmented(run, TensorLoader(split, 3, torch.device("cpu"), change=augment, mix=augment.mix, seed=0))
    drawing = draw(run, "augmentation")
    assert drawing is not None
    images = [image.get_array() for image in drawing.figure.axes[0].images]
    assert len(images) == 24
    np.testing.assert_array_equal(images[6], split.inputs[0][2].permute(1, 2, 0))
    assert len({np.asarray(image).tobytes() for image in images}) == 24


def test_names_are_drawn_as_they_are(make_run: MakeRun, caplog: pytest.LogCaptureFixture) -> None:
    run = make_run(classes=HOSTILE, features=["$\\frac$"], target="$y")
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING, "dltrain"):
        warnings.simplefilter("error")
        assert {"confusion", "roc"} <= drawn(run)
    assert not [record for record in caplog.records if "cannot be drawn" in record.message]
    run = make_run("regression", features=["$\\frac{$"], target="$y_1$")
    drawing = draw_fit(Run(run), Lettering([]))
    assert drawing is not None
    label: Any = drawing.figure.axes[0].yaxis.label
    assert label._preprocess_math(label.get_text()) == ("$y_1$", False)


def test_a_glyph_that_no_font_has_is_said_once(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(style, "FALLBACKS", ())
    run = make_run(classes=["及格", "良"])
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING, "dltrain"):
        warnings.simplefilter("error")
        assert "roc" in drawn(run)
    assert [record.message for record in caplog.records if "no font" in record.message] != []
    assert len(caplog.records) == 1


def test_a_plot_that_fails_is_told_and_takes_no_other_with_it(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(run: Run, text: Lettering) -> None:
        raise ValueError("no")

    run = make_run()
    drawn(run)
    monkeypatch.setattr(plots, "CURVES", (Plot("loss", "Loss", "curves", fail), *plots.CURVES[1:]))
    with caplog.at_level(logging.WARNING, "dltrain"):
        done = draw_plots(Run(run))
    assert [one.plot.name for one in done if one.png is None] == ["loss"]
    assert len(done) == 5
    assert len(caplog.records) == 1
    assert not (run.plots / "loss.png").exists()


def test_a_hundred_thousand_predictions_are_thinned_out(make_run: MakeRun, draw: Draw) -> None:
    run = make_run(samples=100_000)
    drawing = draw(run, "predicted_against_true")
    assert drawing is not None
    assert "one point in 20" in drawing.words
    assert max(len(line.get_xdata()) for line in drawing.figure.axes[0].lines) == 5000  # type: ignore[arg-type]


def test_predictions_that_are_not_finite_are_left_out(make_run: MakeRun, draw: Draw) -> None:
    run = make_run()
    run.predictions.write_text("id,true,predicted\n0,1,nan\n1,2,2\n2,2,2\n3,1,inf\n")
    drawing = draw(run, "residuals")
    assert drawing is not None
    assert "mean 0," in drawing.words
    run.predictions.write_text("id,true,predicted\n0,1,nan\n")
    assert "residuals" not in drawn(run)


def test_predictions_are_read_through_the_guard_of_formulas(make_run: MakeRun) -> None:
    run = make_run(classes=["=a", "'b"])
    run.predictions.write_text("id,true,predicted,score_=a,score_'b\n0,'=a,'b,0.4,0.6\n")
    read = Run(run)
    said = page_of(read.facts).predicted(read)
    assert said is not None
    assert (said.true.tolist(), said.predicted.tolist(), said.scores.tolist()) == ([0], [1], [[0.4, 0.6]])


def test_fit_is_drawn_in_raw_units(make_run: MakeRun) -> None:
    run = make_run(facts={"preprocessing": {"mean": [100.0], "std": [10.0]}})
    save_file({"input_0": np.array([[-1.0], [2.0]], np.float32)}, run.examples / "inputs.safetensors")
    (run.examples / "examples.csv").write_text("id,true,predicted,error\n0,1,2,1\n1,3,4,1\n")
    drawing = draw_fit(Run(run), Lettering([]))
    assert drawing is not None
    assert np.asarray(drawing.figure.axes[0].lines[0].get_xdata()).tolist() == [90, 120]


@pytest.mark.parametrize("bias", [None, 0.25])
def test_coefficients_are_those_of_the_model_in_raw_units(make_run: MakeRun, bias: float | None) -> None:
    mean, std = np.array([3.0, -1.0]), np.array([2.0, 0.5])
    weight, target_mean, target_std = np.array([[0.7, -0.4]]), 10.0, 4.0
    scaling: dict[str, Any] = {"preprocessing": {"mean": mean.tolist(), "std": std.tolist()}}
    scaling |= {
        "target_mean": target_mean,
        "target_std": target_std,
        "truth": {"coefficients": [1.4, -3.2], "bias": 1.0},
    }
    run = make_run(features=("x", "z"), facts=scaling)
    step = run.checkpoints / "step-00000001"
    step.mkdir(parents=True)
    (run.checkpoints / "best").write_text("step-00000001\n")
    save_file(
        {"linear.weight": weight.astype(np.float32)}
        | ({} if bias is None else {"linear.bias": np.array([bias], np.float32)}),
        step / "model.safetensors",
    )
    known = coefficients(Run(run))
    assert known is not None
    raw = np.array([[5.0, 2.0], [-7.0, 0.5]])  # any two rows
    predicted = (((raw - mean) / std) @ weight[0] + (bias or 0.0)) * target_std + target_mean
    np.testing.assert_allclose(raw @ known.learned[:-1] + known.learned[-1], predicted, rtol=1e-6)
    np.testing.assert_allclose(known.learned[:2], [0.7 * 4 / 2, -0.4 * 4 / 0.5], rtol=1e-6)
    assert known.names == ["x", "z", "intercept"]
    assert known.true.tolist() == [1.4, -3.2, 1.0]
    assert "coefficients" in drawn(run)


@pytest.mark.parametrize("text", ["ab" * 40, "及格" * 40, "a及" * 30])
def test_shortened_text_keeps_both_ends(text: str) -> None:
    short = shorten(text, 21)
    assert 18 <= text_width(short) <= 21
    assert short[0] == text[0]
    assert short[-1] == text[-1]
    assert shorten(text[:5], 21) == text[:5]


def test_drawing_does_not_import_pyplot_whose_state_is_global(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not [path for path in Path(package.__file__).parent.rglob("*.py") if "pyplot" in path.read_text("utf-8")]
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # to import it is an ImportError
    run = make_run(classes=["a", "b"])
    assert {"loss", "metrics", "confusion", "roc"} <= drawn(run)


def test_blanks_and_line_ends_are_on_the_map_of_words(make_run: MakeRun, draw: Draw) -> None:
    vocabulary = [" ", "\n", "_", "a", "$"]
    facts = {"vocab_sizes": [8], "preprocessing": {"tokens": "character", "vocabulary": vocabulary}}
    run = make_run(kind="corpus", facts={"task": "next_token", **facts})
    step = run.checkpoints / "step-00000001"
    step.mkdir(parents=True)
    (run.checkpoints / "best").write_text("step-00000001\n")
    vectors = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
    save_file({"embed.table.weight": vectors}, step / "model.safetensors")
    drawing = draw(run, "words")
    assert drawing is not None
    assert [note.get_text() for note in drawing.figure.axes[0].texts] == ["␣", "⏎", "_", "a", r"\$"]


def test_a_name_that_is_no_text_stops_no_plot() -> None:
    assert Lettering([7, None, "年"]).families[0] == "DejaVu Sans"  # type: ignore[list-item]


@pytest.mark.parametrize("shape", [(8, 8), (20, 8), (8, 20, 3)])
@pytest.mark.parametrize("lines", [1, 2, 6])
def test_words_above_images_lie_on_no_image_and_inside_the_figure(shape: tuple[int, ...], lines: int) -> None:
    tiles = [Tile(np.zeros(shape), "\n".join(["Äyp"] * (1 + number % lines))) for number in range(10)]
    figure = draw_tiles([tiles[:4], tiles[4:8], tiles[8:]], 4)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    images = [image.get_window_extent() for image in axes.images]
    for index, text in enumerate(axes.texts):
        box = text.get_window_extent()
        assert not any(box.overlaps(image) for image in images)
        assert box.y1 <= figure.bbox.y1
        assert box.x0 < images[index].x1 and box.x1 > images[index].x0
    for image in images:
        assert image.width / image.height == pytest.approx(shape[1] / shape[0])
    assert not any(one.overlaps(other) for at, one in enumerate(images) for other in images[:at])


def test_workers_draw_what_one_process_draws(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(classes=["a", "b"], kind="image")
    files: list[dict[str, bytes]] = []
    for cores in (1, 3):
        monkeypatch.setattr(plots, "count_cores", lambda cores=cores: cores)
        drawn = draw_plots(Run(run))
        files.append({item.plot.name: item.png or b"" for item in drawn})
    assert len(files[0]) > 6
    assert all(files[0].values())
    assert list(files[0].items()) == list(files[1].items())


def test_plots_that_only_the_process_itself_can_draw_are_drawn(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, alone = make_run(classes=["a", "b"]), os.getpid()
    draw_loss = curves.draw_loss

    def draw(read: Run, text: Lettering) -> Drawing | None:
        if os.getpid() != alone:
            raise RuntimeError("in a worker")
        return draw_loss(read, text)

    several = [Plot(f"plot{number}", "Plot", "curves", draw) for number in range(12)]
    monkeypatch.setattr(plots, "plots_of", lambda _: several)
    monkeypatch.setattr(plots, "count_cores", lambda: 3)
    assert [item.plot.name for item in draw_plots(Run(run)) if item.png] == [plot.name for plot in several]


def test_without_memory_to_share_plots_are_drawn(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> None:
        raise OSError(12, "Cannot allocate memory")

    run = make_run(classes=["a", "b"])
    before = draw_plots(Run(run))
    monkeypatch.setattr(plots, "count_cores", lambda: 3)
    monkeypatch.setattr(plots, "mmap", refuse)
    assert [item.png for item in draw_plots(Run(run))] == [item.png for item in before]
    assert all(item.png for item in before)


def test_matplotlib_is_imported_with_its_lists_of_properties_left_out_and_put_back() -> None:
    code = (
        "import sys; from dltrain.drawing.style import figure_class; assert 'matplotlib' not in sys.modules;"
        "figure_class(); from matplotlib import artist, lines;"
        "print('a filter function' not in lines.Line2D.set.__doc__);"
        "print('agg_filter' in artist.kwdoc(artist.Artist))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["True", "True"]
