"""`dltrain runs [FOLDER]`: prints a leaderboard of all runs in a folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dltrain.cli.commands import COMMANDS, Options
from dltrain.errors import ConfigError


def run(arguments: Sequence[str], options: Options) -> int:
    """Prints one row per run, the best first, or all columns as CSV.

    Raises:
        DltrainError: the folder or a column does not exist.
    """
    flags = COMMANDS["runs"].parse(arguments)

    from dltrain.report.leaderboard import FIXED_COLUMNS, find_runs, main_metric, select, sort

    folders = [word for word in flags.words if not any(sign in word for sign in "<>=")]
    conditions = [word for word in flags.words if word not in folders]
    folder = Path(folders[0] if folders else "outputs")
    if len(folders) > 1:
        raise ConfigError(f"unexpected argument {folders[1]}", fix=COMMANDS["runs"].usage)
    entries = select(list(find_runs(folder)), conditions)
    metric = main_metric(entries)
    if entries:
        entries = sort(entries, flags.sort or metric)
    rows = [dict(entry.values) for entry in entries]
    if options.json:
        print(json.dumps({"sorted_by": flags.sort or metric, "runs": rows}, ensure_ascii=False))
    elif flags.csv:
        print(as_csv(rows), end="")
    elif not options.quiet:
        columns = [name for name in (*FIXED_COLUMNS[:4], metric, flags.sort, *FIXED_COLUMNS[4:]) if name]
        print(as_text(entry_rows(entries, list(dict.fromkeys(columns)))) if rows else f"no run below {folder}")
    return 0


def entry_rows(entries: Sequence[Any], columns: Sequence[str]) -> list[list[str]]:
    """Returns the column names and one row per run, as text."""
    return [list(columns), *([spelled(entry.value(name)) for name in columns] for entry in entries)]


def as_text(rows: Sequence[Sequence[str]]) -> str:
    """Returns rows as aligned columns; Chinese characters are two cells wide."""
    from dltrain.drawing.style import text_width

    widths = [max(map(text_width, column)) for column in zip(*rows, strict=True)]
    lines = [[cell + " " * (width - text_width(cell)) for cell, width in zip(row, widths, strict=True)] for row in rows]
    return "\n".join("  ".join(cells).rstrip() for cells in lines)


def as_csv(rows: Sequence[dict[str, Any]]) -> str:
    """Returns all columns of all rows as CSV."""
    from dltrain.runs.tables import safe_cell
    from dltrain.storage import csv_text

    columns = list(dict.fromkeys(name for row in rows for name in row))
    cells = ([row.get(name) for name in columns] for row in rows)
    return csv_text(columns, ([safe_cell(cell) if isinstance(cell, str) else cell for cell in row] for row in cells))


def spelled(value: Any) -> str:
    """Returns a cell as text, with `-` for None."""
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
