"""`dltrain compare A B`: prints how two runs differ in config and result, and draws their curves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dltrain.cli.commands import COMMANDS, Options
from dltrain.cli.runs import as_text, spelled


def run(arguments: Sequence[str], options: Options) -> int:
    """Prints the differences and writes the page, compare.html by default.

    Raises:
        DltrainError: one of the folders is not a run, or the page cannot be written.
    """
    flags, paths = COMMANDS["compare"].read(arguments)

    from dltrain.report.comparison import write_comparison
    from dltrain.report.leaderboard import read_entry
    from dltrain.runs.config import differences
    from dltrain.runs.folder import RunDir

    a, b = (read_entry(RunDir(Path(path))) for path in paths)
    config = differences(a.config, b.config)
    values = {name: pair for name, pair in differences(a.values, b.values).items() if name != "run"}
    page = Path(flags.output)
    write_comparison(page, (a.run, b.run), config, values)
    if options.json:
        print(json.dumps({"config": config, "result": values, "page": str(page)}, ensure_ascii=False))
    elif not options.quiet:
        print(as_text([["", *paths], *rows_of(config), *rows_of(values)]))
        print(f"page  {page}")
    return 0


def rows_of(pairs: dict[str, tuple[Any, Any]]) -> list[list[str]]:
    """Returns one row for each difference: the name and both values as text."""
    return [[name, *map(spelled, pair)] for name, pair in pairs.items()]
