"""Generates text with a language model, token by token, each drawn from the model's probabilities."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dltrain.data.tokens import PADDING, UNKNOWN
from dltrain.kinds.corpus.encoder import CorpusEncoder

UNSPELLED = "\ufffd"  # the text of bytes that are no character, or not yet
MOST_BYTES = 4  # of a character


@dataclass(frozen=True)
class TextGenerator:
    """Continues text with a trained model.

    Args:
        model: a language model, in evaluation mode.
        encoder: the encoder of its training text.
    """

    model: nn.Module
    encoder: CorpusEncoder

    def continue_text(
        self,
        prompt: str,
        steps: int,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int = 0,
        written: Callable[[str], None] | None = None,
    ) -> str:
        """Returns the text with which the model continues a prompt; an empty one is the beginning of a document.

        Args:
            prompt: any text; tokens that are not in the vocabulary are read as unknown.
            steps: tokens to generate.
            temperature: as in `generate`.
            top_k: as in `generate`.
            top_p: as in `generate`.
            seed: as in `generate`.
            written: is called with each part of the text as soon as it is drawn.
        """
        text = ""
        for part in self._parts(
            generate(
                self.model,
                self.encoder.encode_prompt(prompt),
                steps,
                window=self.encoder.length,
                temperature=temperature,
                top_k=top_k,
                top_p=top_p,
                seed=seed,
            )
        ):
            text += part
            if written is not None:
                written(part)
        return text

    def _parts(self, tokens: Iterable[int]) -> Iterator[str]:
        """Yields the text of tokens as they come; of a character in several pieces when it is whole."""
        waiting: list[int] = []
        for token in tokens:
            waiting.append(token)
            part = self.encoder.vocabulary.spell(waiting)
            if not part.endswith(UNSPELLED) or len(waiting) >= MOST_BYTES:
                yield part
                waiting = []
        if waiting:
            yield self.encoder.vocabulary.spell(waiting)


@torch.no_grad()
def generate(
    model: nn.Module,
    prompt: Sequence[int],
    steps: int,
    *,
    window: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
) -> Iterator[int]:
    """Yields the tokens that follow a prompt.

    Args:
        model: a language model, in evaluation mode.
        prompt: at least one token.
        steps: tokens to draw.
        window: the maximum number of tokens that the model looks back on.
        temperature: below 1 favours likely tokens; 0 always takes the likeliest token.
        top_k: draws only among so many of the likeliest tokens; None for all tokens.
        top_p: draws only among the likeliest tokens that together have this probability (Holtzman et al., 2020); None
            for all tokens.
        seed: of the random numbers.
    """
    device = next(model.parameters()).device
    generator = torch.Generator().manual_seed(seed)
    tokens = list(prompt)
    for _ in range(steps):
        context = torch.tensor([tokens[-window:]], device=device)
        tokens.append(draw(model(context)[0, -1].float().cpu(), temperature, top_k, top_p, generator))
        yield tokens[-1]


def draw(logits: Tensor, temperature: float, top_k: int | None, top_p: float | None, generator: torch.Generator) -> int:
    """Returns one token drawn by its logits `(V,)`, never padding or the unknown token."""
    logits = logits.clone()
    logits[[PADDING, UNKNOWN]] = -torch.inf
    if temperature == 0:
        return int(logits.argmax())
    if top_k is not None and top_k < len(logits):
        logits[logits < logits.topk(top_k).values[-1]] = -torch.inf
    # Subtracts the maximum first, so that a temperature near 0 gives the likeliest token and not NaN.
    probabilities = ((logits - logits.max()) / temperature).softmax(dim=0)
    if top_p is not None and top_p < 1:
        ordered, tokens = probabilities.sort(descending=True, stable=True)
        before = ordered.cumsum(dim=0) - ordered  # of the likelier tokens
        probabilities[tokens[before >= top_p]] = 0.0
    return int(torch.multinomial(probabilities, 1, generator=generator))
