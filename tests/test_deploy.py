"""docs/deploy.md: its program classifies images as `dltrain predict` does, without dltrain and torch."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

PAGE = Path(__file__).parent.parent / "docs" / "deploy.md"
BLOCKER = "import sys; sys.modules.update(dict.fromkeys(['dltrain', 'torch', 'torchvision']))\n"


def program(folder: Path) -> Path:
    """The page's program, which cannot import dltrain and torch."""
    (block,) = re.findall(r"```python\n# classify.py\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    path = folder / "classify.py"
    path.write_text(BLOCKER + block, encoding="utf-8")
    return path


def photos(folder: Path) -> list[str]:
    """Images of several sizes and sorts: JPEG, also large and lying on its side, PNG, grey, transparent, palette."""
    random = np.random.default_rng(0)
    folder.mkdir()
    for number, size in enumerate([(60, 90), (90, 60), (700, 500), (30, 30)]):
        colours = Image.fromarray(random.integers(0, 256, (5, 6, 3)).astype(np.uint8))
        image = colours.resize(size, Image.Resampling.BICUBIC)
        image.save(folder / f"{number}.png")
        image.save(folder / f"{number}.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(folder / "side.jpg", exif=exif)
    image.convert("L").save(folder / "grey.png")
    image.quantize(16).save(folder / "palette.png")
    image.putalpha(Image.fromarray(random.integers(0, 256, (30, 30)).astype(np.uint8)))
    image.save(folder / "clear.png")
    return sorted(map(str, folder.iterdir()))


@pytest.mark.parametrize(
    "options",
    [
        ("data=animals", "data.resize=crop"),
        ("data=animals", "data.resize=pad", "data.channels=1"),
        ("data=animals", "data.resize=stretch"),
        ("data=animals", "data.resize={share: 0.875, filter: bicubic}"),
    ],
)
def test_the_page_predicts_as_predict_does(
    dltrain: Callable, drawn_animals: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    files = photos(tmp_path / "photos")
    common = ("model=cnn", "trainer.epochs=1", "baseline=none", "data.size=32", "hydra.run.dir=run")
    assert dltrain(*options, f"data.path={drawn_animals}", *common).code == 0
    assert dltrain("export", "run", "--format", "onnx", "-o", "model.onnx").code == 0
    assert dltrain("predict", "run", "photos", "-o", "predicted.csv").code == 0
    command = [sys.executable, str(program(tmp_path)), "model.onnx", *files]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    answers = {Path(row["file"]).name: row for row in map(json.loads, done.stdout.splitlines())}
    predicted = pd.read_csv("predicted.csv").set_index("id")
    assert set(answers) == {Path(name).name for name in predicted.index} and len(answers) == len(files)
    scores = [name for name in predicted.columns if name.startswith("score_")]
    for name, row in predicted.iterrows():
        answer = answers[Path(str(name)).name]
        np.testing.assert_allclose(answer["scores"], row[scores].astype(float), atol=1e-4)
        assert answer["predicted"] == row["predicted"]


def test_the_page_refuses_what_it_would_get_wrong(dltrain: Callable, drawn_animals: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    common = ("model=linear", "trainer.epochs=1", "baseline=none", "data.size=16", "hydra.run.dir=run")
    assert dltrain("data=animals", f"data.path={drawn_animals}", *common).code == 0
    assert dltrain("export", "run", "--format", "onnx", "-o", "model.onnx").code == 0
    Image.fromarray(np.full((20, 20), 40_000, dtype=np.uint16)).save(tmp_path / "deep.png")
    command = [sys.executable, str(program(tmp_path)), "model.onnx", "deep.png"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
    assert "more than 8 bits" in done.stderr
