"""Every config file against the class or function that it calls."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from dltrain.cli.list import describe
from dltrain.config.compose import compose_jobs
from dltrain.config.options import config_dir, groups, option_file, options
from dltrain.experiment import build
from dltrain.experiment.targets import SLOTS, check, resolve

OPTIONS = [(group, name) for group in groups() for name in options(group)]
TARGETED = [(group, name) for group, name in OPTIONS if group in SLOTS and (group, name) != ("loss", "auto")]


def composed_node(group: str, name: str) -> dict[str, Any]:
    extra = ["data.path=somewhere"] if group == "data" and name in ("csv", "images", "pairs") else []
    (job,) = compose_jobs(["recipe=plain", f"{group}={name}", *extra], sweep=False)
    return dict(job.config[group])


@pytest.mark.parametrize(("group", "name"), TARGETED)
def test_keys_and_defaults_are_those_of_the_signature(group: str, name: str) -> None:
    node = composed_node(group, name)
    target = resolve(group, node)
    parameters = list(inspect.signature(target).parameters.values())[SLOTS[group].supplied :]
    written = {key for key in node if key != "_target_"}
    assert written == {parameter.name for parameter in parameters}
    if not target.__module__.startswith("dltrain"):
        return
    line = f"_target_: {node['_target_']}"
    sibling_files = [path for path in (config_dir() / group).glob("*.yaml") if line in path.read_text().splitlines()]
    first = min(sibling_files, key=lambda path: len(path.stem))
    if first.stem != name:
        return  # a variant of another file, which differs from the defaults on purpose
    for parameter in parameters:
        if parameter.default is inspect.Parameter.empty or parameter.name == "task":
            continue
        default = list(parameter.default) if isinstance(parameter.default, tuple) else parameter.default
        assert node[parameter.name] == default, parameter.name


@pytest.mark.parametrize(("group", "name"), OPTIONS)
def test_every_option_says_in_a_line_what_it_is(group: str, name: str) -> None:
    assert 10 < len(describe(group, name)) < 100


@pytest.mark.parametrize(("group", "name"), [(group, name) for group, name in OPTIONS if group != "search"])
def test_every_option_composes_and_passes_the_checks(group: str, name: str) -> None:
    extra = ["data.path=somewhere"] if group == "data" and name in ("csv", "images", "pairs") else []
    jobs = compose_jobs([f"{group}={name}", *extra], sweep=False)  # several where an experiment is a sweep
    assert jobs and all(check(job.config) == [] for job in jobs)


@pytest.mark.parametrize("name", [name for group, name in TARGETED if group == "optimizer"])
def test_optimizers_take_a_step(name: str) -> None:
    model = torch.nn.Linear(3, 1)
    optimizer = build.build_optimizer(composed_node("optimizer", name), model)
    before = model.weight.detach().clone()
    model(torch.ones(4, 3)).square().sum().backward()
    optimizer.step()
    assert not torch.equal(before, model.weight)


def test_no_file_says_what_the_data_knows() -> None:
    for path in config_dir().rglob("*.yaml"):
        keys = set(OmegaConf.load(path)) if path.parent.name == "model" else set()
        assert not keys & {"in_features", "out_features", "num_classes", "input_size", "vocab_size"}


def test_configs_are_read_from_the_checkout() -> None:
    assert config_dir() == Path(__file__).parents[2] / "configs"
    assert option_file("model", "mlp") == config_dir() / "model" / "mlp.yaml"
