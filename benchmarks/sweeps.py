"""Searches on the digits: the best of a few TPE trials against the best of more random ones, over several repeats.

    python benchmarks/sweeps.py
    python benchmarks/sweeps.py --repeats 10 --trials 30 60

Each repeat runs one search with `sampler=tpe` and one with `sampler=random`, both with the seed of the repeat and
without pruning, on one thread. What is compared is the best validation loss of each, the value that a search minimizes;
`difference` is TPE's minus random's, its mean and standard error over the repeats.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np

JOB = ("model=mlp", "data=digits", "baseline=none", "trainer.threads=1")
SPACE = (
    "optimizer.lr=tag(log,interval(1e-5,1e-1))",
    "optimizer.weight_decay=tag(log,interval(1e-6,1))",
    "model.dropout=interval(0,0.8)",
    "model.hidden=choice([16],[64],[64,64],[256,128])",
)


def search(sampler: str, trials: int, seed: int, epochs: int, folder: Path) -> float:
    """Returns the best validation loss of a search."""
    settings = (f"sampler={sampler}", f"n_trials={trials}", f"seed={seed}")
    command = [sys.executable, "-m", "dltrain", "-m", *JOB, *SPACE, "hydra/sweeper=optuna", "--json"]
    command += [*(f"hydra.sweeper.{word}" for word in settings), f"trainer.epochs={epochs}"]
    command.append(f"hydra.sweep.dir={folder / f'{sampler}-{seed}'}")
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode not in (0, 6):
        raise SystemExit(done.stderr)
    return float(json.loads(done.stdout)["best"]["val/loss"])


def main() -> None:
    """Prints a line for each repeat, and the mean difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--trials", type=int, nargs=2, default=(30, 60), help="of TPE, and of random values")
    parser.add_argument("--epochs", type=int, default=10)
    given = parser.parse_args()
    differences = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(given.repeats):
            began = perf_counter()
            tpe = search("tpe", given.trials[0], seed, given.epochs, Path(folder))
            random = search("random", given.trials[1], seed, given.epochs, Path(folder))
            differences.append(tpe - random)
            seconds = perf_counter() - began
            print(f"seed {seed}: tpe {tpe:.4f}, random {random:.4f}, {seconds:.0f} s", flush=True)
    error = np.std(differences, ddof=1) / len(differences) ** 0.5 if len(differences) > 1 else float("nan")
    print(f"difference {np.mean(differences):.4f} ± {error:.4f}")


if __name__ == "__main__":
    main()
