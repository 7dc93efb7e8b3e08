"""Checks that a model's output for a sample depends on that sample alone: not on chance, on other samples or on calls
before."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from dltrain.errors import ConfigError
from dltrain.experiment.outputs import Watch
from dltrain.training.random_state import generator_states

TOLERANCE = 1e-3  # relative to the largest output: kernels for other sizes of batches add in another order
ON_ACCELERATORS = 0.02  # where they may round float32 products more
SAME_CALL = 1e-6  # of a call that is repeated with the same samples
REPEATS = 10  # of a model that draws random numbers, which may rarely decide its output


def is_close(output: Tensor, expected: Tensor, tolerance: float = TOLERANCE) -> bool:
    """Tells whether an output agrees with another, relative to the largest number of the latter."""
    finite = expected[expected.isfinite()]
    largest = float(finite.abs().max()) if finite.numel() else 0.0
    return torch.allclose(output, expected, rtol=tolerance, atol=tolerance * largest, equal_nan=True)


def is_repeatable(outputs: Callable[[], Tensor]) -> bool:
    """Tells whether a call returns the same each time; where it draws random numbers, they must not matter at all."""
    first = outputs()
    for _ in range(REPEATS):
        before = generator_states()
        again = outputs()
        draws = generator_states() != before
        if not is_close(again, first, SAME_CALL if draws else TOLERANCE):
            return False
        if not draws:
            return True
    return True


def check_repeatable(model: nn.Module, inputs: tuple[Tensor, ...], watch: Watch) -> None:
    """Checks that a model in evaluation returns the same for the same samples.

    Raises:
        ConfigError: it does not.
    """
    if not is_repeatable(lambda: watch.call(model, inputs)):
        raise _changing(watch.name)


def check_alone(model: nn.Module, inputs: tuple[Tensor, ...], watch: Watch) -> None:
    """Checks that a model in evaluation returns the same for a sample alone as for the same sample in a batch.

    Raises:
        ConfigError: it fails on one sample, or its output depends on other samples or on earlier calls.
    """
    together = watch.call(model, inputs)
    for row in range(len(together)):
        try:
            alone = watch.call(model, tuple(tensor[row : row + 1] for tensor in inputs))
        except ConfigError as error:
            raise ConfigError(
                f"{watch.name} cannot predict one sample alone: {error.what.replace(watch.name, 'it', 1)}",
                where="model",
                fix="compute each sample's output from that sample, with no statistics of the batch in evaluation; "
                "give squeeze() the axis that it is to remove",
            ) from error
        tolerance = TOLERANCE if together.device.type == "cpu" else ON_ACCELERATORS
        if not is_close(alone, together[row : row + 1], tolerance):
            if not is_close(watch.call(model, inputs), together, SAME_CALL):
                raise _changing(watch.name)
            raise ConfigError(
                f"{watch.name} returns another output for a sample alone than for the same sample in a batch, so that "
                "a prediction would depend on the samples beside it",
                where="model",
                fix="compute each sample's output from that sample, with no mean, norm or attention over the first "
                "axis in evaluation",
            )


def _changing(name: str) -> ConfigError:
    return ConfigError(
        f"{name} returns another output for the same samples when it is evaluated again, so that no metric would be "
        "valid",
        where="model",
        fix="use no randomness in evaluation, as in F.dropout(x, p, self.training), and no state from call to call",
    )
