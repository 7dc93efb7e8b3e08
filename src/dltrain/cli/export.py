"""`dltrain export RUN --format onnx|torch-export|safetensors`: writes a trained model for other programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from dltrain.cli.commands import COMMANDS, Options
from dltrain.cli.imports import imports
from dltrain.config.validation import nearest
from dltrain.errors import ConfigError


def run(arguments: Sequence[str], options: Options) -> int:
    """Writes a file, by default RUN/exports/model.*, after comparing its outputs with the model's.

    Raises:
        DltrainError: the run cannot be used, or the model cannot be exported in this format.
    """
    flags, (run_folder,) = COMMANDS["export"].read(arguments)

    with imports():
        from dltrain.inference.export import SUFFIXES, export, facts_of
        from dltrain.inference.load import load

    if flags.format not in SUFFIXES:
        near = nearest(flags.format, list(SUFFIXES))
        raise ConfigError(
            f"there is no format {flags.format}",
            where="--format",
            fix=f"did you mean {near}?" if near else f"choose from {', '.join(SUFFIXES)}",
            override=f"--format={near}" if near else "",
            replaces=f"--format {flags.format}" if flags.format in arguments else "--format",
        )
    model = load(run_folder, trust=flags.trust, device="cpu")
    default = model.run.own(model.run.exports) / f"model{SUFFIXES[flags.format]}"
    path = Path(flags.output).expanduser() if flags.output else default
    model.run.refuse_output(path)
    if path.is_dir():
        raise ConfigError(f"{path} is a folder", where="-o", fix="name a file in it")
    difference = export(model, flags.format, path)
    if options.json:
        answer = {"export": str(path), "format": flags.format, "difference": difference, "facts": facts_of(model)}
        print(json.dumps(answer, ensure_ascii=False))
    elif not options.quiet:
        print(f"compare largest difference on the run's examples {difference:.1e}")
        print(f"export  {path}")
    return 0
