"""dltrain on tables against scikit-learn on the same splits, over several seeds of the splits and of everything random.

    DLTRAIN_REALDATA=folder python benchmarks/tables.py
    python benchmarks/tables.py --only diabetes,generated_regression --seeds 3 model=tabm
    python benchmarks/tables.py --public folder --tuned 20 model=auto
    python benchmarks/tables.py --csv adult.csv income

The files titanic.csv and penguins.csv are read from `tables/` below DLTRAIN_REALDATA where that is set; `--public`
reads ten CSV files of the package pydataset 0.2.0 from a folder. Everything runs on one thread. The linear model and
gradient boosting get the raw columns: numbers, and categories as such, or their target means where they have more than
255 levels. They are fitted to the training and validation rows together; a tuned boosting is the best on the validation
rows of as many random settings as `--tuned` says, among them the defaults, fitted again to both. `difference` is ours
minus the boosting's, the tuned one's if there is one: its mean and standard error over the seeds.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd
import torch
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.pipeline import make_pipeline

from dltrain.config.compose import compose_jobs
from dltrain.experiment import build
from dltrain.experiment.sources import SOURCES
from dltrain.kinds.table.baselines import as_categories, as_numbers
from dltrain.kinds.table.raw import RawTable
from dltrain.tasks.evaluation import evaluate_fully
from dltrain.training.loop import fit


def generated_classification() -> pd.DataFrame:
    """5,000 rows of scikit-learn's make_classification, four classes, three numbers stretched, a tenth missing."""
    from sklearn.datasets import make_classification

    random = np.random.default_rng(1)
    x, y = make_classification(5000, 20, n_informative=8, n_redundant=4, n_classes=4, flip_y=0.05, random_state=1)
    frame = pd.DataFrame(x, columns=[f"x{i}" for i in range(20)])
    frame[["x0", "x1", "x2"]] = np.exp(frame[["x0", "x1", "x2"]])
    frame = frame.mask(random.random(frame.shape) < 0.1)
    return frame.assign(y=[f"class {label}" for label in y])


def generated_regression() -> pd.DataFrame:
    """20,000 rows of seven numbers and two categories whose product and steps make a skewed price."""
    random = np.random.default_rng(2)
    rows = 20_000
    place = random.choice(["coast", "inland", "bay", "island"], rows, p=[0.3, 0.5, 0.19, 0.01])
    kind = random.choice([f"kind {i}" for i in range(30)], rows)
    x = random.normal(size=(rows, 4))
    age, rooms, income = random.integers(0, 60, rows), random.poisson(4, rows), random.lognormal(1, 0.5, rows)
    base = pd.Series(place).map({"coast": 2.0, "inland": 1.0, "bay": 2.5, "island": 4.0}).to_numpy()
    effect = dict(zip(sorted(set(kind)), random.normal(0, 0.3, 30), strict=True))
    price = 30_000 * base * np.sqrt(income) * (1 + 0.4 * np.sin(2 * x[:, 0]) + 0.3 * (x[:, 1] > 0.5) * (age > 30))
    price *= np.exp(pd.Series(kind).map(effect).to_numpy() + 0.05 * rooms + 0.2 * random.normal(size=rows))
    frame = pd.DataFrame({"place": place, "kind": kind, "age": age, "rooms": rooms, "income": income.round(4)})
    frame[["a", "b", "c", "d"]] = x.round(4)
    frame.loc[random.random(rows) < 0.05, "rooms"] = np.nan
    return frame.assign(price=price.round())


def generated_census() -> pd.DataFrame:
    """20,000 rows of numbers that mostly repeat and categories of up to forty levels; two classes, one of them rare."""
    random = np.random.default_rng(3)
    rows = 20_000
    gain = np.where(random.random(rows) < 0.92, 0, random.choice([2000, 3100, 5000, 7700, 15000], rows))
    hours = np.where(random.random(rows) < 0.45, 40, random.integers(5, 90, rows))
    age, years = random.integers(17, 90, rows), random.integers(1, 17, rows)
    job, land = random.zipf(1.4, rows) % 15, random.zipf(1.6, rows) % 40
    married = random.random(rows) < 1 / (1 + np.exp(-(age - 30) / 8))
    logit = -6 + 0.25 * years + 1.8 * married + 3 * (gain > 4000) - 0.0012 * (age - 48) ** 2 + 0.03 * (hours - 40)
    logit += np.random.default_rng(4).normal(0, 0.6, 15)[job] + 0.6 * (hours > 50) * married
    frame = pd.DataFrame(
        {"age": age, "years": years, "gain": gain, "hours": hours, "weight": random.lognormal(12, 0.5, rows)}
    )
    frame = frame.assign(job=[f"job {i}" for i in job], land=[f"land {i}" for i in land], married=married)
    frame["job"] = frame["job"].mask(random.random(rows) < 0.06, "?")
    return frame.assign(income=np.where(random.random(rows) < 1 / (1 + np.exp(-logit)), ">50K", "<=50K"))


GENERATED = {
    "generated_classification": (generated_classification, "y"),
    "generated_regression": (generated_regression, "price"),
    "generated_census": (generated_census, "income"),
}
CARRIED = ("breast_cancer", "diabetes", "iris", "wine")
PUBLIC = {
    "Boston": "medv",
    "BudgetFood": "wfood",
    "Chile": "vote",
    "Computers": "price",
    "Hdma": "deny",
    "HI": "hhi",
    "Participation": "lfp",
    "SLID": "wages",
    "biopsy": "class",
    "diamonds": "price",
}
REAL = {"titanic": "Survived", "penguins": "species"}


def train(overrides: list[str], seed: int) -> tuple[build.Setup, dict[str, float], float]:
    """Trains as `dltrain` does and keeps the best weights; returns the test metrics and seconds."""
    SOURCES.forget()
    (job,) = compose_jobs([f"data.seed={seed}", f"seed={seed}", "trainer.threads=1", *overrides], sweep=False)
    began = perf_counter()
    setup = build.build(job.config)
    state, settings = setup.state, setup.settings
    best: dict[str, torch.Tensor] = {}
    for _ in fit(state, setup.task, setup.train, setup.evaluation.get("val"), settings):
        if state.improved:
            best = {name: tensor.clone() for name, tensor in state.model.state_dict().items()}
        if settings.patience is not None and state.stale >= settings.patience:
            break
    state.model.load_state_dict(best)
    metrics, _ = evaluate_fully(state.model, setup.task, setup.evaluation["test"])
    return setup, metrics, perf_counter() - began


def settings_of(random: np.random.Generator) -> dict[str, Any]:
    """Returns random settings of gradient boosting."""
    return {
        "learning_rate": float(10 ** random.uniform(-2, -0.5)),
        "max_iter": int(random.choice([50, 100, 200, 400])),
        "max_leaf_nodes": int(random.choice([4, 8, 15, 31, 63])),
        "min_samples_leaf": int(random.choice([2, 5, 10, 20, 40])),
        "l2_regularization": float(10 ** random.uniform(-3, 1)),
        "max_features": float(random.choice([0.5, 0.8, 1.0])),
    }


def classical(setup: build.Setup, tuned: int, seed: int) -> dict[str, float]:
    """Accuracy or RMSE of the linear model, of gradient boosting and of a tuned one, from the raw columns."""
    data, raw = setup.data, setup.data.raw
    if not isinstance(raw, RawTable):
        return {}
    names = ("train", "val", "test") if "val" in data.splits else ("train", "test")
    frames = {name: raw.frame(name) for name in names}
    targets = {name: data.splits[name].target.flatten().numpy() for name in names}
    if "val" not in names:  # of folds, a tenth of the rows is for tuning
        held_out = np.random.default_rng(seed).permutation(len(targets["train"])) < len(targets["train"]) / 9
        frames |= {"val": frames["train"][held_out], "train": frames["train"][~held_out]}
        targets |= {"val": targets["train"][held_out], "train": targets["train"][~held_out]}
    both = pd.concat([frames["train"], frames["val"]])
    for name in both.select_dtypes("object"):
        both[name] = both[name].astype("category")
    y = np.concatenate([targets["train"], targets["val"]])
    classes = bool(data.facts.classes)

    def boosting(**settings: Any) -> Any:
        kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
        model = kind(random_state=0, categorical_features="from_dtype", **settings)
        return make_pipeline(as_categories(frames["train"]), model)

    def score(model: Any, split: str) -> float:
        predicted = model.predict(frames[split])
        right = float((predicted == targets[split]).mean())
        return right if classes else float(((predicted - targets[split]) ** 2).mean() ** 0.5)

    def loss(model: Any) -> float:
        if not classes:
            return score(model, "val")
        shares = model.predict_proba(frames["val"])
        position = {label: at for at, label in enumerate(model.classes_)}
        own = [shares[row, position[label]] if label in position else 0.0 for row, label in enumerate(targets["val"])]
        return float(-np.log(np.maximum(own, 1e-9)).mean())

    linear = LogisticRegression(max_iter=2000) if classes else RidgeCV(np.logspace(-3, 3, 13))
    scores = {
        "linear": score(make_pipeline(as_numbers(frames["train"]), linear).fit(both, y), "test"),
        "boosting": score(boosting().fit(both, y), "test"),
    }
    if tuned:
        random = np.random.default_rng(seed)
        tried = [settings_of(random) if number else {} for number in range(tuned)]
        best = min(tried, key=lambda settings: loss(boosting(**settings).fit(frames["train"], targets["train"])))
        scores["tuned"] = score(boosting(**best).fit(both, y), "test")
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="names of tables with commas between; all of them where not given")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--csv", nargs=2, action="append", default=[], metavar=("PATH", "TARGET"))
    parser.add_argument("--tuned", type=int, default=0, help="random settings of gradient boosting to choose from")
    parser.add_argument("--public", help="a folder with the ten CSV files of pydataset")
    parser.add_argument("overrides", nargs="*", help="as for dltrain, such as model=tabm")
    asked, rest = parser.parse_known_args()
    overrides = [*asked.overrides, *rest]
    only = asked.only.split(",") if asked.only else None
    torch.set_num_threads(1)

    with tempfile.TemporaryDirectory() as folder:
        tables: dict[str, list[str]] = {name: [f"data={name}"] for name in CARRIED}
        real = os.environ.get("DLTRAIN_REALDATA")
        files = {name: (f"{real}/tables/{name}.csv", target) for name, target in REAL.items() if real}
        for name, (make, target) in GENERATED.items():
            if only is None or name in only:
                make().to_csv(Path(folder) / f"{name}.csv", index=False)
            files[name] = (f"{folder}/{name}.csv", target)
        files |= {Path(path).stem: (path, target) for path, target in asked.csv}
        tables |= {
            name: ["data=csv", f"data.path={path}", f"data.target={target}"] for name, (path, target) in files.items()
        }
        if asked.public:
            tables = {
                name: ["data=csv", f"data.path={asked.public}/{name}.csv", f"data.target={target}"]
                for name, target in PUBLIC.items()
            }

        columns = ["dltrain", "linear", "boosting", *(["tuned"] if asked.tuned else [])]
        heads = "".join(f" {head:>10}" for head in columns)
        print(f"{'table':25} {'metric':9}{heads} {'difference':>22} {'seconds':>8}")
        for name, source in tables.items():
            if only is not None and name not in only:
                continue
            rows = []
            for seed in range(asked.seeds):
                setup, metrics, spent = train([*source, *overrides], seed)
                metric = "accuracy" if setup.data.facts.classes else "rmse"
                rows.append({"dltrain": metrics[metric], "seconds": spent, **classical(setup, asked.tuned, seed)})
                print(f"  {name} seed {seed}: {rows[-1]}", file=sys.stderr, flush=True)
            table = pd.DataFrame(rows)
            row = "".join(f" {table[head].mean() if head in table else float('nan'):10.5g}" for head in columns)
            gap = table["dltrain"] - table[columns[-1]] if columns[-1] in table else pd.Series([float("nan")])
            error = gap.std() / len(gap) ** 0.5
            print(
                f"{name:25} {metric:9}{row} {gap.mean():+12.4g} ± {error:7.2g} {table.seconds.mean():8.1f}", flush=True
            )


if __name__ == "__main__":
    main()
