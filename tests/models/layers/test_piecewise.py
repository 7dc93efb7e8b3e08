from itertools import pairwise

import numpy as np
import pytest
import torch

from dltrain.experiment import build
from dltrain.models.layers.piecewise import PiecewiseEmbedding
from dltrain.models.mlp import MLP
from dltrain.types import Spec

BINS = ((0.0, 1.0, 3.0), (), (-1.0, 2.0))
ADAMW = {"_target_": "torch.optim.AdamW", "lr": 0.1, "weight_decay": 0.5}


def reach(value: float, edges: tuple[float, ...]) -> list[float]:
    """The definition in the paper, one bin after another."""
    shares = []
    for number, (low, high) in enumerate(pairwise(edges)):
        share = (value - low) / (high - low)
        share = max(share, 0.0) if number else share
        shares.append(min(share, 1.0) if number < len(edges) - 2 else share)
    return shares


def test_each_number_is_a_linear_map_of_how_far_it_reaches_through_its_bins():
    torch.manual_seed(0)
    layer = PiecewiseEmbedding(BINS, width=5)
    x = torch.tensor([[0.5, 7.0, 0.0], [2.0, -7.0, 2.0], [-3.0, 0.0, -2.0], [9.0, 1.0, 5.0], [1.0, 0.0, -1.0]])
    out = layer(x)
    assert out.shape == (5, 2 * 5 + 1) and layer.out_features == 11
    for row in range(len(x)):
        for number, column in enumerate((0, 2)):
            shares = torch.tensor(reach(float(x[row, column]), BINS[column]))
            expected = shares @ layer.maps[number, : len(shares)] + layer.shifts[number, 0]
            torch.testing.assert_close(out[row, number * 5 : number * 5 + 5], expected)
        assert out[row, -1] == x[row, 1]


def test_what_the_data_says_is_in_no_checkpoint():
    assert set(PiecewiseEmbedding(BINS, width=5).state_dict()) == {"maps", "shifts"}


def test_an_mlp_embeds_numbers_whose_bins_are_known():
    spec = Spec("table", (3,), 2, bins=BINS)
    assert MLP(spec).layers[0].in_features == 2 * 12 + 1
    assert MLP(spec, embed_width=3).layers[0].in_features == 2 * 3 + 1
    assert MLP(spec, embed=None).layers[0].in_features == 3
    for bins in ((), ((), (), ())):
        model = MLP(Spec("table", (3,), 2, bins=bins))
        assert model.layers[0].in_features == 3 and not model.no_decay


def test_weight_decay_leaves_biases_and_embeddings_alone():
    torch.manual_seed(0)
    model = MLP(Spec("table", (3,), 2, bins=BINS), hidden=(4,))
    optimizer = build.build_optimizer(ADAMW, model)
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(model.parameters()))
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    shrunk = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    assert shrunk == {"layers.0.weight", "layers.3.weight"}


@pytest.mark.parametrize("model", [MLP(Spec("table", (3,), 2)), torch.nn.Linear(3, 2)])
def test_a_model_that_names_nothing_has_one_group_as_torch_makes_it(model):
    (group,) = build.build_optimizer(ADAMW, model).param_groups
    assert group["weight_decay"] == 0.5 and len(group["params"]) == len(list(model.parameters()))


def test_embeddings_fit_what_a_linear_model_cannot():
    x = np.random.default_rng(0).uniform(-2, 2, (400, 1)).astype(np.float32)
    target = torch.from_numpy(np.sin(3 * x))
    edges = tuple(np.quantile(x, np.linspace(0, 1, 17)).tolist())
    torch.manual_seed(0)
    model = MLP(Spec("table", (1,), 1, bins=(edges,)), hidden=())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        loss = (model(torch.from_numpy(x)) - target).square().mean()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.02
