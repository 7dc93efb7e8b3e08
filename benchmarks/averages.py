"""The last weights of a training against averages of its weights: `python benchmarks/averages.py data=digits ...`.

    python benchmarks/averages.py data=digits --seeds 0 1 2
    python benchmarks/averages.py data=images data.path=animals --seeds 0 1 2 3 4

Averages do not change the training, so that one training tells of all: with the same seed, split and number of threads,
each line is what `dltrain` with these overrides, and `trainer.ema` or `trainer.swa`, would store. `data.seed` follows
the seed. Seconds are those of the processor, on one thread, with all averages, because the machine may have other work.
"""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Mapping
from time import process_time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import nn

from dltrain.config.compose import compose_jobs
from dltrain.experiment.build import build
from dltrain.tasks.evaluation import evaluate
from dltrain.training.averaging import Average, average_of
from dltrain.training.loop import epochs_of, fit
from dltrain.training.settings import TrainerSettings

WAYS = {
    "the last weights": {},
    "trainer.ema=0.99": {"ema": 0.99},
    "trainer.ema=0.999": {"ema": 0.999},
    "trainer.swa=0.1": {"swa": 0.1},
    "trainer.swa=0.25": {"swa": 0.25},
    "trainer.swa=0.5": {"swa": 0.5},
}


class SideBySide(Average):
    """Several averages of a model's weights; what is judged on the way is the model itself."""

    def __init__(self, averages: Mapping[str, Average], model: nn.Module) -> None:
        nn.Module.__init__(self)
        self.all = averages
        self.module = model

    def after_step(self, model: nn.Module, step: int) -> None:
        """Takes in the model's weights after a step, counted from 1."""
        for average in self.all.values():
            average.after_step(model, step)


def trained(overrides: list[str], seed: int) -> tuple[dict[str, dict[str, float]], float, int]:
    """Returns the metrics of each way by `split/metric`, the processor's seconds, and the number of epochs."""
    (job,) = compose_jobs([*overrides, f"seed={seed}", f"data.seed={seed}", "trainer.threads=1"], sweep=False)
    torch.set_num_threads(1)
    setup = build(job.config)
    state, steps = setup.state, setup.settings.last_epoch * setup.state.plan.steps_per_epoch
    averages = {
        way: average
        for way, options in WAYS.items()
        if (average := average_of(state.model, TrainerSettings(**options), steps)) is not None  # type: ignore[arg-type]
    }
    state.average = SideBySide(averages, state.model)
    began = process_time()
    rows = list(epochs_of(fit(state, setup.task, setup.train, setup.evaluation["val"], setup.settings)))
    seconds = process_time() - began
    models = {way: averages[way].module if way in averages else state.model for way in WAYS}
    metrics = {
        way: {
            f"{split}/{name}": value
            for split in ("val", "test")
            for name, value in evaluate(model, setup.task, setup.evaluation[split], setup.settings.precision).items()
        }
        for way, model in models.items()
    }
    return metrics, seconds, len(rows)


def main() -> None:
    """Prints a row for each way to average."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="+")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--metric", default="accuracy")
    options = parser.parse_args()
    runs = [trained(options.overrides, seed) for seed in options.seeds]

    print(f"{runs[0][2]} epochs, {statistics.mean(seconds for _, seconds, _ in runs):.0f} s a run")
    print(f"| weights | test {options.metric}, mean | each seed | val {options.metric} | val loss |")
    print("| --- | --- | --- | --- | --- |")
    for way in WAYS:
        keys = (f"test/{options.metric}", f"val/{options.metric}", "val/loss")
        test, val, loss = ([run[0][way][key] for run in runs] for key in keys)
        each = " ".join(f"{one:.4f}" for one in test)
        means = f"{statistics.mean(val):.4f} | {statistics.mean(loss):.4f}"
        print(f"| {way} | {statistics.mean(test):.4f} | {each} | {means} |", flush=True)


if __name__ == "__main__":
    main()
