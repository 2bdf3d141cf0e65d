import pytest
import torch
import torch_geometric.nn as pyg
from torch.testing import assert_close

from optimetal.layers.convolutions import CGConv, GATv2Conv, TransformerConv, linear_of_pair

CHANNELS = 8
NUM_NODES, NUM_EDGES = 5, 17

PAIRS = {
    "cgconv": (lambda: CGConv(CHANNELS), lambda: pyg.CGConv(CHANNELS, dim=CHANNELS)),
    "gatv2": (
        lambda: GATv2Conv(CHANNELS, 2, 4, CHANNELS, residual=True),
        lambda: pyg.GATv2Conv(
            CHANNELS, 2, 4, edge_dim=CHANNELS, add_self_loops=False, residual=True
        ),
    ),
    "gatv2_no_residual": (
        lambda: GATv2Conv(CHANNELS, 3, 2, CHANNELS, residual=False),
        lambda: pyg.GATv2Conv(CHANNELS, 3, 2, edge_dim=CHANNELS, add_self_loops=False),
    ),
    "transformer": (
        lambda: TransformerConv(CHANNELS, 4),
        lambda: pyg.TransformerConv(CHANNELS, 2, 4, beta=True, edge_dim=CHANNELS),
    ),
}


@pytest.fixture(params=PAIRS)
def layers(request):
    """Ours and PyG's layer with the same weights, in double precision."""
    ours, theirs = (make().double() for make in PAIRS[request.param])
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


@pytest.fixture
def graph():
    """Node features, edges and edge features; the last node receives nothing."""
    torch.manual_seed(0)
    x = torch.randn(NUM_NODES, CHANNELS, dtype=torch.float64)
    edge_index = torch.stack(
        [
            torch.randint(NUM_NODES, (NUM_EDGES,)),
            torch.randint(NUM_NODES - 1, (NUM_EDGES,)),
        ]
    )
    return x, edge_index, torch.randn(NUM_EDGES, CHANNELS, dtype=torch.float64)


def gradients(out, *of):
    return torch.autograd.grad((out * out.detach().cos()).sum(), of)


def test_full_graph_is_pygs(layers, graph):
    ours, theirs = layers
    x, edge_index, edge_attr = graph
    x.requires_grad_()
    edge_attr.requires_grad_()
    for multiplicity in (None, torch.ones(NUM_EDGES).double()):
        out = ours(x, edge_index, edge_attr, multiplicity)
        reference = theirs(x, edge_index, edge_attr)
        assert_close(out, reference)
        assert_close(
            gradients(out, x, edge_attr, *ours.parameters()),
            gradients(reference, x, edge_attr, *theirs.parameters()),
        )


@pytest.mark.parametrize(("ours", "theirs"), PAIRS.values(), ids=PAIRS)
def test_same_random_weights_as_pygs(ours, theirs):
    torch.manual_seed(5)
    weights = ours().state_dict()
    torch.manual_seed(5)
    assert_close(weights, theirs().state_dict(), rtol=0, atol=0)


def test_multiplicity_is_the_number_of_equal_edges(layers, graph):
    ours, _ = layers
    x, edge_index, edge_attr = graph
    times = torch.randint(1, 5, (NUM_EDGES,))
    merged = ours(x, edge_index, edge_attr, times.double())
    full = ours(x, edge_index.repeat_interleave(times, 1), edge_attr.repeat_interleave(times, 0))
    assert_close(merged, full)
    assert_close(gradients(merged, *ours.parameters()), gradients(full, *ours.parameters()))


def test_without_edges_is_pygs(layers, graph):
    ours, theirs = layers
    x, edge_index, edge_attr = graph
    none = edge_index[:, :0], edge_attr[:0]
    assert_close(ours(x, *none), theirs(x, *none))


def test_linear_of_pair_is_that_of_the_concatenation(graph):
    x, edge_index, edge_attr = graph
    linear = torch.nn.Linear(3 * CHANNELS, 4).double()
    ends = x[edge_index[0]], x[edge_index[1]]
    assert_close(
        linear_of_pair(linear.weight, linear.bias, x, edge_index, edge_attr),
        linear(torch.cat([*ends, edge_attr], dim=1)),
    )
