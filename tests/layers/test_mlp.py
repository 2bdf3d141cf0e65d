import torch
import torch_geometric.nn as pyg
from torch.testing import assert_close

from optimetal.layers.mlp import MLP
from optimetal.layers.rows import Rows


def test_is_pygs_where_every_row_stands_for_itself():
    ours = MLP(5, 7, 2, num_hidden=2, activation="silu")
    theirs = pyg.MLP([5, 7, 7, 2], act="silu")
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(9, 5)
    rows = Rows(torch.ones(9), torch.zeros(9, dtype=torch.int64), 1)
    assert_close(ours(x), theirs(x))
    theirs.load_state_dict(ours.state_dict())
    assert_close(ours(x, rows), theirs(x))
    assert_close(ours.state_dict(), theirs.state_dict())


def test_starts_from_the_same_random_weights_as_pygs():
    torch.manual_seed(3)
    ours = MLP(5, 7, 2, num_hidden=1)
    torch.manual_seed(3)
    assert_close(ours.state_dict(), pyg.MLP([5, 7, 2]).state_dict(), rtol=0, atol=0)


def test_without_hidden_layer_is_linear():
    mlp = MLP(5, 7, 2, num_hidden=0)
    x = torch.randn(3, 5)
    assert_close(mlp(x), x @ mlp.lins[0].weight.T + mlp.lins[0].bias)
    assert not mlp.norms
