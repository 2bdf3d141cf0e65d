import copy
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
import torch_geometric.nn as pyg
from torch.testing import assert_close

from optimetal.layers import norms
from optimetal.layers.norms import BatchNorm, LayerNorm, synchronise
from optimetal.layers.rows import Rows

CHANNELS = 3
GRAPH = torch.tensor([0, 0, 0, 1, 1, 3])  # crystal 2 has no row
TIMES = torch.tensor([2, 1, 3, 1, 4, 1])
MERGED = Rows(TIMES.double(), GRAPH, 4)
FULL = Rows(torch.ones(12).double(), GRAPH.repeat_interleave(TIMES), 4)


def displaced(norm: torch.nn.Module) -> torch.nn.Module:
    """The layer with weights, biases and running statistics away from zero and one."""
    torch.manual_seed(1)
    for values in norm.double().state_dict().values():
        if values.is_floating_point():
            values.add_(torch.rand_like(values))
    return norm


def run(norm, x, *args):
    """Outputs and the gradients of rows, weight and bias of an uneven sum."""
    x = x.clone().requires_grad_()
    out = norm(x, *args)
    norm.zero_grad()
    (out * torch.linspace(1, 2, CHANNELS) * x.detach().sin()).sum().backward()
    return out, x.grad, *(p.grad for p in norm.parameters())


@pytest.fixture
def x():
    torch.manual_seed(0)
    return torch.randn(6, CHANNELS, dtype=torch.float64) + 2


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("rows", [None, Rows(torch.ones(6).double(), GRAPH, 4)])
def test_batch_norm_of_a_full_graph_is_pygs(x, rows, training):
    ours, theirs = displaced(BatchNorm(CHANNELS)), displaced(pyg.BatchNorm(CHANNELS))
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    results = zip(run(ours.train(training), x, rows), run(theirs.train(training), x), strict=True)
    for mine, reference in results:
        assert_close(mine, reference)
    for mine, reference in zip(ours.buffers(), theirs.buffers(), strict=True):
        assert_close(mine, reference)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("layer", [BatchNorm, LayerNorm])
def test_a_merged_row_counts_with_its_population(x, layer, training):
    merged = displaced(layer(CHANNELS)).train(training)
    full = copy.deepcopy(merged)
    out, grad, *parameter_grads = run(merged, x, MERGED)
    copies = torch.arange(6).repeat_interleave(TIMES)
    full_x = x[copies].requires_grad_()
    full_out = full(full_x, FULL)
    assert_close(out[copies], full_out)
    # merged rows see the sum of the gradients of the rows they stand for
    weight = torch.linspace(1, 2, CHANNELS) * x.sin() / TIMES[:, None]
    full.zero_grad()
    (full_out * weight[copies]).sum().backward()
    assert_close(grad, torch.zeros_like(x).index_add_(0, copies, full_x.grad))
    for mine, parameter in zip(parameter_grads, full.parameters(), strict=True):
        assert_close(mine, parameter.grad)
    for mine, reference in zip(merged.buffers(), full.buffers(), strict=True):
        assert_close(mine, reference)


@pytest.mark.parametrize("layer", [BatchNorm, LayerNorm])
def test_gradients_are_those_of_finite_differences(x, layer):
    norm = displaced(layer(CHANNELS))
    assert torch.autograd.gradcheck(lambda rows: norm(rows, MERGED), x.requires_grad_())


def test_layer_norm_of_a_full_graph_is_pygs(x):
    ours, theirs = displaced(LayerNorm(CHANNELS)), displaced(pyg.LayerNorm(CHANNELS))
    ones = Rows(torch.ones(6).double(), GRAPH, 4)
    for mine, reference in zip(run(ours, x, ones), run(theirs, x, GRAPH, 4), strict=True):
        assert_close(mine, reference)


@pytest.mark.parametrize("rows", [None, Rows(torch.ones(1).double(), torch.tensor([0]), 1)])
def test_one_row_is_normalised_with_running_statistics_that_stay(x, rows):
    norm = displaced(BatchNorm(CHANNELS))
    before = copy.deepcopy(norm.state_dict())
    assert_close(norm.train()(x[:1], rows), norm.eval()(x[:1], rows))
    assert_close(norm.state_dict(), before)


def test_one_row_that_stands_for_two_has_statistics(x):
    norm = displaced(BatchNorm(CHANNELS)).train()
    out = norm(x[:1], Rows(torch.tensor([2.0]).double(), torch.tensor([0]), 1))
    assert_close(out[0], norm.module.bias)
    assert norm.module.num_batches_tracked == 1


@pytest.mark.parametrize("layer", [BatchNorm, LayerNorm])
def test_nothing_to_normalise(layer):
    norm = layer(CHANNELS).train()
    x = torch.zeros(0, CHANNELS, requires_grad=True)
    out = norm(x, Rows(torch.zeros(0), torch.zeros(0, dtype=torch.int64), 2))
    out.sum().backward()
    assert out.shape == (0, CHANNELS)
    assert all(p.grad.isfinite().all() for p in norm.parameters())


class Meeting:
    """Threads in place of processes: each brings a tensor and leaves with the sum of all."""

    def __init__(self, size):
        self.barrier, self.lock, self.brought = threading.Barrier(size), threading.Lock(), []

    def all_reduce(self, values, group):
        assert group is self
        with self.lock:
            self.brought.append(values.clone())
        self.barrier.wait()
        values.copy_(torch.stack(self.brought).sum(0))
        self.barrier.wait()
        self.brought.clear()
        self.barrier.wait()


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("cuts", [[0, 4, 6], [0, 1, 1, 6]])  # the second of three has no row
def test_processes_together_normalise_as_one(x, monkeypatch, weighted, cuts):
    whole = displaced(BatchNorm(CHANNELS))
    size = len(cuts) - 1
    meeting, parts = Meeting(size), [copy.deepcopy(whole) for _ in range(size)]
    monkeypatch.setattr(norms.dist, "all_reduce", meeting.all_reduce)
    out, grad, *parameter_grads = run(whole, x, MERGED if weighted else None)

    def run_part(number):
        rows = slice(cuts[number], cuts[number + 1])
        mine = Rows(MERGED.population[rows], GRAPH[rows], 4) if weighted else None
        synchronise(parts[number], meeting)
        return run(parts[number], x[rows], mine)

    with ThreadPoolExecutor(size) as pool:
        results = list(zip(*pool.map(run_part, range(size)), strict=True))
    assert_close(torch.cat(results[0]), out)
    assert_close(torch.cat(results[1]), grad)
    for mine, parameter in zip(results[2:], parameter_grads, strict=True):
        assert_close(sum(mine), parameter)
    for part in parts:
        assert_close(part.state_dict(), whole.state_dict())


def test_statistics_stay_where_no_process_has_a_row(monkeypatch):
    norm = displaced(BatchNorm(CHANNELS)).train()
    before = copy.deepcopy(norm.state_dict())
    meeting = Meeting(1)
    monkeypatch.setattr(norms.dist, "all_reduce", meeting.all_reduce)
    synchronise(norm, meeting)
    empty = torch.zeros(0, dtype=torch.int64)
    assert norm(torch.zeros(0, CHANNELS).double(), Rows(empty.double(), empty, 2)).shape[0] == 0
    for name in ("module.running_mean", "module.running_var"):
        assert_close(norm.state_dict()[name], before[name])
    synchronise(norm, None)
    assert norm.group is None
