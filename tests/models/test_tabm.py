from collections.abc import Callable

import pytest
import torch

from dltrain.experiment.build import build_task
from dltrain.models.tabm import TabM
from dltrain.tasks.losses import BinaryCrossEntropy, CrossEntropy, Huber, Loss, MeanSquaredError
from dltrain.types import Facts, Spec

SPEC = Spec("table", (3,), 2, bins=((0.0, 1.0, 3.0), (), (-1.0, 2.0)))
CLASSES = Facts("table", "classification", (3,), classes=("a", "b", "c"))
TWO = Facts("table", "classification", (3,), classes=("a", "b"))
NUMBER = Facts("table", "regression", (3,), target_mean=10.0, target_std=4.0)


def member(model: TabM, number: int, x: torch.Tensor) -> torch.Tensor:
    """One member written out as the plain MLP that it is."""
    x = model.embedding(x) * model.signs[number]
    for layer in model.layers:
        if isinstance(layer, torch.nn.ReLU):
            x = x.relu()
        elif hasattr(layer, "output_scale"):
            x = x if layer.input_scale is None else x * layer.input_scale[number]
            x = (x @ layer.weight.T) * layer.output_scale[number] + layer.bias[number]
        elif isinstance(layer, torch.nn.Linear):
            x = layer(x)
    return x @ model.heads.weight[number] + model.heads.bias[number, 0]


@pytest.mark.parametrize("sharing", ["full", "mini"])
def test_each_member_is_an_mlp_with_shared_weights_and_scales_of_its_own(sharing):
    torch.manual_seed(0)
    model = TabM(SPEC, members=4, sharing=sharing, hidden=(6, 5)).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(7, 3)
    out = model(x)
    assert out.shape == (7, 4, 2)
    for number in range(4):
        torch.testing.assert_close(out[:, number], member(model, number, x))


def test_decay_is_for_weight_matrices_alone():
    model = TabM(SPEC, hidden=(6, 5))
    decayed = {name for name, _ in model.named_parameters()} - model.no_decay
    assert decayed == {"layers.0.weight", "layers.3.weight", "heads.weight"}


@pytest.mark.parametrize("loss", [CrossEntropy(CLASSES, [1.0, 2.0, 5.0]), BinaryCrossEntropy(TWO)])
def test_the_objective_is_the_mean_of_the_members_losses(loss):
    task = build_task(CLASSES if loss.out_features == 3 else TWO, loss)
    torch.manual_seed(0)
    output, target = torch.randn(6, 4, loss.out_features), torch.randint(0, 2, (6,))
    losses = [task.objective(output[:, number], target) for number in range(4)]
    torch.testing.assert_close(task.objective(output, target), torch.stack(losses).mean())


@pytest.mark.parametrize("loss", [CrossEntropy(CLASSES), BinaryCrossEntropy(TWO), BinaryCrossEntropy(TWO, "balanced")])
def test_members_are_averaged_as_probabilities(loss):
    task = build_task(CLASSES if loss.out_features == 3 else TWO, loss)
    torch.manual_seed(0)
    output = 5 * torch.randn(6, 4, loss.out_features)
    mean = torch.stack([loss.probabilities(output[:, number]) for number in range(4)]).mean(dim=0)
    said = task.predict(output)
    torch.testing.assert_close(said.probabilities, mean)
    assert torch.equal(said.values, mean.argmax(dim=1))
    assert torch.isfinite(task.combine_members(output * 1e6)).all()


@pytest.mark.parametrize("loss", [MeanSquaredError(NUMBER), Huber(NUMBER)])
def test_members_are_averaged_in_the_targets_unit(loss: Loss):
    task = build_task(NUMBER, loss)
    output = torch.tensor([[[1.0], [3.0]], [[0.0], [-2.0]]])
    assert task.predict(output).values.tolist() == [[18.0], [6.0]]
    target = torch.tensor([[10.0], [14.0]])
    losses = [task.objective(output[:, number], target) for number in range(2)]
    torch.testing.assert_close(task.objective(output, target), torch.stack(losses).mean())


def test_one_output_stays_as_it_is():
    task = build_task(CLASSES, CrossEntropy(CLASSES))
    output = torch.randn(5, 3)
    assert task.combine_members(output) is output


def test_tabm_learns_from_the_command_line(dltrain: Callable) -> None:
    called = dltrain("model=tabm", "data=wine", "trainer.epochs=10", "model.hidden=[32]")
    assert called.code == 0, called.err
    assert called.result["train"]["accuracy"] > 0.9
    assert called.run.predictions.exists()
