"""How the time and the memory of whole runs grow with the data, the epochs, the parameters and the classes.

    python benchmarks/growth.py
    python benchmarks/growth.py --only rows,classes --full
    python benchmarks/growth.py --only texts --sizes 1000,10000 --profile

Each run is a process of its own, from a file that is made here to the finished page. The smallest run is the fixed
cost; the exponent is the slope of what comes on top of it, in seconds and in bytes, over what the size comes on top of,
on logarithmic axes, so that 1 is growth in proportion. Seconds are the processor's, which other work hardly changes.
`aside` is the share of the run's time that baselines, explanations, plots and the page take together. `--full` also
runs the largest sizes, which takes an hour and about 16 GiB of memory.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

COMMON = ["trainer.threads=1", "trainer.profile=true"]
NEGLIGIBLE = 0.3, 20.0  # seconds and MiB, below which growth is no more than noise
WORDS = np.array([f"word{number}" for number in range(5000)])


@dataclass(frozen=True)
class Run:
    """A finished run: its size, the processor's seconds, the largest memory in MiB, and where its time went."""

    size: int
    seconds: float
    memory: float
    parts: dict[str, float]

    @property
    def aside(self) -> float:
        """Returns the share of baselines, explanations, plots and page."""
        return sum(self.parts[part] for part in ("explain", "baselines", "plots and page")) / self.parts["total"]


Make = Callable[[Path, int], list[str]]  # writes the data of a size into a folder, and returns the command's overrides


def table(folder: Path, rows: int, name: str = "table.csv") -> pd.DataFrame:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({f"x{number}": random.normal(size=rows).round(4) for number in range(6)})
    frame["place"] = np.array(["north", "south", "east", "west"])[random.integers(0, 4, rows)]
    frame["shop"] = np.char.add("shop", random.integers(0, 300, rows).astype(str))
    frame["y"] = (3 * frame.x0 - frame.x1**2 + (frame.place == "north") + random.normal(size=rows)).round(4)
    frame.to_csv(folder / name, index=False)
    return frame


def rows(folder: Path, size: int) -> list[str]:
    table(folder, size)
    return ["model=mlp", "data=csv", "data.path=table.csv", "data.target=y", "trainer.epochs=1"]


def labelled_rows(folder: Path, size: int) -> list[str]:
    frame = table(folder, size)
    frame["y"] = np.where(frame.y > 0, "good", "bad")
    frame.to_csv(folder / "table.csv", index=False)
    return ["model=mlp", "data=csv", "data.path=table.csv", "data.target=y", "trainer.epochs=1"]


def test_rows(folder: Path, size: int) -> list[str]:
    table(folder, 10_000)
    table(folder, size, "test.csv")
    return [*rows(folder, 10_000), "data.test_path=test.csv"]


def columns(folder: Path, size: int) -> list[str]:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({f"x{number}": random.normal(size=2000).round(4) for number in range(size)})
    frame["y"] = (frame.x0 + random.normal(size=2000)).round(4)
    frame.to_csv(folder / "table.csv", index=False)
    return ["model=mlp", "data=csv", "data.path=table.csv", "data.target=y", "trainer.epochs=1"]


def epochs(folder: Path, size: int) -> list[str]:
    table(folder, 40)
    return ["model=linear", "data=csv", "data.path=table.csv", "data.target=y", f"trainer.epochs={size}",
            "trainer.patience=null", "trainer.batch_size=full"]  # fmt: skip


def parameters(folder: Path, size: int) -> list[str]:
    table(folder, 500)
    width = math.isqrt(size)
    return ["model=mlp", f"model.hidden=[{width},{width}]", "data=csv", "data.path=table.csv", "data.target=y",
            "trainer.epochs=2", "trainer.batch_size=100"]  # fmt: skip


def classes(folder: Path, size: int) -> list[str]:
    frame = table(folder, 50_000)
    random = np.random.default_rng(1)
    which = np.concatenate([np.arange(size), random.integers(0, size, len(frame) - size)])
    frame["y"] = np.char.add("class", which.astype(str))
    frame.to_csv(folder / "table.csv", index=False)
    return ["model=mlp", "data=csv", "data.path=table.csv", "data.target=y", "task=classification", "trainer.epochs=1"]


def images(folder: Path, size: int) -> list[str]:
    random = np.random.default_rng(0)
    for number in range(size):
        kind = ("dark", "light", "noisy")[number % 3]
        pixels = random.integers(*{"dark": (0, 90), "light": (150, 255), "noisy": (0, 255)}[kind], (16, 16, 3))
        path = folder / "images" / kind / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    return ["model=cnn", "data=images", "data.path=images", "data.size=16", "trainer.epochs=1"]


def written(random: np.random.Generator, number: int, words: int = 20) -> list[str]:
    """Returns texts of words of which a few are frequent."""
    drawn = WORDS[(random.pareto(1.0, (number, words)) * 20).astype(int) % len(WORDS)]
    return [" ".join(text) for text in drawn]


def texts(folder: Path, size: int) -> list[str]:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"text": written(random, size), "label": np.where(random.random(size) > 0.5, "up", "down")})
    frame["text"] = np.where(frame.label == "up", "fine ", "poor ") + frame.text
    frame.to_csv(folder / "texts.csv", index=False)
    return ["model=textcnn", "data=text", "data.path=texts.csv", "data.target=label", "trainer.epochs=1"]


def corpus(folder: Path, size: int) -> list[str]:
    text = "\n".join(written(np.random.default_rng(0), max(1, size // 150)))
    (folder / "corpus.txt").write_text(text)
    return ["model=rnn", "data=corpus", "data.path=corpus.txt", "data.characters=null", "trainer.epochs=1"]


def words(folder: Path, size: int) -> list[str]:
    text = "\n".join(written(np.random.default_rng(0), max(1, size // 150)))
    (folder / "corpus.txt").write_text(text)
    return ["model=word2vec", "data=words", "data.path=corpus.txt", "data.characters=null", "trainer.epochs=1"]


def pairs(folder: Path, size: int) -> list[str]:
    random = np.random.default_rng(0)
    sources = written(random, size, 5)
    frame = pd.DataFrame({"source": sources, "answer": [" ".join(reversed(source.split())) for source in sources]})
    frame.to_csv(folder / "pairs.csv", index=False)
    return ["model=gru_attention", "data=pairs", "data.path=pairs.csv", "data.text=source", "data.target=answer",
            "model.hidden=32", "trainer.epochs=1"]  # fmt: skip


def series_length(folder: Path, size: int) -> list[str]:
    times = pd.date_range("2000-01-01", periods=size, freq="h")
    values = 10 + np.sin(np.arange(size) * 2 * np.pi / 24) + np.random.default_rng(0).normal(0, 0.2, size)
    pd.DataFrame({"time": times, "value": values.round(4)}).to_csv(folder / "series.csv", index=False)
    return ["model=dlinear", "data=series", "data.path=series.csv", "data.window=48", "trainer.epochs=1"]


def number_of_series(folder: Path, size: int) -> list[str]:
    random, steps = np.random.default_rng(0), 120
    times = pd.date_range("2020-01-01", periods=steps, freq="D")
    waves = 10 + np.sin(np.arange(steps) * 2 * np.pi / 7) + random.normal(0, 0.2, (size, steps))
    names = np.char.add("shop", np.arange(size).astype(str))
    frame = pd.DataFrame({"shop": names.repeat(steps), "time": np.tile(times, size), "value": waves.ravel().round(4)})
    frame.to_csv(folder / "series.csv", index=False)
    return ["model=dlinear", "data=series", "data.path=series.csv", "data.series=shop", "data.target=value",
            "data.window=14", "trainer.epochs=1"]  # fmt: skip


def rated(folder: Path, size: int) -> None:
    """Writes ratings by 5,000 users of 1,000 items, whose vectors every step of training updates."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"user": random.integers(0, 5000, size), "item": random.integers(0, 1000, size)})
    frame["rating"] = np.clip(3 + frame.user % 3 - frame.item % 2 + random.normal(0, 0.5, size), 1, 5).round(1)
    frame["time"] = np.arange(size) + 1_500_000_000
    frame.drop_duplicates(["user", "item"]).to_csv(folder / "ratings.csv", index=False)


def ratings(folder: Path, size: int) -> list[str]:
    rated(folder, size)
    return ["model=recommender", "data=ratings", "data.path=ratings.csv", "trainer.epochs=1"]


def choices(folder: Path, size: int) -> list[str]:
    rated(folder, size)
    return ["model=recommender", "data=choices", "data.path=ratings.csv", "data.split=random", "trainer.epochs=1"]


DIMENSIONS: dict[str, tuple[str, Make, tuple[int, ...], tuple[int, ...]]] = {
    "rows": ("rows of a table, numbers", rows, (1000, 10_000, 100_000), (1_000_000, 10_000_000)),
    "labelled_rows": ("rows of a table, two classes", labelled_rows, (1000, 10_000, 100_000), (1_000_000, 10_000_000)),
    "columns": ("columns of a table of 2,000 rows", columns, (10, 100, 300), (1000, 3000)),
    "test_rows": ("test rows beside 10,000 training rows", test_rows, (1000, 10_000, 100_000), (1_000_000,)),
    "epochs": ("epochs of 40 rows", epochs, (1000, 4000, 16_000), (100_000,)),
    "parameters": ("parameters", parameters, (100_000, 1_000_000, 4_000_000), (100_000_000,)),
    "classes": ("classes of 50,000 rows", classes, (10, 100, 1000), (10_000,)),
    "images": ("image files of 16×16", images, (300, 1000, 3000), (30_000, 100_000)),
    "texts": ("texts of 21 words", texts, (1000, 4000, 16_000), (100_000, 1_000_000)),
    "corpus": ("characters of a corpus", corpus, (100_000, 400_000, 1_600_000), (10_000_000,)),
    "words": ("characters of word vectors", words, (300_000, 1_000_000, 3_000_000), (30_000_000,)),
    "pairs": ("pairs of 5 words", pairs, (1000, 4000, 16_000), (100_000,)),
    "series_length": ("steps of a series", series_length, (1000, 10_000, 100_000), (1_000_000,)),
    "series": ("series of 120 steps", number_of_series, (10, 100, 1000), (10_000,)),
    "ratings": ("ratings by 5,000 users", ratings, (10_000, 100_000, 400_000), (2_000_000,)),
    "choices": ("choices by 5,000 users", choices, (10_000, 50_000, 200_000), (1_000_000,)),
}


def run(make: Make, size: int) -> Run:
    """Returns a run on data of a size, in an empty folder.

    Raises:
        RuntimeError: it fails.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        overrides = make(folder, size)
        command = [sys.executable, "-m", "dltrain", *overrides, *COMMON, "hydra.run.dir=run"]
        with (folder / "said.txt").open("w") as said:
            process = subprocess.Popen(command, cwd=folder, stdout=said, stderr=said)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(
                f"{' '.join(command)} ends with {process.returncode}: {(folder / 'said.txt').read_text()}"
            )
        parts = json.loads((folder / "run" / "profile.json").read_text())
    return Run(size, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, parts)


def exponent(sizes: list[float], values: list[float], negligible: float) -> float | None:
    """Returns the slope of values over sizes on logarithmic axes, each less the first; None if too little grows."""
    points = [
        (math.log(size - sizes[0]), math.log(value - values[0]))
        for size, value in zip(sizes[1:], values[1:], strict=True)
        if value - values[0] > negligible
    ]
    if len(points) < 2:
        return None
    return float(np.polyfit(*np.array(points).T, 1)[0])


def shown(value: float | None) -> str:
    return f"{'flat' if value is None else f'{value:.2f}':>8}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="names with commas between: " + ", ".join(DIMENSIONS))
    parser.add_argument("--full", action="store_true", help="the largest sizes too")
    parser.add_argument("--sizes", help="sizes with commas between, instead of the usual ones")
    parser.add_argument("--profile", action="store_true", help="also print where the time of each run went")
    asked = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    for name, (title, make, reduced, larger) in DIMENSIONS.items():
        if asked.only and name not in asked.only.split(","):
            continue
        sizes = [int(size) for size in asked.sizes.split(",")] if asked.sizes else [*reduced, *larger * asked.full]
        print(f"\n{title:40} {'seconds':>9} {'MiB':>8} {'aside':>7}", flush=True)
        runs = []
        for size in sizes:
            runs.append(one := run(make, size))
            print(f"{size:40,} {one.seconds:9.1f} {one.memory:8,.0f} {one.aside:7.0%}", flush=True)
            if asked.profile:
                print("   ", ", ".join(f"{part} {value:.1f}" for part, value in one.parts.items() if value >= 0.05))
        at = [float(one.size) for one in runs]
        time = exponent(at, [one.seconds for one in runs], NEGLIGIBLE[0])
        memory = exponent(at, [one.memory for one in runs], NEGLIGIBLE[1])
        print(f"{'exponent':40} {shown(time):>9} {shown(memory)}", flush=True)


if __name__ == "__main__":
    main()
