"""How much a second thread gains in a training step, by the kind of model, its width and the size of a batch.

    python benchmarks/threads.py
    python benchmarks/threads.py --busy

`trainer.threads` is chosen by the multiplications of a step's forward pass (`dltrain.training.settings`); this measures
where the second thread begins to be worth it. With `--busy`, another process keeps one core busy meanwhile.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from statistics import median
from time import perf_counter

import torch
from torch import Tensor, nn
from torch.nn import functional

ROUNDS = 5
SECONDS = 0.15  # of steps, a round and number of threads


def multilayer_perceptron(width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10))


def convolutional(width: int) -> nn.Module:
    def block(channels: int) -> list[nn.Module]:
        return [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]

    pooled = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10)]
    return nn.Sequential(*block(3), *block(width), *block(width), *pooled)


CASES: list[tuple[str, nn.Module, tuple[int, ...]]] = [
    *(
        (f"MLP {width}-{width}", multilayer_perceptron(width), (batch, 64))
        for width in (64, 256, 512, 1024)
        for batch in (32, 256, 1024)
    ),
    *(
        (f"3 convolutions of {width}, {side}×{side}", convolutional(width), (batch, 3, side, side))
        for width, side in ((16, 8), (32, 8), (32, 16))
        for batch in (32, 128)
    ),
]


def multiplications(model: nn.Module, inputs: Tensor) -> int:
    """Returns the number of multiplications of a forward pass."""
    counts: list[int] = []

    def count(layer: nn.Module, _: object, output: Tensor) -> None:
        if isinstance(layer, nn.Linear | nn.Conv2d):
            counts.append(output.numel() * layer.weight[0].numel())

    for layer in model.modules():
        layer.register_forward_hook(count)
    model(inputs)
    return sum(counts)


def fastest_step(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, target: Tensor) -> float:
    """Returns the seconds of the fastest steps within a round."""
    taken: list[float] = []
    end = perf_counter() + SECONDS
    while perf_counter() < end or len(taken) < 3:
        began = perf_counter()
        optimizer.zero_grad()
        functional.cross_entropy(model(inputs), target).backward()
        optimizer.step()
        taken.append(perf_counter() - began)
    return median(sorted(taken)[: -(-len(taken) // 5)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--busy", action="store_true")
    asked = parser.parse_args()
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if asked.busy else None
    try:
        print(f"{'model':32} {'batch':>6} {'million':>9} {'one, ms':>8} {'gain':>5}")
        for name, model, shape in CASES:
            inputs, target = torch.randn(shape), torch.randint(0, 10, shape[:1])
            optimizer = torch.optim.Adam(model.parameters(), fused=True)
            work = multiplications(model, inputs) / 1e6
            seconds: dict[int, list[float]] = {1: [], 2: []}
            for _ in range(ROUNDS):
                for threads, taken in seconds.items():
                    torch.set_num_threads(threads)
                    taken.append(fastest_step(model, optimizer, inputs, target))
            one, two = (min(taken) for taken in seconds.values())
            print(f"{name:32} {shape[0]:6} {work:9.1f} {1000 * one:8.2f} {one / two:5.2f}", flush=True)
    finally:
        if other is not None:
            other.kill()


if __name__ == "__main__":
    main()
