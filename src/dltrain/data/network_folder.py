"""Folders of pretrained text networks as Hugging Face lays them out: where they are, and their tokenizers."""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dltrain.errors import ConfigError, DataError, require

CONFIG, TOKENIZER, WORDPIECES = "config.json", "tokenizer.json", "vocab.txt"
PARTS = "modules.json"  # of sentence-transformers: the networks that follow each other
STATIC = ("StaticModel", "StaticEmbedding")  # names of networks that are a table of vectors
PACKAGE = re.compile(r"[A-Za-z][\w.-]*")
WEIGHTS = ("*.safetensors", "*.bin")  # the latter are refused when they are read, since they are pickles
HUB = re.compile(r"[\w.-]+/[\w.-]+")
NAMED = 4  # folders that an error names


def find_network(given: str, where: str = "model.path") -> Path:
    """Returns the folder of a pretrained network.

    Args:
        given: the folder, one that holds it, an installed package that holds it, or a name of Hugging Face's whose
            files are in its cache.
        where: the key that names it.

    Raises:
        ConfigError: there is none, or several.
    """
    roots = [Path(given).expanduser()]
    if not roots[0].exists() and PACKAGE.fullmatch(given):
        roots = _package_folders(given)
    elif not roots[0].exists() and HUB.fullmatch(given):
        roots = _cached(given)
    folders = sorted({folder for root in roots for folder in _networks_in(root)})
    if len(folders) == 1:
        return folders[0]
    if folders:
        named = ", ".join(map(str, folders[:NAMED]))
        what, fix = f"{given} holds {len(folders)} pretrained networks: {named}", "name one of them"
        raise ConfigError(what, where=where, fix=fix, override=f"{where}={folders[0]}")
    exists = any(root.exists() for root in roots)
    what = f"{given} holds no pretrained network" if exists else f"there is no folder or installed package {given}"
    fix = f"give a folder with {CONFIG}, model.safetensors and {TOKENIZER}, as Hugging Face's models have them"
    raise ConfigError(what, where=where, fix=fix)


def read_json_file(path: Path, where: str = "model.path") -> Any:
    """Returns the content of a JSON file.

    Raises:
        ConfigError: it is damaged.
    """
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        what = f"{path} cannot be read: {' '.join(str(error).split())}"
        raise ConfigError(what, where=where, fix="copy the folder again") from None


def is_static(folder: Path) -> bool:
    """Tells whether a network is a table of vectors, one for each token, as those of model2vec are."""
    config = read_json_file(folder / CONFIG) if (folder / CONFIG).is_file() else {}
    names = {*(config.get("architectures") or ()), *(part["type"].rpartition(".")[2] for part in parts_of(folder))}
    return config.get("model_type") == "model2vec" or not names.isdisjoint(STATIC)


def parts_of(folder: Path) -> list[Mapping[str, Any]]:
    """Returns the parts that sentence-transformers lists, each with its `type` and its folder `path`; may be empty."""
    return list(read_json_file(folder / PARTS)) if (folder / PARTS).is_file() else []


def main_folder(folder: Path) -> Path:
    """Returns the folder of a network's own files, which may be a part of the folder."""
    parts = parts_of(folder)
    return folder / parts[0]["path"] if parts else folder


def read_tokenizer(given: str) -> str:
    """Returns the content of a network's `tokenizer.json`.

    Args:
        given: as in `find_network`, or such a content itself.

    Raises:
        ConfigError: there is no such network.
        DataError: it has no tokenizer, or the package that reads it is missing.
    """
    if given.lstrip().startswith("{"):
        return given
    folder = find_network(given, "data.tokenizer")
    main = main_folder(folder)
    own = next((place for place in (main, folder) if (place / TOKENIZER).is_file()), None)
    if own is not None:
        content = (own / TOKENIZER).read_text("utf-8")
    elif (main / WORDPIECES).is_file():
        content = _of_word_pieces(main)
    else:
        what = f"{folder} holds neither {TOKENIZER} nor {WORDPIECES}"
        fix = "save it beside the weights: AutoTokenizer.from_pretrained(NAME).save_pretrained(FOLDER)"
        raise DataError(what, where="data.tokenizer", fix=fix)
    if not is_static(folder):
        return content
    without = json.loads(content) | {"post_processor": None}  # only the tokens of a text itself have a meaning
    return json.dumps(without, ensure_ascii=False)


def _of_word_pieces(folder: Path) -> str:
    require("tokenizers", "encoder", "reads vocab.txt", DataError, where="data.tokenizer")
    from tokenizers import BertWordPieceTokenizer

    path = folder / "tokenizer_config.json"
    lowercase = bool((read_json_file(path) if path.is_file() else {}).get("do_lower_case", True))
    return str(BertWordPieceTokenizer(str(folder / WORDPIECES), lowercase=lowercase).to_str())


def _networks_in(root: Path) -> list[Path]:
    """Returns the folders of networks at or below a folder; one within another belongs to it."""
    if not root.is_dir():
        return []
    if _is_network(root):
        return [root]
    below = [path.parent for name in (CONFIG, PARTS) for path in root.rglob(name) if _is_network(path.parent)]
    return [folder for folder in set(below) if not any(other in folder.parents for other in below)]


def _is_network(folder: Path) -> bool:
    weights = any(True for pattern in WEIGHTS for _ in folder.glob(pattern))
    return (folder / PARTS).is_file() or ((folder / CONFIG).is_file() and weights)


def _package_folders(name: str) -> list[Path]:
    """Returns the folders of an installed package, which is not imported."""
    try:
        found = importlib.util.find_spec(name.replace("-", "_").partition(".")[0])
    except (ImportError, ValueError):
        return []
    return [] if found is None else [Path(place) for place in found.submodule_search_locations or ()]


def _cached(name: str) -> list[Path]:
    """Returns the newest copy of a model of Hugging Face's in its cache."""
    home = Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser()
    cache = Path(os.environ.get("HF_HUB_CACHE", home / "hub"))
    copies = (cache / f"models--{name.replace('/', '--')}" / "snapshots").glob("*")
    return sorted(copies, key=lambda path: path.stat().st_mtime)[-1:]
