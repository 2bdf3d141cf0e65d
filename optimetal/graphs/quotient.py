"""Quotient graphs: one representative for all atoms, edges and pairs that no network can tell apart.

Every network of this library sees a crystal through elements, edge lengths and cosines alone. Atoms with equal
surroundings, at every number of steps, therefore have equal features in every layer, and so have the edges and
three-body pairs between them. *Colour refinement* (the 1-dimensional Weisfeiler-Leman algorithm) finds the coarsest
partition with that property, and a network with weights (see :mod:`optimetal.layers.rows`) needs one row per class.

1. Colour atoms by element, edges by the elements of their ends and their length, pairs by the colours of their two
   edges and their cosine. Equal reals are found with a tolerance: sorted values of one kind belong together until
   two neighbours differ by more. This depends on distances and angles only, not on order, cell or orientation.
2. Recolour each edge by its colour, those of its two atoms, and the multiset of (colour of the other edge, cosine)
   over the pairs that arrive; each atom by its colour and the multiset of colours of the edges that arrive.
3. Repeat until the number of colours stays. Messages that arrive at equal colours are then equal.

Pairs refine the partition: that of a graph with pairs is finer than two-body networks need, and as exact for them, so
one file serves all networks. A graph without pairs gets the coarser partition of two-body networks.

Rows whose lengths or cosines differ by δ, less than the tolerance, become one row with their mean, which changes the
sum of their messages by the order of δ² only. Between reals that are equal to rounding the quotient is exact.

Colours are 64-bit hashes, multisets sums of hashes modulo 2^64. Two unequal colours collide with probability 2^-64,
any of those of 10^5 crystals with less than 10^-6; and every round hashes with another salt, so that the last one,
which finds no new colour, has checked the partition of atoms and edges that it leaves.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import count
from typing import Final

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, UInt64

from optimetal.graphs.neighbours import CrystalGraph

TICKS: Final = 64
"""Reals are compared on a grid of so many points per tolerance."""

_ODD: Final = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)
"""Weights of the parts of a colour."""


def quotient_graph(graph: CrystalGraph, tolerance: float) -> CrystalGraph:
    """Quotient of one crystal's graph; see :func:`quotient_graphs`."""
    return quotient_graphs([graph], tolerance)[0]


def quotient_graphs(graphs: Sequence[CrystalGraph], tolerance: float) -> list[CrystalGraph]:
    """Quotient graph of each crystal; all at once, which is far faster than one by one.

    Atom classes are in the order of their first atom, edges sorted by target atom, pairs by target edge. A length
    or cosine is the mean over the class. Populations sum to the rows of the graph given: a supercell has the same
    quotient as its primitive cell, with ``class_size`` times the number of cells.

    Args:
        graphs: Of the crystals, as :func:`optimetal.graphs.neighbours.crystal_graph` makes them.
        tolerance: Lengths count as equal up to this difference (Å), cosines up to the same number;
            0 leaves the graphs as they are.

    Raises:
        ValueError: If the tolerance is negative or not a number.
    """
    return quotients_of_union(*_disjoint_union(graphs), tolerance) if graphs else []


def quotients_of_union(
    union: CrystalGraph, crystal: Int[np.ndarray, " num_nodes"], tolerance: float
) -> list[CrystalGraph]:
    """Quotients of crystals that come as one graph of separate parts.

    Args:
        union: All rows of the first crystal, then those of the next.
        crystal: The crystal of each node: 0, 1, ... without a gap.
        tolerance: As for :func:`quotient_graphs`, errors too.
    """
    if not 0 <= tolerance < np.inf:
        raise ValueError(f"Expected a tolerance of 0 Å or more, got {tolerance}.")
    if tolerance == 0:
        return _split(union, crystal)
    nodes, edges, triplets = _stable_classes(union, crystal, tolerance)
    return _split(_merged(union, nodes, edges, triplets), crystal[nodes.first])


@dataclass(frozen=True)
class _Partition:
    """Classes of equal rows, numbered in the order of their first rows."""

    label: Int[np.ndarray, " num_rows"]
    first: Int[np.ndarray, " num_classes"]
    """A row of each class."""

    def __len__(self) -> int:
        return self.first.size

    def sums(self, weights: Int[np.ndarray, " num_rows"]) -> Int[np.ndarray, " num_classes"]:
        """Sum over the rows of each class."""
        sums = np.zeros(len(self), np.int64)
        np.add.at(sums, self.label, weights)
        return sums

    def means(
        self, values: Float[np.ndarray, " num_rows"], weights: Int[np.ndarray, " num_rows"]
    ) -> Float[np.ndarray, " num_classes"]:
        """Weighted mean over the rows of each class."""
        deviation = values - values[self.first[self.label]]  # equal values: their mean is exact
        sums = np.bincount(self.label, deviation * weights, len(self))
        return values[self.first] + sums / np.bincount(self.label, weights, len(self))


def _partition(keys: np.ndarray) -> _Partition:
    """Classes of equal keys."""
    label, _ = pd.factorize(keys)
    first = np.flatnonzero(np.diff(np.maximum.accumulate(label), prepend=-1))
    return _Partition(label, first)


# Union and its parts


def _offsets(sizes: list[int]) -> Int[np.ndarray, " num_graphs"]:
    return np.cumsum([0, *sizes[:-1]])


def _disjoint_union(
    graphs: Sequence[CrystalGraph],
) -> tuple[CrystalGraph, Int[np.ndarray, " num_nodes"]]:
    """All crystals as one graph, and the crystal of each node."""
    nodes = [graph.atomic_numbers.size for graph in graphs]
    edges = [graph.edge_length.size for graph in graphs]
    triplets = [graph.triplet_cosine.size for graph in graphs]
    columns = {
        field.name: np.concatenate([getattr(graph, field.name) for graph in graphs], axis=-1)
        for field in fields(CrystalGraph)
    }
    columns["edge_index"] += np.repeat(_offsets(nodes), edges)
    columns["triplet_index"] += np.repeat(_offsets(edges), triplets)
    return CrystalGraph(**columns), np.repeat(np.arange(len(graphs)), nodes)


def _split(union: CrystalGraph, crystal: Int[np.ndarray, " num_nodes"]) -> list[CrystalGraph]:
    """The crystals of a union whose rows are sorted by crystal."""
    num_graphs = crystal[-1] + 1
    edge_crystal = crystal[union.edge_index[1]]
    triplet_crystal = edge_crystal[union.triplet_index[1]]
    bounds = np.arange(num_graphs + 1)
    node, edge, triplet = (
        np.searchsorted(rows, bounds).tolist() for rows in (crystal, edge_crystal, triplet_crystal)
    )
    graphs = []
    for n in range(num_graphs):
        n_rows, e_rows, t_rows = (slice(*rows[n : n + 2]) for rows in (node, edge, triplet))
        graphs.append(
            CrystalGraph(
                atomic_numbers=union.atomic_numbers[n_rows],
                class_size=union.class_size[n_rows],
                edge_index=union.edge_index[:, e_rows] - node[n],
                edge_length=union.edge_length[e_rows],
                edge_multiplicity=union.edge_multiplicity[e_rows],
                triplet_index=union.triplet_index[:, t_rows] - edge[n],
                triplet_cosine=union.triplet_cosine[t_rows],
                triplet_multiplicity=union.triplet_multiplicity[t_rows],
            )
        )
    return graphs


# Refinement


def _stable_classes(
    graph: CrystalGraph, crystal: Int[np.ndarray, " num_nodes"], tolerance: float
) -> tuple[_Partition, _Partition, _Partition]:
    """Coarsest partition of atoms, edges and pairs in which equal rows receive equal messages."""
    (source, target), (first, second) = graph.edge_index, graph.triplet_index
    element = crystal * 256 + graph.atomic_numbers
    length = _equal_reals(
        graph.edge_length, element[source] * 256 + graph.atomic_numbers[target], tolerance
    )
    num_lengths = length.max(initial=-1) + 1
    cosine = _equal_reals(
        graph.triplet_cosine, length[first] * num_lengths + length[second], tolerance
    )
    edge_times = graph.edge_multiplicity.astype(np.uint64)
    triplet_times = graph.triplet_multiplicity.astype(np.uint64)

    nodes, edges = _partition(element), _partition(length)
    node_colour, edge_colour, angle_colour = _hash(element), _hash(length), _hash(cosine)
    for salt in count(1):
        messages = triplet_times * _hash(edge_colour[first] + angle_colour, salt)
        ends = node_colour[source] * _ODD[0] + node_colour[target] * _ODD[1]
        received = _sums(messages, second, edge_colour.size) * _ODD[2]
        edge_colour = _hash(edge_colour + ends + received, salt)
        messages = edge_times * _hash(edge_colour, salt)
        received = _sums(messages, target, node_colour.size) * _ODD[2]
        node_colour = _hash(node_colour + received, salt)
        finer = _partition(node_colour), _partition(edge_colour)
        if sum(map(len, finer)) == len(nodes) + len(edges):
            break
        nodes, edges = finer
    return nodes, edges, _partition(_hash(edge_colour[first]) + edge_colour[second] + angle_colour)


def _equal_reals(
    values: Float[np.ndarray, " num_rows"], group: Int[np.ndarray, " num_rows"], tolerance: float
) -> Int[np.ndarray, " num_rows"]:
    """Label of each value: the same within a group until a gap between sorted values exceeds the tolerance.

    Args:
        values: -1 or more.
        group: Kind of each value; labels of different groups differ.
        tolerance: Positive.
    """
    if not values.size:
        return np.zeros(0, np.int64)
    reach = values.max() + 1 + 2 * tolerance
    tick = max(tolerance / TICKS, reach * float(group.max() + 1) / 2.0**62)
    stride = int(reach / tick) + 1
    key, distinct = pd.factorize(group * stride + np.rint((values + 1) / tick).astype(np.int64))
    order = np.argsort(distinct)  # few: most values of a crystal occur many times
    label = np.empty_like(order)
    label[order] = np.cumsum(
        np.diff(distinct[order], prepend=distinct[order[0]]) > tolerance / tick
    )
    return label[key]


def _hash(values: np.ndarray, salt: int = 0) -> UInt64[np.ndarray, " num_rows"]:
    """Well-mixed 64 bits of each integer (the finaliser of SplitMix64)."""
    bits = values.astype(np.uint64) + np.uint64(salt * int(_ODD[0]) % 2**64)
    bits ^= bits >> np.uint64(30)
    bits *= np.uint64(0xBF58476D1CE4E5B9)
    bits ^= bits >> np.uint64(27)
    bits *= np.uint64(0x94D049BB133111EB)
    bits ^= bits >> np.uint64(31)
    return bits


def _sums(
    messages: UInt64[np.ndarray, " num_rows"],
    target: Int[np.ndarray, " num_rows"],
    num_targets: int,
) -> UInt64[np.ndarray, " num_targets"]:
    """Hash of the multiset of messages that arrives at each target: their sum modulo 2^64."""
    sums = np.zeros(num_targets, np.uint64)
    np.add.at(sums, target, messages)
    return sums


def _merged(
    graph: CrystalGraph, nodes: _Partition, edges: _Partition, triplets: _Partition
) -> CrystalGraph:
    """One row per class."""
    edge_times = graph.edge_multiplicity * graph.class_size[graph.edge_index[1]]
    triplet_times = graph.triplet_multiplicity * edge_times[graph.triplet_index[1]]

    class_size = nodes.sums(graph.class_size)
    edge_index = nodes.label[graph.edge_index[:, edges.first]]
    by_target = np.argsort(edge_index[1], kind="stable")
    place = np.argsort(by_target)
    edge_index = edge_index[:, by_target]
    edge_population = edges.sums(edge_times)[by_target]

    triplet_index = place[edges.label[graph.triplet_index[:, triplets.first]]]
    by_edge = np.argsort(triplet_index[1], kind="stable")
    triplet_index = triplet_index[:, by_edge]
    triplet_population = triplets.sums(triplet_times)[by_edge]
    return CrystalGraph(
        atomic_numbers=graph.atomic_numbers[nodes.first],
        class_size=class_size,
        edge_index=edge_index,
        edge_length=edges.means(graph.edge_length, edge_times)[by_target],
        edge_multiplicity=edge_population // class_size[edge_index[1]],
        triplet_index=triplet_index,
        triplet_cosine=triplets.means(graph.triplet_cosine, triplet_times)[by_edge],
        triplet_multiplicity=triplet_population // edge_population[triplet_index[1]],
    )
