"""What torch's compiler gains in training (`trainer.compile`), and what it takes.

    python benchmarks/compile.py
    python benchmarks/compile.py --only table --rounds 1

Every round is a process of its own with an empty cache, so that the seconds to compile are those of a first run, the
import of the compiler included. A step is a forward and a backward pass on a batch. Medians of the rounds are printed;
`break-even` is the number of steps after which compiling has saved as much time as it took.
"""

from __future__ import annotations

import argparse
import math
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from dltrain.config.compose import compose_jobs
from dltrain.experiment import build
from dltrain.experiment.compilation import usual_batch
from dltrain.training.compilation import Gain, compiled

COMMON = ["trainer.threads=1", "trainer.device=cpu"]


class Workload(NamedTuple):
    """What is compiled.

    Args:
        title: of its line.
        overrides: of the config.
    """

    title: str
    overrides: list[str]


WORKLOADS = {
    "table": Workload(
        "table 10,000 × 6, MLP 256-128, batch 32",
        ["model=mlp", "model.embed=null", "model.dropout=0", "data=regression", "data.rows=10000", "data.features=6",
         "trainer.batch_size=32"],
    ),
    "digits": Workload(
        "digits 8×8, cnn, batch 32",
        ["model=cnn", "data=digits", "augment=none", "trainer.batch_size=32", "loss.label_smoothing=0"],
    ),
}  # fmt: skip


def measure(overrides: list[str]) -> Gain:
    """Returns what compiling gains for a config, with an empty cache of the compiler's."""
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder
        (job,) = compose_jobs([*COMMON, *overrides], sweep=False)
        setup = build.build(job.config)
        batch, _ = usual_batch(setup.train)
        with compiled(setup.state.model, setup.task, batch, setup.settings.precision) as gain:
            return gain


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="names of workloads with commas between: " + ", ".join(WORKLOADS))
    parser.add_argument("--rounds", type=int, default=5, help="processes for each")
    asked = parser.parse_args()
    print(f"{'workload':42} {'compiling, s':>13} {'eager, ms/step':>15} {'compiled':>9} {'break-even, steps':>18}")
    for name, workload in WORKLOADS.items():
        if asked.only and name not in asked.only.split(","):
            continue
        with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
            gains = list(pool.map(measure, [workload.overrides] * asked.rounds))
        gain = Gain(*map(median, zip(*gains, strict=True)))
        steps = "never" if gain.break_even == math.inf else f"{gain.break_even:,.0f}"
        figures = f"{gain.compiling:13.1f} {1000 * gain.plain:15.3f} {1000 * gain.compiled:9.3f}"
        print(f"{workload.title:42} {figures} {steps:>18}", flush=True)


if __name__ == "__main__":
    main()
