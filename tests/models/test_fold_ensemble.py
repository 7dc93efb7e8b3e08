"""An ensemble over folds: who learns from a sample, and who predicts it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from dltrain.models.auto import Auto
from dltrain.models.fold_ensemble import FoldEnsemble
from dltrain.models.linear import Linear
from dltrain.models.names import count_models, name_of
from dltrain.models.tabm import TabM
from dltrain.types import Spec

SPEC = Spec("table", (3,), 2)


class Constant(nn.Module):
    """Returns its one weight for every sample."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor([value]))

    def forward(self, x: Tensor) -> Tensor:
        return self.value.expand(len(x), 1)


FOLD = torch.tensor([2, 0, 1, 0])
X = torch.zeros(4, 3)


def test_a_sample_trains_the_models_of_all_other_folds() -> None:
    model = FoldEnsemble([Constant(0.0), Constant(1.0), Constant(2.0)]).train()
    output = model(X, fold=FOLD)
    assert output.shape == (4, model.members, 1) == (4, 2, 1)
    assert output[:, :, 0].tolist() == [[0.0, 1.0], [1.0, 2.0], [0.0, 2.0], [1.0, 2.0]]
    model(X[:1], fold=FOLD[:1]).sum().backward()
    assert [part.value.grad.item() for part in model.models] == [1.0, 1.0, 0.0]


def test_a_sample_is_validated_by_the_model_that_has_not_learned_from_it() -> None:
    model = FoldEnsemble([Constant(0.0), Constant(1.0), Constant(2.0)]).eval()
    assert model(X, fold=FOLD)[:, :, 0].tolist() == [[2.0] * 3, [0.0] * 3, [1.0] * 3, [0.0] * 3]
    assert model(X, fold=FOLD).shape == (4, model.members, 1)


def test_all_models_predict_a_new_sample() -> None:
    model = FoldEnsemble([Constant(0.0), Constant(1.0), Constant(2.0)]).eval()
    assert model(X)[:, :, 0].tolist() == [[0.0, 1.0, 2.0]] * 4


@pytest.mark.parametrize("training", [False, True])
def test_members_within_the_models_count_each(training: bool) -> None:
    torch.manual_seed(0)
    model = FoldEnsemble([TabM(SPEC, members=4, dropout=0.0, hidden=(5,)) for _ in range(3)]).train(training)
    x = torch.randn(4, 3)
    output = model(x, fold=FOLD)
    assert output.shape == (4, model.members, 2) == (4, 8 if training else 12, 2)
    expected = [0, 1] if training else [2]  # of the first sample, whose fold is 2
    torch.testing.assert_close(output[0, : 4 * len(expected)], torch.cat([model.models[at](x)[0] for at in expected]))


def test_what_models_say_of_their_parameters_holds_for_each() -> None:
    model = FoldEnsemble([TabM(SPEC), TabM(SPEC)])
    names = {name for name, _ in model.named_parameters()}
    assert model.no_decay < names
    assert {name.partition(".")[2].partition(".")[0] for name in model.no_decay} == {"0", "1"}
    assert name_of(FoldEnsemble([Linear(SPEC), Linear(SPEC)])) == "Linear"


def test_models_that_are_called_one_after_another_are_counted() -> None:
    auto = Auto(SPEC, candidates=["linear", "mlp"], hidden=(4,))
    assert count_models(Linear(SPEC)) == 1 and count_models(TabM(SPEC)) == 1
    assert count_models(auto) == 3 and count_models(FoldEnsemble([auto, auto])) == 6
