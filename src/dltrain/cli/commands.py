"""One module a command: `run(arguments, options)` returns the exit code."""

from __future__ import annotations

from dataclasses import dataclass

COMMANDS = {
    "train": "train a model: dltrain [train] model=cnn data=animals; -m trains every combination of several values",
    "resume": "go on with a run, from its last checkpoint: dltrain resume RUN [trainer.epochs=200]",
    "check": "everything but training, written nowhere: dltrain check model=cnn data=animals",
    "find_lr": "a learning rate to begin with, from a short test: dltrain find_lr model=cnn data=animals",
    "list": "what there is to pick: dltrain list [model|data|...]",
    "init": "a commented data config from a look at a table: dltrain init data.csv",
    "predict": "what a trained model says of new samples: dltrain predict RUN new.csv -o predictions.csv",
    "evaluate": "how good it is on labelled data: dltrain evaluate RUN data.path=labelled.csv --slices COLUMN",
    "export": "the model for other programs: dltrain export RUN --format onnx, torch-export or safetensors",
    "runs": "a leaderboard: dltrain runs [FOLDER] [test/accuracy>0.9] [--sort seconds] [--csv]",
    "compare": "what differs between two runs, their curves on one page: dltrain compare A B",
    "reproduce": "train a run again from its own config and compare every figure: dltrain reproduce RUN",
    "report": "draw a finished run's plots and page again: dltrain report RUN",
}

FLAGS = {"--quiet": "quiet", "--json": "json", "--debug": "debug"}


@dataclass(frozen=True)
class Options:
    """What every command understands.

    Args:
        quiet: say nothing but warnings and errors.
        json: end with the result as one line of JSON, and say nothing else on standard output.
        debug: show tracebacks.
    """

    quiet: bool = False
    json: bool = False
    debug: bool = False
