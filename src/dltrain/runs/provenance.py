"""What a run's predictions rest on beside its weights: recorded in its result, so that a later change is noticed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dltrain.config.built_in import BEFORE, current_target
from dltrain.config.redaction import REDACTED
from dltrain.config.validation import spelled
from dltrain.errors import CheckpointError
from dltrain.runs.config import differences, read_values
from dltrain.runs.folder import RunDir
from dltrain.storage import digest

KEYS = ("model.", "loss.", "trainer.precision")


def basis_of(run: RunDir, origin: Mapping[str, Mapping[str, str]]) -> dict[str, Mapping[str, str]]:
    """Returns what a run's predictions rest on.

    Args:
        run: its folder; the digests of its files and the values of its config are taken as they stand there.
        origin: the digests of the `source` files of the model and of the rest of the run's `code` from outside, and the
            versions of the `packages`.
    """
    return {"files": _files(run), "config": _config(run), **origin}


def check_files(run: RunDir, basis: Mapping[str, Any]) -> None:
    """Makes sure that what was learned of the data is what it was when the model was measured.

    Raises:
        CheckpointError: it is not; the results of older versions say nothing of it.
    """
    for name in _changed(basis, "files", _files(run)):
        raise CheckpointError(
            f"{run.path / name} is not the one that the model was trained with: it was changed or is from another run",
            fix="restore the old file, or train again",
        )


def check_code(run: RunDir, basis: Mapping[str, Any], now: Mapping[str, str]) -> None:
    """Checks that the user's own task, kind of data, loss and metrics are what they were when the model was measured.

    Args:
        run: the run's folder.
        basis: what the run's predictions rest on.
        now: two digests of each file, of which one must be as recorded.

    Raises:
        CheckpointError: they are not; results of older versions record nothing of them.
    """
    recorded = basis.get("code")
    before = recorded if isinstance(recorded, Mapping) else {}
    changed = [name for name in now if name in before and not {*str(before[name]).split()} & {*now[name].split()}]
    if changed:
        raise CheckpointError(
            f"the code of {', '.join(changed)} has changed since the model of {run.path} was trained",
            fix="restore it as it was when the model was trained, or train again",
        )


def check_config(run: RunDir, basis: Mapping[str, Any]) -> None:
    """Makes sure that model and loss are what they were when the model was measured.

    Raises:
        CheckpointError: they are not; the results of older versions say nothing of them.
    """
    for key, (before, now) in _changed(basis, "config", _config(run)).items():
        if "${" not in str(before) and REDACTED not in str(before):  # which has to be written into the file
            raise CheckpointError(
                f"{key} is {now} in {run.config}, and was {before} when the model was trained", fix="change it back"
            )


def _files(run: RunDir) -> dict[str, str]:
    return {path.name: digest(run.own(path)) for path in (run.facts, run.kept) if path.exists()}


def _config(run: RunDir) -> dict[str, str]:
    return {key: spelled(value) for key, value in read_values(run).items() if key.startswith(KEYS)}


def _changed(basis: Mapping[str, Any], part: str, now: Mapping[str, str]) -> dict[str, tuple[Any, Any]]:
    recorded = basis.get(part)
    if not isinstance(recorded, dict):
        return {}
    # What an older version recorded under an older name is the same.
    before = {
        key: spelled(current_target(str(value).strip("'"))) if key.endswith("_target_") else value
        for key, value in recorded.items()
    }
    lacked = {
        f"{key.removesuffix('_target_')}{name}": spelled(value)
        for key, target in before.items()
        if key.endswith("._target_")
        for name, value in BEFORE.get(target.strip("'"), {}).items()
    }
    return differences(lacked | before, now)
