"""How good the image recipe is at its defaults, as a table: `python benchmarks/images.py [--seeds N] [NAME ...]`.

Names are those of SETS; without any, all whose data is here. `animals` are real photos, `train/` and `val/` below
`$DLTRAIN_REALDATA/animals`; `mnist`, `fashion_mnist` and `cifar10` are read from `$DLTRAIN_REALDATA` and not
downloaded. Every run goes through the command line, in a folder of its own, with nothing set but what stands here.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

REAL = Path(os.environ.get("DLTRAIN_REALDATA", "/nowhere")).absolute()
SETS = {
    "digits": ("data=digits",),
    "digits_28": ("data=digits", "data.size=28"),
    "drawn_animals": ("data=animals",),
    "animals": ("data=images", f"data.path={REAL / 'animals'}"),
    "mnist": ("data=mnist", f"data.root={REAL}"),
    "fashion_mnist": ("data=fashion_mnist", f"data.root={REAL}"),
    "cifar10": ("data=cifar10", f"data.root={REAL}"),
}
NEEDS = {
    "animals": "animals/train",
    "mnist": "MNIST/raw",
    "fashion_mnist": "FashionMNIST/raw",
    "cifar10": "cifar-10-batches-py",
}


def run(model: str, overrides: tuple[str, ...], seed: int) -> dict[str, float]:
    """Test accuracy and seconds of one run; `seed` fixes split and training."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = [f"model={model}", *overrides, f"data.seed={seed}", f"seed={seed}", "--quiet", "--json"]
        command = [sys.executable, "-m", "dltrain", *arguments]
        result = json.loads(subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout)
    return {"accuracy": result["test"]["accuracy"], "seconds": result["seconds"], "epochs": result["epochs"]}


def main() -> None:
    """Prints a row for each set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(SETS)}")
    parser.add_argument("--model", default="cnn")
    parser.add_argument("--seeds", type=int, default=3, help="runs a set, with seeds from 0")
    options = parser.parse_args()
    unknown = set(options.names) - set(SETS)
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}; choose from {', '.join(SETS)}")
    names = options.names or [name for name in SETS if name not in NEEDS or (REAL / NEEDS[name]).is_dir()]

    print(f"| data ({options.model}) | test accuracy, mean | each | epochs | seconds a run |", flush=True)
    print("| --- | --- | --- | --- | --- |", flush=True)
    for name in names:
        runs = [run(options.model, SETS[name], seed) for seed in range(options.seeds)]
        each = " ".join(f"{one['accuracy']:.4f}" for one in runs)
        mean = statistics.mean(one["accuracy"] for one in runs)
        seconds = statistics.median(one["seconds"] for one in runs)
        print(f"| {name} | {mean:.4f} | {each} | {runs[0]['epochs']:.0f} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
