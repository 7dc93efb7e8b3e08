"""Checkpoints on disk: each is a folder that appears whole or not at all, with the digests of its files in a manifest.

checkpoints/
  step-00000042/   model.safetensors, state.pt (only where training can resume from it), manifest.json
  last, best       small files that each name one of these folders
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Container, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from dltrain.errors import CheckpointError, StorageError
from dltrain.storage import digest, flush, write_text

SCHEMA = 1
MAX_RESUMABLE = 2  # the newest, and the one before in case the newest is damaged
NAME = re.compile(r"step-[0-9]{8,}")
RENAMED = {"images": "samples"}  # parts of built-in models, by their names in older checkpoints
WEIGHTS, STATE, MANIFEST = "model.safetensors", "state.pt", "manifest.json"


def save_checkpoint(
    root: Path,
    step: int,
    weights: Mapping[str, Tensor],
    state: Mapping[str, Any] | None,
    epoch: int,
    best: int | None = None,
) -> Path:
    """Writes `root/step-...`, flushes it to the disk and returns its path; an existing one is left as it is.

    Only a checkpoint that was saved before its epoch's validation is replaced, by the one after that validation.

    Args:
        root: the folder of all checkpoints of a run.
        step: optimizer steps taken.
        weights: of the model.
        state: what else a resumed run needs, tensors and primitives only; none for weights alone.
        epoch: epochs finished.
        best: step of the checkpoint that holds the best weights so far, if that is not this one.

    Raises:
        StorageError: the disk is full or not writable.
    """
    target = root / f"step-{step:08d}"
    if target.exists() and (state is None or _manifest(target).get("epoch") == epoch):
        return target
    temporary = root / f".tmp-{step}-{os.getpid()}"
    shutil.rmtree(temporary, ignore_errors=True)  # in containers, an earlier process may have had the same number
    try:
        root.mkdir(exist_ok=True)  # without its parents: a run folder that was deleted stays deleted
        temporary.mkdir()
        save_file(_apart(weights), temporary / WEIGHTS)
        if state is not None:
            torch.save(dict(state), temporary / STATE)
        files = {}
        for path in sorted(temporary.iterdir()):
            flush(path)
            files[path.name] = _described(path)
        manifest = {"schema": SCHEMA, "step": step, "epoch": epoch, "best": best, "files": files}
        (temporary / MANIFEST).write_text(json.dumps(manifest, indent=2), encoding="utf-8")
        flush(temporary / MANIFEST)
        flush(temporary)
        if target.exists():
            _hide(target)  # if killed here, training resumes from the checkpoint before
        temporary.rename(target)
        flush(root)
    except (OSError, RuntimeError, SafetensorError) as error:
        # torch and safetensors report a full disk by errors of their own.
        shutil.rmtree(temporary, ignore_errors=True)
        raise StorageError(f"cannot write the checkpoint {target}: {error}", fix="free some space") from error
    return target


def set_pointer(root: Path, name: str, checkpoint: Path) -> None:
    """Makes the pointer `root/name` name the checkpoint, atomically."""
    write_text(root / name, f"{checkpoint.name}\n")
    flush(root)


def pointed(root: Path, name: str) -> Path:
    """Returns the folder of the checkpoint that `root/name` names, verified.

    Raises:
        CheckpointError: there is none, or one of its files differs from its manifest.
    """
    try:
        folder = (root / name).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise CheckpointError(
            f"{root} has no {name} checkpoint", fix="train again: the run ended before it saved one"
        ) from None
    if not NAME.fullmatch(folder):
        raise CheckpointError(f"{root / name} names no checkpoint: {folder[:40]!r}")
    verify(root / folder)
    return root / folder


def verify(checkpoint: Path) -> dict[str, Any]:
    """Returns the manifest of a checkpoint, after comparing all files with it.

    Raises:
        CheckpointError: something is missing or changed, or was written by a newer version.
    """
    try:
        manifest = json.loads((checkpoint / MANIFEST).read_text(encoding="utf-8"))
        schema, files = int(manifest["schema"]), dict(manifest["files"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise CheckpointError(f"{checkpoint} is not a dltrain checkpoint: it has no readable {MANIFEST}") from None
    if schema > SCHEMA:
        raise CheckpointError(f"{checkpoint} was written by a newer dltrain (schema {schema})", fix="upgrade dltrain")
    if manifest.get("step") != _step(checkpoint):
        raise CheckpointError(f"{checkpoint} is damaged: its manifest names another step")
    if checkpoint.is_symlink():
        raise CheckpointError(f"{checkpoint} is a link")
    for name, expected in files.items():
        path = checkpoint / name
        if name not in (WEIGHTS, STATE) or not path.is_file() or path.is_symlink() or _described(path) != expected:
            raise CheckpointError(f"{path} differs from its manifest: it is damaged, or belongs to another checkpoint")
    if WEIGHTS not in files:
        raise CheckpointError(f"{checkpoint} is not a dltrain checkpoint: its manifest names no {WEIGHTS}")
    return dict(manifest)


def load_weights(checkpoint: Path) -> dict[str, Tensor]:
    """Returns the weights of a verified checkpoint, on the CPU.

    Raises:
        CheckpointError: the file cannot be read.
    """
    return read_tensors(checkpoint / WEIGHTS)


def under_present_names(saved: Mapping[str, Tensor], present: Container[str]) -> dict[str, Tensor]:
    """Returns saved weights by the names that they have today, if older versions called parts of a model otherwise.

    Args:
        saved: the weights of a checkpoint.
        present: the names of the model's weights.
    """

    def now(name: str) -> str:
        other = ".".join(RENAMED.get(part, part) for part in name.split("."))
        return other if name not in present and other in present else name

    return {now(name): tensor for name, tensor in saved.items()}


def read_tensors(path: Path, fix: str = "") -> dict[str, Tensor]:
    """Returns the tensors of a safetensors file by their names, on the CPU.

    Raises:
        CheckpointError: the file cannot be read; `fix` says what to do about it.
    """
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}", fix=fix) from None


def load_state(checkpoint: Path) -> dict[str, Any]:
    """Returns the training state of a verified checkpoint, on the CPU: tensors and primitives, never code.

    Raises:
        CheckpointError: the file holds no such state.
    """
    try:
        state = torch.load(checkpoint / STATE, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, TypeError, AttributeError, UnpicklingError) as error:
        first = str(error).partition("\n")[0][:200]
        raise CheckpointError(f"{checkpoint / STATE} contains no training state: {first}") from None
    if not isinstance(state, dict):
        raise CheckpointError(f"{checkpoint / STATE} contains no training state")
    return state


def resumable(root: Path) -> list[Path]:
    """Returns the folders of all checkpoints that have a training state, the newest first, unverified."""
    return [folder for folder in _steps(root) if (folder / STATE).exists()]


def set_aside(root: Path, after: int) -> None:
    """Removes every checkpoint after a step, since training is about to write these steps again.

    Sound ones are deleted; damaged ones get another name, so that somebody can look at them.
    """
    for folder in _steps(root):
        if _step(folder) > after:
            aside = root / f"damaged-{folder.name}"
            shutil.rmtree(aside, ignore_errors=True)
            try:
                verify(folder)
                _delete(folder)
            except CheckpointError:
                folder.rename(aside)


def remove_others(root: Path) -> None:
    """Deletes all checkpoints but the newest resumable ones, the best weights that these name, and what the pointers
    name; also deletes whatever an interrupted write left."""
    pointers = [path for name in ("last", "best") if (path := root / name).is_file()]
    needed = {path.read_text(encoding="utf-8", errors="replace").strip() for path in pointers}
    for folder in resumable(root)[:MAX_RESUMABLE]:
        needed |= {folder.name, best_beside(folder).name}
    for half in root.glob(".tmp-*"):
        shutil.rmtree(half, ignore_errors=True)
    for folder in _steps(root):
        if folder.name not in needed:
            _delete(folder)
    for pointer in root.glob(".*.tmp"):
        pointer.unlink(missing_ok=True)


def _delete(checkpoint: Path) -> None:
    """Deletes a checkpoint, renamed first so that a half-deleted folder is not taken for one."""
    shutil.rmtree(_hide(checkpoint), ignore_errors=True)


def _hide(checkpoint: Path) -> Path:
    """Renames a checkpoint so that it is not taken for one any more, and returns the new path."""
    hidden = checkpoint.with_name(f".tmp-{checkpoint.name}")
    shutil.rmtree(hidden, ignore_errors=True)
    checkpoint.rename(hidden)
    return hidden


def best_beside(checkpoint: Path) -> Path:
    """Returns the checkpoint that held the best weights when this one was written; it may be this one itself."""
    best = _manifest(checkpoint).get("best")
    return checkpoint if type(best) is not int else checkpoint.with_name(f"step-{best:08d}")


def _manifest(checkpoint: Path) -> dict[str, Any]:
    """Returns what the manifest says, unverified; empty where it cannot be read."""
    try:
        manifest = json.loads((checkpoint / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def _steps(root: Path) -> list[Path]:
    """Returns the folders of all checkpoints, the latest step first."""
    return sorted((folder for folder in root.glob("step-*") if NAME.fullmatch(folder.name)), key=_step, reverse=True)


def _step(folder: Path) -> int:
    return int(folder.name.removeprefix("step-")) if NAME.fullmatch(folder.name) else -1


def _apart(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns the weights on the CPU, copied where two share memory, which safetensors refuses to store."""
    seen: set[int] = set()
    apart = {}
    for name, tensor in weights.items():
        copy = tensor.detach().cpu().contiguous()
        memory = copy.untyped_storage().data_ptr()
        apart[name] = copy.clone() if memory in seen else copy
        seen.add(memory)
    return apart


def _described(path: Path) -> dict[str, Any]:
    """Returns the size and the digest of a file, as a manifest records them."""
    return {"bytes": path.stat().st_size, "sha256": digest(path)}
