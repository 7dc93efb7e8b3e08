from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dltrain.cli.commands import COMMANDS
from dltrain.cli.help import EXAMPLES
from dltrain.cli.main import main
from dltrain.cli.proposals import corrected, spell
from dltrain.config.options import groups, options
from dltrain.errors import ConfigError
from dltrain.experiment.targets import resolve

WITHOUT_TORCH = """
import sys
from dltrain.cli.main import main
code = main({arguments!r})
assert "torch" not in sys.modules and "pandas" not in sys.modules and "matplotlib" not in sys.modules
sys.exit(code)
"""


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], 0),
        (["--help"], 0),
        (["--version"], 0),
        (["list"], 0),
        (["list", "modle"], 2),
        (["modle=cnn"], 2),
        (["model=cn"], 2),
        (["lits"], 2),
    ],
)
def test_help_lists_and_typos_answer_without_torch(arguments: list[str], code: int, tmp_path: Path) -> None:
    script = WITHOUT_TORCH.format(arguments=arguments)
    assert subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True).returncode == code
    assert list(tmp_path.iterdir()) == []


def test_no_argument_prints_the_examples(dltrain: Callable) -> None:
    called = dltrain()
    assert called.code == 0
    for command, words in EXAMPLES:
        assert command in called.out
        assert words in called.out


def test_the_general_page_fits_a_screen_and_names_what_there_is(dltrain: Callable) -> None:
    out = dltrain("--help").out
    assert len(out.splitlines()) <= 42
    assert max(map(len, out.splitlines())) <= 100
    words = out.split()
    for name in (*groups(), *options("model"), *options("data"), *COMMANDS):
        assert name in words, name
    for key in ("trainer.epochs", "optimizer.lr", "data.path", "data.target", "seed"):
        assert key in words
    for argument in ("-h", "help"):
        assert dltrain(argument).out == out


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_of_a_command_says_how_it_is_called_and_what_it_takes(name: str, dltrain: Callable) -> None:
    out = dltrain(name, "--help").out
    assert out.startswith(f"usage: dltrain {name}")
    command = COMMANDS[name]
    for flag in command.flags:
        assert flag.line == "" or flag.names[-1] in out
    for key in command.keys:
        assert f"  {key}=" in out
    assert len(command.examples) in (2, 3)
    for example, _ in command.examples:
        assert example in out
    for arguments in ((name, "-h"), ("help", name), ("-h", name), (name, "run", "--help")):
        assert dltrain(*arguments).out == out


@pytest.mark.parametrize("name", COMMANDS)
def test_the_examples_of_a_command_are_parsed_by_what_its_page_is_made_of(name: str) -> None:
    for example, _ in COMMANDS[name].examples:
        _, command, *arguments = shlex.split(example)
        if command != name:  # train may be left out
            arguments = [command, *arguments]
        COMMANDS[name].parse(arguments)
        if name not in ("train", "check", "find_lr", "runs"):
            COMMANDS[name].read(arguments)


def test_a_page_of_no_command_is_refused_with_the_nearest(dltrain: Callable) -> None:
    called = dltrain("help", "predcit")
    assert (called.code, "did you mean predict?: dltrain help predict" in called.err) == (2, True)


def test_list_has_a_line_for_each_option(dltrain: Callable) -> None:
    lines = dltrain("list", "model").out.splitlines()
    assert len(lines) == 1 + len(options("model"))
    assert set(json.loads(dltrain("list", "--json").out)) == set(groups())


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_of_a_command_has_each_part_once(name: str, dltrain: Callable) -> None:
    lines = dltrain(name, "--help").out.splitlines()
    titles = [line for line in lines if line and not line.startswith(" ") and len(line.split()) == 1]
    assert len(titles) == len(set(titles))
    assert ("keys" in titles) == bool(COMMANDS[name].keys)


def test_null_is_printed_as_it_is_typed(dltrain: Callable) -> None:
    assert dltrain("--cfg", "job", "-p", "trainer.batch_size").out == "null\n"
    assert dltrain("--cfg", "job", "-p", "trainer.deterministic").out == "false\n"
    assert dltrain("--cfg", "job", "-p", "trainer.nothing").code == 2


def test_a_files_own_path_is_not_its_description(dltrain: Callable, tmp_path: Path) -> None:
    (tmp_path / "configs" / "model").mkdir(parents=True)
    (tmp_path / "configs" / "model" / "wide.yaml").write_text(
        "# configs/model/wide.yaml\n# A wide one.\n_target_: mlp\n"
    )
    assert ["wide", "A", "wide", "one."] in [line.split() for line in dltrain("list", "model").out.splitlines()]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("modle=cnn data=animals", "dltrain model=cnn data=animals"),
        ("model=cn data=animals", "dltrain model=cnn data=animals"),
        ("model=cnn data=aminals", "dltrain model=cnn data=animals"),
        ("optimizer.lrr=0.1", "dltrain optimizer.lr=0.1"),
        ("+optimizer.lrr=0.1", "dltrain optimizer.lr=0.1"),
        ("++trainer.epoch=3 seed=1", "dltrain trainer.epochs=3 seed=1"),
        ("epochs 100", "dltrain trainer.epochs=100"),
        ("epochs=100", "dltrain trainer.epochs=100"),
        ("cnn data=animals", "dltrain model=cnn data=animals"),
        ("table.csv", "dltrain data=csv data.path=table.csv"),
        ("lits", "dltrain list"),
        ("optimizer.momentum=0.9", "optimizer=momentum"),
        ("data.target=y", "dltrain data.target=y data=csv"),
        ("optimizer.lr=0.1,0.2", "dltrain optimizer.lr=0.1,0.2 -m"),
        ("hydra.run.dri=x", "dltrain hydra.run.dir=x"),
        ("trainer.epochs=ten", "give a whole number, at least 1, or null\n"),
        ("trainer.epochs=0", "give a whole number, at least 1, or null\n"),
        ("trainer.batch_size=0", "a whole number, at least 1, or one of full, auto, or null\n"),
        ("trainer.epochs=1.5", "trainer.epochs"),
        ("optimizer.lr=-1", "optimizer.lr"),
        ("optimizer.lr=nan", "optimizer.lr"),
        ("optimizer.lr=inf", "optimizer.lr"),
        ("optimizer.betas=[2,3]", "optimizer"),
        ("model.activation=rleu", "dltrain model.activation=relu"),
        ("model.hidden=8", "model.hidden"),
        ("model.dropout=1", "model.dropout"),
        ("seed=-1", "fix: give such a number\n"),
        ("seed=x", "fix: give such a number\n"),
        (f"seed={2**63}", "fix: give such a number\n"),
        ("trainer.device=gpu", "dltrain trainer.device=auto"),
        ("trainer.device=cuda:99", "dltrain trainer.device=auto"),
        ("trainer.monitor=val/acc data=iris", "dltrain trainer.monitor=val/accuracy data=iris"),
        ("trainer.monitor=accuracy data=iris", "trainer.monitor=val/accuracy"),
        ("model=cnn data=iris", "dltrain model=mlp data=iris"),
        ("loss=mse data=iris", "dltrain loss=auto data=iris"),
        ("task=regression data=iris", "dltrain task=auto data=iris"),
        ("data=csv", "data.path"),
        ("data=csv data.path=nothing.csv", "nothing.csv"),
        ("data=images data.path=nothing", "nothing"),
        ("data=iris data.val_fraction=0.5 data.test_fraction=0.6", "leave nothing"),
        ("data=iris data.test_fraction=2", "data.test_fraction"),
        ("data=iris data.val_fraction=0.0001", "dltrain data=iris data.val_fraction=0"),
        ("model._target_=os.system", "os.system"),
        ("model._target_=torch.load", "torch.load"),
        ("optimizer._target_=torch.nn.modules.module.torch.load", "torch.load"),
        ("data._target_=sklearn.utils.parallel.joblib.load", "joblib.load"),
        ("data._target_=dltrain.kinds.image.load.os.system", "os.system"),
        ("scheduler._target_=dltrain.training.schedules.math.floor", "math.floor"),
        ("model._target_=torch.optim.AdamW", "Module"),
        ("+api_token=abc", "api_token"),
        ("experiment=null", "experiment"),
        ("optimizer=null", "optimizer"),
        ("~optimizer", "~optimizer"),
        ("~seed", "~seed"),
        ("seed=${nothing}", "nothing"),
        ("-m optimizer.lr=interval(0.1,1)", "interval"),
        ("--config-dir nowhere data=iris", "nowhere"),
        ("--config-name foo", "config-name"),
        ("--qiet data=iris", "--quiet"),
        ("--multrun data=iris", "dltrain --multirun data=iris"),
        ("hydra.run.dir= data=iris", "hydra.run.dir=outputs/mine"),
        ("hydra.run.dir=null data=iris", "hydra.run.dir=outputs/mine"),
        ("trainer.threads=9999 data=iris", "trainer.threads="),
        ("model.hidden=64 data=iris", "dltrain 'model.hidden=[64]' data=iris"),
        ("model.hidden=64,32 data=iris", "dltrain 'model.hidden=[64,32]' data=iris"),
        ("model.foo=1", "model.foo"),
        ("data.path=plain.csv", "dltrain data.path=plain.csv data=csv"),
        ("loss.class_weights=balanced data=wine", "loss=cross_entropy"),
    ],
)
def test_bad_input_is_refused_with_the_fix_and_leaves_nothing(arguments: str, said: str, dltrain: Callable) -> None:
    called = dltrain(*arguments.split())
    assert called.code == 2
    assert called.err.startswith("dltrain: error: ")
    assert "; fix: " in called.err
    assert said in called.err
    assert "Traceback" not in called.err
    assert list(called.folder.iterdir()) == []


def test_all_wrong_values_are_reported_together(dltrain: Callable) -> None:
    err = dltrain("trainer.epochs=0", "optimizer.lr=-1", "model.dropout=7").err
    assert len(err.splitlines()) == 3
    assert all(f"at {key};" in err for key in ("trainer.epochs", "optimizer.lr", "model.dropout"))
    assert ": dltrain " not in err  # no value is certain


def test_one_bad_job_refuses_the_whole_sweep(dltrain: Callable) -> None:
    called = dltrain("-m", "data=iris", "model=mlp,cnn", "debug=smoke")
    assert called.code == 2
    assert list(called.folder.iterdir()) == []


def test_debug_shows_the_traceback(dltrain: Callable) -> None:
    assert "Traceback" in dltrain("data=csv", "data.path=none.csv", "--debug").err


def test_composed_configs_can_be_printed(dltrain: Callable) -> None:
    called = dltrain("data=iris", "--cfg", "job")
    assert "_target_: toy_table" in called.out
    assert list(called.folder.iterdir()) == []


def test_tab_completes_groups_options_and_keys(tmp_path: Path) -> None:
    for line, expected in (
        ("dltrain mod", "model="),
        ("dltrain model=c", "model=cnn"),
        ("dltrain trainer.ep", "epochs"),
    ):
        completed = subprocess.run(
            [sys.executable, "-m", "dltrain", "-sc", "query=bash"],
            env={"COMP_LINE": line, "COMP_POINT": str(len(line)), "PATH": ""},
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert expected in completed.stdout, completed.stderr


def test_a_correction_keeps_the_rest_of_the_command() -> None:
    renamed = ConfigError("", override="optimizer.lr", replaces="optimizer.lrr")
    assert spell(corrected(["-m", "optimizer.lrr=1,2", "a=b c"], [renamed])) == "dltrain -m optimizer.lr=1,2 'a=b c'"
    assert corrected(["seed=1"], [ConfigError("", override="seed=0")]) == ["seed=0"]
    assert corrected(["seed=1", "seed=x"], [ConfigError("", override="seed=0")]) == ["seed=1", "seed=0"]
    assert corrected(["data=csv"], [ConfigError("", override="data.target=y")]) == ["data=csv", "data.target=y"]
    assert corrected(["epochs", "3"], [ConfigError("", override="trainer.epochs=3", replaces="epochs 3")]) == [
        "trainer.epochs=3"
    ]
    two = ConfigError("", override="loss=focal loss.gamma=3", replaces="gamma")
    assert corrected(["gamma=3", "seed=1"], [two]) == ["loss=focal", "loss.gamma=3", "seed=1"]


def test_a_folder_that_bears_a_modules_name_does_not_make_it_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shutil").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError):
        resolve("data", {"_target_": "shutil.rmtree"})


def test_another_folder_of_configs_may_be_named(dltrain: Callable, tmp_path: Path) -> None:
    (tmp_path / "more" / "model").mkdir(parents=True)
    (tmp_path / "more" / "model" / "narrow.yaml").write_text("# Narrow.\ndefaults: [mlp, _self_]\nhidden: [3]\n")
    called = dltrain("--config-dir", "more", "model=narrow", "data=iris", "debug=smoke")
    assert called.code == 0, called.err
    assert "hidden:\n  - 3\n" in called.run.config.read_text()


def test_a_sweep_over_every_option_of_a_group(dltrain: Callable) -> None:
    called = dltrain("-m", "model=glob([ml*,ta*])", "data=iris", "debug=smoke")
    assert called.code == 0, called.err
    assert sorted(run.read_status()["state"] for run in called.runs) == ["done", "done"]  # mlp and tabm


def test_a_broken_config_or_module_of_the_users_own_is_one_line(dltrain: Callable, tmp_path: Path) -> None:
    (tmp_path / "configs" / "model").mkdir(parents=True)
    (tmp_path / "configs" / "model" / "broken.yaml").write_text("a: [1\n")
    (tmp_path / "configs" / "model" / "raises.yaml").write_text("# Raises.\n_target_: raising.Model\n")
    (tmp_path / "raising.py").write_text("raise ValueError('not today')\n")
    for name, words in (("broken", "YAML"), ("raises", "not today")):
        called = dltrain(f"model={name}", "data=iris")
        assert (called.code, words in called.err, len(called.err.splitlines())) == (2, True, 1), called.err


def test_output_cut_short_by_a_reader_harms_no_run(tmp_path: Path) -> None:
    command = f"{sys.executable} -m dltrain data=iris trainer.epochs=3 | head -1"
    said = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True)
    assert said.stderr == ""
    assert len(list(tmp_path.rglob("report.html"))) == 1


def test_what_nobody_foresaw_is_still_one_line(dltrain: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dltrain.cli.list.groups", lambda: 1 / 0)
    called = dltrain("list")
    assert called.code == 1
    assert called.err == "dltrain: error: ZeroDivisionError: division by zero; fix: see where with --debug\n"


def test_main_returns_and_leaves_sys_argv_alone(dltrain: Callable) -> None:
    before = list(sys.argv)
    assert main(["data=iris", "debug=smoke", "--quiet"]) == 0
    assert sys.argv == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_a_run_has_a_folder_is_answered(
    number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def read(*_: object, **__: object) -> None:
        os.kill(os.getpid(), number)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("dltrain.experiment.run.build.build", read)
    assert main(["data=iris", "trainer.threads=1"]) == 128 + number
    assert capsys.readouterr().err.splitlines()[-1] == "dltrain: interrupted"
