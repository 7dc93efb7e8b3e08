"""From a composed config to objects: the one place that resolves a `_target_`, and that decides what may be resolved.

A target is trusted by what it turns out to be, never by how it is written: a class of the kind that its slot asks for,
or a function that is defined where its path says, from dltrain, torch or torchvision, or from the user's own folder.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer

from dltrain.baselines import Baseline, BaselineSettings, baselines
from dltrain.data.augment import Augment
from dltrain.data.doctor import Finding, examine
from dltrain.data.loaders import TensorLoader
from dltrain.errors import ConfigError, DataError
from dltrain.losses import Loss, default_loss
from dltrain.signatures import check_call, nearest
from dltrain.tasks import Task, build_task
from dltrain.training.settings import TrainerSettings, choose_device, choose_threads
from dltrain.training.state import TrainState, average_of
from dltrain.types import Data, Spec, SplitName

_TRUSTED_PACKAGES = ("dltrain", "torch", "torchvision")


@dataclass(frozen=True)
class Slot:
    """A node of the config whose `_target_` is called.

    Args:
        kind: the class that the target must be a subclass of; `None` where it must be a function.
        module: where such a function must be defined, below dltrain.
        supplied: how many leading arguments do not come from the config.
    """

    kind: type | None
    module: str = ""
    supplied: int = 1


SLOTS: Mapping[str, Slot] = {
    "data": Slot(None, "dltrain.data.", supplied=0),
    "model": Slot(nn.Module),
    "loss": Slot(Loss),
    "optimizer": Slot(Optimizer),
    "scheduler": Slot(None, "dltrain.training.schedules", supplied=3),
    "trainer": Slot(TrainerSettings, supplied=0),
    "baseline": Slot(BaselineSettings, supplied=0),
    "augment": Slot(Augment, supplied=0),
}


@dataclass(frozen=True)
class Setup:
    """Everything that training needs, built and checked against each other.

    Args:
        data_node: the config node of the data, as JSON.
        data: split and encoded.
        spec: what the model was built for.
        task: with its loss on the device.
        state: the model on the device, with its optimizer and schedule.
        train: the training split, shuffled.
        evaluation: every split in its own order, the training split too.
        settings: of the trainer; they monitor `train/loss` where there is no validation split.
        baseline: how long plain methods may take.
        device: that all of it lies on.
        threads: that the CPU is to use.
    """

    data_node: str
    data: Data
    spec: Spec
    task: Task
    state: TrainState
    train: TensorLoader
    evaluation: Mapping[SplitName, TensorLoader]
    settings: TrainerSettings
    baseline: BaselineSettings
    device: torch.device
    threads: int


def check(config: Mapping[str, Any]) -> list[ConfigError]:
    """Every reason why a config cannot be built, as far as that shows without loading data."""
    errors: list[ConfigError] = []
    for name, slot in SLOTS.items():
        node = config[name]
        if name == "loss" and "_target_" not in node:
            continue
        try:
            target = resolve(name, node)
        except ConfigError as error:
            errors.append(error)
            continue
        errors += check_call(target, _arguments(node), name, slot.supplied)
    seed = config["seed"]
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        errors.append(ConfigError(f"{seed!r} is not a whole number, at least 0", where="seed", fix="give one: seed=0"))
    return errors


def build(config: Mapping[str, Any]) -> Setup:
    """Builds what a checked config describes: data, task, model and optimizer, in this order.

    Raises:
        DltrainError: they do not fit each other, or the data cannot be read.
    """
    settings = TrainerSettings(**_arguments(config["trainer"]))
    device = choose_device(settings.device)
    if settings.threads is not None and settings.threads > (cores := os.cpu_count() or 1):
        fix = f"this machine has {cores} cores"
        raise ConfigError("so many threads", where="trainer.threads", fix=fix, override=f"trainer.threads={cores}")
    node = json.dumps(config["data"], sort_keys=True)
    data = load_data(node)
    facts = data.facts
    asked = config["task"]["name"]
    if asked not in ("auto", facts.task):
        raise ConfigError(
            f"the data is for {facts.task}, not for {asked}", where="task", fix="let the data say", override="task=auto"
        )

    change = build_augment(config["augment"], data)
    if settings.balance == "resample" and facts.task != "classification":
        raise ConfigError(
            "only classes can be balanced, and the target is a number",
            where="trainer.balance",
            fix="take the samples as they are",
            override="trainer.balance=none",
        )
    loss: Loss
    if "_target_" in config["loss"]:
        loss = resolve("loss", config["loss"])(facts, **_arguments(config["loss"]))
    else:
        loss = default_loss(facts)
    task = build_task(facts, loss.to(device))
    monitors = ["train/loss", *(f"val/{name}" for name in ("loss", *task.metric_names))]
    if settings.monitor not in monitors:
        raise ConfigError(
            f"{settings.monitor!r} is not measured after every epoch",
            where="trainer.monitor",
            fix=f"one of {', '.join(monitors)}",
            override=f"trainer.monitor={nearest(settings.monitor, monitors) or 'val/loss'}",
        )
    if "val" not in data.splits:
        settings = replace(settings, monitor="train/loss")

    spec = Spec(facts.kind, facts.input_shape, loss.out_features, bins=facts.bins)
    seed_everything(config["seed"])
    model = build_model(config["model"], spec)
    count = len(data.splits["train"])
    batch_size = min(settings.batch_size_for(count, facts.kind), count)
    settings = settings.settled(count)
    multiplications = try_model(model, data, spec, config["model"]["_target_"])
    model.to(device)
    batch_norm = any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules())
    train = TensorLoader(
        data.splits["train"],
        batch_size,
        device,
        prepare=data.prepare,
        change=change,
        balance=settings.balance == "resample",
        seed=config["seed"],
        merge_single=batch_norm,
        limit=settings.limit_batches,
    )
    evaluation: dict[SplitName, TensorLoader] = {"train": train.in_order()}
    for name in ("val", "test"):
        if name in data.splits:
            size = max(batch_size, 256)
            evaluation[name] = TensorLoader(
                data.splits[name], size, device, prepare=data.prepare, limit=settings.limit_batches
            )

    optimizer = build_optimizer(config["optimizer"], model)
    steps_per_epoch = -(-len(train) // settings.accumulate)
    scheduler = resolve("scheduler", config["scheduler"])(
        optimizer, settings.last_epoch * steps_per_epoch, steps_per_epoch, **_arguments(config["scheduler"])
    )
    scaler = torch.amp.GradScaler(device.type, enabled=settings.precision == "float16")
    average = None if settings.ema is None else average_of(model, settings.ema)
    return Setup(
        data_node=node,
        data=data,
        spec=spec,
        task=task,
        state=TrainState(model, optimizer, scheduler, scaler, average),
        train=train,
        evaluation=evaluation,
        settings=settings,
        baseline=BaselineSettings(**_arguments(config["baseline"])),
        device=device,
        threads=settings.threads or choose_threads(multiplications * batch_size),
    )


@lru_cache(maxsize=2)
def load_data(node: str) -> Data:
    """The data that a config node, as JSON, describes; the jobs of a sweep share it.

    Raises:
        DataError: it cannot be read.
    """
    config = json.loads(node)
    data: Data = resolve("data", config)(**_arguments(config))
    return data


@lru_cache(maxsize=2)
def examine_data(node: str) -> tuple[Finding, ...]:
    """What is odd about that data."""
    return tuple(examine(load_data(node)))


@lru_cache(maxsize=2)
def load_baselines(node: str, split: SplitName, settings: BaselineSettings) -> tuple[Baseline, ...]:
    """What plain methods reach on that data."""
    data = load_data(node)
    return tuple(baselines(data, build_task(data.facts, default_loss(data.facts)), split, settings))


def forget() -> None:
    """Lets go of all data: its files may have changed since."""
    for cached in (load_data, examine_data, load_baselines):
        cached.cache_clear()


def build_model(node: Mapping[str, Any], spec: Spec) -> nn.Module:
    """The model that a config node describes, for that data.

    Raises:
        DataError: this family cannot take such inputs.
    """
    target = resolve("model", node)
    takes = getattr(target, "takes", (spec.kind,))
    if spec.kind not in takes:
        raise DataError(
            f"{target.__name__} takes {' or '.join(takes)} data, and this is {spec.kind} data",
            where="model",
            fix=f"choose a model for {spec.kind} data",
            override=f"model={'mlp' if spec.kind == 'table' else 'cnn'}",
        )
    model: nn.Module = target(spec, **_arguments(node))
    return model


def build_augment(node: Mapping[str, Any], data: Data) -> Augment | None:
    """What happens to training pictures, or nothing; where a mirror image is of another class, none is made.

    Raises:
        ConfigError: the data is no pictures.
    """
    augment: Augment = resolve("augment", node)(**_arguments(node))
    if augment and data.facts.kind != "image":
        raise ConfigError(
            f"only pictures can be augmented, and this is {data.facts.kind} data",
            where="augment",
            fix="leave the data as it is",
            override="augment=none",
        )
    return (augment if data.mirror else replace(augment, hflip=0.0)) or None


def build_optimizer(node: Mapping[str, Any], model: nn.Module) -> Optimizer:
    """The optimizer that a config node describes, of all parameters of the model.

    A model may have an attribute `no_decay`, the names of parameters that `weight_decay` is not for; they become a
    parameter group of their own. Without it there is one group, as with `Optimizer(model.parameters())`.

    Raises:
        ConfigError: torch refuses its arguments.
    """
    named = dict(model.named_parameters())
    kept = [parameter for name, parameter in named.items() if name not in getattr(model, "no_decay", ())]
    groups: list[dict[str, Any]] = [{"params": kept}]
    if len(kept) < len(named):
        others = [parameter for name, parameter in named.items() if name in model.no_decay]  # type: ignore[operator]
        groups.append({"params": others, "weight_decay": 0.0})
    try:
        optimizer: Optimizer = resolve("optimizer", node)(groups, **_arguments(node))
    except (ValueError, RuntimeError, TypeError) as error:
        raise ConfigError(str(error), where="optimizer", fix="see torch.optim for what it accepts") from error
    return optimizer


def try_model(model: nn.Module, data: Data, spec: Spec, name: str) -> int:
    """Runs two samples through the model, on the CPU, without a trace in its state.

    Returns:
        The multiplications that one sample costs in linear and convolutional layers.

    Raises:
        DataError: the model fails on them, or its output has another shape than the task asks for.
    """
    counts: list[int] = []

    def count(layer: nn.Module, inputs: Any, output: Any) -> None:
        weight = getattr(layer, "weight", None)
        if isinstance(weight, torch.Tensor) and weight.dim() > 1 and isinstance(output, torch.Tensor):
            counts.append(output[0].numel() // weight.shape[0] * weight.numel())

    hooks = [layer.register_forward_hook(count) for layer in model.modules()]
    inputs = tuple(tensor[:2] for tensor in data.splits["train"].inputs)
    samples = len(inputs[0])
    model.eval()
    try:
        with torch.no_grad():
            output = model(*(inputs if data.prepare is None else data.prepare(inputs)))
    except Exception as error:
        shape = "×".join(map(str, spec.input_shape))
        raise DataError(f"{name} fails on an input of shape {shape}: {error}", where="model") from error
    finally:
        for hook in hooks:
            hook.remove()
    fits = output.dim() in (2, 3) and (len(output), output.shape[-1]) == (samples, spec.out_features)  # 3: of members
    if not fits:
        raise DataError(
            f"{name} gives an output of shape {tuple(output.shape)}, where {(samples, spec.out_features)} is asked for",
            where="model",
            fix="let its last layer have spec.out_features outputs",
        )
    return sum(counts)


def resolve(slot_name: str, node: Mapping[str, Any]) -> Callable[..., Any]:
    """The class or function that `_target_` names, if its slot may hold it.

    Raises:
        ConfigError: it does not exist, or is not of the slot's kind, or comes from elsewhere.
    """
    slot, path = SLOTS[slot_name], node.get("_target_")
    where = f"{slot_name}._target_"
    if not isinstance(path, str) or "." not in path:
        raise ConfigError(f"{path!r} is no class or function", where=where, fix="write it as package.module.Name")
    package = path.split(".")[0]
    if package not in _TRUSTED_PACKAGES and not _is_local(package):
        raise ConfigError(
            f"{path} is not from {', '.join(_TRUSTED_PACKAGES)} or the working directory",
            where=where,
            fix="put your own class into a module where you run dltrain",
        )
    module_path, name = path.rsplit(".", 1)
    try:
        found = getattr(importlib.import_module(module_path), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{path} cannot be found: {error}", where=where, fix="check its spelling") from None
    except Exception as error:  # a module of the user's own may raise anything
        raise ConfigError(f"{module_path} cannot be imported: {error}", where=where, fix="mend the module") from error
    origin = getattr(found, "__module__", None) or ""
    local = _is_below_here(found)
    if slot.kind is not None:
        fits = inspect.isclass(found) and issubclass(found, slot.kind)
        fits = fits and (local or origin.split(".")[0] in _TRUSTED_PACKAGES)
    else:
        written = inspect.isfunction(found) and (origin, found.__qualname__) == (module_path, name)
        fits = written and (local or origin.startswith(slot.module))
    if not fits:
        kind = f"a subclass of {slot.kind.__name__}" if slot.kind else f"a function of {slot.module.rstrip('.')}"
        raise ConfigError(f"{path} is not {kind}", where=where, fix="choose one: dltrain list " + slot_name)
    return found


def seed_everything(seed: int) -> None:
    """Seeds Python, NumPy and torch, on every device."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def _arguments(node: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in node.items() if key != "_target_"}


def _is_local(package: str) -> bool:
    """Whether the working directory holds a module of that name; importing may still find another one."""
    here = Path.cwd()
    return bool(package) and ((here / f"{package}.py").is_file() or (here / package).is_dir())


def _is_below_here(found: Any) -> bool:
    """Whether a class or function was written below the working directory, and not installed there."""
    try:
        source = Path(inspect.getfile(found)).resolve()
    except (TypeError, OSError):
        return False
    return source.is_relative_to(Path.cwd().resolve()) and "site-packages" not in source.parts
