"""A few training images as the augmentation shows them to the network, for the page."""

from __future__ import annotations

import torch
from safetensors.torch import save as safetensors_bytes

from dltrain.data.loader import TensorLoader
from dltrain.runs.folder import RunDir
from dltrain.storage import make_folder, write_bytes

FILE, STORED, CHANGED = "augmented.safetensors", "stored", "changed"
IMAGES, EPOCHS = 4, 5


def save_augmented(run: RunDir, train: TensorLoader) -> None:
    """Writes evenly spaced training images, `(n, C, H, W)`, and what the augmentation makes of them in the first
    epochs, `(n, epochs, C, H, W)`, both uint8; nothing for a run that changes no image.

    Args:
        run: the run's folder.
        train: the loader of the training split.
    """
    (run.examples / FILE).unlink(missing_ok=True)  # of a run that is resumed
    if train.seed is None or (train.change is None and train.mix is None):
        return
    count = len(train.target)
    chosen = torch.linspace(0, count - 1, min(IMAGES, count)).long().to(train.target.device)
    stored = tuple(tensor[chosen] for tensor in train.inputs)
    epochs = []
    for epoch in range(EPOCHS):
        inputs = stored
        if train.change is not None:
            inputs = train.change(inputs, train.seed, epoch, 0)
        if train.mix is not None:
            inputs, _ = train.mix(inputs, train.seed, epoch, 0)
        epochs.append(inputs[0].float().round().clamp(0, 255).byte())
    tensors = {STORED: stored[0].cpu(), CHANGED: torch.stack(epochs, dim=1).cpu()}
    make_folder(run.examples)
    write_bytes(run.examples / FILE, safetensors_bytes(tensors))
