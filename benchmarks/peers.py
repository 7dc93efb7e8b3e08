"""The workloads of loop.py in Lightning, Keras on torch and skorch, as multiples of the hand-written loop.

    pip install 'dltrain[bench]'
    python benchmarks/peers.py
    python benchmarks/peers.py --only regression --rounds 3 --share 0.2

All of them train the same torch model on the same tensors, with the same optimizer, clipping and batch size, on one
thread and without logging, checkpoints, progress bars and validation. Lightning and skorch get whole batches from
tensors in memory, as the hand-written loop does, instead of samples from a DataLoader; the plain loop over torch's
DataLoader shows what that makes. The sides take turns, and the medians over the rounds are compared. In brackets is the
loss on all training samples after the training. What is not installed is left out.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["KERAS_BACKEND"] = "torch"

import torch
from loop import WORKLOADS, build_setup, target_of
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from dltrain.training.loop import fit


@dataclass
class Work:
    """What is trained: tensors, a new model, its loss, and the settings of the training.

    Args:
        x: inputs of all training samples, as the model takes them.
        y: targets, as the loss takes them.
        model: the model, not yet trained.
        loss: of outputs and targets.
        optimizer: the class of the optimizer.
        options: its arguments.
        size: of a batch.
        epochs: their number.
        clip: the largest norm of the gradient; None for no limit.
    """

    x: Tensor
    y: Tensor
    model: nn.Module
    loss: Callable[[Tensor, Tensor], Tensor]
    optimizer: type[torch.optim.Optimizer]
    options: dict[str, Any]
    size: int
    epochs: int
    clip: float | None

    @classmethod
    def of(cls, overrides: list[str]) -> Work:
        setup = build_setup(overrides)
        (x,) = (setup.train.prepare or (lambda inputs: inputs))(setup.train.inputs)
        given = {
            name: value
            for name, value in setup.state.optimizer.defaults.items()
            if name in ("lr", "momentum", "weight_decay", "betas", "eps", "nesterov")
        }
        return cls(
            x,
            target_of(setup),
            setup.state.model,
            functional.cross_entropy if setup.data.facts.classes else functional.mse_loss,
            type(setup.state.optimizer),
            given,
            setup.train.sizes[0],
            setup.settings.last_epoch,
            setup.settings.clip_norm,
        )

    @torch.no_grad()
    def final_loss(self) -> float:
        return float(self.loss(self.model.eval()(self.x), self.y))


class Batches:
    """Yields an epoch's batches of tensors in memory, in a new order each time."""

    def __init__(self, x: Tensor, y: Tensor, size: int) -> None:
        self.x, self.y, self.size = x, y, size

    def __len__(self) -> int:
        return -(-len(self.y) // self.size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        if self.size >= len(self.y):
            return iter([(self.x, self.y)])
        order = torch.randperm(len(self.y))
        return zip(self.x[order].split(self.size), self.y[order].split(self.size), strict=True)


def by_hand(work: Work, batches: Any = None, *, fused: bool = True) -> float:
    """Returns the seconds of a plain loop."""
    optimizer = work.optimizer(work.model.parameters(), **work.options, **({"fused": True} if fused else {}))
    batches = batches or Batches(work.x, work.y, work.size)
    began = perf_counter()
    work.model.train()
    for _ in range(work.epochs):
        total = 0.0
        for x, y in batches:
            loss = work.loss(work.model(x), y)
            loss.backward()
            if work.clip is not None:
                nn.utils.clip_grad_norm_(work.model.parameters(), work.clip)
            optimizer.step()
            optimizer.zero_grad()
            total += loss.item() * len(y)
    return perf_counter() - began


def by_dltrain(overrides: list[str]) -> tuple[float, float]:
    """Returns the seconds of dltrain's loop, with the evaluation of the validation split, and the final loss."""
    setup, work = build_setup(overrides), Work.of(overrides)
    began = perf_counter()
    for _ in fit(setup.state, setup.task, setup.train, setup.evaluation.get("val"), setup.settings):
        pass
    seconds = perf_counter() - began
    work.model = setup.state.model
    return seconds, work.final_loss()


def by_data_loader(work: Work) -> float:
    """Returns the seconds of the loop of most tutorials: a DataLoader, and an optimizer as it comes."""
    loader = DataLoader(TensorDataset(work.x, work.y), batch_size=work.size, shuffle=True)
    return by_hand(work, loader, fused=False)


def by_lightning(work: Work) -> float:
    """Returns the seconds of Lightning's `Trainer.fit`."""
    import lightning

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = work.model

        def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
            x, y = batch
            return work.loss(self.model(x), y)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            # It refuses to clip what a fused optimizer takes.
            return work.optimizer(self.parameters(), **work.options, fused=work.clip is None)

    trainer = lightning.Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=work.epochs,
        gradient_clip_val=work.clip,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    module, batches = Module(), Batches(work.x, work.y, work.size)
    began = perf_counter()
    trainer.fit(module, batches)
    return perf_counter() - began


def by_keras(work: Work) -> float:
    """Returns the seconds of Keras's `Model.fit` with the torch backend, around the same torch model."""
    import keras

    named = {"SGD": keras.optimizers.SGD, "Adam": keras.optimizers.Adam, "AdamW": keras.optimizers.AdamW}
    options: dict[str, Any] = {"learning_rate": work.options["lr"], "global_clipnorm": work.clip}
    if "betas" in work.options:
        options |= {"beta_1": work.options["betas"][0], "beta_2": work.options["betas"][1]}
        options |= {"epsilon": work.options["eps"]}
    if work.options.get("momentum"):
        options |= {"momentum": work.options["momentum"], "nesterov": work.options["nesterov"]}
    classes = not work.y.is_floating_point()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True) if classes else "mse"
    model = keras.Sequential([keras.layers.TorchModuleWrapper(work.model)])
    model.compile(optimizer=named[work.optimizer.__name__](**options), loss=loss)
    x, y = work.x.numpy(), work.y.numpy()
    began = perf_counter()
    model.fit(x, y, batch_size=work.size, epochs=work.epochs, shuffle=work.size < len(y), verbose=0)
    return perf_counter() - began


def by_skorch(work: Work) -> float:
    """Returns the seconds of skorch's `NeuralNet.fit`."""
    from skorch import NeuralNet
    from skorch.callbacks import GradientNormClipping

    class Loss(nn.Module):
        def forward(self, output: Tensor, target: Tensor) -> Tensor:
            return work.loss(output, target)

    class OfNet:
        """The batches of a data set of skorch's."""

        def __init__(self, dataset: Any, batch_size: int) -> None:
            self.batches = Batches(dataset.X, dataset.y, batch_size)

        def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
            return iter(self.batches)

    net = NeuralNet(
        work.model,
        criterion=Loss,
        optimizer=work.optimizer,
        **{f"optimizer__{name}": value for name, value in work.options.items() if name != "lr"},
        optimizer__fused=True,
        lr=work.options["lr"],
        max_epochs=work.epochs,
        batch_size=work.size,
        iterator_train=OfNet,
        train_split=None,
        verbose=0,
        callbacks=[] if work.clip is None else [GradientNormClipping(work.clip)],
        callbacks__print_log=None,
        callbacks__valid_loss=None,
        callbacks__epoch_timer=None,
    )
    net.initialize()
    began = perf_counter()
    net.partial_fit(work.x, work.y)
    seconds = perf_counter() - began
    work.model = net.module_
    return seconds


EPOCHS = {"cubic": 2000, "regression": 20, "table": 6, "digits": 6}
PEERS = {"lightning": by_lightning, "keras": by_keras, "skorch": by_skorch}


def installed() -> dict[str, Callable[[Work], float]]:
    """Returns the peers that are installed; prints which are, in which version, and which are not."""
    there = {name: peer for name, peer in PEERS.items() if importlib.util.find_spec(name) is not None}
    print(", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("torch", *there)))
    for name in PEERS.keys() - there.keys():
        print(f"{name} is not installed and left out: pip install 'dltrain[bench]'")
    return there


def compare(overrides: list[str], sides: dict[str, Callable[[Work], float]], rounds: int) -> list[str]:
    """Returns a cell for each side: its ratio to the loop by hand, and its final loss."""
    hand, seconds, losses = [], {name: [] for name in ("dltrain", *sides)}, {}
    for _ in range(rounds):
        hand.append(by_hand(Work.of(overrides)))
        taken, losses["dltrain"] = by_dltrain(overrides)
        seconds["dltrain"].append(taken)
        for name, side in sides.items():
            work = Work.of(overrides)
            seconds[name].append(side(work))
            losses[name] = work.final_loss()
    first = f"{median(hand):.2f}"
    return [first, *(f"{median(seconds[name]) / median(hand):.2f} ({losses[name]:.3g})" for name in seconds)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="names of workloads with commas between: " + ", ".join(WORKLOADS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--share", type=float, default=1.0, help="of the epochs, for a shorter comparison")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    sides = {"DataLoader": by_data_loader, **installed()}
    print(f"{'workload':50} {'by hand':>8}", *(f"{name:>16}" for name in ("dltrain", *sides)))
    for name, workload in WORKLOADS.items():
        if not asked.only or name in asked.only.split(","):
            epochs = max(1, round(asked.share * EPOCHS[name]))
            first, *cells = compare([*workload.overrides, f"trainer.epochs={epochs}"], sides, asked.rounds)
            print(f"{workload.title:50} {first:>8}", *(f"{cell:>16}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
