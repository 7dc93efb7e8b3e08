"""Searches on the digits: the best of a few TPE trials against the best of more random ones, over several repeats.

    python benchmarks/sweeps.py --table digits.json
    python benchmarks/sweeps.py --repeats 10 --trials 30 60

Each repeat runs one search with `sampler=tpe` and one with `sampler=random`, both with seeds of the repeat and without
pruning, on one thread. What is compared is the best validation loss of each, the value that a search minimizes;
`difference` is TPE's minus random's, its mean and standard error over the repeats.

With `--table` every combination of a grid is trained once, in stacks, and stored; the trials of all repeats, rounded to
the grid, are looked up there. That is the same comparison on a surface with steps, for the price of two repeats.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from time import perf_counter

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch

from dltrain.config.compose import Job, compose_jobs
from dltrain.data.stacked_loader import StackedLoader
from dltrain.experiment import build
from dltrain.experiment.search_space import read_space
from dltrain.experiment.search_study import SearchSettings, new_sampler, quiet_optuna
from dltrain.experiment.targets import arguments, resolve
from dltrain.training.loop import Learner, train_epochs
from dltrain.training.stack import Stack

JOB = ("model=mlp", "data=digits", "baseline=none", "trainer.threads=1", "augment=none")
SPACE = (
    "optimizer.lr=tag(log,interval(1e-5,1e-1))",
    "optimizer.weight_decay=tag(log,interval(1e-6,1))",
    "model.dropout=interval(0,0.8)",
    "model.hidden=choice([16],[64],[64,64])",
)
GRID = {
    "optimizer.lr": np.logspace(-5, -1, 17).tolist(),
    "optimizer.weight_decay": np.logspace(-6, 0, 7).tolist(),
    "model.dropout": [0.02, 0.2, 0.4, 0.6, 0.8],  # models without dropout have other layers
    "model.hidden": ["[16]", "[64]", "[64,64]"],
}
LOGARITHMIC = ("optimizer.lr", "optimizer.weight_decay")
AT_ONCE = 85  # jobs in a stack
APART = 1000  # between the seeds of two repeats, since a search adds the number of a trial to its seed


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


def losses_of(jobs: Sequence[Job]) -> list[float]:
    """Returns the validation loss of the kept epoch of each job, all of one structure, trained at once."""
    setups = [build.build(job.config) for job in jobs]
    task, node, plan = setups[0].task, jobs[0].config["scheduler"], setups[0].state.plan
    steps = plan.epochs * plan.steps_per_epoch
    schedule = partial(
        resolve("scheduler", node), total_steps=steps, steps_per_epoch=plan.steps_per_epoch, **arguments(node)
    )
    stack = Stack([Learner(one.state, task, one.evaluation["val"], one.settings) for one in setups], schedule)
    rows = list(train_epochs(stack, StackedLoader([one.train for one in setups]), setups[0].settings))
    assert setups[0].settings.keep == "last"
    return [float(row["val/loss"]) if isinstance(row, dict) else math.inf for row in rows[-1]]


def tabulate(epochs: int, path: Path) -> dict[str, float]:
    """Returns the loss of each combination of the grid, by its values as JSON; trains those that a file lacks."""
    table: dict[str, float] = json.loads(path.read_text()) if path.exists() else {}
    *numbers, hidden = GRID.values()
    swept = [f"{key}={','.join(map(str, values))}" for key, values in zip(GRID, numbers, strict=False)]
    for layers in hidden:
        jobs = compose_jobs([*JOB, *swept, f"model.hidden={layers}", f"trainer.epochs={epochs}"], sweep=True)
        named = zip((json.dumps([*values, layers]) for values in product(*numbers)), jobs, strict=True)
        left = [(name, job) for name, job in named if name not in table]
        for start in range(0, len(left), AT_ONCE):
            names, chunk = zip(*left[start : start + AT_ONCE], strict=True)
            began = perf_counter()
            table |= dict(zip(names, losses_of(chunk), strict=True))
            path.write_text(json.dumps(table))
            print(f"{len(table)} of the grid, {perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    return table


def rounded(key: str, value: float | str) -> float | str:
    """Returns the value of the grid that is nearest to a value, by its logarithm where the search is logarithmic."""
    if isinstance(value, str):
        return value
    scale: Callable[[float], float] = math.log if key in LOGARITHMIC else float
    return min(GRID[key], key=lambda one: abs(scale(one) - scale(value)))


def search_in(table: dict[str, float], sampler: str, trials: int, seed: int) -> float:
    """Returns the best loss of a search whose trials are looked up, proposed as `hydra/sweeper=optuna` does."""
    import optuna

    settings = SearchSettings(sampler=sampler, seed=seed)  # type: ignore[arg-type]
    space = read_space({}, SPACE)
    with quiet_optuna():
        study = optuna.create_study()
        for number in range(trials):
            study.sampler = new_sampler(settings, number, "0")
            trial = study.ask(space.distributions)
            loss = table[json.dumps([rounded(key, trial.params[key]) for key in GRID])]
            if math.isfinite(loss):
                study.tell(trial, loss)
            else:
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        return float(study.best_value)


def main() -> None:
    """Prints a line for each repeat, and the mean difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--trials", type=int, nargs=2, default=(30, 60), help="of TPE, and of random values")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--table", type=Path, help="look the trials up in this file, and train what it lacks")
    given = parser.parse_args()
    torch.set_num_threads(1)
    table = tabulate(given.epochs, given.table) if given.table else None
    if table is not None:
        print(f"the best of {len(table)} in the table: {min(table.values()):.4f}")
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(given.repeats):
            began, pair = perf_counter(), []
            for sampler, trials in zip(("tpe", "random"), given.trials, strict=True):
                seed = APART * repeat
                if table is None:
                    pair.append(search(sampler, trials, seed, given.epochs, Path(folder)))
                else:
                    pair.append(search_in(table, sampler, trials, seed))
            found.append(pair)
            print(
                f"repeat {repeat}: tpe {pair[0]:.4f}, random {pair[1]:.4f}, {perf_counter() - began:.0f} s", flush=True
            )
    tpe, random = np.mean(found, axis=0)
    differences = [one - other for one, other in found]
    error = np.std(differences, ddof=1) / len(differences) ** 0.5 if len(differences) > 1 else float("nan")
    print(f"tpe {tpe:.4f}, random {random:.4f}, difference {np.mean(differences):.4f} ± {error:.4f}")


if __name__ == "__main__":
    main()
