"""Files of pretrained weights: where they are, how they are downloaded, and how they are read without running code."""

from __future__ import annotations

import logging
import re
import socket
import warnings
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
import torchvision
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from dltrain.errors import ConfigError
from dltrain.models.trunks import TIMM, Trunk, weights_of

log = logging.getLogger("dltrain")

DEFAULT = "DEFAULT"
SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt")
WRAPPERS = ("state_dict", "model_state_dict", "model", "model_ema")  # keys under which training scripts save weights
SECONDS_WITHOUT_AN_ANSWER = 15.0
NAMED = 3  # tensors that an error names
# Layers of DenseNet, whose names in torchvision's files are older than its code.
OLD_DENSE = re.compile(r"^(.*denselayer\d+\.(?:norm|conv))\.([12]\.\w+)$")


def find_weights(name: str, weights: str) -> Path:
    """Returns the file of a network's weights, which is downloaded where it is needed.

    Args:
        name: the network, as in `build_trunk`.
        weights: `DEFAULT`, a name of torchvision's, a file, or a folder that holds one.

    Raises:
        ConfigError: there is no such file, and it cannot be downloaded.
    """
    path = Path(weights).expanduser()
    if path.is_file():
        return path
    file_name, url = _source(name, weights)
    if path.is_dir():
        return _in_folder(path, file_name)
    if url is None or (weights != DEFAULT and not _is_named(name, weights)):
        names = [DEFAULT] if name.startswith(TIMM) else [*torchvision.models.get_model_weights(name).__members__]
        raise ConfigError(
            f"there is no file or folder {weights}, and {name} has no weights of that name",
            where="model.weights",
            fix=f"give a file ({' '.join(SUFFIXES[:2])}), its folder, or one of {', '.join(names)}, none",
        )
    cached = Path(torch.hub.get_dir()) / "checkpoints" / file_name
    if not cached.is_file():
        _download(name, url, cached)
    return cached


def read_weights(path: Path) -> dict[str, Tensor]:
    """Returns the tensors of a file of weights by their names, on the CPU; runs no code.

    Raises:
        ConfigError: the file holds something else, or is damaged.
    """
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about formats, which are read or refused
            content = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError:
        raise ConfigError(
            f"{path} is a pickle that holds more than tensors, and would run code",
            where="model.weights",
            fix="save the weights alone, torch.save(model.state_dict(), FILE), or as .safetensors",
        ) from None
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        what = f"{path} cannot be read as weights: {reason}"
        raise ConfigError(what, where="model.weights", fix="download it again") from None
    for wrapper in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        what = f"{path} does not hold tensors by their names"
        raise ConfigError(what, where="model.weights", fix="save them: torch.save(model.state_dict(), FILE)")
    return {str(key).removeprefix("module."): value for key, value in content.items()}


@torch.no_grad()
def load_trunk(trunk: Trunk, saved: Mapping[str, Tensor], path: Path, name: str) -> None:
    """Copies weights into a trunk, in place; those of another last layer are left out.

    Args:
        trunk: of the network that the weights belong to.
        saved: the tensors of a file.
        path: that file.
        name: the network.

    Raises:
        ConfigError: the weights belong to another network, or to images of another size.
    """
    own = trunk.module.state_dict()
    saved = {OLD_DENSE.sub(r"\1\2", key) if key not in own else key: value for key, value in saved.items()}
    missing = [key for key in own if key not in saved and not key.endswith("num_batches_tracked")]
    unknown = [key for key in saved if key not in own and not key.startswith(trunk.heads)]
    if missing or unknown:
        lacks = f"lacks {_named(missing)}" if missing else ""
        has = f"has {_named(unknown)}, which {name} has not" if unknown else ""
        raise ConfigError(
            f"{path} holds the weights of another network than {name}: it {' and '.join(filter(None, (lacks, has)))}",
            where="model.weights",
            fix="give the network that they belong to as model.name, or rename the tensors",
        )
    for key, tensor in own.items():
        if key in saved and saved[key].shape != tensor.shape:
            raise ConfigError(
                f"{key} is {_shape(saved[key])} in {path}, and {_shape(tensor)} in {name} for images of this size",
                where="model.weights",
                fix="leave out data.size, so that images get the size that the weights were trained on",
            )
    for key, tensor in own.items():
        if key in saved:
            tensor.copy_(saved[key])


def _source(name: str, weights: str) -> tuple[str, str | None]:
    """Returns the name and the address of the file that holds a network's weights; no address if it has none."""
    if not name.startswith(TIMM):
        url = str(weights_of(name, weights).url)
        return url.rpartition("/")[2], url
    import timm

    known: Any = timm.get_pretrained_cfg(name.removeprefix(TIMM))
    if known is None or not (known.hf_hub_id or known.url):
        return f"{name.removeprefix(TIMM)}.safetensors", None
    if known.hf_hub_id:
        file_name = known.hf_hub_filename or "model.safetensors"
        url = f"https://huggingface.co/{known.hf_hub_id}/resolve/main/{file_name}"
        return f"{known.hf_hub_id.replace('/', '_')}{Path(file_name).suffix}", url
    return str(known.url).rpartition("/")[2], str(known.url)


def _is_named(name: str, weights: str) -> bool:
    if name.startswith(TIMM):
        return False
    options = torchvision.models.get_model_weights(name)
    return weights.removeprefix(f"{options.__name__}.") in options.__members__


def _in_folder(folder: Path, file_name: str) -> Path:
    files = sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES and path.is_file())
    chosen = [path for path in files if path.name == file_name] or files
    if len(chosen) == 1:
        return chosen[0]
    what = f"holds {len(files)} files of weights" if files else f"holds no file of weights ({' '.join(SUFFIXES)})"
    named = f": {', '.join(path.name for path in files[:NAMED])}" if files else ""
    override = f"model.weights={files[0]}" if files else ""
    raise ConfigError(f"{folder} {what}{named}", where="model.weights", fix="name the file", override=override)


def _download(name: str, url: str, path: Path) -> None:
    """Downloads a file of weights to its place in torch's cache.

    Raises:
        ConfigError: it cannot be downloaded; the error says where to put the file.
    """
    log.info("load    weights of %s: %s", name, url)
    prefix = re.search(r"-([a-f0-9]{8,})\.", path.name)
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SECONDS_WITHOUT_AN_ANSWER)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), prefix[1] if prefix else None, progress=False)
    except Exception as error:  # urllib, sockets and torch raise many kinds
        reason = str(error).strip().splitlines()[-1:] or [type(error).__name__]
        raise ConfigError(
            f"the weights of {name} are not on this machine, and cannot be downloaded ({reason[0]})",
            where="model.weights",
            fix=f"put the file {path.name} into {path.parent}, from {url}, or give a file: model.weights=FILE",
        ) from None
    finally:
        socket.setdefaulttimeout(timeout)


def _named(keys: list[str]) -> str:
    more = f" and {len(keys) - NAMED} more" if len(keys) > NAMED else ""
    return f"{', '.join(keys[:NAMED])}{more}"


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "one number"
