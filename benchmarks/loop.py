"""The training loop against the best hand-written one, on the same tensors, model and optimizer.

    python benchmarks/loop.py
    python benchmarks/loop.py --only cubic,table --rounds 9 --cpu-seconds

The hand-written loop holds its tensors in memory, puts them into the order of an epoch once, and takes a fused
optimizer. Both train as many steps, with the same clipping of gradients; dltrain also evaluates the validation split
after every epoch, which `training` leaves out and `all` holds. The two take turns, and the medians over the rounds
are compared. `--cpu-seconds` counts the processor's time of this process, where the machine has other work.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from statistics import median
from time import perf_counter, process_time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import Tensor, nn
from torch.nn import functional

from dltrain.config.compose import compose_jobs
from dltrain.experiment import build
from dltrain.experiment.sources import SOURCES
from dltrain.training.loop import fit

Seconds = Callable[[], float]

COMMON = ["trainer.threads=1", "trainer.patience=null", "scheduler=constant"]
WORKLOADS = {
    "cubic": ("cubic, full batch, 2,000 epochs", ["experiment=cubic", "trainer.epochs=2000"]),
    "regression": (
        "regression 10,000 × 10, linear, batch 100, SGD",
        ["model=linear", "data=regression", "data.rows=10000", "optimizer=sgd", "trainer.batch_size=100",
         "trainer.epochs=20"],
    ),
    "table": (
        "table 10,000 × 6, MLP 256-128, batch 32, Adam",
        ["model=mlp", "model.embed=null", "model.dropout=0", "data=regression", "data.rows=10000", "data.features=6",
         "optimizer=adam", "trainer.batch_size=32", "trainer.epochs=6"],
    ),
    "digits": (
        "digits 8×8, cnn, batch 32, Adam",
        ["model=cnn", "data=digits", "optimizer=adam", "augment=none", "trainer.batch_size=32", "trainer.epochs=6",
         "loss.label_smoothing=0"],
    ),
}  # fmt: skip


def build_setup(overrides: list[str]) -> build.Setup:
    """Returns what `dltrain` trains with these overrides."""
    SOURCES.forget()
    (job,) = compose_jobs([*COMMON, *overrides], sweep=False)
    return build.build(job.config)


def ours(overrides: list[str], clock: Seconds) -> tuple[float, float]:
    """Returns the seconds that dltrain's loop takes for its steps, and for its steps and evaluations."""
    setup = build_setup(overrides)
    loader, evaluated = setup.train, setup.evaluation.get("val")
    began = clock()
    for _ in fit(setup.state, setup.task, loader, None, without_validation(setup)):
        pass
    steps = clock() - began
    setup = build_setup(overrides)
    began = clock()
    for _ in fit(setup.state, setup.task, setup.train, evaluated, setup.settings):
        pass
    return steps, clock() - began


def without_validation(setup: build.Setup) -> build.TrainerSettings:
    """Returns the settings of a run that monitors its training loss."""
    return build.replace(setup.settings, monitor="train/loss")


def by_hand(overrides: list[str], clock: Seconds) -> float:
    """Returns the seconds of a plain loop over the same tensors, with the same model and optimizer."""
    setup = build_setup(overrides)
    model, settings = setup.state.model, setup.settings
    given = {name: value for name, value in setup.state.optimizer.defaults.items() if name not in ("foreach", "fused")}
    optimizer = type(setup.state.optimizer)(model.parameters(), **given, fused=True)
    prepare = setup.train.prepare or (lambda inputs: inputs)
    (x,) = prepare(setup.train.inputs)
    y = target_of(setup)
    loss_of = functional.cross_entropy if setup.data.facts.classes else functional.mse_loss
    size = setup.train.sizes[0]
    began = clock()
    model.train()
    for _ in range(settings.last_epoch):
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
    return clock() - began


def target_of(setup: build.Setup) -> Tensor:
    """Returns the training targets as the loss sees them."""
    target, facts = setup.train.target, setup.data.facts
    if facts.classes:
        return target
    mean, std = (torch.tensor(values, dtype=torch.float64) for values in (facts.target_mean, facts.target_std))
    return ((target - mean) / std).float()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="names of workloads with commas between: " + ", ".join(WORKLOADS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cpu-seconds", action="store_true")
    asked = parser.parse_args()
    clock = process_time if asked.cpu_seconds else perf_counter
    torch.set_num_threads(1)
    print(f"{'workload':50} {'by hand':>8} {'training':>9} {'all':>6}")
    for name, (title, overrides) in WORKLOADS.items():
        if asked.only and name not in asked.only.split(","):
            continue
        rounds = [(by_hand(overrides, clock), *ours(overrides, clock)) for _ in range(asked.rounds)]
        hand, steps, everything = (median(part) for part in zip(*rounds, strict=True))
        print(f"{title:50} {hand:8.3f} {steps / hand:9.2f} {everything / hand:6.2f}", flush=True)


if __name__ == "__main__":
    main()
