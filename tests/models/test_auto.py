"""A blend of candidates: each trains alone, and validation gives the votes."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from dltrain.errors import ConfigError
from dltrain.experiment.build import build_optimizer, build_task
from dltrain.models.auto import LINEAR_RATE, VOTES, Auto
from dltrain.models.fold_ensemble import FoldEnsemble
from dltrain.tasks.losses import CrossEntropy, MeanSquaredError
from dltrain.training.blending import choose_blend
from dltrain.types import Batch, Facts, Spec

SPEC = Spec("table", (3,), 1, bins=((0.0, 1.0, 3.0), (), (-1.0, 2.0)))
NUMBER = Facts("table", "regression", (3,))
CLASSES = Facts("table", "classification", (3,), classes=("a", "b"))
ADAMW = {"_target_": "torch.optim.AdamW", "lr": 1e-3}


def auto(**config: object) -> Auto:
    torch.manual_seed(0)
    return Auto(SPEC, hidden=(8,), **config)  # type: ignore[arg-type]


def test_training_shows_all_members_and_evaluation_the_votes() -> None:
    model, x = auto(), torch.randn(5, 3)
    assert model.train()(x).shape == (5, model.members, 1)
    model.eval().blend([0] * VOTES)
    assert model(x).shape == (5, model.members, 1)
    torch.testing.assert_close(model(x).mean(dim=1), model.models[0](x))
    model.blend([0, 1] * (VOTES // 2))
    both = (model.models[0](x) + (model.models[1](x) + model.models[2](x)) / 2) / 2
    torch.testing.assert_close(model(x).mean(dim=1), both)


def test_votes_are_stored_with_the_weights() -> None:
    model, other, x = auto().eval(), auto().eval(), torch.randn(5, 3)
    model.blend([2] * VOTES)
    other.load_state_dict(model.state_dict())
    torch.testing.assert_close(other(x), model(x))


def test_every_candidate_learns_at_its_own_rate() -> None:
    model = auto()
    groups = build_optimizer(ADAMW, model).param_groups
    rate_of = {id(parameter): group["lr"] for group in groups for parameter in group["params"]}
    assert rate_of[id(model.models[0].linear.weight)] == pytest.approx(LINEAR_RATE * 1e-3)
    assert rate_of[id(model.models[2].layers[0].weight)] == pytest.approx(2e-3)
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))


def test_no_candidate_changes_what_another_learns() -> None:
    together, alone = auto(candidates=["linear", "mlp"]), auto(candidates=["linear"])
    x, y = torch.randn(64, 3), torch.randn(64, 1)
    task = build_task(NUMBER, MeanSquaredError(NUMBER))
    for model in (together, alone):
        optimizer = build_optimizer(ADAMW, model)
        for _ in range(5):
            task.objective(model.train()(x), y).backward()
            optimizer.step()
            optimizer.zero_grad()
    torch.testing.assert_close(together.models[0].linear.weight, alone.models[0].linear.weight, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("folds", [0, 3])
def test_the_votes_are_those_with_the_lowest_validation_loss(folds: int) -> None:
    model = auto(candidates=["linear", "mlp"]).eval()
    fold = torch.arange(200) % folds if folds else None
    if folds:
        model = FoldEnsemble([auto(candidates=["linear", "mlp"]) for _ in range(folds)]).eval()
    x = torch.randn(200, 3)
    parts = [part for one in (model.models if folds else [model]) for part in one.models]
    with torch.no_grad():
        for part in parts:
            part.load_state_dict({name: torch.randn_like(value) for name, value in part.state_dict().items()})
        first = model.models[0] if folds else model
        y = first.models[0](x) + 0.01 * torch.randn(200, 1)
        if folds:
            for one in model.models:
                one.models[0].load_state_dict(first.models[0].state_dict())
    task = build_task(NUMBER, MeanSquaredError(NUMBER))
    choice = choose_blend(model, task, [Batch((x,), y, fold=fold)])
    assert choice is not None
    assert choice.votes == {"linear": VOTES, "mlp": 0}
    assert choice.loss == pytest.approx(choice.losses["linear"]) == pytest.approx(1e-4, rel=0.5)
    torch.testing.assert_close(task.combine_members(Batch((x,), y, fold=fold).output_of(model)), first.models[0](x))


def test_a_blend_is_better_than_each_of_two_with_independent_errors() -> None:
    model = auto(candidates=["linear", "tabm"]).eval()
    x, y = torch.randn(4000, 3), torch.randint(2, (4000,))
    task = build_task(CLASSES, CrossEntropy(CLASSES))
    noise = [torch.randn(4000), torch.randn(4000)]
    logits = [torch.stack([-(y * 2 - 1) + each, (y * 2 - 1) - each], dim=1) for each in noise]
    members = torch.stack([logits[0], *[logits[1]] * model.candidates["tabm"]], dim=1)

    class Fixed(torch.nn.Module):
        candidates, parameter = model.candidates, torch.nn.Parameter(torch.zeros(1))

        def blend(self, votes: object) -> None:
            self.votes = votes

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return members

    fixed = Fixed()
    fixed.register_parameter("one", Fixed.parameter)
    choice = choose_blend(fixed, task, [Batch((x,), y)])
    assert choice is not None
    assert set(choice.votes.values()) == {VOTES // 2}
    mean = (logits[0].softmax(1) + logits[1].softmax(1)) / 2
    assert choice.loss == pytest.approx(float(functional.nll_loss(mean.log(), y)), rel=1e-5)
    assert choice.loss < min(choice.losses.values())
    assert "4/8 linear + 4/8 tabm" in str(choice)


def test_a_blend_of_no_models_is_refused() -> None:
    with pytest.raises(ConfigError, match="no model to choose from") as caught:
        auto(candidates=[])
    assert caught.value.override == "model.candidates=[linear,mlp,tabm]"


@pytest.mark.parametrize(
    ("samples", "columns", "strong"), [(70_000, 1, "patchtst"), (18_000, 321, "nhits"), (0, 321, "patchtst")]
)
def test_a_transformer_is_no_candidate_where_it_would_take_hours(samples: int, columns: int, strong: str) -> None:
    spec = Spec("series", (192, columns), columns, steps=192, columns=columns, samples=samples)
    model = Auto(spec)
    assert [*model.candidates] == ["ridge", "dlinear", strong]
    assert bool(model.notes) == (strong == "nhits")
    named = Auto(spec, candidates=["ridge", "patchtst"])
    assert ([*named.candidates], named.notes) == (["ridge", "patchtst"], ())
