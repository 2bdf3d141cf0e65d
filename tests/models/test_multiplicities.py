"""A quotient graph and the full graph it stands for are one and the same to every network."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from optimetal.graphs.batch import GraphBatch
from optimetal.models import build_model
from optimetal.tasks import OPTICS, task_loss

CLOSE = {"rtol": 1e-10, "atol": 1e-10}


def copies(times: torch.Tensor) -> torch.Tensor:
    """Row of the quotient that each row of the full graph is a copy of."""
    return torch.arange(len(times)).repeat_interleave(times.long())


def any_copy_of(rows: torch.Tensor, times: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """For each row of the quotient one of its copies, at random."""
    times = times.long()
    first = times.cumsum(0) - times
    return first[rows] + torch.from_numpy(rng.integers(times[rows].numpy()))


def receivers(rows: torch.Tensor, target: torch.Tensor, multiplicity, times) -> torch.Tensor:
    """Copy of the target that gets each copied message; every copy gets ``multiplicity``."""
    times = times.long()
    first = times.cumsum(0) - times
    num_copies = multiplicity.long() * times[target]
    ordinal = torch.arange(len(rows)) - (num_copies.cumsum(0) - num_copies)[rows]
    return first[target[rows]] + ordinal // multiplicity.long()[rows]


def full_graph(batch: GraphBatch, seed: int = 0) -> GraphBatch:
    """A graph with all weights one, whose quotient the batch is."""
    rng = np.random.default_rng(seed)
    node = copies(batch.class_size)
    edge = copies(batch.edge_population)
    triplet = copies(batch.triplet_population)
    (source, target), (first, second) = batch.edge_index, batch.triplet_index
    return replace(
        batch,
        atomic_numbers=batch.atomic_numbers[node],
        node_graph=batch.node_graph[node],
        class_size=torch.ones_like(batch.class_size[node]),
        edge_index=torch.stack(
            [
                any_copy_of(source[edge], batch.class_size, rng),
                receivers(edge, target, batch.edge_multiplicity, batch.class_size),
            ]
        ),
        edge_length=batch.edge_length[edge],
        edge_multiplicity=torch.ones_like(batch.edge_length[edge]),
        triplet_index=torch.stack(
            [
                any_copy_of(first[triplet], batch.edge_population, rng),
                receivers(triplet, second, batch.triplet_multiplicity, batch.edge_population),
            ]
        ),
        triplet_cosine=batch.triplet_cosine[triplet],
        triplet_multiplicity=torch.ones_like(batch.triplet_cosine[triplet]),
    )


def results(network, batch):
    """Predictions, loss and gradients."""
    network.zero_grad()
    predictions = network(batch)
    loss, _ = task_loss(OPTICS, predictions, batch.targets)
    loss.backward()
    return predictions, loss, {k: p.grad for k, p in network.named_parameters()}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("seed", [0, 1])
def test_quotient_and_full_graph_give_the_same(architecture, random_batch, training, seed):
    torch.manual_seed(seed)
    quotient = build_model(architecture).double().train(training)
    full = copy.deepcopy(quotient)
    batch = random_batch(seed=seed)
    assert len(full_graph(batch).triplet_cosine) == batch.triplet_population.sum()
    assert_close(results(quotient, batch), results(full, full_graph(batch, seed)), **CLOSE)
    assert_close(dict(quotient.named_buffers()), dict(full.named_buffers()), **CLOSE)


def test_supercell_is_its_primitive_cell(architecture, random_batch):
    """Twice the atoms, each with the neighbours it had, in another order."""
    torch.manual_seed(0)
    network = build_model(architecture).double()
    batch = random_batch(weights=False)
    supercell = full_graph(replace(batch, class_size=torch.full_like(batch.class_size, 2)))
    assert len(supercell.atomic_numbers) == 2 * len(batch.atomic_numbers)
    network.eval()
    assert_close(results(network, batch), results(network, supercell), **CLOSE)


def test_weights_matter(architecture, random_batch):
    network = build_model(architecture).double().eval()
    batch = random_batch()
    weights = ["class_size", "edge_multiplicity"]
    if architecture.triplet_cutoff is not None:
        weights.append("triplet_multiplicity")
    for weight in weights:
        ones = torch.ones_like(getattr(batch, weight))
        other = network(replace(batch, **{weight: ones}))["eps_inter"]
        assert (other - network(batch)["eps_inter"]).abs().max() > 1e-6, weight
