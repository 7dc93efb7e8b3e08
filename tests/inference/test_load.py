from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

import dltrain as package
from dltrain.config.compose import compose_jobs
from dltrain.errors import CheckpointError, ConfigError, DataError, DltrainError
from dltrain.experiment.run import build_checked
from dltrain.experiment.run import train as run_training
from dltrain.inference.load import load
from dltrain.runs.folder import RunDir
from dltrain.tasks import registry as tasks
from dltrain.training.random_state import restore_random_state, save_random_state


@pytest.fixture
def run(people_run: Path, tmp_path: Path) -> Path:
    """A copy of a finished run."""
    return Path(shutil.copytree(people_run, tmp_path / "run"))


def change_config(run: Path, **nodes: Any) -> None:
    config = yaml.safe_load((run / "config.yaml").read_text("utf-8"))
    for name, node in nodes.items():
        config[name] = config[name] | node
    (run / "config.yaml").write_text(yaml.safe_dump(config), "utf-8")


def change_json(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | values), "utf-8")


def test_importing_the_package_imports_no_torch() -> None:
    script = "import sys, dltrain; dltrain.__version__; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_training_from_python_returns_the_model_that_its_folder_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = package.train("model=linear", "data=cubic", "data.rows=50", "trainer.epochs=2", quiet=True)
    assert model.run.path.is_relative_to(tmp_path / "outputs")
    assert model.result["epochs"] == 2
    again = package.load(model.run.path)
    x = torch.tensor([[1.0], [2.0]])
    assert list(again.predict(x)["predicted"]) == list(model.predict(x)["predicted"])
    with pytest.raises(DltrainError):
        package.train("model=cnn", "data=cubic", quiet=True)


def test_one_fault_is_raised_alone_and_several_together() -> None:
    with pytest.raises(ConfigError, match="no such key"):
        package.train("model=linear", "data=cubic", "trainer.max_epochs=1", quiet=True)
    with pytest.raises(ExceptionGroup) as caught:
        package.train("model=linear", "data=cubic", "trainer.max_epochs=1", "optimizer.rate=2", quiet=True)
    assert [type(error) for error in caught.value.exceptions] == [ConfigError, ConfigError]


def test_training_leaves_the_callers_random_numbers_and_threads_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(2)
    before = save_random_state(torch.device("cpu"))
    options = ("data.rows=50", "trainer.epochs=1", "trainer.threads=1", "trainer.deterministic=true")
    first, again = (package.train("model=linear", "data=cubic", *options, quiet=True) for _ in range(2))
    after = save_random_state(torch.device("cpu"))
    assert torch.equal(after["torch"], before["torch"])
    assert after["python"] == before["python"]
    assert all(map(np.array_equal, after["numpy"], before["numpy"]))
    assert torch.get_num_threads() == 2
    assert not torch.are_deterministic_algorithms_enabled()
    assert first.result["threads"] == 1
    assert first.result["test"] == again.result["test"]


def test_loading_leaves_the_callers_random_numbers_alone(run: Path) -> None:
    def draw() -> tuple[float, float, float]:
        return random.random(), float(np.random.random()), float(torch.rand(1))

    before = save_random_state(torch.device("cpu"))
    expected = draw()
    restore_random_state(before, torch.device("cpu"))
    load(run)
    assert draw() == expected


def test_a_run_that_never_finished_is_refused(run: Path) -> None:
    (run / "result.json").unlink()
    change_json(run / "status.json", state="interrupted")
    with pytest.raises(CheckpointError, match="never finished: its state is interrupted"):
        load(run)


@pytest.mark.parametrize("name", ["facts.json", "result.json", "status.json"])
def test_a_run_of_a_newer_version_is_refused(run: Path, name: str) -> None:
    change_json(run / name, schema=2)
    with pytest.raises(CheckpointError, match="newer dltrain"):
        _ = load(run).result


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "logging.os.system",
        "torch.load",
        "sklearn.utils.parallel.joblib.load",
        "torch.nn.modules.module.torch.load",
        "dltrain.cli.main.main",
    ],
)
@pytest.mark.parametrize("slot", ["model", "loss"])
def test_what_is_no_model_is_never_called(run: Path, target: str, slot: str) -> None:
    change_config(run, **{slot: {"_target_": target}})
    with pytest.raises(ConfigError):
        load(run)


MINE = """
from pathlib import Path
from torch import nn

Path("ran").write_text("")

class Tiny(nn.Module):
    def __init__(self, spec):
        super().__init__()
        self.layer = nn.Linear(spec.input_shape[0], spec.out_features)

    def forward(self, x):
        return self.layer(x)
"""


def test_code_of_the_working_directory_runs_only_if_it_is_trusted(
    dltrain: Callable, people_csv: Path, tmp_path: Path
) -> None:
    (tmp_path / "tiny_of_mine.py").write_text(MINE)
    (tmp_path / "configs" / "model").mkdir(parents=True)
    (tmp_path / "configs" / "model" / "tiny.yaml").write_text("_target_: tiny_of_mine.Tiny\n")
    data = ["data=csv", f"data.path={people_csv}", "data.target=stays", "trainer.epochs=1", "baseline=none"]
    assert dltrain("model=tiny", *data, "hydra.run.dir=run").code == 0
    (tmp_path / "ran").unlink()
    sys.modules.pop("tiny_of_mine")

    refused = dltrain("predict", "run", str(people_csv))
    assert refused.code == 2
    assert "--trust=tiny_of_mine" in refused.err
    assert not (tmp_path / "ran").exists()
    assert dltrain("predict", "run", str(people_csv), "--trust=tiny_of_mine").code == 0
    assert dltrain("predict", "run", str(people_csv), "--trust", "tiny_of_mine").code == 0


def test_the_environment_never_gets_into_a_model(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "64")
    change_config(run, data={"path": "${oc.env:SECRET}"})
    assert load(run).config.node("data")["path"] == "${oc.env:SECRET}"
    change_config(run, model={"activation": "${oc.env:SECRET}"})
    with pytest.raises(CheckpointError, match="not resolved"):
        load(run)


@pytest.mark.parametrize("reference", ["../../elsewhere", "/tmp", "step-1/../../..", ""])
def test_a_pointer_out_of_the_folder_is_refused(run: Path, reference: str) -> None:
    (run / "checkpoints" / "best").write_text(reference)
    with pytest.raises(CheckpointError, match="names no checkpoint"):
        load(run)


@pytest.mark.parametrize("name", ["facts.json", "config.yaml", "checkpoints", "checkpoints/best"])
def test_links_out_of_the_folder_are_refused(run: Path, people_run: Path, name: str) -> None:
    path = run / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    path.symlink_to(people_run / name)
    with pytest.raises(CheckpointError, match="is a link"):
        load(run)


def test_weights_of_another_model_are_refused_with_the_differences(run: Path) -> None:
    change_config(run, model={"hidden": [3]})
    with pytest.raises(CheckpointError, match=r"belongs to another model: .* is "):
        load(run)


def test_a_changed_byte_is_noticed(run: Path) -> None:
    (weights,) = run.glob("checkpoints/step-*/model.safetensors")
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(CheckpointError, match="differs from its manifest"):
        load(run)


def test_what_is_no_run_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is not a run folder"):
        load(tmp_path)


def test_a_config_with_aliases_is_refused(run: Path) -> None:
    (run / "config.yaml").write_text("a: &a [1, 2]\nb: [*a, *a]\n")
    with pytest.raises(CheckpointError, match="aliases"):
        load(run)


def test_rows_come_as_dictionaries_lists_arrays_and_frames(pay_run: Path) -> None:
    model = load(pay_run)
    row = {"number": 1007, "年龄": 30, "city": "Ulm", "stays": "yes"}
    frame = package.load(pay_run).predict(pd.DataFrame([row]))
    assert model.predict([row]).equals(frame)
    ordered = [row[column.name] for column in model.encoder.columns]  # type: ignore[attr-defined]
    assert model.predict(np.array([ordered], dtype=object)).equals(frame)
    for empty in (pd.DataFrame(), []):
        with pytest.raises(DataError, match="no samples"):
            model.predict(empty)


NET = """
import random

import numpy as np
import torch
from torch import nn

{imports}

class Net(nn.Module):
    def __init__(self, spec{parameters}):
        super().__init__()
        self.layer = nn.Linear(spec.input_shape[0], 8)
        self.head = nn.Linear(8, spec.out_features)
        {init}

    def forward(self, x):
        return self.head({hidden})
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Writes a module into the working directory, and has it imported anew."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    written = set()

    def write(name: str, text: str | None = None, **parts: str) -> None:
        parts = {"imports": "", "parameters": "", "init": "", "hidden": "self.layer(x).tanh()"} | parts
        (tmp_path / f"{name}.py").write_text(NET.format(**parts) if text is None else text)
        shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)
        for known in written | {name}:
            sys.modules.pop(known, None)
        written.add(name)

    yield write
    for name in written:
        sys.modules.pop(name, None)


def train_net(people_csv: Path, target: str, *overrides: str, model: str = "net_of_mine.Net") -> Path:
    data = ("data=csv", f"data.path={people_csv}", f"data.target={target}", "baseline=none", "trainer.epochs=1")
    (job,) = compose_jobs([f"model._target_={model}", *data, *overrides], sweep=False)
    setup = build_checked(job.config, overrides=job.overrides)
    run = RunDir("run")
    run.path.mkdir()
    run.write_status("running", exit_code=1)
    run.config.write_text(yaml.safe_dump(dict(job.config)), "utf-8")
    run_training(setup, job.config, run, perf_counter())
    return run.path


def test_edited_code_is_refused_by_its_name_and_a_comment_is_not(write: Callable, people_csv: Path) -> None:
    write("net_of_mine")
    run = train_net(people_csv, "stays")
    write("net_of_mine", NET.format(imports="# Mine.", parameters="", init="", hidden="self.layer(x).tanh()"))
    load(run, trust=("net_of_mine",))
    write("net_of_mine", hidden="self.layer(x).relu()")
    with pytest.raises(
        CheckpointError, match=r"does not predict what was measured.*the code of net_of_mine has changed"
    ):
        load(run, trust=("net_of_mine",))


def test_edited_code_that_a_model_imports_is_refused_by_its_name(write: Callable, people_csv: Path) -> None:
    write("parts_of_mine", "def bend(x):\n    return x.tanh()\n")
    write("net_of_mine", imports="from parts_of_mine import bend", hidden="bend(self.layer(x))")
    run = train_net(people_csv, "stays")
    write("parts_of_mine", "def bend(x):\n    return x.relu()\n")
    with pytest.raises(CheckpointError, match="the code of parts_of_mine has changed"):
        load(run, trust=("net_of_mine",))


TASK = """
from dltrain.tasks.classification import Classification
from dltrain.tasks.losses import CrossEntropy

class Doubting(Classification):
    @classmethod
    def default_loss(cls, facts):
        return CrossEntropy(facts)

    def decode(self, output):
        return self.combine_members(output).{choice}(dim=1)
"""


def test_an_edited_task_is_refused_by_its_name_and_a_comment_is_not(write: Callable, people_csv: Path) -> None:
    write("task_of_mine", TASK.format(choice="argmax"))
    run = train_net(people_csv, "stays", "task.name=task_of_mine.Doubting", model="linear")
    write("task_of_mine", "# Mine." + TASK.format(choice="argmax"))
    tasks._own.clear()
    load(run, trust=("task_of_mine",))
    write("task_of_mine", TASK.format(choice="argmin"))
    tasks._own.clear()
    with pytest.raises(CheckpointError, match="the code of task_of_mine has changed since"):
        load(run, trust=("task_of_mine",))
    result = json.loads((run / "result.json").read_text("utf-8"))
    del result["basis"]["code"]
    (run / "result.json").write_text(json.dumps(result), "utf-8")
    load(run, trust=("task_of_mine",))  # older versions recorded less


@pytest.mark.parametrize(
    "drawn",
    ["torch.rand(8)", "torch.tensor(np.random.random(8)).float()", "torch.tensor([random.random() for _ in range(8)])"],
)
def test_constants_that_are_drawn_when_a_model_is_built_come_back(
    drawn: str, write: Callable, people_csv: Path
) -> None:
    write("net_of_mine", init=f"self.scale = {drawn}", hidden="self.layer(x).tanh() * self.scale")
    run = train_net(people_csv, "stays", "seed=5")
    scale = load(run, trust=("net_of_mine",)).module.scale
    assert torch.equal(load(run, trust=("net_of_mine",)).module.scale, scale)


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        (
            {
                "imports": "from pathlib import Path",
                "init": "self.scale = torch.tensor(float(Path('scale.txt').read_text()))",
                "hidden": "self.layer(x) * self.scale",
            },
            r"Net keeps scale outside its state_dict\(\)",
        ),
        (
            {
                "imports": "SCALE = torch.tensor(np.random.default_rng().random(8)).float()",
                "hidden": "self.layer(x) * SCALE",
            },
            "such as a file or a constant, has changed",
        ),
        (
            {
                "imports": "from pathlib import Path",
                "init": "self.scale = float(Path('scale.txt').read_text())",
                "hidden": "self.layer(x) * self.scale",
            },
            "such as a file",
        ),
    ],
)
def test_constants_that_are_others_are_refused_with_the_reason(
    parts: dict[str, str], reason: str, write: Callable, people_csv: Path, tmp_path: Path
) -> None:
    (tmp_path / "scale.txt").write_text("1")
    write("net_of_mine", **parts)
    run = train_net(people_csv, "stays")
    (tmp_path / "scale.txt").write_text("2")
    sys.modules.pop("net_of_mine")
    with pytest.raises(CheckpointError, match=reason) as caught:
        load(run, trust=("net_of_mine",))
    assert "train again" in caught.value.fix


@pytest.mark.parametrize("target", ["stays", "pay", "[pay,number]", "tags"])
def test_folders_without_recorded_outputs_are_held_against_their_table(
    target: str, write: Callable, people_csv: Path, tmp_path: Path
) -> None:
    table = pd.read_csv(people_csv)
    table["tags"] = [f"a|{'b|c' if age > 40 else 'b'}"[2 * (age < 30) :] for age in table["年龄"]]
    table.to_csv(tmp_path / "people.csv", index=False)
    write("net_of_mine")
    task = ("task=multilabel",) if target == "tags" else ()
    run = train_net(tmp_path / "people.csv", target, *task)
    (run / "examples" / "outputs.safetensors").unlink()
    load(run, trust=("net_of_mine",))
    write("net_of_mine", hidden="9 * self.layer(x).relu() - 5")
    with pytest.raises(CheckpointError, match="the code of net_of_mine has changed"):
        load(run, trust=("net_of_mine",))
    shutil.rmtree(run / "examples")
    load(run, trust=("net_of_mine",))  # there is nothing to hold it against


def test_a_model_that_fails_on_the_examples_is_refused_with_the_reason(write: Callable, people_csv: Path) -> None:
    write("net_of_mine")
    run = train_net(people_csv, "stays")
    write("net_of_mine", hidden="self.layer(x).no_such_thing()")
    with pytest.raises(CheckpointError, match=r"fails on the run's own examples: AttributeError.*code of net_of_mine"):
        load(run, trust=("net_of_mine",))


@pytest.mark.parametrize("name", ["inputs.safetensors", "outputs.safetensors"])
def test_damaged_examples_are_refused(run: Path, name: str) -> None:
    (run / "examples" / name).write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load(run)


def test_lazy_layers_need_the_examples(write: Callable, people_csv: Path) -> None:
    write("net_of_mine", init="self.layer = nn.LazyLinear(8)")
    run = train_net(people_csv, "stays")
    load(run, trust=("net_of_mine",))
    shutil.rmtree(run / "examples")
    with pytest.raises(CheckpointError, match="lazy layers"):
        load(run, trust=("net_of_mine",))


@pytest.mark.parametrize(
    ("parameters", "init", "override"),
    [
        (", weights: list[float] = (2.0, 3.0)", "self.scale = sum(weights)", "+model.weights=[4,5]"),
        (", weights: str = 'even'", "self.scale = {'even': 1, 'odd': 2}[weights]", "+model.weights=odd"),
        (", weights: str | None = None", "self.scale = 3 if weights == 'DEFAULT' else 1", "+model.weights=DEFAULT"),
        (", pretrained: bool = False", "self.scale = 3 if pretrained else 1", "+model.pretrained=true"),
    ],
)
def test_arguments_that_are_called_like_pretrained_weights_keep_their_meaning(
    parameters: str, init: str, override: str, write: Callable, people_csv: Path
) -> None:
    write("net_of_mine", parameters=parameters, init=init, hidden="self.layer(x) * self.scale")
    run = train_net(people_csv, "stays", override)
    scale = load(run, trust=("net_of_mine",)).module.scale
    assert scale == {"[4,5]": 9, "odd": 2, "DEFAULT": 3, "true": 3}[override.partition("=")[2]]


def test_weights_to_begin_with_are_not_fetched_again(write: Callable, people_csv: Path, tmp_path: Path) -> None:
    torch.save(torch.ones(8), tmp_path / "begin.pt")
    init = "self.head.bias.data += torch.load(weights).sum() if weights else 0"
    write("net_of_mine", parameters=", weights: str | None = None", init=init)
    run = train_net(people_csv, "stays", "+model.weights=begin.pt")
    (tmp_path / "begin.pt").unlink()
    load(run, trust=("net_of_mine",))


def test_arguments_called_like_dltrains_own_words_reach_the_model(write: Callable, people_csv: Path) -> None:
    parameters = ", name: str = 'a', device: str = 'b', dtype: str = 'c', seed: int = 1, config: str = 'd'"
    write("net_of_mine", parameters=parameters, init="self.given = (name, device, dtype, seed, config)")
    run = train_net(people_csv, "stays", "+model.name=x", "+model.device=y", "+model.dtype=z", "+model.seed=7")
    assert load(run, trust=("net_of_mine",)).module.given == ("x", "y", "z", 7, "d")
