import pytest
import torch
import torch_geometric.nn as pyg
from torch.testing import assert_close

from optimetal.config import architecture as settings
from optimetal.layers.pooling import Set2Set, pooling
from optimetal.layers.rows import Rows

CHANNELS = 4
GRAPH = torch.tensor([0, 0, 0, 1, 2, 2])
TIMES = torch.tensor([2, 1, 3, 1, 4, 1])
ONES = Rows(torch.ones(6).double(), GRAPH, 3)
CONFIGS = [
    settings.MeanPooling(),
    settings.ScalarAttentionPooling(),
    settings.VectorAttentionPooling(),
    settings.Set2SetPooling(processing_steps=3),
]


@pytest.fixture
def x():
    torch.manual_seed(0)
    return torch.randn(6, CHANNELS, dtype=torch.float64)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: c.type)
def test_a_class_counts_as_often_as_it_has_atoms(x, config):
    layer = pooling(config, CHANNELS).double()
    merged = layer(x, Rows(TIMES.double(), GRAPH, 3))
    full_rows = Rows(torch.ones(12).double(), GRAPH.repeat_interleave(TIMES), 3)
    assert merged.shape == (3, CHANNELS)
    assert_close(merged, layer(x.repeat_interleave(TIMES, 0), full_rows))


@pytest.mark.parametrize("config", CONFIGS[:3], ids=lambda c: c.type)
def test_a_single_atom_is_its_crystal(x, config):
    assert_close(pooling(config, CHANNELS).double()(x, ONES)[1], x[3])


def test_mean_is_pygs(x):
    assert_close(pooling(CONFIGS[0], CHANNELS)(x, ONES), pyg.global_mean_pool(x, GRAPH))


@pytest.mark.parametrize(("config", "gate"), [(CONFIGS[1], "gate_mlp"), (CONFIGS[2], "mlp")])
def test_attention_is_pygs(x, config, gate):
    layer = pooling(config, CHANNELS).double()
    linear = getattr(layer, gate).lins[0]
    theirs = pyg.aggr.AttentionalAggregation(gate_nn=torch.nn.Sequential(linear))
    assert_close(layer(x, ONES), theirs(x, GRAPH))


def test_set2set_is_pygs(x):
    ours = Set2Set(CHANNELS, processing_steps=3).double()
    theirs = pyg.aggr.Set2Set(CHANNELS, processing_steps=3).double()
    theirs.load_state_dict(ours.state_dict())
    assert_close(ours(x, ONES), theirs(x, GRAPH))
