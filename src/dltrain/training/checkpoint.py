"""Checkpoints on disk: folders that appear whole or not at all, and say of every file what it must be.

checkpoints/
  step-00000042/   model.safetensors, state.pt (where training can go on from it), manifest.json
  last, best       small files that name one of them
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from dltrain.errors import CheckpointError, StorageError
from dltrain.runs.faults import around
from dltrain.runs.folder import digest

SCHEMA = 1
RESUMABLE_KEPT = 2  # the newest, and one more for the day on which the newest turns out damaged
NAME = re.compile(r"step-[0-9]{8,}")
WEIGHTS, STATE, MANIFEST = "model.safetensors", "state.pt", "manifest.json"


def save_checkpoint(
    root: Path,
    step: int,
    weights: Mapping[str, Tensor],
    state: Mapping[str, Any] | None,
    epoch: int,
    best: int | None = None,
) -> Path:
    """Writes `root/step-...`, durably, and returns it; one that is there already is left as it is.

    Only a state that was saved before its epoch was validated makes way for the one after.

    Args:
        root: the folder of all checkpoints of a run.
        step: optimizer steps taken.
        weights: of the model.
        state: what else a resumed run needs, tensors and primitives only; none for weights alone.
        epoch: epochs finished.
        best: step of the checkpoint that holds the best weights so far, where it is another one.

    Raises:
        StorageError: the disk is full or not writable.
    """
    target = root / f"step-{step:08d}"
    if target.exists() and (state is None or _manifest(target).get("epoch") == epoch):
        return target
    temporary = root / f".tmp-{step}-{os.getpid()}"
    shutil.rmtree(temporary, ignore_errors=True)  # in a container, process numbers recur
    try:
        root.mkdir(exist_ok=True)  # no folder above it: a run that was deleted stays so
        temporary.mkdir()
        with around("write"):
            save_file(_apart(weights), temporary / WEIGHTS)
        if state is not None:
            with around("write"):
                torch.save(dict(state), temporary / STATE)
        files = {}
        for path in sorted(temporary.iterdir()):
            _flush(path)
            files[path.name] = _described(path)
        manifest = {"schema": SCHEMA, "step": step, "epoch": epoch, "best": best, "files": files}
        (temporary / MANIFEST).write_text(json.dumps(manifest, indent=2), encoding="utf-8")
        _flush(temporary / MANIFEST)
        _flush(temporary)
        with around("rename"):
            if target.exists():
                _hide(target)  # killed here, training goes on from the one before
            temporary.rename(target)
        _flush(root)
    except (OSError, RuntimeError, SafetensorError) as error:
        # torch and safetensors report a full disk as errors of their own kinds.
        shutil.rmtree(temporary, ignore_errors=True)
        raise StorageError(f"cannot write the checkpoint {target}: {error}", fix="free some space") from error
    return target


def point(root: Path, name: str, checkpoint: Path) -> None:
    """Makes `root/name` name the checkpoint, in one step."""
    temporary = root / f".{name}.{os.getpid()}.tmp"
    try:
        temporary.write_text(checkpoint.name + "\n", encoding="utf-8")
        _flush(temporary)
        with around("point"):
            temporary.rename(root / name)
        _flush(root)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StorageError(f"cannot write {root / name}: {error.strerror}", fix="free some space") from error


def pointed(root: Path, name: str) -> Path:
    """The verified checkpoint that `root/name` names.

    Raises:
        CheckpointError: there is none, or a file of it is not what its manifest says.
    """
    try:
        folder = (root / name).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise CheckpointError(
            f"{root} has no {name} checkpoint", fix="the run ended before it saved one: train again"
        ) from None
    if not NAME.fullmatch(folder):
        raise CheckpointError(f"{root / name} names no checkpoint: {folder[:40]!r}")
    verify(root / folder)
    return root / folder


def verify(checkpoint: Path) -> dict[str, Any]:
    """The manifest of a checkpoint whose files are exactly what it says.

    Raises:
        CheckpointError: something is missing, changed or of a newer version.
    """
    try:
        manifest = json.loads((checkpoint / MANIFEST).read_text(encoding="utf-8"))
        schema, files = int(manifest["schema"]), dict(manifest["files"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise CheckpointError(f"{checkpoint} is not a dltrain checkpoint: it has no readable {MANIFEST}") from None
    if schema > SCHEMA:
        raise CheckpointError(f"{checkpoint} was written by a newer dltrain (schema {schema})", fix="upgrade dltrain")
    if manifest.get("step") != _step(checkpoint):
        raise CheckpointError(f"{checkpoint} is not the checkpoint of the step that its manifest names")
    if checkpoint.is_symlink():
        raise CheckpointError(f"{checkpoint} is a link")
    for name, said in files.items():
        path = checkpoint / name
        if name not in (WEIGHTS, STATE) or not path.is_file() or path.is_symlink() or _described(path) != said:
            raise CheckpointError(f"{path} is not what its manifest says: damaged, or not of this checkpoint")
    if WEIGHTS not in files:
        raise CheckpointError(f"{checkpoint} is not a dltrain checkpoint: its manifest names no {WEIGHTS}")
    return dict(manifest)


def load_weights(checkpoint: Path) -> dict[str, Tensor]:
    """The weights of a verified checkpoint, on the CPU."""
    try:
        return dict(load_file(checkpoint / WEIGHTS))
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{checkpoint / WEIGHTS} holds no weights: {error}") from None


def load_state(checkpoint: Path) -> dict[str, Any]:
    """The state of a verified checkpoint, on the CPU: tensors and primitives, never code."""
    try:
        state = torch.load(checkpoint / STATE, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, TypeError, AttributeError, UnpicklingError) as error:
        first = str(error).partition("\n")[0][:200]
        raise CheckpointError(f"{checkpoint / STATE} holds no state: {first}") from None
    if not isinstance(state, dict):
        raise CheckpointError(f"{checkpoint / STATE} holds no state")
    return state


def resumable(root: Path) -> list[Path]:
    """Every checkpoint that training could go on from, the newest first; whether they are sound is not looked at."""
    return [folder for folder in _steps(root) if (folder / STATE).exists()]


def set_aside(root: Path, after: int) -> None:
    """Takes away every checkpoint of a later step, which training is about to come to anew: none is ever overwritten.

    What is sound is deleted; what is damaged gets another name, for whoever wants to know why.
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
    """Deletes every checkpoint, whole or half, but the newest that training could go on from, what they name as the
    best, and what the pointers name."""
    pointers = [path for name in ("last", "best") if (path := root / name).is_file()]
    kept = {path.read_text(encoding="utf-8", errors="replace").strip() for path in pointers}
    for folder in resumable(root)[:RESUMABLE_KEPT]:
        kept |= {folder.name, best_beside(folder).name}
    for half in root.glob(".tmp-*"):
        shutil.rmtree(half, ignore_errors=True)
    for folder in _steps(root):
        if folder.name not in kept:
            _delete(folder)
    for pointer in root.glob(".*.tmp"):
        pointer.unlink(missing_ok=True)


def _delete(checkpoint: Path) -> None:
    """Deletes a checkpoint; half gone, it does not look like one."""
    with around("delete"):
        shutil.rmtree(_hide(checkpoint), ignore_errors=True)


def _hide(checkpoint: Path) -> Path:
    """Gives it a name that does not look like a checkpoint's, and returns that."""
    hidden = checkpoint.with_name(f".tmp-{checkpoint.name}")
    shutil.rmtree(hidden, ignore_errors=True)
    checkpoint.rename(hidden)
    return hidden


def best_beside(checkpoint: Path) -> Path:
    """The checkpoint that holds the best weights at the time of this one, which may be this one itself."""
    best = _manifest(checkpoint).get("best")
    return checkpoint if type(best) is not int else checkpoint.with_name(f"step-{best:08d}")


def _manifest(checkpoint: Path) -> dict[str, Any]:
    """What the manifest says, unverified; nothing where it cannot be read."""
    try:
        said = json.loads((checkpoint / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _steps(root: Path) -> list[Path]:
    """The folders named by a step, the latest first."""
    return sorted((folder for folder in root.glob("step-*") if NAME.fullmatch(folder.name)), key=_step, reverse=True)


def _step(folder: Path) -> int:
    return int(folder.name.removeprefix("step-")) if NAME.fullmatch(folder.name) else -1


def _apart(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights on the CPU, none sharing its memory with another, which safetensors refuses."""
    seen: set[int] = set()
    apart = {}
    for name, tensor in weights.items():
        copy = tensor.detach().cpu().contiguous()
        memory = copy.untyped_storage().data_ptr()
        apart[name] = copy.clone() if memory in seen else copy
        seen.add(memory)
    return apart


def _described(path: Path) -> dict[str, Any]:
    """Size and digest of a file."""
    return {"bytes": path.stat().st_size, "sha256": digest(path)}


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with around("fsync"):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
