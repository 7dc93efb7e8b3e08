"""Checkpoints: whole or absent, and refused where a byte of them is not what it was."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import resource
import shutil
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from dltrain.errors import CheckpointError, StorageError
from dltrain.training import checkpoint
from dltrain.training.checkpoint import load_weights, pointed, remove_others, save_checkpoint, set_pointer, verify

ALL_WEIGHTS = {
    "weight": torch.randn(3, 4, generator=torch.Generator().manual_seed(0)),
    "transposed": torch.arange(12.0).view(3, 4).t(),
    "channels_last": torch.arange(48.0).view(1, 3, 4, 4).contiguous(memory_format=torch.channels_last),
    "running_mean": torch.tensor([0.1, float("inf")]),
    "num_batches_tracked": torch.tensor(7),
    "half": torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
}


def optimizer_state() -> dict[str, Any]:
    model = nn.Linear(2, 1)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    return {"optimizer": optimizer.state_dict(), "epoch": 3, "best": 0.25, "scheduler": None}


def saved(root: Path, step: int = 42) -> Path:
    """A checkpoint that `last` names."""
    path = save_checkpoint(root, step, ALL_WEIGHTS, optimizer_state(), 3)
    set_pointer(root, "last", path)
    return path


def names(root: Path) -> set[str]:
    return {path.name for path in root.iterdir()}


def refuse(error: Exception) -> Callable[..., None]:
    def function(*_: object, **__: object) -> None:
        raise error

    return function


def test_weights_and_state_come_back_as_they_were(tmp_path: Path) -> None:
    path = saved(tmp_path)
    assert pointed(tmp_path, "last") == path == tmp_path / "step-00000042"
    weights = load_weights(path)
    assert weights.keys() == ALL_WEIGHTS.keys()
    for name, tensor in ALL_WEIGHTS.items():
        assert weights[name].dtype == tensor.dtype
        assert torch.equal(weights[name], tensor), name
    state = torch.load(path / "state.pt", weights_only=True)
    expected = optimizer_state()
    assert (state["epoch"], state["best"], state["scheduler"]) == (3, 0.25, None)
    assert state["optimizer"]["param_groups"] == expected["optimizer"]["param_groups"]


def test_the_manifest_says_what_every_file_must_be(tmp_path: Path) -> None:
    path = saved(tmp_path)
    manifest = verify(path)
    assert (manifest["schema"], manifest["step"], manifest["epoch"]) == (1, 42, 3)
    assert names(path) == {*manifest["files"], "manifest.json"} == {"model.safetensors", "state.pt", "manifest.json"}
    for name, said in manifest["files"].items():
        content = (path / name).read_bytes()
        assert said == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def test_weights_alone_make_a_checkpoint_too(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, 7, ALL_WEIGHTS, None, 1)
    assert names(path) == {"model.safetensors", "manifest.json"}
    verify(path)


def test_weights_that_are_shared_can_be_saved(tmp_path: Path) -> None:
    tied = torch.randn(3, 3)
    weights = load_weights(save_checkpoint(tmp_path, 1, {"embedding": tied, "head": tied}, None, 1))
    assert torch.equal(weights["embedding"], tied)
    assert torch.equal(weights["head"], tied)


def test_saving_the_same_step_twice_is_harmless(tmp_path: Path) -> None:
    path = saved(tmp_path)
    before = (path / "manifest.json").read_bytes()
    assert saved(tmp_path) == path
    assert (path / "manifest.json").read_bytes() == before
    assert names(tmp_path) == {"step-00000042", "last"}


def test_what_a_killed_run_of_the_same_process_number_left_is_no_obstacle(tmp_path: Path) -> None:
    half = tmp_path / f".tmp-42-{os.getpid()}"  # in a container, numbers recur
    half.mkdir(parents=True)
    (half / "model.safetensors").write_bytes(b"half")
    verify(saved(tmp_path))
    assert names(tmp_path) == {"step-00000042", "last"}


@pytest.mark.parametrize("name", ["model.safetensors", "state.pt"])
def test_any_flipped_bit_is_found(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path) / name
    content = path.read_bytes()
    for position in range(0, len(content), len(content) // 20):
        path.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        with pytest.raises(CheckpointError, match=f"{name} differs from its manifest") as refused:
            pointed(tmp_path, "last")
        assert refused.value.exit_code == 2
    path.write_bytes(content)
    pointed(tmp_path, "last")


@pytest.mark.parametrize("name", ["model.safetensors", "state.pt", "manifest.json", "../last"])
@pytest.mark.parametrize("content", [b"", b"text", b"<!DOCTYPE html>", b"\xff\xfe\x00", b"version https://git-lfs..."])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (saved(tmp_path) / name).write_bytes(content)
    with pytest.raises(CheckpointError):
        pointed(tmp_path, "last")


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        *product(["model.safetensors", "state.pt"], ["truncated", "longer", "missing", "a folder", "a link"]),
        *product(["manifest.json"], ["truncated", "longer", "missing", "a folder"]),
        *product(["../last"], ["truncated", "missing", "a folder"]),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, name: str, fault: str) -> None:
    path = saved(tmp_path / "checkpoints") / name
    content = path.read_bytes()
    path.unlink()
    if fault == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif fault == "longer":
        path.write_bytes(content + b"}")
    elif fault == "a folder":
        path.mkdir()
    elif fault == "a link":
        (tmp_path / "elsewhere").write_bytes(content)
        path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CheckpointError):
        pointed(tmp_path / "checkpoints", "last")


def test_a_checkpoint_that_is_a_link_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "checkpoints")
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CheckpointError):
        pointed(tmp_path / "checkpoints", "last")


@pytest.mark.parametrize(
    "manifest",
    [
        [],
        "text",
        None,
        {},
        {"schema": 1},
        {"schema": 1, "files": None},
        {"schema": 1, "files": [1, 2]},
        {"schema": 1, "files": {}},
        {"schema": 1, "files": {"model.safetensors": None}},
        {"schema": 1, "files": {"model.safetensors": {"bytes": 1, "sha256": "0"}}},
        {"schema": None, "files": {}},
        {"schema": "1", "files": {}},
        {"schema": [1], "files": {}},
    ],
)
def test_a_manifest_of_another_form_is_refused(tmp_path: Path, manifest: object) -> None:
    (saved(tmp_path) / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError):
        pointed(tmp_path, "last")


def test_a_manifest_nested_without_end_is_refused(tmp_path: Path) -> None:
    (saved(tmp_path) / "manifest.json").write_text("[" * 100_000)
    with pytest.raises(CheckpointError):
        pointed(tmp_path, "last")


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path) / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": 2}))
    with pytest.raises(CheckpointError, match=r"newer dltrain \(schema 2\)") as refused:
        pointed(tmp_path, "last")
    assert refused.value.fix == "upgrade dltrain"


@pytest.mark.parametrize("absolute", [False, True])
def test_a_manifest_reaches_no_file_outside(tmp_path: Path, absolute: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "checkpoints")
    outside = tmp_path / "secret"
    outside.write_text("secret")
    said = {"bytes": 6, "sha256": hashlib.sha256(b"secret").hexdigest()}
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["files"] = {str(outside) if absolute else "../../secret": said} | manifest["files"]
    (path / "manifest.json").write_text(json.dumps(manifest))
    opened, real = [], Path.open
    monkeypatch.setattr(Path, "open", lambda path, *rest, **more: opened.append(path.name) or real(path, *rest, **more))
    with pytest.raises(CheckpointError, match="differs from its manifest"):
        pointed(tmp_path / "checkpoints", "last")
    assert "secret" not in opened


@pytest.mark.parametrize(
    "name", ["../elsewhere", "step-00000042/../../elsewhere", "/etc", ".", "", "step-42", "step-00000042\nx", "\0"]
)
def test_a_pointer_names_a_checkpoint_of_this_run_or_is_refused(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path / "checkpoints")
    shutil.copytree(path, tmp_path / "elsewhere")
    (tmp_path / "checkpoints" / "last").write_text(name)
    with pytest.raises(CheckpointError, match="names no checkpoint"):
        pointed(tmp_path / "checkpoints", "last")


def test_a_pointer_to_a_checkpoint_that_is_gone_is_refused(tmp_path: Path) -> None:
    shutil.rmtree(saved(tmp_path))
    with pytest.raises(CheckpointError, match="is not a dltrain checkpoint"):
        pointed(tmp_path, "last")


def test_a_run_that_saved_nothing_says_so(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="has no best checkpoint"):
        pointed(tmp_path, "best")


def test_weights_that_match_their_manifest_but_are_none_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path)
    (path / "model.safetensors").write_bytes(b"no weights at all")
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["files"]["model.safetensors"] = {
        "bytes": 17,
        "sha256": hashlib.sha256(b"no weights at all").hexdigest(),
    }
    (path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError):
        load_weights(pointed(tmp_path, "last"))


def test_a_state_that_would_run_code_does_not(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "ran"),)

    path = save_checkpoint(tmp_path, 1, ALL_WEIGHTS, {"epoch": Evil()}, 1)
    verify(path)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path / "state.pt", weights_only=True)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("where", "error"),
    [
        ((checkpoint, "save_file"), OSError(28, "No space left on device")),
        ((checkpoint, "save_file"), RuntimeError("I/O error")),
        ((torch, "save"), OSError(28, "No space left on device")),
        ((torch, "save"), RuntimeError("[enforce fail at inline_container.cc] . PytorchStreamWriter failed")),
        ((Path, "write_text"), OSError(28, "No space left on device")),
        ((Path, "rename"), OSError(30, "Read-only file system")),
        ((Path, "mkdir"), OSError(13, "Permission denied")),
        ((os, "fsync"), OSError(5, "Input/output error")),
    ],
)
def test_a_save_that_fails_leaves_the_one_before_and_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: tuple[Any, str], error: Exception
) -> None:
    before = saved(tmp_path, 1)
    monkeypatch.setattr(*where, refuse(error))
    with pytest.raises(StorageError) as refused:
        save_checkpoint(tmp_path, 2, ALL_WEIGHTS, optimizer_state(), 1)
    assert refused.value.exit_code == 4
    assert names(tmp_path) == {"step-00000001", "last"}
    monkeypatch.undo()
    assert pointed(tmp_path, "last") == before
    verify(save_checkpoint(tmp_path, 2, ALL_WEIGHTS, optimizer_state(), 1))


@pytest.mark.parametrize("method", ["write_bytes", "replace"])
def test_a_pointer_that_cannot_be_written_keeps_naming_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    before = saved(tmp_path, 1)
    after = save_checkpoint(tmp_path, 2, ALL_WEIGHTS, None, 1)
    real = Path.write_bytes

    def half(path: Path, content: bytes) -> None:
        real(path, content[:3])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, method, half if method == "write_bytes" else refuse(OSError(28, "No space left")))
    with pytest.raises(StorageError, match="No space left"):
        set_pointer(tmp_path, "last", after)
    assert pointed(tmp_path, "last") == before
    assert names(tmp_path) == {"step-00000001", "step-00000002", "last"}


@pytest.mark.parametrize("large", ["weights", "state"])
def test_a_file_that_grows_too_large_for_the_disk_is_a_storage_error(tmp_path: Path, large: str) -> None:
    before = saved(tmp_path, 1)
    tensors = {"x": torch.zeros(100_000)}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(StorageError):
            save_checkpoint(tmp_path, 2, tensors if large == "weights" else {}, tensors, 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert names(tmp_path) == {"step-00000001", "last"}
    assert pointed(tmp_path, "last") == before


def test_every_file_is_on_the_disk_before_it_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    fsync, rename, replace = os.fsync, Path.rename, Path.replace

    def flush(descriptor: int) -> None:
        done.append(Path(f"/proc/self/fd/{descriptor}").resolve().name)
        fsync(descriptor)

    def name(path: Path, target: Path) -> Path:
        done.append(f"> {target.name}")
        return (rename if path.is_dir() else replace)(path, target)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(Path, "rename", name)
    monkeypatch.setattr(Path, "replace", name)
    saved(tmp_path)
    half = f".tmp-42-{os.getpid()}"
    assert done[:4] == ["model.safetensors", "state.pt", "manifest.json", half]
    assert done[4:6] == ["> step-00000042", tmp_path.name]
    assert done[6:] == [f".last.{os.getpid()}.tmp", "> last", tmp_path.name]


def test_every_checkpoint_but_the_named_ones_is_removed(tmp_path: Path) -> None:
    paths = [save_checkpoint(tmp_path, step, ALL_WEIGHTS, None, step) for step in (1, 2, 3, 4)]
    (tmp_path / ".tmp-9-123").mkdir()
    (tmp_path / "notes").mkdir()
    set_pointer(tmp_path, "best", paths[1])
    set_pointer(tmp_path, "last", paths[3])
    remove_others(tmp_path)
    assert names(tmp_path) == {"step-00000002", "step-00000004", "best", "last", "notes"}
    set_pointer(tmp_path, "best", paths[3])
    remove_others(tmp_path)
    assert names(tmp_path) == {"step-00000004", "best", "last", "notes"}


def test_half_a_pointer_left_by_a_killed_run_is_removed(tmp_path: Path) -> None:
    saved(tmp_path)
    (tmp_path / ".last.123.tmp").write_text("step-")
    remove_others(tmp_path)
    assert names(tmp_path) == {"step-00000042", "last"}
