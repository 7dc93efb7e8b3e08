"""Builds the objects of a run from a checked config, and checks that they fit each other."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dltrain.config.foreign_keys import monitored
from dltrain.config.validation import nearest
from dltrain.data.loader import TensorLoader
from dltrain.data.seeding import seeded
from dltrain.data.stored import read_batches
from dltrain.errors import ConfigError, DataError
from dltrain.experiment.baselines import BaselineSettings
from dltrain.experiment.lazy_layers import materialise
from dltrain.experiment.loggers import build_loggers
from dltrain.experiment.optimizer import build_optimizer
from dltrain.experiment.outputs import refusal_of, with_article
from dltrain.experiment.outside_models import construct
from dltrain.experiment.pruning import Pruning
from dltrain.experiment.size import Build, SizeLimit, TooLarge, fitting, refuse_step, refuse_weights
from dltrain.experiment.slots import AT_ONCE
from dltrain.experiment.source import code_of, origin_of
from dltrain.experiment.sources import SOURCES, Source
from dltrain.experiment.starting_weights import begin, fill_in, input_format, start_of, without_starting_weights
from dltrain.experiment.targets import arguments, defaults_of, meet_task, resolve, resolve_entry
from dltrain.experiment.trial import try_model
from dltrain.kinds.augmentation import Augmentation
from dltrain.kinds.kind import Kind, kind_of
from dltrain.loggers.logger import Loggers
from dltrain.memory import free_memory
from dltrain.models.fold_ensemble import ensemble_of
from dltrain.models.names import class_of, count_models, picked_models
from dltrain.runs.folder import RunDir
from dltrain.tasks.losses import Loss
from dltrain.tasks.metrics import Metric
from dltrain.tasks.registry import task_class
from dltrain.tasks.task import Task
from dltrain.training.averaging import average_of
from dltrain.training.batch_size import find_batch_size
from dltrain.training.budget import Budget
from dltrain.training.compilation import check_compiler
from dltrain.training.precision_choice import choose_precision, multiplies_tf32
from dltrain.training.profile import Profile
from dltrain.training.random_state import seed_in_use
from dltrain.training.settings import TrainerSettings, choose_device, choose_threads
from dltrain.training.state import Plan, TrainState
from dltrain.types import SPLITS, Data, Facts, Initialised, Remembering, Spec, Split, SplitName, Unfreezing
from dltrain.workers import count_cores

INITIAL_BATCH = 16  # samples from which values of a model are computed at a time
LOSS_SAYS = {"tasks": "which tasks it is for", "out_features": "how many outputs it needs"}


@dataclass(frozen=True)
class Setup:
    """Everything that training needs, built and checked against each other.

    Args:
        source: the data set, with its findings and baselines; the jobs of a sweep share it.
        data: the data, split and encoded.
        kind: the kind of the data.
        spec: the spec that the model was built for.
        task: the task, with its loss on the device.
        rebuild: builds the model again, as it was before training; changes the state of random number generators.
        notes: warnings about the model, from its trial.
        state: the model on the device, with its optimizer and schedule.
        train: the training split, shuffled.
        evaluation: every split in its own order, the training split included.
        settings: the trainer's settings; they monitor `train/loss` if there is no validation split.
        baseline: the time limit for baselines.
        origin: the user's and other packages' code that the run consists of, when it was built, and the digests of the
            files of weights that it starts from.
        device: the device of model, loss and batches.
        threads: the number of CPU threads.
        start: the weights that the model begins with, a sentence each.
        untrained: builds the model with the weights that its config names; None if it begins with others.
        precision_reason: why the precision was chosen; empty where the config names it.
        loggers: where the run is written to besides its folder.
        pruning: what a search asks of the run; `None` if it is no job of a search.
        profile: where the time of the run goes.
    """

    source: Source
    data: Data
    kind: Kind
    spec: Spec
    task: Task
    rebuild: Callable[[], nn.Module]
    notes: tuple[str, ...]
    state: TrainState
    train: TensorLoader
    evaluation: Mapping[SplitName, TensorLoader]
    settings: TrainerSettings
    baseline: BaselineSettings
    origin: Mapping[str, Mapping[str, str]]
    device: torch.device
    threads: int
    start: tuple[str, ...] = ()
    untrained: Callable[[], nn.Module] | None = None
    precision_reason: str = ""
    loggers: Loggers = field(default_factory=lambda: Loggers({}))
    pruning: Pruning | None = None
    profile: Profile = field(default_factory=Profile)

    @property
    def splits(self) -> Mapping[SplitName, Split]:
        """Returns the samples of each split that is evaluated."""
        return splits_of(self.data)


def build(config: Mapping[str, Any], begun: RunDir | None = None) -> Setup:
    """Builds data, task, model and optimizer from a checked config, in this order.

    Args:
        config: the config.
        begun: the run that these objects continue, whose checkpoint replaces the weights that models begin with.

    Raises:
        DltrainError: the objects do not fit each other, or the data cannot be read.
    """
    profile = Profile()
    settings = TrainerSettings(**arguments(config["trainer"]))
    device = choose_device(settings.device)
    if settings.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it, cuBLAS refuses
    loggers = build_loggers(config.get("logger"))
    meet_task(config["task"]["name"])
    start = start_of(config) if begun is None else None
    before = begun.read_facts() if begun is not None and begun.facts.exists() else start.facts if start else None
    wanted = input_format(config, before)
    with profile.measure("read and encode data"):
        source = SOURCES.load(fill_in(config["data"], wanted), config["task"]["name"])
    kind = kind_of(source.data.facts)
    data = source.data if wanted is None else kind.suit(source.data, wanted)
    data = data if before is None else kind.as_begun(data, before)
    facts = data.facts
    loss = build_loss(config["loss"], facts).to(device)
    metrics = build_metrics(config.get("metric"), facts)
    task = build_task(facts, loss, list(metrics.values()))
    check_settings(settings, task, device)
    check_monitor(settings.monitor, metrics, task)
    if "val" not in data.splits and not facts.folds:
        settings = replace(settings, monitor="train/loss")

    spec = spec_of(facts, task, config["augment"])
    change = build_augment(config["augment"], data)
    seed_everything(config["seed"])
    bare = without_starting_weights(config["model"])
    full = config["model"], facts, spec
    node = config["model"] if begun is None and start is None else bare
    model, name = build_model(node, facts, spec), config["model"]["_target_"]
    budget = budget_of(model, config["model"], kind)
    settings = settings.settled(len(data.splits["train"]), budget)
    rebuild = partial(rebuild_model, bare, data, spec, config["seed"])
    materialise(model, first_inputs(data), name)
    refuse_weights(model, arguments(node), device, defaults_of(node), builder_of_others(node, facts, spec))
    show_training_samples(model, data, config["seed"])
    words, files = (
        ((), {})
        if begun is not None
        else begin(model, start, facts, spec, lambda other: rebuild_model(bare, data, other, config["seed"]))
    )
    if begun is None and start is None:
        with profile.measure("solve"):
            kind.solve(model, data, task)
    trial = try_model(
        model,
        task,
        data,
        spec,
        metrics=metrics,
        name=name,
        rebuild=rebuild,
        make_optimizer=partial(build_optimizer, config["optimizer"]),
        precision=settings.precision,
        device=device,
    )
    model.to(device)
    if settings.batch_size == "auto":
        samples = data.splits["train"]
        size = find_batch_size(model, task, samples, data.prepare, settings.precision, device)
        settings = replace(settings, batch_size=size)
    train, evaluation = build_loaders(
        data, settings, budget, device, model, task, change, config["seed"], trial.kept_bytes
    )
    refuse_step(train.sizes[0], trial.kept_bytes, device)
    multiplications, reason = trial.multiplications * train.sizes[0], ""
    if settings.precision == "auto":
        loader = evaluation.get("val", evaluation["train"])
        precision, reason = choose_precision(model, task, loader, device, multiplications)
        settings = replace(settings, precision=precision)

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
    average = average_of(model, settings, settings.last_epoch * steps_per_epoch)
    profile.seconds["build and try the model"] = profile.age - sum(profile.seconds.values())
    return Setup(
        source=source,
        data=data,
        kind=kind,
        spec=spec,
        task=task,
        rebuild=rebuild,
        notes=(*trial.notes, *unfrozen_too_late(model, settings)),
        state=TrainState(model, optimizer, scheduler, scaler, average, plan),
        train=train,
        evaluation=evaluation,
        settings=settings,
        baseline=BaselineSettings(**arguments(config["baseline"])),
        origin=origin_of(model, loss)
        | {"code": code_behind(task, config.get("metric")) | code_of(resolve("data", config["data"]))}
        | {"start": files},
        device=device,
        threads=settings.threads or choose_threads(multiplications // count_models(model)),
        start=words,
        untrained=None if config["model"] == bare or config.get("init_from") else partial(build_model, *full),
        precision_reason=reason,
        loggers=loggers,
        profile=profile,
    )


def spec_of(facts: Facts, task: Task, augment: Mapping[str, Any] | None = None) -> Spec:
    """Returns what a model must know about data with these facts to learn this task, with this augmentation."""
    steps, columns = kind_of(facts).window_of(facts)
    return Spec(
        facts.kind,
        facts.input_shape,
        task.loss.out_features,
        vocab_sizes=facts.vocab_sizes,
        bins=facts.bins,
        causal=task.causal,
        positional=task.positional,
        steps=steps,
        columns=columns,
        samples=facts.samples,
        augment=arguments(augment or {}),
        folds=facts.folds,
    )


def budget_of(model: nn.Module, node: Mapping[str, Any], kind: Kind) -> Budget:
    """Returns how long the model of a config node trains by default: as it says itself, else as its kind of data."""
    own: Callable[..., Mapping[str, Any]] | None = getattr(class_of(model), "budget", None)
    return kind.budget if own is None else replace(kind.budget, **own(**arguments(node)))


def check_settings(settings: TrainerSettings, task: Task, device: torch.device) -> None:
    """Checks the trainer's settings against this machine and the task.

    Raises:
        ConfigError: this machine or this task does not support them.
    """
    cores = os.cpu_count() or 1 if AT_ONCE in os.environ else count_cores()  # a job of several may take from others
    if settings.threads is not None and settings.threads > cores:
        raise ConfigError(
            f"{settings.threads} threads are more than the {cores} core{'s' * (cores > 1)} that this process may use",
            where="trainer.threads",
            fix="give fewer threads",
            override=f"trainer.threads={cores}",
        )
    if settings.ema is not None and settings.swa is not None:
        raise ConfigError(
            "weights are averaged in one way, and trainer.ema and trainer.swa are two",
            where="trainer.swa",
            fix="leave one of them out",
            override="trainer.swa=null",
        )
    if settings.compile:
        check_compiler(device)
    if settings.precision == "tf32" and not multiplies_tf32(device):
        raise ConfigError(
            f"{device} does not multiply TF32",
            where="trainer.precision",
            fix="choose another precision",
            override="trainer.precision=float32",
        )
    if settings.balance == "resample" and task.unbalanced:
        raise ConfigError(
            f"only classes can be balanced, and {task.unbalanced}",
            where="trainer.balance",
            fix="do not balance",
            override="trainer.balance=none",
        )


def check_monitor(monitor: str, metrics: Mapping[str, Metric], task: Task) -> None:
    """Checks that the monitored metric is measured after every epoch, and that it is known which values are better.

    Args:
        monitor: the monitored metric, `split/metric`.
        metrics: the user's own metrics, by their names in the config.
        task: the task, with these metrics.

    Raises:
        ConfigError: it is not.
    """
    monitors = ["train/loss", *(f"val/{name}" for name in ("loss", *task.metric_names))]
    name = monitor.partition("/")[2]
    undescribed = [own for own, metric in metrics.items() if not metric.info and name in (own, *metric.names)]
    if undescribed:
        raise ConfigError(
            f"{name} cannot be monitored, because it has no info that says whether larger values are better",
            where=f"metric.{undescribed[0]}",
            fix=f'let it return Metric(..., info={{"{name}": MetricInfo(label, "max")}}), or "min"',
            override="trainer.monitor=val/loss",
        )
    if monitor not in monitors:
        meant = monitored(monitor)
        meant = meant if meant in monitors else nearest(monitor, monitors)
        raise ConfigError(
            f"{monitor!r} is not measured after every epoch",
            where="trainer.monitor",
            fix=f"give one of {', '.join(monitors)}",
            override=f"trainer.monitor={meant}" if meant else "",
        )


def build_loss(node: Mapping[str, Any], facts: Facts, trusted: Collection[str] | None = None) -> Loss:
    """Returns the loss that a config node describes, by default the task's own; `trusted` as in `resolve`.

    Raises:
        ConfigError: it cannot be built, or does not say which tasks it is for and how many outputs it needs.
    """
    if "_target_" not in node:
        return task_class(facts.task).default_loss(facts)
    name = node["_target_"]
    try:
        loss: Loss = resolve("loss", node, trusted)(facts, **arguments(node))
    except Exception as error:
        raise refusal_of(error, f"{name} cannot be built", where="loss") from error
    for attribute, example in (("tasks", f'("{facts.task}",)'), ("out_features", "1")):
        if not hasattr(loss, attribute):
            raise ConfigError(
                f"{name} has no attribute {attribute}, which says {LOSS_SAYS[attribute]}",
                where="loss",
                fix=f"give it one, such as {attribute} = {example}",
            )
    return loss


def build_metrics(
    nodes: Mapping[str, Any] | None, facts: Facts, trusted: Collection[str] | None = None
) -> dict[str, Metric]:
    """Returns the user's own metrics in a config, by their names there; `trusted` as in `resolve`.

    Raises:
        ConfigError: one cannot be built.
    """
    metrics = {}
    for name, node in (nodes or {}).items():
        make_metric = resolve_entry("metric", name, node, trusted)
        try:
            metrics[name] = make_metric(facts, **arguments(node))
        except Exception as error:
            raise refusal_of(error, f"{node['_target_']} fails", where=f"metric.{name}") from error
        if not isinstance(metrics[name], Metric):
            what = f"{node['_target_']} returns {with_article(type(metrics[name]).__name__)} instead of a Metric"
            raise ConfigError(what, where=f"metric.{name}", fix="let it return Metric(update, compute, info=...)")
    return metrics


def build_task(facts: Facts, loss: Loss, metrics: Sequence[Metric] = ()) -> Task:
    """Returns the task of the data with its loss and metrics.

    Raises:
        ConfigError: the loss is for another task.
    """
    task = task_class(facts.task)
    if not any(parent.__dict__.get("name") in loss.tasks for parent in task.__mro__):
        raise ConfigError(
            f"this loss is for {' or '.join(loss.tasks)}, and the data is for {facts.task}",
            where="loss",
            fix="use the task's own loss",
            override="loss=auto",
        )
    return task(facts, loss, metrics)


def code_behind(
    task: Task, metrics: Mapping[str, Any] | None, trusted: Collection[str] | None = None
) -> dict[str, str]:
    """Returns the digests of the user's own code behind all that turns samples into predictions, except the model.

    Args:
        task: the task, with its loss and facts.
        metrics: the config nodes of the user's own metrics.
        trusted: as in `resolve`.
    """
    kind = kind_of(task.facts)
    makers = [resolve_entry("metric", name, node, trusted) for name, node in (metrics or {}).items()]
    return code_of(task, task.loss, kind, kind.encoder(task.facts), *makers)


def splits_of(data: Data) -> dict[SplitName, Split]:
    """Returns the samples of each split that is evaluated; those of the training split validate, if it has folds."""
    splits = dict(data.splits)
    if splits["train"].fold is not None:
        splits["val"] = splits["train"]
    return {name: splits[name] for name in SPLITS if name in splits}


def build_loaders(
    data: Data,
    settings: TrainerSettings,
    budget: Budget,
    device: torch.device,
    model: nn.Module,
    task: Task,
    change: Augmentation | None,
    seed: int,
    bytes_each: int,
) -> tuple[TensorLoader, dict[SplitName, TensorLoader]]:
    """Returns the training split's loader, shuffled and augmented, and one for each split in its own order, whose
    batches are larger, unless layers put out many bytes for each sample."""
    kind, count = kind_of(data.facts), len(data.splits["train"])
    batch_size = min(settings.batch_size_for(count, budget), count)
    options = kind.loader_options(data.facts)
    train = TensorLoader(
        data.splits["train"],
        batch_size,
        device,
        prepare=data.prepare,
        draw=options.draw,
        change=change,
        mix=None if change is None else change.mix,
        bucket_by_length=options.bucket_by_length,
        balance=settings.balance == "resample",
        seed=seed,
        merge_single=any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules()),
        limit=settings.limit_batches,
    )
    bytes_each += sum(4 * part.numel() for part in first_inputs(data)) // 2 if bytes_each else 0
    size = task.fitting_batch(batch_size, bytes_each, least=batch_size)
    limit, draw = settings.limit_batches, options.fixed_draw or options.draw
    evaluation: dict[SplitName, TensorLoader] = {"train": train.in_order(draw, size)}
    for name, split in splits_of(data).items():
        if name != "train":
            evaluation[name] = TensorLoader(split, size, device, prepare=data.prepare, draw=draw, limit=limit)
    return train, evaluation


def build_model(node: Mapping[str, Any], facts: Facts, spec: Spec, trusted: Collection[str] | None = None) -> nn.Module:
    """Returns the model that a config node describes, for data with these facts; `trusted` as in `resolve`.

    Raises:
        DataError: the model does not support this kind of data.
        ConfigError: it does not fit into memory.
    """
    try:
        return assemble_model(node, facts, spec, trusted)
    except TooLarge as error:
        others = builder_of_others(node, facts, spec)
        error.override = fitting(arguments(node), defaults_of(node), others, free_memory())
        raise


def builder_of_others(node: Mapping[str, Any], facts: Facts, spec: Spec) -> Build | None:
    """Returns what makes the model of a node from other arguments; `None` for one that is not built in, which may do
    anything each time that it is made."""
    if "." in node["_target_"]:
        return None
    return lambda others: assemble_model({**node, **others}, facts, spec, None)


def assemble_model(node: Mapping[str, Any], facts: Facts, spec: Spec, trusted: Collection[str] | None) -> nn.Module:
    """Returns the same without looking for one that fits.

    Raises:
        DataError: the model does not support this kind of data.
        TooLarge: it does not fit into memory.
    """
    kind, target = kind_of(facts), resolve("model", node, trusted)
    takes = getattr(target, "takes", (spec.kind,))
    if not {kind.name, kind.models_of} & set(takes):
        raise DataError(
            f"{target.__name__} takes {' or '.join(takes)} data, and this is {spec.kind} data",
            where="model",
            fix=f"choose a model for {spec.kind} data",
            override=f"model={kind.default_model}",
        )

    def build(fitting: Spec) -> nn.Module:
        with SizeLimit(node["_target_"], arguments(node)):
            return construct(target, node["_target_"], fitting, arguments(node))

    models = [kind.assemble(build, facts, spec) for _ in range(facts.folds or 1)]
    return ensemble_of(models) if facts.folds else models[0]


def rebuild_model(node: Mapping[str, Any], data: Data, spec: Spec, seed: int) -> nn.Module:
    """Returns the model of a config node as training builds it: with its seed, and the shapes of lazy layers set."""
    seed_in_use(seed)
    model = build_model(node, data.facts, spec)
    materialise(model, first_inputs(data), node["_target_"])
    return model


def show_training_samples(model: nn.Module, data: Data, seed: int) -> None:
    """Gives a model the training samples that it compares others with, or that some of its values are computed from;
    of several models, each gets those of other folds. The seed decides which ones, where some are enough.

    Raises:
        ConfigError: it cannot compare such samples.
    """
    samples = data.splits["train"]
    for number, picked in enumerate(picked_models(model)):
        if not isinstance(picked, Remembering | Initialised):
            continue
        rows = torch.arange(len(samples)) if samples.order is None else samples.order
        rows = rows if samples.fold is None else rows[samples.fold[rows] != number]
        if isinstance(picked, Remembering):
            inputs = tuple(tensor[rows] for tensor in samples.inputs)
            picked.remember(inputs if data.prepare is None else data.prepare(inputs), samples.target[rows])
        if isinstance(picked, Initialised) and picked.initial_samples:
            chosen = rows[torch.randperm(len(rows), generator=seeded(seed, 0))[: picked.initial_samples]]
            batches = read_batches(samples.inputs, chosen.sort().values.split(INITIAL_BATCH))
            picked.initialise_from(
                tuple(batch) if data.prepare is None else data.prepare(tuple(batch)) for batch in batches
            )


def unfrozen_too_late(model: nn.Module, settings: TrainerSettings) -> list[str]:
    """Returns a warning if a model waits with some parameters for an epoch that never comes, else nothing."""
    picked, *_ = picked_models(model)
    late = isinstance(picked, Unfreezing) and (picked.unfreeze_epoch or 0) >= settings.last_epoch
    words = f"the frozen stages are never trained, since there are only {settings.last_epoch} epochs"
    return [f"{words}: lower model.unfreeze_epoch"] if late else []


def first_inputs(data: Data) -> tuple[Tensor, ...]:
    """Returns the first two samples of the training split, as a model takes them."""
    inputs = tuple(tensor[:2].clone() for tensor in data.splits["train"].inputs)
    return inputs if data.prepare is None else data.prepare(inputs)


def build_augment(node: Mapping[str, Any], data: Data) -> Augmentation | None:
    """Returns the augmentation of training samples, None for none; it mirrors no images if the class would change.

    Raises:
        ConfigError: the augmentation is for another kind of data.
    """
    augment: Augmentation = resolve("augment", node)(**arguments(node))
    kind = kind_of(data.facts)
    if augment and augment.mix is not None and data.facts.folds:
        raise ConfigError(
            "mixing would show each model samples of the fold that validates it",
            where="augment",
            fix="do not mix samples, or let one fold validate: data.fold=0",
            override="data.fold=0",
        )
    if augment and not {kind.name, kind.models_of} & set(augment.takes):
        raise ConfigError(
            f"this augmentation is for {' or '.join(augment.takes)} data, and this is {data.facts.kind} data",
            where="augment",
            fix="use no augmentation",
            override="augment=none",
        )
    return augment.suited_to(data) or None


def seed_everything(seed: int) -> None:
    """Seeds Python, NumPy and torch, on every device."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
