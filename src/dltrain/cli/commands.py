"""The commands and their arguments; each has a module of its name with `run(arguments, options)`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dltrain.cli.arguments import Command, Flag

FLAGS = {"--quiet": "quiet", "--json": "json", "--debug": "debug"}


@dataclass(frozen=True)
class Options:
    """The options of every command.

    Args:
        quiet: print only warnings and errors.
        json: print the result as one line of JSON, and nothing else on standard output.
        debug: show tracebacks.
    """

    quiet: bool = False
    json: bool = False
    debug: bool = False


KEYS = {
    "data.path": "the file or folder to learn from",
    "data.target": "the column to predict",
    "trainer.epochs": "passes over the training data",
    "trainer.batch_size": "samples per step, or full",
    "trainer.device": "auto, cpu, cuda, cuda:1, mps",
    "trainer.patience": "epochs without improvement before training stops",
    "trainer.keep": "whether to keep the weights of the best epoch or of the last",
    "trainer.balance": "resample, so that rare classes are seen as often as others",
    "loss.class_weights": "balanced gives rare classes more weight (loss=cross_entropy)",
    "optimizer.lr": "learning rate",
    "optimizer.weight_decay": "how strongly weights are pulled towards zero",
    "model.hidden": "widths of the layers of an mlp, such as [256,128]",
    "seed": "the seed of all random numbers",
    "hydra.run.dir": "the folder of the run",
}

PARTS = ("job", "hydra", "all")
KINDS_OF_INFO = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
_FORMAT = {
    "data.encoding": "encoding of the file, such as gbk",
    "data.delimiter": "delimiter of the cells: one character, tab, or blanks",
    "data.header": "first if the first line names the columns, none if it is data",
    "data.skip": "the number of lines above the table",
    "data.comment": "the character with which lines begin that are no rows, or none",
    "data.quote": "the character around cells that hold a delimiter, or none",
    "data.sheet": "the name or the number of a sheet of a workbook",
}
_LABELS = {"data.labels": "a table that names images of the folder"}
_DEVICE = {"trainer.device": "auto, cpu, cuda, cuda:1, mps"}
_TRUST = Flag(("--trust",), "run code of this package or module, which the run needs", "MODULE", many=True)
_TTA = Flag(("--tta",), "average over shifted and mirrored images (test-time augmentation); ten times slower")
_CONFIG_DIR = Flag(("-cd", "--config-dir"), "an additional folder of configs; its files override others", "FOLDER")
_MULTIRUN = Flag(("-m", "--multirun"), "sweep: train one model for every combination of values, as in seed=1,2,3")
_OVERRIDES = "[group=choice ...] [key=value ...]"


def _output(line: str, value: str = "FILE", default: str | None = None) -> Flag:
    return Flag(("-o", "--output"), line, value, default=default)


_ALL = (
    Command(
        "train",
        "train a model; -m trains one for every combination of values",
        (_OVERRIDES, f"-m {_OVERRIDES.replace('value', 'a,b,c')}"),
        flags=(
            _MULTIRUN,
            Flag(
                ("-c", "--cfg"),
                "print the composed config and stop: job, hydra or all",
                "PART",
                choices=("job", "hydra", "all"),
            ),
            Flag(("-p", "--package"), "with --cfg: only this section", "SECTION"),
            Flag(("--resolve",), "with --cfg: replace ${...} by its value"),
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
            "The word train is optional. dltrain list GROUP lists the options of a group, and --cfg job prints every "
            "key; the keys below are the most common ones.",
        ),
        keys=KEYS,
        any_key=True,
        examples=(
            ("dltrain model=cnn data=animals", "classify images of animals"),
            ("dltrain -m model=mlp data=cubic optimizer.lr=0.1,0.01 seed=1,2,3", "train six models"),
        ),
    ),
    Command(
        "resume",
        "continue a run or a sweep in its own folder",
        ("RUN [key=value ...]",),
        names=("RUN",),
        flags=(Flag(("--force",), "continue although the data, the model or the seed has changed"), _TRUST),
        notes=("Every key of the run's config can be set, except those that would make it another run.",),
        keys={
            "trainer.epochs": "epochs in total, including those already trained",
            "trainer.device": KEYS["trainer.device"],
        },
        any_key=True,
        examples=(
            ("dltrain resume outputs/2026-01-31/10-15-30_mlp_iris", "continue after an interruption"),
            ("dltrain resume RUN trainer.epochs=200", "train a finished run for longer"),
            ("dltrain resume outputs/multirun/2026-01-31/10-15-30", "run the missing and failed jobs of a sweep"),
        ),
    ),
    Command(
        "check",
        "check a command and estimate what it costs; writes nothing",
        (_OVERRIDES,),
        flags=(Flag(_MULTIRUN.names, "check every job of a sweep, as in seed=1,2,3"), _CONFIG_DIR),
        keys=KEYS,
        any_key=True,
        examples=(
            ("dltrain check model=cnn data=animals", "print the sizes, the memory and the time of training"),
            (
                "dltrain check data=csv data.path=table.csv data.target=price",
                "print how each column is used",
            ),
        ),
    ),
    Command(
        "find_lr",
        "suggest a learning rate from a short test; writes nothing",
        (_OVERRIDES,),
        flags=(_CONFIG_DIR,),
        keys=KEYS,
        any_key=True,
        examples=(
            ("dltrain find_lr model=cnn data=animals", "try learning rates from tiny to large"),
            ("dltrain find_lr model=mlp data=iris optimizer=sgd", "with another optimizer"),
        ),
    ),
    Command(
        "list",
        "list models, data sets and other options",
        ("[GROUP ...]",),
        names=("[GROUP ...]",),
        examples=(("dltrain list", "everything"), ("dltrain list model optimizer", "models and optimizers")),
    ),
    Command(
        "init",
        "write a commented data config for a table",
        ("FILE [--name NAME] [key=value ...]",),
        names=("FILE",),
        flags=(Flag(("--name",), "name of the config; by default the name of the file", "NAME"),),
        keys={"data.target": "the column to predict", **_FORMAT},
        examples=(
            ("dltrain init houses.csv", "writes configs/data/houses.yaml"),
            ("dltrain init 成绩.csv data.encoding=gbk --name marks", "writes configs/data/marks.yaml"),
        ),
    ),
    Command(
        "predict",
        "predict new samples; needs only the run's folder",
        (
            "RUN INPUT ... [-o FILE] [--interval 0.9] [--sets] [--threshold 0.5] [--top 3] [--tta] [--explain FOLDER]",
            "RUN --prompt TEXT [--steps 200] [--beams 5]",
            "RUN --steps 12 [HISTORY]",
            "RUN --user 42 [--top 10]",
            "RUN --everyone [--top 10] [-o FILE]",
            "RUN --likes ITEM,ITEM [--top 10]",
        ),
        names=("RUN", "[INPUT ...]"),
        flags=(
            _output("the file for the predictions: .csv, .jsonl or .parquet; without it, standard output"),
            _TRUST,
            Flag(("--keep",), "keep these columns of the table, behind the id", "COLUMNS", many=True),
            Flag(("--interval",), "share of intervals low to high, or sets, that hold the truth (0.9)", "SHARE", float),
            Flag(("--sets",), "add the column set: the classes that the true one is among"),
            _TTA,
            Flag(
                ("--threshold",),
                "predict the second of two classes above this probability, which evaluate proposes (0.5)",
                "P",
                float,
            ),
            Flag(("--explain",), "write where the model looks in each image into this folder, as PNG", "FOLDER"),
            Flag(("--steps",), "how many steps to forecast, or tokens to write after a prompt (200)", "N", int),
            Flag(("--user",), "recommend items to this user", "USER", many=True),
            Flag(("--everyone",), "recommend items to every user of training"),
            Flag(
                ("--likes",),
                "recommend items to a new user who likes these, or name words like these",
                "ITEMS",
                many=True,
            ),
            Flag(("--top",), "how many classes to write for each input, or items to recommend (10)", "N", int),
            Flag(("--prompt",), "let a language model continue this text, or answer this source of pairs", "TEXT"),
            Flag(("--beams",), "of pairs: the likeliest of N answers that are followed side by side (1)", "N", int),
            Flag(
                ("--temperature",),
                "with --prompt: 0 takes the likeliest token, more varies more (0.8)",
                "T",
                float,
            ),
            Flag(("--top-k",), "with --prompt: sample from the K likeliest tokens", "K", int),
            Flag(("--top-p",), "with --prompt: sample from the likeliest tokens of this probability", "P", float),
            Flag(("--seed",), "with --prompt: another seed gives another text (0)", "N", int),
        ),
        keys={**_LABELS, **_FORMAT, **_DEVICE},
        notes=(
            "INPUT is a table, an image, a folder, a pattern such as 'photos/*.jpg', a text file, or - for standard "
            "input; it needs no target. For models of pairs, each line of a text is a source.",
        ),
        examples=(
            ("dltrain predict RUN new.csv -o predictions.csv", "a table"),
            ("dltrain predict RUN --steps 12", "the next twelve steps of the series that it was trained on"),
        ),
    ),
    Command(
        "evaluate",
        "measure a model on new labelled data, or on its own test split",
        ("RUN [data.path=NEW] [--slices COLUMN] [--tta] [-o FOLDER]",),
        names=("RUN",),
        flags=(
            _output("the folder for predictions and page; by default RUN/evaluations/NAME", "FOLDER"),
            Flag(("--slices",), "measure each value of this column separately", "COLUMN"),
            _TTA,
            _TRUST,
        ),
        keys={"data.path": "labelled data; without it, the run's own test split", **_LABELS, **_FORMAT, **_DEVICE},
        examples=(
            ("dltrain evaluate RUN data.path=labelled.csv", "on new data"),
            ("dltrain evaluate RUN data.path=labelled.csv --slices city", "and for each city"),
        ),
    ),
    Command(
        "export",
        "write the model for other programs, and compare the outputs",
        ("RUN [--format onnx|torch-export|safetensors] [-o FILE]",),
        names=("RUN",),
        flags=(
            Flag(
                ("--format",),
                "onnx, torch-export or safetensors (onnx)",
                "FORMAT",
                default="onnx",
                proposals=("onnx", "torch-export", "safetensors"),
            ),
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
        "print a leaderboard of the runs in a folder",
        ("[FOLDER] [CONDITION ...] [--sort COLUMN] [--csv]",),
        names=("[FOLDER]", "[CONDITION ...]"),
        flags=(
            Flag(("--sort",), "the column to sort by; by default the main metric", "COLUMN"),
            Flag(("--csv",), "all columns, as CSV"),
        ),
        notes=("A condition is, for example, model=mlp or test/accuracy>0.9. FOLDER is outputs by default.",),
        examples=(
            ("dltrain runs", "all runs in outputs"),
            ("dltrain runs 'test/accuracy>0.9' --sort seconds", "runs above 0.9, sorted by duration"),
        ),
    ),
    Command(
        "watch",
        "show the runs and sweeps in a folder as they go, in a browser",
        ("[FOLDER] [--port N]",),
        names=("[FOLDER]",),
        flags=(Flag(("--port",), "the port of the page; by default a free one", "N", int, default=0),),
        notes=(
            "FOLDER is outputs by default. The page is served to this machine alone, reads files, and changes nothing. "
            "From another machine, forward the port: ssh -L N:127.0.0.1:N HOST.",
        ),
        examples=(
            ("dltrain watch", "all runs in outputs"),
            ("dltrain watch outputs/multirun --port 8000", "at http://127.0.0.1:8000/"),
        ),
    ),
    Command(
        "compare",
        "print what differs between two runs, and draw their curves",
        ("A B [-o PAGE.html]",),
        names=("A", "B"),
        flags=(_output("the page (compare.html)", "PAGE", "compare.html"),),
        examples=(
            ("dltrain compare outputs/a outputs/b", "print the differences and write compare.html"),
            ("dltrain compare outputs/a outputs/b -o ab.html", "write another page"),
        ),
    ),
    Command(
        "reproduce",
        "train a run again from its own config, and compare every number",
        ("RUN [key=value ...] [-o FOLDER]",),
        names=("RUN",),
        flags=(_output("the new run's folder; by default next to the run", "FOLDER"), _TRUST),
        keys={"data.path": "the path of the data now", "data.root": "the folder of downloaded data sets now"},
        examples=(
            ("dltrain reproduce RUN", "exit code 0 if every number agrees, else 1"),
            ("dltrain reproduce RUN data.path=/mnt/table.csv", "with the same data in another folder"),
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
            ("dltrain report outputs/multirun/2026-01-31/10-15-30", "the page of a sweep"),
            ("dltrain report outputs/multirun/2026-01-31/10-15-30/*", "every job of a sweep"),
        ),
    ),
    Command(
        "help",
        "print the general help, or the help of a command",
        ("[COMMAND]",),
        names=("[COMMAND]",),
        examples=(("dltrain help", "the general help"), ("dltrain help predict", "the help of a command")),
    ),
)
COMMANDS: Mapping[str, Command] = {command.name: command for command in _ALL}
