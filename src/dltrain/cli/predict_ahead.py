"""`dltrain predict RUN --steps 12` and `dltrain predict RUN --user 42 --top 10`: forecasts and recommendations."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from dltrain.cli.arguments import Arguments
from dltrain.cli.commands import Options
from dltrain.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from dltrain.inference.load import LoadedModel

FLAGS = ("--steps", "--user", "--top")
USAGE = "dltrain predict RUN --steps 12 [HISTORY.csv] [-o FILE], or dltrain predict RUN --user 42 [--top 10] [-o FILE]"


def run(arguments: Sequence[str], options: Options) -> int:
    """Forecasts from the end of the run's series or of another history, or recommends items to users.

    Raises:
        DltrainError: the run or the input cannot be used.
    """
    parser = Arguments(USAGE)
    parser.add_argument("-o", "--output")
    parser.add_argument("--trust", action="append", default=[])
    parser.add_argument("--steps", type=int)
    parser.add_argument("--user", action="append", default=[])
    parser.add_argument("--top", type=int, default=10)
    flags, named = parser.read(arguments, ("RUN", "HISTORY"), ("trainer.device",), optional=1)
    for name, value in (("--steps", flags.steps), ("--top", flags.top)):
        if value is not None and value < 1:
            raise ConfigError(f"{value} is no number of them", where=name, fix="give at least 1")
    if flags.user and flags.steps is not None:
        raise ConfigError("--steps forecasts a series and --user recommends items", fix="give one of them")
    if not flags.user and flags.steps is None:
        raise ConfigError("--top of what? no --user is named", fix=USAGE)

    from dltrain.inference.load import load
    from dltrain.runs.tables import check_rows_path, open_rows, records

    output = None if flags.output in (None, "-") else Path(flags.output).expanduser()
    if output is not None:
        check_rows_path(output)
    model = load(named[0], trust=flags.trust, device=flags.overrides.get("trainer.device", "auto"))
    frame, remarks = _asked(model, flags, named[1:])
    if options.json and output is None:
        print(json.dumps({"predictions": records(frame), "remarks": remarks}, ensure_ascii=False))
        return 0
    with open_rows(output) as rows:
        rows.write(frame)
    if options.json:
        print(json.dumps({"output": str(output), "remarks": remarks}, ensure_ascii=False))
    elif not options.quiet:
        stream = sys.stderr if output is None else sys.stdout
        for remark in remarks:
            print(f"remark  {remark}", file=stream)
        if output is not None:
            print(f"predict {len(frame):,} rows, written to {output}", file=stream)
    return 0


def _asked(model: LoadedModel, flags: Namespace, history: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """What was asked for, and what is to be said of it."""
    import pandas as pd

    from dltrain.inference.inputs import open_input

    if flags.steps is not None:
        if not history:
            return model.kind.forecast(model, flags.steps)
        with closing(open_input(history[0], model.encoder)) as opened:
            return model.kind.forecast(model, flags.steps, pd.concat(list(opened.parts)))  # type: ignore[arg-type]
    if history:
        raise ConfigError(f"unexpected argument {history[0]}", fix=USAGE)
    return model.kind.recommend(model, flags.user, flags.top)
