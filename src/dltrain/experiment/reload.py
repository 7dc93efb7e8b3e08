"""Checks that a trained model is the same when it is built again and gets its weights from its `state_dict()`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn

from dltrain.errors import ConfigError, DltrainError
from dltrain.experiment.outputs import refusal_of, with_article
from dltrain.experiment.repeatable import is_close, is_repeatable
from dltrain.experiment.unregistered import TORCHS_OWN, constants
from dltrain.models.names import inner_model, make_room
from dltrain.training.saving import load_into


def check_reload(
    trained: nn.Module,
    rebuild: Callable[[], nn.Module],
    weights: Mapping[str, Tensor],
    outputs: Callable[[nn.Module], Tensor],
    expected: Tensor,
    tolerance: float,
    name: str,
) -> None:
    """Checks that a newly built model with a trained model's weights returns what that model returns.

    Args:
        trained: the trained model.
        rebuild: builds it again, on the same device.
        weights: what was saved of it.
        outputs: returns a model's outputs for some samples.
        expected: the trained model's outputs for these samples.
        tolerance: how far outputs may differ, relative to the largest.
        name: the name of the model in the config.

    Raises:
        ConfigError: it does not; the message says why, if that can be found.
    """
    try:
        fresh = rebuild()
        make_room(fresh, weights)
        load_into(fresh.state_dict(), weights, f"the state_dict() of the trained {name}")
        same = is_close(outputs(fresh), expected, tolerance)
    except DltrainError as error:
        raise ConfigError(f"{name} cannot be loaded again: {error.what}", where="model", fix=error.fix) from error
    except Exception as error:
        raise refusal_of(error, f"{name} fails when it is built again and loaded") from error
    if same:
        return
    if not is_repeatable(lambda: outputs(fresh)):
        what = f"{name} returns another output for the same samples on each call"
        fix = "use no randomness in evaluation, as in F.dropout(x, p, self.training), and no state from call to call"
        raise ConfigError(what, where="model", fix=fix)
    attribute, value = next(_changed(inner_model(trained), inner_model(fresh)), ("", None))
    if attribute:
        what = f"{name} keeps {attribute}, {with_article(type(value).__name__)}, outside its state_dict(), so that its "
        what += "value would be lost when the trained model is loaded"
        last = attribute.rpartition(".")[2]
        fix = f"make it a buffer, self.register_buffer({last!r}, ...), and change it in place: self.{last}.copy_(...)"
    elif tensors := constants(inner_model(trained)):
        what = f"{name} keeps {', '.join(tensors[:3])} outside its state_dict(), so that it could not be loaded again"
        fix = f"register it with self.register_buffer({tensors[0]!r}, ...)"
    else:
        what = f"{name} returns another output when it is built again and gets its weights from its state_dict()"
        fix = "keep everything that its output depends on in parameters and buffers"
    raise ConfigError(what, where="model", fix=fix)


def _changed(trained: nn.Module, fresh: nn.Module) -> Iterator[tuple[str, object]]:
    """Yields the attributes, numbers, words and tensors, that differ between two models of one class."""
    others = dict(fresh.named_modules())
    for prefix, module in trained.named_modules():
        for name, value in list(vars(module).items()):
            if name in TORCHS_OWN or not isinstance(value, int | float | str | Tensor) or prefix not in others:
                continue
            other = vars(others[prefix]).get(name)
            same = value == other
            if isinstance(value, Tensor):
                same = isinstance(other, Tensor) and value.shape == other.shape and torch.equal(value, other)
            if not same:
                yield f"{prefix}.{name}".lstrip("."), value
