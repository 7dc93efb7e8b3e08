"""What Tab completes: quickly, and never with a message."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dltrain.cli.commands import COMMANDS
from dltrain.cli.completion import run, suggestions

RUNS = ("outputs/2026-01-31/10-15-30_mlp_iris", "outputs/multirun/2026-02-01/09-00-00/0")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in RUNS:
        (tmp_path / name / "plots").mkdir(parents=True)
        (tmp_path / name / "status.json").write_text("{}")
    (tmp_path / "outputs" / "notes").mkdir()
    (tmp_path / "new.csv").write_text("x\n1\n")
    (tmp_path / "with blank.csv").write_text("x\n1\n")
    (tmp_path / ".hidden").mkdir()
    return tmp_path


@pytest.mark.parametrize("command", ["resume", "predict", "evaluate", "export", "report", "compare", "reproduce"])
def test_run_folders_are_completed(command: str, folder: Path) -> None:
    assert set(RUNS) <= set(suggestions(f"dltrain {command} "))
    assert RUNS[0] in suggestions(f"dltrain {command} outputs/2026-01-31/10")
    assert RUNS[1] not in suggestions(f"dltrain {command} outputs/2026")
    assert [text for text in suggestions(f"dltrain {command} outputs/multirun/2026-02-01/") if "plots" in text] == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("dltrain pre", ["predict"]),
        ("dltrain re", ["recipe.", "recipe=", "report", "reproduce", "resume"]),
        ("python -m dltrain pre", ["predict"]),
        ("/usr/bin/dltrain predict a new", ["new.csv"]),
        ("dltrain predict a ./new", ["./new.csv"]),
        ("dltrain predict a data.en", ["data.encoding="]),
        ("dltrain evaluate a data.path=ne", ["data.path=new.csv"]),
        ("dltrain predict a --te", ["--temperature"]),
        ("dltrain resume a --f", ["--force"]),
        ("dltrain resume a trainer.ep", ["trainer.epochs="]),
        ("dltrain list mo", ["model"]),
        ("dltrain help pre", ["predict"]),
        ("dltrain check mod", ["model.", "model="]),
        ("dltrain -m model=text", ["model=textcnn", "model=textcnn_bag"]),
        ("dltrain train trainer.epo", ["trainer.epochs="]),
        ("dltrain check model=cnn data=dig", ["data=digits"]),
        ("dltrain export a --format ", ["onnx", "torch-export", "safetensors"]),
        ("dltrain --cfg j", ["job"]),
        ("dltrain model=mlp trainer.device=", [f"trainer.device={name}" for name in ("auto", "cpu", "cuda", "mps")]),
        ("dltrain resume a trainer.device=c", ["trainer.device=cpu", "trainer.device=cuda"]),
        ("dltrain data=csv data.path=ne", ["data.path=new.csv"]),
        ("dltrain -m model=mlp,l", ["model=mlp,linear", "model=mlp,lstm"]),
        ("dltrain -m model=linear,l", ["model=linear,lstm"]),
        ("dltrain --config-dir o", ["outputs/"]),
        ("dltrain --config-dir n", []),
        ("dltrain predict a b -o n", ["new.csv"]),
        ("dltrain predict a b --steps ", []),
        ("dltrain predict nothing/", []),
        ("dltrain predict /nowhere/at/all", []),
    ],
)
def test_what_is_typed_decides_what_is_offered(line: str, expected: list[str], folder: Path) -> None:
    assert suggestions(line) == expected


@pytest.mark.parametrize(
    "line",
    [
        *(
            "",
            " ",
            "dltrain",
            "dltrain 'predict",
            'dltrain predict "a',
            "dltrain --",
            "dltrain model=",
            "dltrain =",
            "x",
        ),
        *("dltrain model=nothing trainer.ep", "dltrain a b c=", "dltrain -m -m", "dltrain --config-dir", "dltrain \\"),
        *("dltrain +model.", "dltrain ~mo", "dltrain trainer.epochs=[1,", "dltrain resume \0", "dltrain --nothing m="),
    ],
)
def test_nothing_that_is_typed_spills_a_message(line: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["query=bash"], {"COMP_LINE": line, "COMP_POINT": str(len(line))}) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert "error" not in said.out
    assert run(["query=bash"], {"COMP_LINE": line, "COMP_POINT": "?"}) == 0


def test_a_broken_config_of_the_users_own_spills_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "configs" / "model").mkdir(parents=True)
    (folder / "configs" / "model" / "broken.yaml").write_text("a: [1\n")
    (folder / "configs" / "model" / "mlp.yaml").write_text("a: 1\n")
    line = "dltrain model=broken trainer.ep"
    assert run(["query=bash"], {"COMP_LINE": line, "COMP_POINT": str(len(line))}) == 0
    assert capsys.readouterr().err == ""


def test_what_holds_a_blank_is_not_offered_in_pieces(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["query=bash"], {"COMP_LINE": "dltrain predict a with", "COMP_POINT": "22"})
    assert "blank" not in capsys.readouterr().out
    run(["query=fish"], {"COMP_LINE": "dltrain predict a ", "COMP_POINT": "18"})
    assert "new.csv" in capsys.readouterr().out.splitlines()


def test_the_script_for_a_shell_is_printed_or_the_shell_refused(dltrain: Callable) -> None:
    assert "complete -o nospace" in dltrain("-sc", "install=bash").out
    refused = dltrain("-sc", "install=nothing")
    assert (refused.code, "install=bash" in refused.err) == (2, True)


def test_run_folders_are_completed_without_torch_and_hydra(folder: Path) -> None:
    script = (
        "import sys\n"
        "from dltrain.cli.main import main\n"
        "main(['-sc', 'query=bash'])\n"
        "assert not {'torch', 'hydra', 'pandas', 'numpy'} & set(sys.modules), 'slow'\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"COMP_LINE": "dltrain predict out", "COMP_POINT": "19", "PYTHONPATH": ":".join(sys.path)},
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert RUNS[0] in done.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["predict", "--help"], ["help", "train"], ["--version"]])
def test_help_imports_neither_torch_nor_hydra(arguments: list[str], tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from dltrain.cli.main import main\n"
        f"assert main({arguments!r}) == 0\n"
        "assert not {'torch', 'hydra', 'omegaconf', 'pandas', 'numpy'} & set(sys.modules), sorted(sys.modules)\n"
    )
    environment = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_command_can_be_completed() -> None:
    assert set(suggestions("dltrain ")) >= set(COMMANDS)
