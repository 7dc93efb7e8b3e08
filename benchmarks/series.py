"""Forecasts of 96 steps of ETTh1, ETTh2 and electricity, beside the published ones: `python benchmarks/series.py`.

The files ETTh1.csv, ETTh2.csv and electricity.csv, with a column `date` and one for each series, are read from the
folder that DLTRAIN_REALDATA names. Splits are the usual ones: 12, 4 and 4 months of 30 days of ETT; 70, 10 and 20 % of
electricity. Errors are those of columns that are standardised by their training part, of every window of the test
split.

    DLTRAIN_REALDATA=folder python benchmarks/series.py [--data ETTh2] [--model dlinear] [--window 336] [overrides]
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import pandas as pd

import dltrain

# MSE and MAE of DLinear (336 steps) and PatchTST/42 (336) and /64 (512): Nie et al., 2023, table 3.
PUBLISHED = {
    "ETTh1": {"DLinear": (0.375, 0.399), "PatchTST/42": (0.375, 0.399), "PatchTST/64": (0.370, 0.400)},
    "ETTh2": {"DLinear": (0.289, 0.353), "PatchTST/42": (0.274, 0.336), "PatchTST/64": (0.274, 0.337)},
    "electricity": {"DLinear": (0.140, 0.237), "PatchTST/42": (0.130, 0.222), "PatchTST/64": (0.129, 0.222)},
}
MONTH = 30 * 24
ETT = (12 * MONTH, 4 * MONTH, 4 * MONTH)


def parts_of(name: str, rows: int) -> tuple[int, int, int]:
    """Returns the number of training, validation and test steps."""
    if name.startswith("ETT"):
        return ETT
    train, test = int(0.7 * rows), int(0.2 * rows)
    return train, rows - train - test, test


def measure(path: Path, folder: Path, model: str, window: int, overrides: list[str]) -> tuple[float, float]:
    """Trains a model, and returns its MSE and MAE on the test split."""
    frame = pd.read_csv(path)
    train, val, test = parts_of(path.stem, len(frame))
    frame = frame[: train + val + test]
    source = folder / path.name
    frame.to_csv(source, index=False)
    loaded = dltrain.train(
        f"model={model}",
        "data=series",
        f"data.path={source}",
        "data.calendar=false",
        "data.horizon=96",
        f"data.window={window}",
        f"data.val_fraction={val / len(frame)}",
        f"data.test_steps={test}",
        "baseline=none",
        f"hydra.run.dir={folder / f'{path.stem}_{model}_{window}'}",
        *overrides,
    )
    spread = frame.drop(columns="date")[:train].std(ddof=0)
    errors = {name: loaded.result["outputs"][name] for name in spread.index}
    mse = sum(errors[name]["mse"] / spread[name] ** 2 for name in errors) / len(errors)
    mae = sum(errors[name]["mae"] / spread[name] for name in errors) / len(errors)
    return mse, mae


def main() -> None:
    """Prints the measured and the published errors of each file that there is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="*", default=list(PUBLISHED), choices=list(PUBLISHED))
    parser.add_argument("--model", default="auto")
    parser.add_argument("--window", type=int, default=336)
    chosen, overrides = parser.parse_known_args()
    real = os.environ.get("DLTRAIN_REALDATA")
    for name in chosen.data:
        path = Path(real or "/nowhere") / f"{name}.csv"
        if not path.is_file():
            print(f"{name}: not measured, since DLTRAIN_REALDATA names no folder with {path.name}")
            continue
        with tempfile.TemporaryDirectory() as folder:
            mse, mae = measure(path, Path(folder), chosen.model, chosen.window, overrides)
        print(f"{name}: {chosen.model} with {chosen.window} steps  mse {mse:.4f}  mae {mae:.4f}", flush=True)
        for rival, (other_mse, other_mae) in PUBLISHED[name].items():
            print(f"    {rival:12} mse {other_mse:.3f} ({mse / other_mse - 1:+.1%})  mae {other_mae:.3f}")


if __name__ == "__main__":
    main()
