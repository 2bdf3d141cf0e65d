"""What must not matter to any network, and what must not break it."""

import copy
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from optimetal.graphs.batch import GraphBatch
from optimetal.models import build_model
from optimetal.tasks import OPTICS, task_loss

CLOSE = {"rtol": 1e-10, "atol": 1e-10}


@pytest.fixture
def network(architecture):
    torch.manual_seed(0)
    return build_model(architecture).double()


def permuted(batch: GraphBatch) -> GraphBatch:
    """Nodes in another order within their crystals, edges and pairs in any order."""
    torch.manual_seed(7)
    node = torch.argsort(batch.node_graph + 0.9 * torch.rand(len(batch.node_graph)))
    edge = torch.randperm(len(batch.edge_length))
    triplet = torch.randperm(len(batch.triplet_cosine))
    return replace(
        batch,
        atomic_numbers=batch.atomic_numbers[node],
        class_size=batch.class_size[node],
        edge_index=node.argsort()[batch.edge_index[:, edge]],
        edge_length=batch.edge_length[edge],
        edge_multiplicity=batch.edge_multiplicity[edge],
        triplet_index=edge.argsort()[batch.triplet_index[:, triplet]],
        triplet_cosine=batch.triplet_cosine[triplet],
        triplet_multiplicity=batch.triplet_multiplicity[triplet],
    )


def only(batch: GraphBatch, crystal: int) -> GraphBatch:
    """One crystal of a batch."""
    nodes, edges, triplets = (
        graph == crystal for graph in (batch.node_graph, batch.edge_graph, batch.triplet_graph)
    )
    return GraphBatch(
        num_graphs=1,
        atomic_numbers=batch.atomic_numbers[nodes],
        node_graph=torch.zeros(int(nodes.sum()), dtype=torch.int64),
        class_size=batch.class_size[nodes],
        edge_index=batch.edge_index[:, edges] - nodes.nonzero().min(),
        edge_length=batch.edge_length[edges],
        edge_multiplicity=batch.edge_multiplicity[edges],
        triplet_index=batch.triplet_index[:, triplets] - edges.nonzero().min(),
        triplet_cosine=batch.triplet_cosine[triplets],
        triplet_multiplicity=batch.triplet_multiplicity[triplets],
        targets={name: values[[crystal]] for name, values in batch.targets.items()},
    )


def without_triplets(batch: GraphBatch, keep: torch.Tensor) -> GraphBatch:
    return replace(
        batch,
        triplet_index=batch.triplet_index[:, keep],
        triplet_cosine=batch.triplet_cosine[keep],
        triplet_multiplicity=batch.triplet_multiplicity[keep],
    )


def assert_trains(network, batch: GraphBatch) -> None:
    """Finite predictions, loss and gradients in training mode."""
    loss, _ = task_loss(OPTICS, network.train()(batch), batch.targets)
    loss.backward()
    assert loss.isfinite()
    for name, parameter in network.named_parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all(), name
    for name, values in network.named_buffers():
        assert values.isfinite().all(), name


@pytest.mark.parametrize("training", [True, False])
def test_order_of_atoms_edges_and_pairs(network, random_batch, training):
    network.train(training)
    batch = random_batch()
    assert_close(network(permuted(batch)), network(batch), **CLOSE)


def test_company_in_the_batch(network, random_batch):
    network.eval()
    batch = random_batch()
    together = network(batch)
    for crystal in range(batch.num_graphs):
        alone = network(only(batch, crystal))
        assert_close(
            {k: v[0] for k, v in alone.items()},
            {k: v[crystal] for k, v in together.items()},
            **CLOSE,
        )


def test_crystals_without_pairs(network, random_batch):
    batch = random_batch()
    mixed = without_triplets(batch, batch.triplet_graph != 1)
    network.eval()
    for crystal in range(batch.num_graphs):
        alone = network(only(mixed, crystal))["eps_inter"][0]
        assert_close(alone, network(mixed)["eps_inter"][crystal], **CLOSE)
    assert_trains(network, mixed)
    assert_trains(network, without_triplets(batch, batch.triplet_graph < 0))


def test_crystals_without_edges(network, random_batch):
    batch = random_batch()
    kept = batch.edge_graph != 1
    renumbered = kept.cumsum(0) - 1
    mixed = without_triplets(batch, batch.triplet_graph != 1)
    mixed = replace(
        mixed,
        edge_index=batch.edge_index[:, kept],
        edge_length=batch.edge_length[kept],
        edge_multiplicity=batch.edge_multiplicity[kept],
        triplet_index=renumbered[mixed.triplet_index],
    )
    none = random_batch(edges_per_node=0, triplets_per_edge=0)
    for lonely in (mixed, none):
        assert all(v.isfinite().all() for v in network.eval()(lonely).values())
        assert_trains(network, lonely)


def test_training_batch_of_one_crystal_leaves_its_statistics_alone(network, random_batch):
    before = copy.deepcopy(dict(network.named_buffers()))
    assert_trains(network, random_batch(num_nodes=(1,), weights=False))
    after = dict(network.named_buffers())
    for name in before:
        if "node_mlp" in name or name.startswith("heads"):  # one atom, one crystal
            assert_close(after[name], before[name], rtol=0, atol=0)


def test_single_precision_and_bf16_autocast_agree_with_double(architecture, network, random_batch):
    torch.manual_seed(0)
    single = build_model(architecture)
    batch = random_batch(dtype=torch.float32)
    exact = network(batch.to(dtype=torch.float64))
    assert_close(single(batch)["eps_inter"].double(), exact["eps_inter"], rtol=1e-4, atol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        rough = single(batch)
        loss, _ = task_loss(OPTICS, rough, batch.targets)
    loss.backward()
    scale = exact["eps_inter"].std()
    assert (rough["eps_inter"].double() - exact["eps_inter"]).std() < 0.1 * scale
