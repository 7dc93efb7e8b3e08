"""Builds the optimizer of a model, in whose groups of parameters weight decay and learning rate may differ."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.optim import Optimizer

from dltrain.errors import ConfigError
from dltrain.experiment.outputs import reason_of
from dltrain.experiment.targets import arguments, resolve
from dltrain.models.names import picked_models


def build_optimizer(node: Mapping[str, Any], model: nn.Module) -> Optimizer:
    """Returns the optimizer that a config node describes, for all parameters of the model.

    A model may have an attribute `no_decay`: the names of parameters without `weight_decay`, which become a group of
    their own; and an attribute `rate_scales`: the learning rates of parameters as shares of `lr`, with a group for
    each. Otherwise there is one group, as with `Optimizer(model.parameters())`.

    Raises:
        ConfigError: the optimizer refuses its arguments or the groups of parameters.
    """
    named = dict(model.named_parameters())
    decayed = [parameter for name, parameter in named.items() if name not in getattr(model, "no_decay", ())]
    groups: list[dict[str, Any]] = [{"params": decayed}]
    if len(decayed) < len(named):
        others = [parameter for name, parameter in named.items() if name in model.no_decay]  # type: ignore[operator]
        groups.append({"params": others, "weight_decay": 0.0})
    target = resolve("optimizer", node)
    if scales := rate_scales(model):
        rate = node.get("lr", inspect.signature(target).parameters["lr"].default)
        groups = [part for group in groups for part in divided_by_rate(group, scales, rate)]
    try:
        optimizer: Optimizer = target(groups, **arguments(node))
    except (ValueError, RuntimeError, TypeError) as error:
        raise ConfigError(str(error), where="optimizer", fix="see torch.optim for what it accepts") from error
    except Exception as error:
        raise ConfigError(
            f"{node['_target_']} refuses the model's parameters, which are given in groups as to torch's optimizers: "
            f"{reason_of(error)}",
            where="optimizer",
            fix="choose another optimizer",
            override="optimizer=adamw",
            replaces="optimizer._target_",
        ) from error
    return optimizer


def rate_scales(model: nn.Module) -> dict[int, float]:
    """Returns the learning rates of parameters as shares of `lr`, by their `id`; empty if a model names none."""
    rates: dict[int, float] = {}
    for picked in picked_models(model):
        scales: Mapping[str, float] = getattr(picked, "rate_scales", {})
        rates |= {id(parameter): scales[name] for name, parameter in picked.named_parameters() if name in scales}
    return rates


def divided_by_rate(group: Mapping[str, Any], scales: Mapping[int, float], rate: float) -> list[dict[str, Any]]:
    """Returns an optimizer's group of parameters as one group for each learning rate, the highest first.

    Args:
        group: the group.
        scales: as `rate_scales` returns them; 1 for parameters that are not among them.
        rate: the learning rate of the optimizer.
    """
    by_scale: dict[float, list[nn.Parameter]] = {}
    for parameter in group["params"]:
        by_scale.setdefault(scales.get(id(parameter), 1.0), []).append(parameter)
    return [{**group, "params": by_scale[scale], "lr": rate * scale} for scale in sorted(by_scale, reverse=True)]
