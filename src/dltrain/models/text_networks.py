"""Pretrained networks for texts: how a run describes them, how they are built, and how their weights are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from dltrain.data.network_folder import CONFIG, is_static, main_folder, parts_of, read_json_file
from dltrain.data.tokens import PADDING, SPECIAL, UNKNOWN
from dltrain.errors import ConfigError, require
from dltrain.models.layers.sequences import POOLS, is_real
from dltrain.types import Network

PoolChoice = Literal["auto", "mean", "max", "first", "last"]
WEIGHTS = "model.safetensors"
VECTORS = ("embeddings", "embedding.weight")  # names of the tensor in the files of model2vec and sentence-transformers
POOLER = "pooler."  # layers for the training of the network itself
# The ways of sentence-transformers to pool, by the keys of its 1_Pooling/config.json.
POOLINGS = {"cls_token": "first", "mean_tokens": "mean", "max_tokens": "max", "lasttoken": "last"}
Divided = tuple[tuple[str, tuple[str, ...]], ...]  # stages, as in `Stages`

UNUSED = ("_name_or_path", "architectures", "auto_map", "transformers_version", "torch_dtype", "dtype")


def describe_network(folder: Path, pool: PoolChoice = "auto") -> Network:
    """Returns what must be known of a network to build it again without its folder.

    Args:
        folder: of the network.
        pool: how the vectors of a text's tokens become one; `auto` as the folder says, else their mean.

    Raises:
        ConfigError: it is no network that dltrain can use, or a package is missing.
    """
    if is_static(folder):
        return _describe_static(folder)
    require("transformers", "encoder", "builds pretrained encoders of texts", ConfigError, where="model")
    config = read_json_file(main_folder(folder) / CONFIG)
    if not isinstance(config, Mapping) or not isinstance(config.get("model_type"), str):
        what = f"{main_folder(folder) / CONFIG} does not say what the network is (model_type)"
        raise ConfigError(what, where="model.path", fix="give a folder as Hugging Face's models have it")
    if config.get("is_encoder_decoder"):
        what = f"{folder} is a {config['model_type']} of encoder and decoder"
        raise ConfigError(what, where="model.path", fix="give an encoder alone, such as a BERT or a MiniLM")
    stored = {key: value for key, value in config.items() if key not in UNUSED}
    return {"config": stored, "pool": _pool_of(folder) if pool == "auto" else pool}


def build_trunk(network: Network) -> StaticTrunk | TransformerTrunk:
    """Returns a network with random weights, which gives a vector `(B, width)` for tokens `(B, T)` and lengths `(B,)`.

    It has the attributes `width`, `longest`, the number of tokens that it can read or None, and `stages`, as in
    `Stages`.

    Args:
        network: its description, with the number of its own `unknown` token.

    Raises:
        ConfigError: transformers has no such network.
    """
    if "vectors" in network:
        return StaticTrunk(network)
    require("transformers", "encoder", "builds pretrained encoders of texts", ConfigError, where="model")
    return TransformerTrunk(network)


class StaticTrunk(nn.Module):
    """The mean of the vectors of a text's tokens, unknown ones left out.

    Args:
        network: its description.
    """

    longest: int | None = None
    stages: Divided = (("vectors", ("vectors",)),)

    def __init__(self, network: Network) -> None:
        super().__init__()
        count, self.width = network["vectors"]
        self.normalise = bool(network["normalise"])
        self.vectors = nn.Embedding(count, self.width)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        counted = is_real(tokens, lengths) & (tokens >= len(SPECIAL))  # (B, T)
        vectors = self.vectors((tokens - len(SPECIAL)).clamp(min=0)) * counted.unsqueeze(2)
        mean = vectors.sum(dim=1) / counted.sum(dim=1, keepdim=True).clamp(min=1)
        return functional.normalize(mean) if self.normalise else mean


class TransformerTrunk(nn.Module):
    """A network of transformers, whose vectors of a text's tokens are pooled.

    Args:
        network: its description.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        with _quiet():
            from transformers import AutoConfig, AutoModel

            config = dict(network["config"])
            kind = config.pop("model_type")
            try:
                settings = AutoConfig.for_model(kind, **config)
                self.network: Any = AutoModel.from_config(settings)
            except Exception as error:  # whatever a network of transformers raises
                reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
                what = f"transformers cannot build the network of type {kind}: {reason}"
                fix = "give a network that transformers has itself; code beside the weights is not run"
                raise ConfigError(what, where="model.path", fix=fix) from None
        if getattr(self.network, "pooler", None) is not None:
            self.network.pooler = None
        self.pool = network["pool"]
        self.width = int(settings.hidden_size)
        self.longest = _longest(settings)
        self.stages = _stages_of(self.network)
        own = {PADDING: settings.pad_token_id or 0, UNKNOWN: network.get("unknown", 0)}
        self.own = tuple(own.get(number, 0) for number in range(len(SPECIAL)))

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        numbers = tokens - len(SPECIAL)
        for number, own in enumerate(self.own):
            numbers = torch.where(tokens == number, own, numbers)
        real = is_real(tokens, lengths)
        x = self.network(input_ids=numbers, attention_mask=real.long()).last_hidden_state  # (B, T, width)
        return x[:, 0] if self.pool == "first" else POOLS[self.pool](x, lengths)


def load_weights_of(folder: Path, trunk: StaticTrunk | TransformerTrunk) -> tuple[Path, ...]:
    """Copies a network's weights into a trunk, in place, and returns their files.

    Raises:
        ConfigError: they are no safetensors, are damaged, or belong to another network.
    """
    main = main_folder(folder)
    files = tuple(sorted(main.glob("*.safetensors")))
    if not files:
        raise ConfigError(
            f"{main} holds no weights as .safetensors, and a pickle could run code",
            where="model.path",
            fix="save them again: AutoModel.from_pretrained(FOLDER).save_pretrained(NEW_FOLDER)",
        )
    if isinstance(trunk, StaticTrunk):
        trunk.vectors.weight.data.copy_(_vectors_of(main))
    else:
        trunk.network.load_state_dict(_weights_of(main))
    return files


def _weights_of(main: Path) -> Mapping[str, Tensor]:
    with _quiet():
        from transformers import AutoModel

        try:
            model, report = AutoModel.from_pretrained(
                str(main),
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
        except Exception as error:  # whatever transformers and safetensors raise
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            what = f"the weights in {main} cannot be read: {reason}"
            raise ConfigError(what, where="model.path", fix="copy the folder again") from None
    missing = sorted(name for name in report["missing_keys"] if not name.startswith(POOLER))
    if missing or report["mismatched_keys"]:
        lacking = missing or [str(next(iter(report["mismatched_keys"])))]
        what = f"the weights in {main} do not fit its {CONFIG}: {lacking[0]} is missing or has another shape"
        raise ConfigError(what, where="model.path", fix="copy both files from the same model")
    return {name: value.float() for name, value in model.state_dict().items() if not name.startswith(POOLER)}


def _describe_static(folder: Path) -> Network:
    main = main_folder(folder)
    config = read_json_file(main / CONFIG) if (main / CONFIG).is_file() else {}
    normalise = bool(config.get("normalize")) or any(part["type"].endswith("Normalize") for part in parts_of(folder))
    return {"vectors": list(_vectors_of(main).shape), "normalise": normalise}


def _vectors_of(main: Path) -> Tensor:
    """Returns the vectors `(V, width)` of a static network's tokens, times their weights where it has such.

    Raises:
        ConfigError: the file is missing, damaged or holds something else.
    """
    try:
        tensors = load_file(main / WEIGHTS)
    except (OSError, SafetensorError) as error:
        what = f"{main / WEIGHTS} cannot be read: {' '.join(str(error).split())}"
        raise ConfigError(what, where="model.path", fix="copy the folder again") from None
    name = next((one for one in VECTORS if one in tensors), None)
    if name is None or tensors[name].dim() != 2:
        what = f"{main / WEIGHTS} holds no vectors of tokens ({' or '.join(VECTORS)}), but {', '.join(tensors)}"
        raise ConfigError(what, where="model.path", fix="give a folder of model2vec or sentence-transformers")
    vectors = tensors[name].float()
    if "mapping" in tensors:  # several tokens share a vector
        vectors = vectors[tensors["mapping"].long()]
    return vectors * tensors["weights"].float()[:, None] if "weights" in tensors else vectors


def _pool_of(folder: Path) -> str:
    """Returns how sentence-transformers pools the vectors of the tokens; `mean` where nothing says so.

    Raises:
        ConfigError: in a way that dltrain has not.
    """
    pooling = next((part for part in parts_of(folder) if part["type"].endswith("Pooling")), None)
    if pooling is None or not (path := folder / pooling["path"] / CONFIG).is_file():
        return "mean"
    stored = read_json_file(path)
    chosen = [key.removeprefix("pooling_mode_") for key, value in stored.items() if value is True]
    named = [POOLINGS[key] for key in chosen if key in POOLINGS] or [stored.get("pooling_mode", "")]
    if len(named) == 1 and named[0] in POOLINGS.values():
        return named[0]
    what = f"{path} pools by {' and '.join(chosen) or 'nothing'}, which dltrain does not"
    raise ConfigError(what, where="model.pool", fix="choose a way", override="model.pool=mean")


def _stages_of(network: nn.Module) -> Divided:
    """Returns the stages of a network, as in `Stages`: all before its longest list of layers, and each of these layers,
    the last with all that follows."""
    lists = {name: module for name, module in network.named_modules() if isinstance(module, nn.ModuleList)}
    name, layers = max(lists.items(), key=lambda item: len(item[1]))
    names = [own for own, module in network.named_modules() if not [*module.children()] and [*module.parameters()]]
    inside = [own.startswith(f"{name}.") for own in names]
    first, last = inside.index(True), len(inside) - inside[::-1].index(True)
    stages = [("embeddings", names[:first])]
    stages += [(f"layer {number + 1}", [f"{name}.{number}"]) for number in range(len(layers))]
    stages[-1][1].extend(names[last:])
    return tuple((stage, tuple(f"network.{own}" for own in modules)) for stage, modules in stages)


def _longest(settings: Any) -> int | None:
    """Returns how many tokens a network can read; RoBERTa and its kin count positions from behind the padding's."""
    positions = getattr(settings, "max_position_embeddings", None)
    if not isinstance(positions, int) or positions <= 0:
        return None
    return positions - 2 if positions % 32 == 2 else positions


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps transformers from writing to the terminal."""
    from transformers.utils import logging

    level, shown = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()
