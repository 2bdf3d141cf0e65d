"""A batch of crystal graphs as plain tensors.

Every graph carries multiplicities, so that one code path serves the full crystal graph (all weights 1) and its
quotient, in which one representative stands for all atoms, edges and edge pairs that no network of this library can
tell apart. Messages flow from row 0 to row 1 of either index.
"""

from dataclasses import dataclass, field, fields, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class GraphBatch:
    """Crystal graphs of several crystals, concatenated, with the targets to learn.

    Water-like example: two classes of atoms (O once, H twice), ``class_size = [1, 2]``; the O node receives one edge
    class from H with ``edge_multiplicity = 2``, each H receives one from O with multiplicity 1.
    """

    num_graphs: int
    """Number of crystals B."""
    atomic_numbers: Tensor
    """(num_nodes,) int64, Z of each node."""
    node_graph: Tensor
    """(num_nodes,) int64, crystal each node belongs to, ascending."""
    class_size: Tensor
    """(num_nodes,) real, how many atoms of the crystal a node stands for."""
    edge_index: Tensor
    """(2, num_edges) int64, source and target node of each edge."""
    edge_length: Tensor
    """(num_edges,) real, Å."""
    edge_multiplicity: Tensor
    """(num_edges,) real, how many equal edges arrive at ONE representative target; weights aggregation."""
    triplet_index: Tensor
    """(2, num_triplets) int64, source and target edge of each three-body pair; both edges leave the same atom."""
    triplet_cosine: Tensor
    """(num_triplets,) real, cos θ between the two edge vectors, clamped to ±(1 - 1e-7)."""
    triplet_multiplicity: Tensor
    """(num_triplets,) real, how many equal pairs arrive at ONE representative target edge."""
    targets: dict[str, Tensor] = field(default_factory=dict)
    """Target name -> (B, ...) real; empty in inference."""

    @property
    def edge_graph(self) -> Tensor:
        """(num_edges,) crystal each edge belongs to."""
        return self.node_graph[self.edge_index[1]]

    @property
    def triplet_graph(self) -> Tensor:
        """(num_triplets,) crystal each three-body pair belongs to."""
        return self.edge_graph[self.triplet_index[1]]

    @property
    def edge_population(self) -> Tensor:
        """(num_edges,) how many edges of the full graph an edge stands for; weights statistics."""
        return self.edge_multiplicity * self.class_size[self.edge_index[1]]

    @property
    def triplet_population(self) -> Tensor:
        """(num_triplets,) how many pairs of the full graph a pair stands for; weights statistics."""
        return self.triplet_multiplicity * self.edge_population[self.triplet_index[1]]

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> "GraphBatch":
        """Same batch on another device; real tensors (targets included) in another precision."""

        def move(tensor: Tensor) -> Tensor:
            return tensor.to(device, dtype if tensor.is_floating_point() else None)

        moved = {
            f.name: move(value)
            for f in fields(self)
            if isinstance(value := getattr(self, f.name), Tensor)
        }
        return replace(self, **moved, targets={k: move(v) for k, v in self.targets.items()})
