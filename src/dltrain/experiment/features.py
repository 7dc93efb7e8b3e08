"""Computes the features of a frozen trunk once, so that the head is trained on them alone."""

from __future__ import annotations

import hashlib
import logging
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import replace
from time import perf_counter

import torch
from torch import Tensor

from dltrain.data.growing import Growing
from dltrain.data.loader import TensorLoader
from dltrain.data.stored import in_parts
from dltrain.experiment.build import Setup
from dltrain.models.names import picked_model
from dltrain.tasks.precision import autocast
from dltrain.training.settings import choose_threads
from dltrain.types import FrozenTrunk, Split

log = logging.getLogger("dltrain")

AT_ONCE = 8  # samples; larger batches of images leave the caches of a CPU


def are_cacheable(setup: Setup) -> bool:
    """Tells whether the model's features of a sample are the same in every epoch, and are all needed."""
    model = setup.state.model
    is_fixed = isinstance(model, FrozenTrunk) and model.is_trunk_fixed
    return is_fixed and setup.train.change is None and setup.settings.limit_batches is None


def with_cached_features(setup: Setup, verbosity: int = logging.INFO) -> Setup:
    """Returns the same objects with loaders of features in place of inputs, if the trunk of the model is frozen.

    The jobs of a sweep share the features of one trunk. Other models stay as they are.
    """
    model, picked = setup.state.model, picked_model(setup.state.model)
    if not isinstance(picked, FrozenTrunk) or not picked.is_trunk_fixed:
        return setup
    if not isinstance(model, FrozenTrunk):
        log.log(verbosity, "features not cached: other inputs join the trunk's")
        return setup
    if not are_cacheable(setup):
        if setup.train.change is not None:
            words = "augmentation changes every sample, so that the frozen trunk computes its features in each epoch"
            log.log(verbosity, "features not cached: %s; augment=none trains the head in seconds", words)
        return setup
    began, count, threads = perf_counter(), sum(map(len, setup.data.splits.values())), torch.get_num_threads()
    cache, key = setup.source.features, _key(setup, model)
    names = {split: sample_names(samples) for split, samples in setup.splits.items()}
    if not all(cache.get(key, {}).keys() >= set(of_split) for of_split in names.values()):
        cache.clear()  # of another trunk
        log.log(verbosity, "features %s samples pass the frozen trunk once", f"{count:,}")
        torch.set_num_threads(1)  # each batch has one; more of them share the batches
        cache[key] = {}
        for split, of_split in names.items():
            if not cache[key].keys() >= set(of_split):
                rows = features_of(model, setup.evaluation[split], setup)
                cache[key] |= dict(zip(of_split, rows, strict=True))
        log.log(verbosity, "features computed in %.1f s; now the head is trained on them", perf_counter() - began)
    else:
        log.log(verbosity, "features of %s samples, as an earlier job computed them", f"{count:,}")
    features = {split: torch.stack([cache[key][name] for name in of_split]) for split, of_split in names.items()}
    # A resumed run keeps the number of threads of its checkpoint.
    torch.set_num_threads(threads if setup.state.step else threads_of_head(setup, features["train"]))
    evaluation = {name: on_features(loader, features[name]) for name, loader in setup.evaluation.items()}
    return replace(setup, train=on_features(setup.train, features["train"]), evaluation=evaluation)


def sample_names(samples: Split) -> list[str]:
    """Returns a name for each sample, equal where samples have equal stored inputs, which their features depend on."""
    rows = (
        (row for part in in_parts(stored) for row in part.reshape(len(part), -1).contiguous().numpy())
        for stored in samples.inputs
    )
    return [
        hashlib.blake2b(b"".join(row.tobytes() for row in of_sample), digest_size=16).hexdigest()
        for of_sample in zip(*rows, strict=True)
    ]


def estimate(setup: Setup) -> tuple[TensorLoader, float]:
    """Returns a training loader whose steps take as long as those of training, and the seconds before the first step.

    Where features will be cached, those of a few samples stand for all, and the seconds are those of the trunk.
    """
    model, loader = setup.state.model, setup.train
    if not isinstance(model, FrozenTrunk) or not are_cacheable(setup):
        return loader, 0.0
    few, count = copy(loader), AT_ONCE * setup.threads
    few.inputs, few.target = tuple(tensor[:count] for tensor in loader.inputs), loader.target[:count]
    torch.set_num_threads(1)
    began = perf_counter()
    features = features_of(model, few, setup)
    seconds = (perf_counter() - began) / len(features) * sum(map(len, setup.data.splits.values()))
    torch.set_num_threads(threads_of_head(setup, features))
    return on_features(loader, features[torch.arange(len(loader.target)) % len(features)]), seconds


def threads_of_head(setup: Setup, features: Tensor) -> int:
    """Returns the number of CPU threads for steps of the head alone, on features `(N, F)`."""
    multiplications = features.shape[1] * setup.spec.out_features * setup.train.sizes[0]
    return setup.settings.threads or choose_threads(multiplications)


def features_of(model: FrozenTrunk, loader: TensorLoader, setup: Setup) -> Tensor:
    """Returns the features `(N, F)` of all samples of a loader, in the order of the split, on its device."""
    model.trunk.eval()

    @torch.no_grad()
    def compute(start: int) -> Tensor:
        inputs = tuple(tensor[start : start + AT_ONCE] for tensor in loader.inputs)
        with autocast(setup.settings.precision, setup.device):
            return model.features(*(inputs if loader.prepare is None else loader.prepare(inputs))).float()

    pool = ThreadPoolExecutor(setup.threads if setup.device.type == "cpu" else 1)
    try:
        features = Growing()
        for part in pool.map(compute, range(0, len(loader.target), AT_ONCE)):
            features.add(part)
        return features.whole()
    finally:
        pool.shutdown(cancel_futures=True)  # a signal ends the work, however much is left


def on_features(loader: TensorLoader, features: Tensor) -> TensorLoader:
    """Returns a loader of the same batches with features in place of inputs."""
    other = copy(loader)
    other.inputs, other.prepare = (features,), None
    return other


def _key(setup: Setup, model: FrozenTrunk) -> str:
    """Returns a digest of what features depend on: the trunk's weights, and how they are computed."""
    settings = {
        "trunk": repr(model.trunk),
        "precision": setup.settings.precision,
        "device": str(setup.device),
        "inputs": repr(setup.data.prepare),
    }
    digest = hashlib.sha256(repr(settings).encode())
    for name, tensor in model.trunk.state_dict().items():
        digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
