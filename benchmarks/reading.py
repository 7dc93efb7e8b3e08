"""How long a table of 400,000 rows and 16 columns takes to read, and how much memory: `python benchmarks/reading.py`.

Each line is measured in a process of its own, the best of three; memory is the peak above what the imports need. polars
is measured where it is installed.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROWS = 400_000
WAYS = {
    "polars, every cell a string": ("import polars as library", "library.read_csv(path, infer_schema=False)"),
    "pyarrow, types inferred": ("from pyarrow import csv as library", "library.read_csv(path)"),
    "dltrain, cells of all columns": (
        "from dltrain.data.cells import read_cells; from dltrain.data.table_files import read_table",
        "frame, _ = read_table(path); cells = [read_cells(frame[name]) for name in frame.columns]",
    ),
    "dltrain, encoded and split": (
        "import torch; from dltrain.kinds.table.csv_config import csv",
        "data = csv(path=path, target='y')",
    ),
}
CODE = """
import sys, threading, time
{imports}
path = sys.argv[1]
def memory():
    return int(open("/proc/self/statm").read().split()[1]) / 256
before = peak = memory()
def watch():
    global peak
    while True:
        peak = max(peak, memory())
        time.sleep(0.005)
threading.Thread(target=watch, daemon=True).start()
start = time.perf_counter()
{run}
print(time.perf_counter() - start, peak - before)
"""


def write_table(path: Path) -> None:
    """Writes 13 columns of numbers, two of categories and a target."""
    random = np.random.default_rng(0)
    columns = [random.normal(size=ROWS).round(4) for _ in range(10)]
    columns += [random.integers(0, 1000, ROWS) for _ in range(3)]
    names = [
        np.array([f"level{level}" for level in range(levels)])[random.integers(0, levels, ROWS)] for levels in (5, 40)
    ]
    target = (2 * columns[0] + columns[1] + random.normal(size=ROWS)).round(3)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*(f"x{at}" for at in range(13)), "a", "b", "y"])
        writer.writerows(zip(*(column.tolist() for column in [*columns, *names, target]), strict=True))


def main() -> None:
    """Prints seconds and megabytes of each way."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        write_table(path)
        for name, (imports, run) in WAYS.items():
            command = [sys.executable, "-c", CODE.format(imports=imports, run=run), str(path)]
            answers = [subprocess.run(command, capture_output=True, text=True) for _ in range(3)]
            figures = [tuple(map(float, answer.stdout.split())) for answer in answers if answer.returncode == 0]
            best = min(figures, default=None)
            print(f"{name:32}", "not installed" if best is None else f"{best[0]:6.2f} s {best[1]:6.0f} MB")


if __name__ == "__main__":
    main()
