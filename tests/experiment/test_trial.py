"""A model is tried on a copy, before a folder exists: what is wrong is one sentence, and what is right works."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from dltrain.config.compose import compose_jobs
from dltrain.data.loader import TensorLoader
from dltrain.errors import CheckpointError, ConfigError, DltrainError, OutOfMemory
from dltrain.experiment import build
from dltrain.experiment.run import train
from dltrain.experiment.sources import SOURCES
from dltrain.experiment.targets import check
from dltrain.inference.load import load
from dltrain.runs.folder import RunDir
from dltrain.runs.result import Result
from dltrain.tasks.evaluation import evaluate
from dltrain.training.random_state import save_random_state

HERE = str(Path(__file__).parent)
QUICK = ("baseline=none", "trainer.epochs=1", "trainer.threads=1")


@pytest.fixture(autouse=True)
def _odd_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(HERE)


def config_of(*overrides: str, **nodes: Any) -> Mapping[str, Any]:
    (job,) = compose_jobs([*overrides, *QUICK], sweep=False)
    return {**job.config, **nodes}


@pytest.fixture(scope="module")
def iris() -> Mapping[str, Any]:
    return config_of("data=iris")


def refusal(config: Mapping[str, Any], name: str, **arguments: Any) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        build.build({**config, "model": {"_target_": f"odd_models.{name}", **arguments}})
    assert f"odd_models.{name}" in caught.value.what
    assert caught.value.fix
    assert "\n" not in caught.value.what
    return caught.value


@pytest.mark.parametrize(
    ("name", "what", "fix"),
    [
        ("Pair", r"returns a tuple of 2 in evaluation instead of one tensor of shape \(2, 3\)", "output[0]"),
        ("Named", "returns a dict with hidden, logits", "output['logits']"),
        ("Packed", "returns an Output with logits, loss", "output.logits"),
        ("Auxiliary", "returns a tuple of 2 in training", "output[0]"),
        ("Nothing", "returns nothing", "let forward return its output"),
        ("Numpy", "returns a NumPy array", "in torch"),
        ("Masked", "is called with 1 tensor of shape 2×4, and its forward also needs mask", "give mask a default"),
        ("TwoInputs", "its forward also needs other", "give other a default"),
        ("Keyed", r"fails in evaluation on an input of shape 4: KeyError: 'scale' \(odd_models.py, line \d+\)", "2×4"),
        ("Integers", "returns int64", "scores themselves"),
        ("Booleans", "returns bool", "scores themselves"),
        ("Complex", "returns complex64", "scores themselves"),
        ("Summed", r"returns an output of shape \(3,\)", "the first axis"),
        ("Narrow", r"returns an output of shape \(2, 2\) in evaluation instead of \(2, 3\)", "spec.out_features"),
        ("BatchOfTwo", "cannot predict one sample alone: it fails in evaluation on an input of shape 4", "batch"),
        ("NormalisedByBatch", "cannot predict one sample alone: outputs of it are NaN or infinite", "statistics"),
        ("Squeezed", r"cannot predict one sample alone: it returns an output of shape \(3,\)", "squeeze()"),
        (
            "ScaledByBatch",
            "returns another output for a sample alone than for the same .* in a batch",
            "first axis",
        ),
        ("Numbered", "returns another output for a sample alone than for the same .* in a batch", "first axis"),
        ("Remembers", "keeps before, a Tensor, outside its state_dict..", "self.before.copy_"),
        ("Several", r"returns an output of shape \(2, 4, 3\)", "self.members = 4"),
        ("NotANumber", "are NaN or infinite before training", "logarithms"),
        ("BornInfinite", "the parameter scale of odd_models.BornInfinite is NaN or infinite", "initialise"),
        ("FailsInTraining", r"fails in training .*: KeyError: 'momentum' \(odd_models.py", "3×4"),
        ("FailsInEvaluation", "fails in evaluation .*: AssertionError: only for training", "2×4"),
        ("Double", "fails in evaluation .*dtype", "keep its parameters float32"),
        ("Detached", "has no gradients with respect to its parameters", "detach"),
        ("NotDifferentiable", "gradients of .* cannot be computed: RuntimeError: .*inplace", "--debug"),
        ("Frozen", "all 4 parameters of .* are frozen", "requires_grad_"),
        ("ListedAll", "keeps layers in a plain list, layers,", "make layers an nn.ModuleList"),
        ("Listed", "keeps layers in a plain list, extra,", "make extra an nn.ModuleList"),
        ("Mapped", "keeps layers in a plain dict, heads,", "make heads an nn.ModuleDict"),
        ("ListedParameters", "keeps parameters in a plain list, scales,", "nn.ParameterList"),
        ("Loose", "keeps a trainable tensor in a plain attribute, scale,", "make scale an nn.Parameter"),
        ("Held", "keeps layers in an object of class Holder, holder.layer,", "attribute of the model"),
        ("Enclosed", "keeps layers in an object of class function, change.layer,", "attribute of the model"),
        ("Partly", "keeps parameters in a plain dict, change,", "nn.ParameterDict"),
        ("ListedDropout", "keeps layers in a plain tuple, drops,", "nn.ModuleList"),
        ("Elsewhere", "with tensors of shape 8×8, 8 that require gradients and are not its parameters", "attributes"),
        ("CreatesLayer", "creates parameters or buffers in forward, late.bias, late.weight", "use lazy layers"),
        ("CreatesInTraining", "creates parameters or buffers in forward, gain,", "create them in __init__"),
        ("CreatesBuffer", "creates parameters or buffers in forward, mean,", "create them in __init__"),
        (
            "RunningNumber",
            "keeps mean, a float, outside .*, so that its value would be lost",
            "register_buffer('mean'",
        ),
        ("RunningTensor", "keeps mean, a Tensor, outside its state_dict..", "self.mean.copy_"),
        ("BornElsewhere", "returns another output when it is built again and gets its weights", "in parameters"),
        ("ChangesInputInTraining", "changes its input in place in training", "x = 2 * x"),
        ("DrawsALittle", "returns another output for the same samples", "self.training"),
        ("DrawsAlways", "returns another output for the same samples", "self.training"),
        ("ChangesInput", "changes its input in place", "x = 2 * x"),
        ("KeepsGraph", "keeps state from one batch to the next", "self.state.detach()"),
        ("ReplacesBuffer", "replaces its buffer mean by a new tensor", "self.mean.copy_"),
        ("SavesMore", "contains a dict, _extra_state", "buffer"),
        ("ForgetsSuper", "cannot be built: AttributeError: .*before Module.__init__", "super().__init__()"),
        ("ForgetsSuperWithoutLayers", r"does not call super\(\).__init__\(\)", "super().__init__()"),
        ("Raises", r"cannot be built: KeyError: 'vocabulary' \(odd_models.py, line \d+\)", "--debug"),
        ("Exits", "cannot be built: SystemExit: no licence", "--debug"),
        ("OpensAFile", "cannot be built: FileNotFoundError: .*missing.pt", "--debug"),
        ("OnMeta", "cannot be copied or moved to cpu", "--debug"),
        ("UnusedLazy", "never uses extra.weight, extra.bias", "nn.Linear"),
        ("LazyThatFails", "fails on the first samples, which give its lazy layers their shapes", "--debug"),
        ("number", "returns an int instead of a model", "nn.Module"),
    ],
)
def test_what_cannot_be_trained_is_one_sentence(iris: Mapping[str, Any], name: str, what: str, fix: str) -> None:
    error = refusal(iris, name)
    assert re.search(what, error.what), error.what
    assert fix in error.fix


def test_memory_that_not_even_a_few_samples_fit_into_is_said_so(iris: Mapping[str, Any]) -> None:
    with pytest.raises(OutOfMemory, match=r"not enough for odd_models\.Hungry with 3 samples"):
        build.build({**iris, "model": {"_target_": "odd_models.Hungry"}})


def test_a_refusal_leaves_no_file(dltrain: Callable, tmp_path: Path) -> None:
    for name in ("Auxiliary", "Listed"):
        choice = f"model._target_=odd_models.{name}"
        called = dltrain(choice, "data=iris", *QUICK, "hydra.run.dir=run")
        assert (called.code, len(called.err.splitlines())) == (2, 1), called.err
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        *("Sound", "Unused", "PartlyFrozen", "Tied", "Locked", "DoubleInside", "ListsWhatIsKnown", "FrozenTeacher"),
        *(
            "KeepsForLooking",
            "SaysSeveral",
            "ListsSeveral",
            "Fourier",
            "Buffered",
            "Lazy",
            "CachesBuffer",
            "Slopes",
            "NormalisedDropped",
            "small",
        ),
    ],
)
def test_what_is_sound_is_trained_and_loaded_as_it_was_measured(
    iris: Mapping[str, Any], tmp_path: Path, name: str
) -> None:
    run = trained({**iris, "model": {"_target_": f"odd_models.{name}"}}, tmp_path)
    model = load(run.path, trust=("odd_models",))
    data = SOURCES.load(iris["data"]).data
    loss = evaluate(model.module, model.task, TensorLoader(data.splits["test"], 256, model.device))["loss"]
    assert loss == pytest.approx(Result.read(run).test["loss"], rel=1e-6)


@pytest.mark.parametrize(
    ("name", "loss", "note"),
    [
        ("Unused", "auto", "extra of odd_models.Unused is not trained, because no gradient reaches the parameters"),
        ("PartlyDetached", "auto", "first of odd_models.PartlyDetached is not trained"),
        ("EndsWithSoftmax", "auto", "EndsWithSoftmax ends with a softmax, and CrossEntropy applies one itself"),
        ("EndsWithOwnSoftmax", "focal", "EndsWithOwnSoftmax ends with a softmax, and Focal applies one itself"),
        ("EndsWithSigmoid", "bce", "EndsWithSigmoid ends with a sigmoid, and BinaryCrossEntropy applies one itself"),
        ("EndsWithSoftmax", "hinge", ""),
        ("PartlyFrozen", "auto", ""),
        ("Sound", "auto", ""),
    ],
)
def test_what_is_probably_not_meant_is_noted(iris: Mapping[str, Any], name: str, loss: str, note: str) -> None:
    node = iris["loss"] if loss == "auto" else {"_target_": loss}
    notes = build.build({**iris, "loss": node, "model": {"_target_": f"odd_models.{name}"}}).notes
    assert len(notes) == bool(note)
    assert note in " ".join(notes)


@pytest.mark.filterwarnings("ignore:`torch.jit")
@pytest.mark.parametrize("name", ["scripted", "traced"])
def test_models_in_torchscript_are_tried_and_loaded(iris: Mapping[str, Any], tmp_path: Path, name: str) -> None:
    run = trained({**iris, "model": {"_target_": f"odd_models.{name}"}}, tmp_path)
    load(run.path, trust=("odd_models",))


def test_state_that_appears_after_the_trial_is_said_on_the_run(iris: Mapping[str, Any], tmp_path: Path) -> None:
    run = trained({**iris, "model": {"_target_": "odd_models.LaterNumber"}}, tmp_path)
    reason = "the model of this run will not load: LaterNumber keeps calls, an int, outside its state_dict()"
    assert reason in Result.read(run).diagnosis[0]
    assert reason in run.read_status()["warning"]
    with pytest.raises(CheckpointError, match="does not predict what was measured"):
        load(run.path, trust=("odd_models",))


def trained(config: Mapping[str, Any], folder: Path) -> RunDir:
    """A finished run, without plots and page."""
    run = RunDir(folder / "run")
    run.path.mkdir()
    run.write_status("running", exit_code=1)
    run.config.write_text(yaml.safe_dump(dict(config)), "utf-8")
    train(build.build(config), config, run, perf_counter())
    run.write_status("done", exit_code=0)
    return run


def test_the_trial_leaves_no_trace(iris: Mapping[str, Any]) -> None:
    node = {"_target_": "odd_models.NormalisedDropped"}
    facts = SOURCES.load(iris["data"]).data.facts
    task = build.build_task(facts, build.build_loss(iris["loss"], facts))
    build.seed_everything(0)
    untouched = build.build_model(node, facts, build.spec_of(facts, task)).state_dict()
    expected = save_random_state(torch.device("cpu"))
    torch.backends.cudnn.benchmark = False
    setup = build.build({**iris, "model": node})
    found = save_random_state(torch.device("cpu"))
    assert torch.equal(found["torch"], expected["torch"])
    assert found["python"] == expected["python"]
    assert all(map(np.array_equal, found["numpy"], expected["numpy"]))  # type: ignore[arg-type]
    state = setup.state.model.state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in untouched.items())
    assert not setup.state.optimizer.state
    assert all(parameter.grad is None for parameter in setup.state.model.parameters())
    assert torch.backends.cudnn.benchmark is False


def test_lazy_layers_are_the_same_for_the_same_seed(iris: Mapping[str, Any]) -> None:
    node = {"_target_": "odd_models.Lazy"}
    first, second = (build.build({**iris, "model": node}).state for _ in range(2))
    for name, tensor in first.model.state_dict().items():
        assert torch.equal(second.model.state_dict()[name], tensor), name
    assert int(first.model.state_dict()["net.1.num_batches_tracked"]) == 0
    learned = [parameter for group in first.optimizer.param_groups for parameter in group["params"]]
    assert len(learned) == len(list(first.model.parameters())) == 8


class NeedsClosure(SGD):
    def step(self, closure: Any) -> Any:  # type: ignore[override]
        return closure()


class Sharpness(SGD):
    def step(self, closure: Any = None) -> Any:
        if closure is None:
            raise RuntimeError("a closure is needed to climb")


class TensorsAlone(Optimizer):
    def __init__(self, parameters: Any, lr: float = 0.1) -> None:
        shapes = [parameter.shape for parameter in parameters]
        super().__init__(parameters, {"lr": lr, "shapes": shapes})


class WithoutRate(Optimizer):
    def __init__(self, parameters: Any) -> None:
        super().__init__(parameters, {})


@pytest.fixture
def _optimizers_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "odd_optimizers", sys.modules[__name__])


@pytest.mark.usefixtures("_optimizers_here")
@pytest.mark.parametrize(
    ("target", "what"),
    [
        ("torch.optim.LBFGS", "needs a closure that computes the loss again, which dltrain does not support"),
        ("odd_optimizers.NeedsClosure", "needs a closure that computes the loss again"),
        (
            "odd_optimizers.Sharpness",
            "Sharpness fails in its first step, .*: RuntimeError: a closure is needed to climb",
        ),
        (
            "odd_optimizers.TensorsAlone",
            "refuses the model's parameters, which are given in groups .*no attribute 'shape'",
        ),
        ("odd_optimizers.WithoutRate", "WithoutRate has no lr in its groups"),
    ],
)
def test_an_optimizer_that_the_loop_cannot_use_is_one_sentence(target: str, what: str) -> None:
    config = config_of("data=iris", optimizer={"_target_": target})
    errors = check(config)
    with pytest.raises(ConfigError, match=what) as caught:
        raise errors[0] if errors else _built(config)
    assert (caught.value.override, caught.value.replaces) == ("optimizer=adamw", "optimizer._target_")


def _built(config: Mapping[str, Any]) -> DltrainError:
    with pytest.raises(DltrainError) as caught:
        build.build(config)
    return caught.value


def test_lbfgs_is_one_sentence_with_the_corrected_command(dltrain: Callable) -> None:
    called = dltrain("data=iris", "optimizer._target_=torch.optim.LBFGS", "optimizer.lr=1")
    assert called.code == 2
    assert called.err.count("dltrain: error") == 1
    assert "dltrain data=iris optimizer=adamw" in called.err
    assert called.runs == []


class Steps(nn.Module):
    def __init__(self, spec: Any, members: int = 0) -> None:
        super().__init__()
        self.layer = nn.Linear(spec.input_shape[0] * spec.input_shape[1], spec.out_features * max(1, members))
        self.members, self.outputs = members, spec.out_features

    def forward(self, x: Tensor) -> Any:
        output = self.layer(x.flatten(1))
        return output.unflatten(1, (self.members, self.outputs)) if self.members else output


class StepsInAPair(Steps):
    def forward(self, x: Tensor) -> Any:
        return super().forward(x), x


def test_models_of_windows_are_told_by_their_own_output(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "odd_windows", sys.modules[__name__])
    config = config_of("data=series", "debug=smoke")
    with pytest.raises(ConfigError, match=r"odd_windows\.StepsInAPair returns a tuple of 2"):
        build.build({**config, "model": {"_target_": "odd_windows.StepsInAPair"}})
    run = trained({**config, "model": {"_target_": "odd_windows.Steps", "members": 3}}, tmp_path)
    assert load(run.path, trust=None).module.model.members == 3


@pytest.mark.parametrize(
    ("overrides", "multiplications"),
    [
        (("data=iris", "model=mlp"), 45_440),
        (("data=wine", "model=tabm"), 590_848),
        (("data=digits", "model=cnn"), 905_728),
        (("data=series", "model=linear"), 169),
        (("data=ratings", "data.split=leave_last"), 0),
    ],
)
def test_built_in_models_pass_with_the_multiplications_that_they_had(
    overrides: Sequence[str], multiplications: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They decide the number of threads, and with it bits."""
    counts: list[int] = []
    monkeypatch.setattr(build, "choose_threads", lambda count: counts.append(count) or 1)
    (job,) = compose_jobs(overrides, sweep=False)
    setup = build.build(job.config)
    assert counts == [multiplications * setup.train.sizes[0]]
    assert setup.notes == ()
