"""Runs with byte pairs as tokens: resumed to the same bits, and used without the training text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from dltrain.data.samples.texts import write_verse
from dltrain.data.tokens import Vocabulary
from dltrain.kinds.corpus.load import corpus
from dltrain.runs.folder import RunDir
from dltrain.training.checkpoint import load_weights, pointed

SHORT = (
    *("data=corpus", "data.path=poems.txt", "data.tokens=bpe", "data.vocabulary=300", "data.length=16"),
    *("model=transformer_small", "model.width=16", "model.ngrams=1", "trainer.epochs=2", "trainer.threads=1"),
    *("scheduler=constant", "trainer.save_epochs=1", "baseline=none", "hydra.run.dir=run"),
)


@pytest.fixture
def poems(tmp_path: Path) -> Path:
    """A file of poems where commands are called."""
    pytest.importorskip("tokenizers")
    path = tmp_path / "poems.txt"
    path.write_text("\n".join(write_verse(60, 0)), encoding="utf-8")
    return path


def weights_of(run: str) -> dict[str, torch.Tensor]:
    return load_weights(pointed(RunDir(run).checkpoints, "best"))


def test_a_language_model_of_pieces_is_resumed_and_writes_text(
    poems: Path, dltrain: Callable, short_samples: None
) -> None:
    assert dltrain(*SHORT, "hydra.run.dir=whole").code == 0
    assert dltrain(*SHORT, "trainer.epochs=1").code == 0
    called = dltrain("resume", "run", "trainer.epochs=2")
    assert called.code == 0, called.err
    whole = weights_of("whole")
    assert all(torch.equal(tensor, whole[name]) for name, tensor in weights_of("run").items())
    text = poems.read_text("utf-8")
    poems.unlink()
    called = dltrain("predict", "run", "--prompt", text[:5], "--steps", "30", "--temperature", "0")
    assert called.code == 0, called.err
    assert called.out.strip() and "Ġ" not in called.out


def test_windows_of_pieces_are_named_by_their_place_in_the_file(poems: Path) -> None:
    data = corpus(path=str(poems), tokens="bpe", vocabulary=300, length=16)
    text, split = poems.read_text("utf-8"), data.splits["test"]
    vocabulary = Vocabulary.of(data.facts)
    for row in range(0, len(split), 5):
        place = int(split.ids[row].rpartition(":")[2])
        spelled = vocabulary.spell(split.inputs[0][row].tolist()).strip("\ufffd").split("\n\n")[0]
        assert text[place:].startswith(spelled)
    assert data.facts.target == "next piece"
