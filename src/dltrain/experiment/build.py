"""From a checked config to objects that fit each other."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from dltrain.config.validation import nearest
from dltrain.data.loader import TensorLoader
from dltrain.errors import ConfigError, DataError
from dltrain.experiment.baselines import BaselineSettings
from dltrain.experiment.cache import load_data
from dltrain.experiment.lazy_layers import materialise
from dltrain.experiment.outputs import reason_of
from dltrain.experiment.outside_models import construct
from dltrain.experiment.source import origin_of
from dltrain.experiment.targets import arguments, resolve
from dltrain.experiment.trial import try_model
from dltrain.kinds.augmentation import Augmentation
from dltrain.kinds.ratings.negatives import Negatives
from dltrain.kinds.series.window_scale import WindowScaled
from dltrain.tasks.choice import build_task
from dltrain.tasks.losses import Loss, default_loss
from dltrain.tasks.task import Task
from dltrain.training.batch_size import find_batch_size
from dltrain.training.settings import TrainerSettings, choose_device, choose_threads
from dltrain.training.state import Plan, TrainState, average_of
from dltrain.types import SPLITS, Data, Facts, Kind, RandomTransform, Spec, SplitName

EVALUATION_BATCH = 256  # samples at least, where no gradient is kept
# What is proposed for each kind of data.
MODELS: Mapping[Kind, str] = {
    "table": "mlp",
    "image": "cnn",
    "text": "textcnn",
    "corpus": "transformer",
    "series": "linear",
    "ratings": "recommender",
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
        origin: the code from outside that model and loss are made of, as it was when they were built.
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
    origin: Mapping[str, Mapping[str, str]]
    device: torch.device
    threads: int


def build(config: Mapping[str, Any]) -> Setup:
    """Builds what a checked config describes: data, task, model and optimizer, in this order.

    Raises:
        DltrainError: they do not fit each other, or the data cannot be read.
    """
    settings = TrainerSettings(**arguments(config["trainer"]))
    device = choose_device(settings.device)
    if settings.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it, cuBLAS refuses
    node = json.dumps(config["data"], sort_keys=True)
    data = load_data(node)
    facts = data.facts
    loss = build_loss(config["loss"], facts).to(device)
    task = build_task(facts, loss)
    settings = settings.settled(len(data.splits["train"]), facts.kind)
    check_settings(settings, config["task"]["name"], task, facts)
    if "val" not in data.splits:
        settings = replace(settings, monitor="train/loss")

    spec = spec_of(facts, task)
    change = build_augment(config["augment"], data)
    seed_everything(config["seed"])
    model, name = build_model(config["model"], spec), config["model"]["_target_"]
    materialise(model, first_inputs(data), name)
    multiplications = try_model(
        model,
        task,
        data,
        spec,
        name=name,
        rebuild=lambda: rebuild_model(config["model"], spec, data),
        make_optimizer=partial(build_optimizer, config["optimizer"]),
        precision=settings.precision,
        device=device,
    )
    model.to(device)
    if settings.batch_size == "auto":
        samples = data.splits["train"]
        size = find_batch_size(model, task, samples, data.prepare, settings.precision, device)
        settings = replace(settings, batch_size=size)
    train, evaluation = build_loaders(data, settings, device, model, change, config["seed"])

    optimizer = build_optimizer(config["optimizer"], model)
    steps_per_epoch = -(-len(train) // settings.accumulate)
    plan = Plan(
        json.dumps(config["optimizer"], sort_keys=True),
        json.dumps(config["scheduler"], sort_keys=True),
        settings.last_epoch,
        steps_per_epoch,
        train.sizes[0],
    )
    scheduler = resolve("scheduler", config["scheduler"])(
        optimizer, settings.last_epoch * steps_per_epoch, steps_per_epoch, **arguments(config["scheduler"])
    )
    scaler = torch.amp.GradScaler(device.type, enabled=settings.precision == "float16")
    average = None if settings.ema is None else average_of(model, settings.ema)
    return Setup(
        data_node=node,
        data=data,
        spec=spec,
        task=task,
        state=TrainState(model, optimizer, scheduler, scaler, average, plan),
        train=train,
        evaluation=evaluation,
        settings=settings,
        baseline=BaselineSettings(**arguments(config["baseline"])),
        origin=origin_of(model, loss),
        device=device,
        threads=settings.threads or choose_threads(multiplications * train.sizes[0]),
    )


def spec_of(facts: Facts, task: Task) -> Spec:
    """What a model must know of data with these facts, to learn this task."""
    return Spec(
        facts.kind,
        facts.input_shape,
        task.loss.out_features,
        vocab_sizes=facts.vocab_sizes,
        bins=facts.bins,
        each_position=task.each_position,
    )


def check_settings(settings: TrainerSettings, asked: str, task: Task, facts: Facts) -> None:
    """Holds the trainer's settings, and the task that was asked for, against the data's.

    Raises:
        ConfigError: they ask for what this machine or this task does not have.
    """
    if asked not in ("auto", facts.task):
        raise ConfigError(
            f"the data is for {facts.task}, not for {asked}", where="task", fix="let the data say", override="task=auto"
        )
    if settings.threads is not None and settings.threads > (cores := os.cpu_count() or 1):
        raise ConfigError(
            f"{settings.threads} threads are more than this machine's {cores} cores",
            where="trainer.threads",
            fix="give fewer",
            override=f"trainer.threads={cores}",
        )
    if settings.balance == "resample" and facts.task != "classification":
        what = "these are labels" if facts.task == "multilabel" else "the target is a number"
        raise ConfigError(
            f"only classes can be balanced, and {what}",
            where="trainer.balance",
            fix="take the samples as they are",
            override="trainer.balance=none",
        )
    monitors = ["train/loss", *(f"val/{name}" for name in ("loss", *task.metric_names))]
    if settings.monitor not in monitors:
        raise ConfigError(
            f"{settings.monitor!r} is not measured after every epoch",
            where="trainer.monitor",
            fix=f"one of {', '.join(monitors)}",
            override=f"trainer.monitor={nearest(settings.monitor, monitors) or 'val/loss'}",
        )


def build_loss(node: Mapping[str, Any], facts: Facts, trusted: Collection[str] | None = None) -> Loss:
    """The loss that a config node describes, or the task's own where it names none; `trusted` as in `resolve`."""
    if "_target_" not in node:
        return default_loss(facts)
    loss: Loss = resolve("loss", node, trusted)(facts, **arguments(node))
    return loss


def build_loaders(
    data: Data,
    settings: TrainerSettings,
    device: torch.device,
    model: nn.Module,
    change: RandomTransform | None,
    seed: int,
) -> tuple[TensorLoader, dict[SplitName, TensorLoader]]:
    """The training split's loader, shuffled and changed, and one for each split in its own order."""
    count = len(data.splits["train"])
    batch_size = min(settings.batch_size_for(count, data.facts.kind), count)
    draw = Negatives.of(data.facts)
    train = TensorLoader(
        data.splits["train"],
        batch_size,
        device,
        prepare=data.prepare,
        draw=draw,
        change=change,
        by_length=data.facts.kind == "text",
        balance=settings.balance == "resample",
        seed=seed,
        merge_single=any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules()),
        limit=settings.limit_batches,
    )
    size, limit = max(batch_size, EVALUATION_BATCH), settings.limit_batches
    if data.facts.task == "next_token":  # an output for each position and each token is large
        size = batch_size
    evaluation: dict[SplitName, TensorLoader] = {"train": train.in_order()}
    for name in SPLITS:
        if name in data.splits and name != "train":
            split = data.splits[name]
            evaluation[name] = TensorLoader(split, size, device, prepare=data.prepare, draw=draw, limit=limit)
    return train, evaluation


def build_model(node: Mapping[str, Any], spec: Spec, trusted: Collection[str] | None = None) -> nn.Module:
    """The model that a config node describes, for that data; `trusted` as in `resolve`.

    Raises:
        DataError: this family cannot take such inputs.
    """
    target = resolve("model", node, trusted)
    takes = getattr(target, "takes", (spec.kind,))
    if spec.kind not in takes:
        raise DataError(
            f"{target.__name__} takes {' or '.join(takes)} data, and this is {spec.kind} data",
            where="model",
            fix=f"choose a model for {spec.kind} data",
            override=f"model={MODELS[spec.kind]}",
        )
    model = construct(target, node["_target_"], spec, arguments(node))
    return WindowScaled(model) if spec.kind == "series" else model


def rebuild_model(node: Mapping[str, Any], spec: Spec, data: Data) -> nn.Module:
    """Another model like the one that a config node describes, with every lazy layer in its shape."""
    model = build_model(node, spec)
    materialise(model, first_inputs(data), node["_target_"])
    return model


def first_inputs(data: Data) -> tuple[Tensor, ...]:
    """The first two samples of the training split, as a model takes them."""
    inputs = tuple(tensor[:2].clone() for tensor in data.splits["train"].inputs)
    return inputs if data.prepare is None else data.prepare(inputs)


def build_augment(node: Mapping[str, Any], data: Data) -> RandomTransform | None:
    """What happens to training samples, or nothing; where a mirror image is of another class, none is made.

    Raises:
        ConfigError: it is for another kind of data.
    """
    augment: Augmentation = resolve("augment", node)(**arguments(node))
    if augment and data.facts.kind not in augment.takes:
        raise ConfigError(
            f"this augmentation is for {' or '.join(augment.takes)} data, and this is {data.facts.kind} data",
            where="augment",
            fix="leave the data as it is",
            override="augment=none",
        )
    return augment.suited_to(data) or None


def build_optimizer(node: Mapping[str, Any], model: nn.Module) -> Optimizer:
    """The optimizer that a config node describes, of all parameters of the model.

    A model may have an attribute `no_decay`, the names of parameters that `weight_decay` is not for; they become a
    parameter group of their own. Without it there is one group, as with `Optimizer(model.parameters())`.

    Raises:
        ConfigError: its class refuses its arguments, or groups of parameters.
    """
    named = dict(model.named_parameters())
    kept = [parameter for name, parameter in named.items() if name not in getattr(model, "no_decay", ())]
    groups: list[dict[str, Any]] = [{"params": kept}]
    if len(kept) < len(named):
        others = [parameter for name, parameter in named.items() if name in model.no_decay]  # type: ignore[operator]
        groups.append({"params": others, "weight_decay": 0.0})
    try:
        optimizer: Optimizer = resolve("optimizer", node)(groups, **arguments(node))
    except (ValueError, RuntimeError, TypeError) as error:
        raise ConfigError(str(error), where="optimizer", fix="see torch.optim for what it accepts") from error
    except Exception as error:
        raise ConfigError(
            f"{node['_target_']} refuses the model's parameters, which come in groups as torch's optimizers take them: "
            f"{reason_of(error)}",
            where="optimizer",
            fix="choose another optimizer",
            override="optimizer=adamw",
            replaces="optimizer._target_",
        ) from error
    return optimizer


def seed_everything(seed: int) -> None:
    """Seeds Python, NumPy and torch, on every device."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
