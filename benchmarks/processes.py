"""Whole processes of dltrain beside what they cannot do without.

    python benchmarks/processes.py
    python benchmarks/processes.py --rounds 9 --only check --cpu-seconds

The bare minimum of a small run imports torch, pandas, scikit-learn and matplotlib and takes one AdamW step. The plain
script of the cubic experiment trains the same network for as many epochs and saves two plots. All take turns; the
medians over the rounds are compared, in seconds on the clock, when nothing else should run meanwhile, or with
`--cpu-seconds` in seconds of the processor, where the machine has other work.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from statistics import median
from time import perf_counter

MINIMUM = """
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot
import pandas
import sklearn.datasets
import sklearn.linear_model
import torch
model = torch.nn.Linear(4, 3)
optimizer = torch.optim.AdamW(model.parameters())
model(torch.randn(3, 4)).sum().backward()
optimizer.step()
"""
CHECKED = "import pandas, sklearn.datasets, torch; sklearn.datasets.load_iris(as_frame=True)"
CUBIC = """
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
import torch
from torch import nn
torch.set_num_threads(1)
torch.manual_seed(0)
x = torch.linspace(-10, 10, 1000)[:, None]
y = x**3
model = nn.Sequential(nn.Linear(1, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
losses = []
for _ in range(EPOCHS):
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
plt.plot(losses)
plt.savefig("loss.png")
plt.figure()
plt.plot(x, y)
plt.plot(x, model(x).detach())
plt.savefig("fit.png")
"""
EPOCHS = 2000


def dltrain(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "dltrain", *arguments]


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code.replace("EPOCHS", str(EPOCHS))]


PAIRS = {
    "iris, one epoch, beside the bare minimum": (dltrain("data=iris", "trainer.epochs=1"), python(MINIMUM)),
    "experiment=cubic, 2,000 epochs, beside the plain script": (
        dltrain("experiment=cubic", f"trainer.epochs={EPOCHS}", "trainer.threads=1"),
        python(CUBIC),
    ),
    "check data=iris, beside importing torch and the data": (dltrain("check", "data=iris"), python(CHECKED)),
    "--help, beside an empty Python": (dltrain("--help"), python("pass")),
}


def children_seconds() -> float:
    """Returns the seconds that all ended processes of this one took of the processor."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def seconds_of(command: list[str], clock: Callable[[], float]) -> float:
    """Returns the seconds that a process takes in an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        began = clock()
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return clock() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="the beginning of a pair's name")
    parser.add_argument("--cpu-seconds", action="store_true")
    asked = parser.parse_args()
    clock = children_seconds if asked.cpu_seconds else perf_counter
    os.environ.pop("OMP_NUM_THREADS", None)
    print(f"{'process':58} {'dltrain':>8} {'plain':>8} {'ratio':>6}")
    for title, commands in PAIRS.items():
        if not title.startswith(asked.only):
            continue
        rounds = [[seconds_of(command, clock) for command in commands] for _ in range(asked.rounds)]
        ours, plain = (median(part) for part in zip(*rounds, strict=True))
        print(f"{title:58} {ours:8.2f} {plain:8.2f} {ours / plain:6.2f}", flush=True)


if __name__ == "__main__":
    main()
