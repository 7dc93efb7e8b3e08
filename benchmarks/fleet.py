"""Jobs that train at once (hydra/launcher=fleet) against the same jobs one by one.

    python benchmarks/fleet.py
    python benchmarks/fleet.py --jobs 16 --epochs 5 --whole
    python benchmarks/fleet.py --device cuda --whole
    python benchmarks/fleet.py --jobs 16 --rows 8000 --width 128 --epochs 300 --measured 10 --alone 2 --whole

Both train the same MLPs 10-WIDTH-WIDTH-1 on generated numbers, batches of 32, without dropout; `steps` compares the
steps of the optimizer alone, `training` the loop with its evaluations, each over `--measured` epochs. With `--whole`,
`sweep` compares the whole command of a fleet, with all that it checks and writes, with a sweep of the same jobs one by
one, and `commands` with a command for each job; the share of the steps' ratio that the sweep keeps follows. Seconds are
those of the processor, on one thread, because the machine may have other work. Of the jobs one by one, `--alone` are
measured and the rest reckoned in; their sweep is reckoned from one and from `--alone` jobs, so that the start counts
once.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from time import perf_counter, process_time

os.environ.setdefault("OMP_NUM_THREADS", "1")

from dltrain.config.compose import compose_jobs
from dltrain.data.stacked_loader import StackedLoader
from dltrain.experiment import build
from dltrain.training import schedules
from dltrain.training.loop import Learner, fit, train_epochs
from dltrain.training.stack import Stack

COMMON = [
    "model=mlp", "model.dropout=0", "model.embed=null", "data=regression", "data.features=10", "trainer.batch_size=32",
    "trainer.patience=null", "trainer.threads=1", "scheduler=constant", "baseline=none",
]  # fmt: skip
RATES = "0.0003", "0.001", "0.003", "0.01"


@dataclass(frozen=True)
class Work:
    """What each job trains.

    Args:
        epochs: of the training.
        rows: of the data.
        width: of the hidden layers.
        device: that it trains on.
    """

    epochs: int
    rows: int
    width: int
    device: str

    def overrides(self, jobs: int) -> list[str]:
        """Returns the overrides of a sweep over seeds and learning rates."""
        sized = [f"data.rows={self.rows}", f"model.hidden=[{self.width},{self.width}]", f"trainer.epochs={self.epochs}"]
        return [*COMMON, f"trainer.device={self.device}", *sized, f"seed=range({-(-jobs // 4)})", f"optimizer.lr={','.join(RATES[:jobs])}"]


def learners_of(jobs: int, work: Work) -> list[tuple[Learner, build.TensorLoader]]:
    """Returns what each job trains, freshly built."""
    setups = [build.build(job.config) for job in compose_jobs(work.overrides(jobs), sweep=True)][:jobs]
    task = setups[0].task
    return [(Learner(one.state, task, one.evaluation["val"], one.settings), one.train) for one in setups]


def seconds_of(work: Callable[[], object], device: str) -> float:
    """Returns the seconds that some work takes, of the processor or of a GPU's clock."""
    clock = process_time if device == "cpu" else perf_counter
    began = clock()
    work()
    return clock() - began


def training(jobs: int, work: Work, alone: int, *, validates: bool) -> tuple[float, float]:
    """Returns the seconds of the training of all jobs one by one, reckoned from some of them, and at once."""
    some, pairs = learners_of(alone, work), learners_of(jobs, work)
    if not validates:
        some, pairs = ([(without_validation(one), train) for one, train in those] for those in (some, pairs))
    device = work.device
    seconds = seconds_of(
        lambda: [list(fit(one.state, one.task, train, one.val, one.settings)) for one, train in some], device
    )
    pairs.sort(key=lambda pair: pair[0].state.optimizer.param_groups[0]["lr"])  # as the launcher does
    stack = Stack([one for one, _ in pairs], lambda optimizer: schedules.constant(optimizer, 1, 1))
    loader = StackedLoader([train for _, train in pairs])
    return jobs / alone * seconds, seconds_of(lambda: list(train_epochs(stack, loader, pairs[0][0].settings)), device)


def without_validation(learner: Learner) -> Learner:
    """Returns the same learner without a validation split."""
    return replace(learner, val=None, settings=replace(learner.settings, monitor="train/loss"))


def whole(jobs: int, work: Work, *more: str) -> float:
    """Returns the seconds of the command."""
    began, before = perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "dltrain", "--quiet", "-m", *work.overrides(jobs), *more]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    if work.device != "cpu":
        return perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--width", type=int, default=64, help="of the two hidden layers")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--alone", type=int, default=4, help="jobs that are measured one by one")
    parser.add_argument("--measured", type=int, help="epochs of steps and training; as many as --epochs if left out")
    parser.add_argument("--whole", action="store_true", help="also compare whole commands")
    options = parser.parse_args()
    jobs, alone = options.jobs, options.alone
    work = Work(options.epochs, options.rows, options.width, options.device)
    part = replace(work, epochs=options.measured or work.epochs)
    compared = {
        "steps": training(jobs, part, alone, validates=False),
        "training": training(jobs, part, alone, validates=True),
    }
    if options.whole:
        first, some = whole(1, work), whole(alone, work)
        at_once = whole(jobs, work, "hydra/launcher=fleet")
        compared["sweep"] = first + (some - first) / (alone - 1) * (jobs - 1), at_once
        compared["commands"] = first * jobs, at_once
    ratios = {name: one_by_one / at_once for name, (one_by_one, at_once) in compared.items()}
    for name, (one_by_one, at_once) in compared.items():
        print(f"{name:10} {jobs} jobs: {one_by_one:.1f} s one by one, {at_once:.1f} s at once, {ratios[name]:.1f} x")
    if options.whole:
        print(f"a job takes {(some - first) / (alone - 1):.1f} s in a sweep; ", end="")
        print(f"the fleet keeps {ratios['sweep'] / ratios['steps']:.2f} of the steps' ratio")


if __name__ == "__main__":
    main()
