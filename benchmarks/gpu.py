"""The training loop on a GPU against the best hand-written one, on the same tensors, model, optimizer and precision.

    python benchmarks/gpu.py
    python benchmarks/gpu.py --only table,resnet --rounds 10

The hand-written loop holds its tensors on the GPU, puts them into the order of an epoch once, takes torch's fused
optimizer, the same precision and channels-last convolutions, lets cuDNN try its algorithms, and waits for the GPU once
an epoch. `recorded` is the same loop with its step captured as a CUDA graph by hand. All take turns epoch by epoch, and
the medians are compared; `all` holds the validation after every epoch and a copy of the best weights.

The last column is the share of the GPU's speed: floating-point operations of the forward and the backward pass, over
those of a matrix product of 8192 × 8192 × 8192 in the same precision in the same time, measured here too.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import torch
from loop import Workload, build_setup, ours, target_of
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from dltrain.experiment import build
from dltrain.tasks.precision import autocast
from dltrain.training.loop import loss_of

GPU = torch.device("cuda")
COMMON = [
    "trainer.device=cuda", "trainer.patience=null", "scheduler=constant", f"trainer.epochs={10**6}",
]  # fmt: skip
PLAIN = ["augment=none", "loss.label_smoothing=0"]
IMAGES = [*PLAIN, "data=images", "data.path={images}", "trainer.precision=bfloat16"]
WAITS = 3  # steps before the hand-written loop captures its own

WORKLOADS = {
    "cubic": Workload("cubic, full batch", ["experiment=cubic"], 10, 200),
    "regression": Workload(
        "regression 10,000 × 10, linear, batch 100, SGD",
        ["model=linear", "data=regression", "data.rows=10000", "optimizer=sgd", "trainer.batch_size=100"], 10, 2,
    ),
    "table": Workload(
        "table 10,000 × 6, MLP 256-128, batch 32, Adam",
        ["model=mlp", "model.embed=null", "model.dropout=0", "data=regression", "data.rows=10000", "data.features=6",
         "optimizer=adam", "trainer.batch_size=32"], 10,
    ),
    "digits": Workload(
        "digits 8×8, cnn, batch 32, Adam",
        [*PLAIN, "model=cnn", "data=digits", "optimizer=adam", "trainer.batch_size=32"], 10, 3,
    ),
    "cnn": Workload(
        "16,384 images 32×32, cnn, batch 512, bfloat16",
        [*IMAGES, "model=cnn", "trainer.batch_size=512"], 8,
    ),
    "resnet": Workload(
        "16,384 images 32×32, resnet9, batch 512, bfloat16",
        [*IMAGES, "model=resnet9", "trainer.batch_size=512"], 8,
    ),
    "resnet_small": Workload(
        "16,384 images 32×32, resnet, batch 128, bfloat16",
        [*IMAGES, "model=resnet", "trainer.batch_size=128"], 6,
    ),
    "transformer": Workload(
        "Chinese verse, transformer 4×256, batch 64, bfloat16",
        ["model=transformer_medium", "model.dropout=0", "data=verse", "trainer.batch_size=64",
         "trainer.precision=bfloat16"], 8,
    ),
}  # fmt: skip


def by_hand(setup: build.Setup, *, records: bool) -> Iterator[float]:
    """Trains with a plain loop over the same tensors, with the same model and optimizer; yields after every epoch."""
    model, settings = setup.state.model, setup.settings
    chosen = setup.state.optimizer.defaults.items()
    given = {name: value for name, value in chosen if name not in ("foreach", "fused", "decoupled_weight_decay")}
    given |= {"capturable": records} if "capturable" in given else {}
    optimizer = type(setup.state.optimizer)(model.parameters(), **given, fused=True)
    prepare = setup.train.prepare or (lambda inputs: inputs)
    (x,) = prepare(tuple(tensor[:] for tensor in setup.train.inputs))
    if x.dim() == 4:
        x = x.to(memory_format=torch.channels_last)
    y, loss_of = target_of(setup), loss_function(setup)
    size = setup.train.sizes[0]
    model.train()

    def step(inputs: Tensor, target: Tensor) -> Tensor:
        with autocast(settings.precision, GPU):
            loss = loss_of(model(inputs), target)
        loss.backward()
        if settings.clip_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm)
        optimizer.step()
        optimizer.zero_grad()
        return loss.detach()

    static, loss, taken = (x[:size].clone(), y[:size].clone()), x.new_zeros(()), 0
    while True:
        total = torch.zeros((), device=GPU)
        order = torch.randperm(len(y), device=GPU) if size < len(y) else torch.arange(len(y), device=GPU)
        for inputs, target in zip(x[order].split(size), y[order].split(size), strict=True):
            if not records or taken < WAITS or len(target) < size:
                total += step(inputs, target) * len(target)
                taken += 1
                continue
            if taken == WAITS:
                graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(graph):
                    loss = step(*static)
                taken += 1
            static[0].copy_(inputs)
            static[1].copy_(target)
            graph.replay()
            total += loss * len(target)
        yield total.item()


def loss_function(setup: build.Setup) -> Callable[[Tensor, Tensor], Tensor]:
    """Returns torch's own loss of the task."""
    if setup.data.facts.kind == "corpus":
        return lambda output, target: functional.cross_entropy(output.flatten(0, 1), target.flatten())
    return functional.cross_entropy if setup.data.facts.classes else functional.mse_loss


def operations_of(setup: build.Setup) -> int:
    """Returns the floating-point operations of a forward and a backward pass over all samples of an epoch."""
    batch = next(iter(setup.train))
    with FlopCounterMode(display=False) as counter, autocast(setup.settings.precision, GPU):
        loss_of(setup.state.model, setup.task, batch).backward()
    setup.state.optimizer.zero_grad()
    return round(counter.get_total_flops() * setup.train.samples / len(batch.target))


def speed_of_products(dtype: torch.dtype, size: int = 8192) -> float:
    """Returns the floating-point operations a second of a large matrix product."""
    one, other = (torch.randn(size, size, device=GPU, dtype=dtype) for _ in range(2))
    seconds = []
    for _ in range(8):
        torch.cuda.synchronize()
        began = perf_counter()
        for _ in range(4):
            one @ other
        torch.cuda.synchronize()
        seconds.append((perf_counter() - began) / 4)
    return 2 * size**3 / median(seconds[2:])


def draw_images(path: Path, count: int = 20480, size: int = 32) -> None:
    """Writes images of noise on ten grey levels, in the form of MedMNIST."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 10, count)
    pixels = (random.random((count, size, size, 3)) * 100 + 15 * labels[:, None, None, None]).astype(np.uint8)
    part = count // 5 * 4
    half = (part + count) // 2
    np.savez(
        path,
        train_images=pixels[:part], train_labels=labels[:part, None],
        val_images=pixels[part:half], val_labels=labels[part:half, None],
        test_images=pixels[half:], test_labels=labels[half:, None],
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="names of workloads with commas between: " + ", ".join(WORKLOADS))
    parser.add_argument("--rounds", type=int, help="turns of each; by default as the workload says")
    asked = parser.parse_args()
    torch.backends.cudnn.benchmark = True  # for the hand-written loop; dltrain's own choice is made below
    speeds = {"bfloat16": speed_of_products(torch.bfloat16), "float32": speed_of_products(torch.float32)}
    products = ", ".join(f"{name} {speed / 1e12:.0f} TFLOP/s" for name, speed in speeds.items())
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}; matrix products of 8192: {products}")
    print(f"{'workload':54} {'by hand, ms/epoch':>18} {'recorded':>9} {'training':>9} {'all':>6} {'TFLOP/s':>8} share")
    with tempfile.TemporaryDirectory() as folder:
        images = Path(folder) / "images.npz"
        draw_images(images)
        for name, workload in WORKLOADS.items():
            if asked.only and name not in asked.only.split(","):
                continue
            overrides = [text.format(images=images) for text in workload.overrides]
            setups = [build_setup(overrides, COMMON) for _ in range(4)]
            operations, precision = operations_of(setups[0]), setups[0].settings.precision
            loops = {
                "hand": by_hand(setups[0], records=False), "recorded": by_hand(setups[1], records=True),
                "training": ours(setups[2], evaluates=False), "all": ours(setups[3], evaluates=True),
            }  # fmt: skip
            taken: dict[str, list[float]] = {kind: [] for kind in loops}
            for turn in range(2 + (asked.rounds or workload.rounds)):
                for kind, loop in loops.items():
                    torch.backends.cudnn.benchmark = kind in ("hand", "recorded")
                    torch.cuda.synchronize()
                    began = perf_counter()
                    for _ in range(workload.at_once):
                        next(loop)
                    torch.cuda.synchronize()
                    if turn > 1:  # the first ones warm up
                        taken[kind].append((perf_counter() - began) / workload.at_once)
            hand, recorded, training, everything = (median(seconds) for seconds in taken.values())
            speed = operations / training
            ratios = f"{recorded / hand:9.2f} {training / hand:9.2f} {everything / hand:6.2f}"
            reached = f"{speed / 1e12:8.2f} {speed / speeds[precision]:5.1%}"
            print(f"{workload.title:54} {1000 * hand:18.2f} {ratios} {reached}", flush=True)


if __name__ == "__main__":
    main()
