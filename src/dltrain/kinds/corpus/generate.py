"""What a model of the next token writes: a token at a time, each drawn from what the model expects."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dltrain.data.tokens import PADDING, UNKNOWN


@torch.inference_mode()
def generate(
    model: nn.Module,
    prompt: Sequence[int],
    steps: int,
    *,
    window: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    seed: int = 0,
) -> list[int]:
    """The tokens that follow a prompt.

    Args:
        model: of the next token, in evaluation mode.
        prompt: at least one token.
        steps: tokens to draw.
        window: most tokens that the model has learned to look back on.
        temperature: below 1 favours what is likely; 0 always takes the likeliest token.
        top_k: draws among so many of the likeliest tokens alone; none for all of them.
        seed: of what is drawn.
    """
    device = next(model.parameters()).device
    generator = torch.Generator().manual_seed(seed)
    written = list(prompt)
    for _ in range(steps):
        seen = torch.tensor([written[-window:]], device=device)
        written.append(draw(model(seen)[0, -1].float().cpu(), temperature, top_k, generator))
    return written[len(prompt) :]


def draw(logits: Tensor, temperature: float, top_k: int | None, generator: torch.Generator) -> int:
    """One token by its logits `(V,)`, never padding nor an unknown one."""
    logits = logits.clone()
    logits[[PADDING, UNKNOWN]] = -torch.inf
    if temperature == 0:
        return int(logits.argmax())
    if top_k is not None and top_k < len(logits):
        logits[logits < logits.topk(top_k).values[-1]] = -torch.inf
    # Subtracted first, so that a temperature near 0 leaves the likeliest one and no NaN.
    chances = ((logits - logits.max()) / temperature).softmax(dim=0)
    return int(torch.multinomial(chances, 1, generator=generator))
