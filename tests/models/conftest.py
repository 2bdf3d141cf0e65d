from collections.abc import Callable

import numpy as np
import pytest
import torch

from optimetal.graphs.batch import GraphBatch
from optimetal.optics.grid import NUM_ENERGIES

MakeBatch = Callable[..., GraphBatch]


def _random_batch(
    num_nodes=(2, 3, 1, 4),
    edges_per_node=5,
    triplets_per_edge=3,
    weights=True,
    dtype=torch.float64,
    seed=0,
) -> GraphBatch:
    """Random graphs; crystal, nodes, edges and pairs fit together as in those of real crystals."""
    rng = np.random.default_rng(seed)
    sizes = np.array(num_nodes)
    node_graph = np.repeat(np.arange(len(sizes)), sizes)
    first_node = (np.cumsum(sizes) - sizes)[node_graph]
    target = np.repeat(np.arange(sizes.sum()), edges_per_node)
    source = first_node[target] + rng.integers(sizes[node_graph[target]])
    first_edge = first_node * edges_per_node
    target_edge = np.repeat(np.arange(len(target)), triplets_per_edge)
    edges_of_graph = (sizes * edges_per_node)[node_graph[target[target_edge]]]
    source_edge = first_edge[target[target_edge]] + rng.integers(edges_of_graph)

    def real(values):
        return torch.tensor(values, dtype=dtype)

    def times(n):
        return real(rng.integers(1, 4, n) if weights else np.ones(n))

    return GraphBatch(
        num_graphs=len(sizes),
        atomic_numbers=torch.tensor(rng.integers(1, 84, sizes.sum())),
        node_graph=torch.tensor(node_graph),
        class_size=times(sizes.sum()),
        edge_index=torch.tensor(np.stack([source, target])),
        edge_length=real(rng.uniform(2.0, 5.4, len(target))),
        edge_multiplicity=times(len(target)),
        triplet_index=torch.tensor(np.stack([source_edge, target_edge])),
        triplet_cosine=real(rng.uniform(-0.99, 0.99, len(target_edge))),
        triplet_multiplicity=times(len(target_edge)),
        targets={
            "eps_inter": real(rng.normal(size=(len(sizes), NUM_ENERGIES, 2))),
            "drude_frequency": real(rng.uniform(0, 8, len(sizes))),
        },
    )


@pytest.fixture(scope="session")
def random_batch() -> MakeBatch:
    """Function that makes a random `GraphBatch`, by default of four crystals with weights 1..3."""
    return _random_batch
