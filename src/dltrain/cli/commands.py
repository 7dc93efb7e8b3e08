"""The commands, and what each of them takes; each has a module of its name with `run(arguments, options)`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dltrain.cli.arguments import Command, Flag

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


KEYS = {
    "data.path": "the file or folder to learn from",
    "data.target": "the column to predict",
    "trainer.epochs": "passes over the training data",
    "trainer.batch_size": "samples a step, or full",
    "trainer.device": "auto, cpu, cuda, cuda:1, mps",
    "trainer.patience": "epochs without improvement before it stops",
    "trainer.keep": "the weights of the best epoch or of the last",
    "trainer.balance": "resample, to see rare classes as often as others",
    "loss.class_weights": "balanced, to let rare classes weigh more (loss=cross_entropy)",
    "optimizer.lr": "learning rate",
    "optimizer.weight_decay": "pull of the weights towards zero",
    "model.hidden": "widths of an mlp, such as [256,128]",
    "seed": "another one, another run",
    "hydra.run.dir": "where the run's folder is made",
}

PARTS = ("job", "hydra", "all")
KINDS_OF_INFO = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
_FORMAT = {
    "data.encoding": "of the file, such as gbk",
    "data.delimiter": "between its cells: one character, or tab",
    "data.header": "first where its first line names the columns, none where it is data",
}
_DEVICE = {"trainer.device": "auto, cpu, cuda, cuda:1, mps"}
_TRUST = Flag(("--trust",), "run code of this package or module, which the run's folder names", "MODULE", many=True)
_CONFIG_DIR = Flag(("-cd", "--config-dir"), "a further folder of configs; its files win", "FOLDER")
_OVERRIDES = "[group=choice ...] [key=value ...]"


def _output(line: str, value: str = "FILE", default: str | None = None) -> Flag:
    return Flag(("-o", "--output"), line, value, default=default)


_ALL = (
    Command(
        "train",
        "train a model; -m trains every combination of several values",
        (_OVERRIDES, f"-m {_OVERRIDES.replace('value', 'a,b,c')}"),
        flags=(
            Flag(("-m", "--multirun"), "train every combination of keys with several values, k=1,2,3"),
            Flag(
                ("-c", "--cfg"),
                "print the composed config and stop: job, hydra or all",
                "PART",
                choices=("job", "hydra", "all"),
            ),
            Flag(("-p", "--package"), "with --cfg: only this section", "SECTION"),
            Flag(("--resolve",), "with --cfg: with the values that ${...} stand for"),
            _CONFIG_DIR,
            Flag(
                ("-i", "--info"),
                "what Hydra composes from: config, defaults, defaults-tree, plugins or searchpath",
                "KIND",
                choices=("all", "config", "defaults", "defaults-tree", "plugins", "searchpath"),
                optional="all",
            ),
            Flag(("-sc", "--shell-completion"), 'complete on Tab: eval "$(dltrain -sc install=bash)"'),
            Flag(("--hydra-help",), "Hydra's own help"),
            Flag(("-r", "--run"), ""),
        ),
        notes=(
            "The word train may be left out. dltrain list GROUP says what can be picked, and --cfg job prints every "
            "key that there is; the keys below are those that are needed most.",
        ),
        keys=KEYS,
        any_key=True,
        examples=(
            ("dltrain model=cnn data=animals", "classify pictures of animals"),
            ("dltrain -m model=mlp data=cubic optimizer.lr=0.1,0.01 seed=1,2,3", "train six models"),
        ),
    ),
    Command(
        "resume",
        "go on with a run from its last checkpoint, in its own folder",
        ("RUN [key=value ...]",),
        names=("RUN",),
        flags=(Flag(("--force",), "go on although the data, the model or the seed is another"), _TRUST),
        notes=("Any key of the run's config may be set, but for those that would make another run of it.",),
        keys={"trainer.epochs": "how many epochs it is to have in the end", "trainer.device": KEYS["trainer.device"]},
        any_key=True,
        examples=(
            ("dltrain resume outputs/2026-01-31/10-15-30_mlp_iris", "go on after an interruption"),
            ("dltrain resume RUN trainer.epochs=200", "train a finished run for longer"),
        ),
    ),
    Command(
        "check",
        "everything but training: what it would train on and cost; nothing is written",
        (_OVERRIDES,),
        flags=(_CONFIG_DIR,),
        keys=KEYS,
        any_key=True,
        examples=(
            ("dltrain check model=cnn data=animals", "the sizes, the memory and the time that training takes"),
            ("dltrain check data=csv data.path=table.csv data.target=price", "what is made of a table's columns"),
        ),
    ),
    Command(
        "find_lr",
        "a learning rate to begin with, from a short test; nothing is written",
        (_OVERRIDES,),
        flags=(_CONFIG_DIR,),
        keys=KEYS,
        any_key=True,
        examples=(
            ("dltrain find_lr model=cnn data=animals", "try rates from tiny to large"),
            ("dltrain find_lr model=mlp data=iris optimizer=sgd", "with another optimizer"),
        ),
    ),
    Command(
        "list",
        "what there is to pick, a line each",
        ("[GROUP ...]",),
        names=("[GROUP ...]",),
        examples=(("dltrain list", "everything"), ("dltrain list model optimizer", "models and optimizers")),
    ),
    Command(
        "init",
        "write a commented data config from a look at a table",
        ("FILE [--name NAME] [key=value ...]",),
        names=("FILE",),
        flags=(Flag(("--name",), "of the config; by default the file's", "NAME"),),
        keys={"data.target": "the column to predict", **_FORMAT},
        examples=(
            ("dltrain init houses.csv", "writes configs/data/houses.yaml"),
            ("dltrain init 成绩.csv data.encoding=gbk --name marks", "writes configs/data/marks.yaml"),
        ),
    ),
    Command(
        "predict",
        "what a trained model says of new samples, from the run's folder alone",
        (
            "RUN INPUT [-o FILE]",
            "RUN --prompt TEXT [--steps 200]",
            "RUN --steps 12 [HISTORY]",
            "RUN --user 42 [--top 10]",
        ),
        names=("RUN", "[INPUT]"),
        flags=(
            _output("where the predictions go: .csv, .jsonl or .parquet; without it, to standard output"),
            _TRUST,
            Flag(("--steps",), "how many steps to forecast, or tokens to write after a prompt (200)", "N", int),
            Flag(("--user",), "recommend items to this user", "USER", many=True),
            Flag(("--top",), "how many items to recommend (10)", "N", int),
            Flag(("--prompt",), "let a model of texts go on from here", "TEXT"),
            Flag(("--temperature",), "with --prompt: 0 for the likeliest token, more for surprises (0.8)", "T", float),
            Flag(("--top-k",), "with --prompt: choose among so many tokens", "K", int),
            Flag(("--seed",), "with --prompt: another one, another text (0)", "N", int),
        ),
        keys={**_FORMAT, **_DEVICE},
        notes=("INPUT is a table, a picture, a folder, a text file, or - for standard input; it needs no target.",),
        examples=(
            ("dltrain predict RUN new.csv -o predictions.csv", "a table"),
            ("dltrain predict RUN --steps 12", "the next twelve steps of the series that it was trained on"),
        ),
    ),
    Command(
        "evaluate",
        "how good a model is: on new labelled data, or on the test split of its own",
        ("RUN [data.path=NEW] [--slices COLUMN] [-o FOLDER]",),
        names=("RUN",),
        flags=(
            _output("the folder for the predictions and the page; by default RUN/evaluations/NAME", "FOLDER"),
            Flag(("--slices",), "measure each value of this column apart", "COLUMN"),
            _TRUST,
        ),
        keys={"data.path": "labelled data; without it, the test split of the run's own", **_FORMAT, **_DEVICE},
        examples=(
            ("dltrain evaluate RUN data.path=labelled.csv", "on new data"),
            ("dltrain evaluate RUN data.path=labelled.csv --slices city", "and for each city"),
        ),
    ),
    Command(
        "export",
        "the model for other programs, compared with the run's before it is kept",
        ("RUN [--format onnx|torch-export|safetensors] [-o FILE]",),
        names=("RUN",),
        flags=(
            Flag(("--format",), "onnx, torch-export or safetensors (onnx)", "FORMAT", default="onnx"),
            _output("the file; by default RUN/exports/model.*"),
            _TRUST,
        ),
        examples=(
            ("dltrain export RUN", "writes RUN/exports/model.onnx"),
            ("dltrain export RUN --format safetensors -o weights.safetensors", "the weights alone"),
        ),
    ),
    Command(
        "runs",
        "a leaderboard of the runs below a folder",
        ("[FOLDER] [CONDITION ...] [--sort COLUMN] [--csv]",),
        names=("[FOLDER]", "[CONDITION ...]"),
        flags=(
            Flag(("--sort",), "the column to sort by; by default the main metric", "COLUMN"),
            Flag(("--csv",), "all columns, as CSV"),
        ),
        notes=("A condition is model=mlp, test/accuracy>0.9 and the like. FOLDER is outputs where none is named.",),
        examples=(
            ("dltrain runs", "all runs below outputs"),
            ("dltrain runs 'test/accuracy>0.9' --sort seconds", "the fastest of the good ones"),
        ),
    ),
    Command(
        "compare",
        "what differs between two runs, and their curves on one page",
        ("A B [-o PAGE.html]",),
        names=("A", "B"),
        flags=(_output("the page (compare.html)", "PAGE", "compare.html"),),
        examples=(
            ("dltrain compare outputs/a outputs/b", "print the differences, write compare.html"),
            ("dltrain compare outputs/a outputs/b -o ab.html", "write another page"),
        ),
    ),
    Command(
        "reproduce",
        "train a run again from its own config, and compare every figure",
        ("RUN [key=value ...] [-o FOLDER]",),
        names=("RUN",),
        flags=(_output("the new run's folder; by default beside the run", "FOLDER"), _TRUST),
        keys={"data.path": "where the data lies now", "data.root": "where known data sets lie now"},
        examples=(
            ("dltrain reproduce RUN", "exit code 0 where every figure agrees, else 1"),
            ("dltrain reproduce RUN data.path=/mnt/table.csv", "with the same data in another place"),
        ),
    ),
    Command(
        "report",
        "draw a finished run's plots and page again",
        ("RUN ...",),
        names=("RUN ...",),
        flags=(_TRUST,),
        examples=(
            ("dltrain report outputs/2026-01-31/10-15-30_mlp_iris", "one run"),
            ("dltrain report outputs/multirun/2026-01-31/10-15-30/*", "every job of a sweep"),
        ),
    ),
    Command(
        "help",
        "what there is to call, pick and change; with a command, what that takes",
        ("[COMMAND]",),
        names=("[COMMAND]",),
        examples=(("dltrain help", "the general page"), ("dltrain help predict", "the page of a command")),
    ),
)
COMMANDS: Mapping[str, Command] = {command.name: command for command in _ALL}
