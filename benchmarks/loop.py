"""The training loop against the best hand-written one, on the same tensors, model and optimizer.

    python benchmarks/loop.py
    python benchmarks/loop.py --only cubic,table --rounds 50 --cpu-seconds

The hand-written loop holds its tensors in memory, puts them into the order of an epoch once, and takes a fused
optimizer. Both take the same steps, with the same clipping of gradients; dltrain also evaluates the validation split
after every epoch and remembers the best weights, which `training` leaves out and `all` holds. They take turns epoch by
epoch (of the cubic, ten of one step each at once), and the medians are compared. `--cpu-seconds` counts the processor's
time of this process, where the machine has other work.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import Tensor, nn
from torch.nn import functional

from dltrain.config.compose import compose_jobs
from dltrain.experiment import build
from dltrain.experiment.sources import SOURCES
from dltrain.training.loop import fit
from dltrain.training.saving import Saver

COMMON = ["trainer.threads=1", "trainer.patience=null", "scheduler=constant"]


class Workload(NamedTuple):
    """What is trained, and how often the loops take turns.

    Args:
        title: of its line.
        overrides: of the config.
        rounds: turns of each loop.
        at_once: epochs a turn.
    """

    title: str
    overrides: list[str]
    rounds: int
    at_once: int = 1


WORKLOADS = {
    "cubic": Workload("cubic, full batch", ["experiment=cubic"], rounds=200, at_once=10),
    "regression": Workload(
        "regression 10,000 × 10, linear, batch 100, SGD",
        ["model=linear", "data=regression", "data.rows=10000", "optimizer=sgd", "trainer.batch_size=100"],
        rounds=100,
    ),
    "table": Workload(
        "table 10,000 × 6, MLP 256-128, batch 32, Adam",
        ["model=mlp", "model.embed=null", "model.dropout=0", "data=regression", "data.rows=10000", "data.features=6",
         "optimizer=adam", "trainer.batch_size=32"],
        rounds=20,
    ),
    "digits": Workload(
        "digits 8×8, cnn, batch 32, Adam",
        ["model=cnn", "data=digits", "optimizer=adam", "augment=none", "trainer.batch_size=32",
         "loss.label_smoothing=0"],
        rounds=20,
    ),
}  # fmt: skip


def build_setup(overrides: list[str], common: list[str] = COMMON) -> build.Setup:
    """Returns what `dltrain` trains with these overrides, after those that all workloads have in common."""
    SOURCES.forget()
    (job,) = compose_jobs([*common, *overrides], sweep=False)
    return build.build(job.config)


def ours(setup: build.Setup, *, evaluates: bool) -> Iterator[object]:
    """Trains with dltrain's loop; yields after every epoch."""
    if not evaluates:
        yield from fit(setup.state, setup.task, setup.train, None, without_validation(setup))
    with TemporaryDirectory() as folder:
        saver = Saver(Path(folder), setup.state)
        for moment in fit(setup.state, setup.task, setup.train, setup.evaluation.get("val"), setup.settings):
            saver.after_epoch()
            yield moment


def without_validation(setup: build.Setup) -> build.TrainerSettings:
    """Returns the settings of a run that monitors its training loss."""
    return build.replace(setup.settings, monitor="train/loss")


def by_hand(setup: build.Setup) -> Iterator[float]:
    """Trains with a plain loop over the same tensors, with the same model and optimizer; yields after every epoch."""
    model, settings = setup.state.model, setup.settings
    given = {name: value for name, value in setup.state.optimizer.defaults.items() if name not in ("foreach", "fused")}
    optimizer = type(setup.state.optimizer)(model.parameters(), **given, fused=True)
    prepare = setup.train.prepare or (lambda inputs: inputs)
    (x,) = prepare(setup.train.inputs)
    y = target_of(setup)
    loss_of = functional.cross_entropy if setup.data.facts.classes else functional.mse_loss
    size = setup.train.sizes[0]
    model.train()
    while True:
        total = 0.0
        if size < len(y):
            order = torch.randperm(len(y))
            batches = zip(x[order].split(size), y[order].split(size), strict=True)
        else:
            batches = iter([(x, y)])
        for inputs, target in batches:
            loss = loss_of(model(inputs), target)
            loss.backward()
            if settings.clip_norm is not None:
                nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm)
            optimizer.step()
            optimizer.zero_grad()
            total += loss.item() * len(target)
        yield total


def target_of(setup: build.Setup) -> Tensor:
    """Returns the training targets as the loss sees them."""
    target, facts = setup.train.target, setup.data.facts
    if not target.is_floating_point():
        return target
    scale = torch.tensor([facts.target_mean, facts.target_std], dtype=torch.float64, device=target.device)
    mean, std = scale
    return ((target - mean) / std).float()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="names of workloads with commas between: " + ", ".join(WORKLOADS))
    parser.add_argument("--rounds", type=int, help="turns of each; by default as the workload says")
    parser.add_argument("--cpu-seconds", action="store_true")
    asked = parser.parse_args()
    clock = process_time if asked.cpu_seconds else perf_counter
    torch.set_num_threads(1)
    print(f"{'workload':50} {'by hand, ms/epoch':>18} {'training':>9} {'all':>6}")
    for name, workload in WORKLOADS.items():
        if asked.only and name not in asked.only.split(","):
            continue
        overrides = [*workload.overrides, f"trainer.epochs={10**7}"]
        loops = [
            by_hand(build_setup(overrides)),
            ours(build_setup(overrides), evaluates=False),
            ours(build_setup(overrides), evaluates=True),
        ]
        taken: list[list[float]] = [[], [], []]
        for turn in range(1 + (asked.rounds or workload.rounds)):
            for loop, seconds in zip(loops, taken, strict=True):
                began = clock()
                for _ in range(workload.at_once):
                    next(loop)
                if turn:  # the first one warms up
                    seconds.append((clock() - began) / workload.at_once)
        hand, steps, everything = map(median, taken)
        print(f"{workload.title:50} {1000 * hand:18.2f} {steps / hand:9.2f} {everything / hand:6.2f}", flush=True)


if __name__ == "__main__":
    main()
