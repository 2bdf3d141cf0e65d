"""Records of crystals -> packed graphs with the targets to learn."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from tqdm import tqdm

from optimetal.database.store import BLOCK, CrystalStore
from optimetal.graphs.neighbours import (
    CrystalGraph,
    Edges,
    crystal_edges,
    graph_of_edges,
    joined_edges,
)
from optimetal.graphs.packed import PackedGraphs, pack
from optimetal.graphs.quotient import quotients_of_union
from optimetal.optics.color import lab_color
from optimetal.optics.drude import total_dielectric

TOGETHER: Final = 32
"""Crystals reduced at once: enough to amortise the calls, few enough to stay in the cache."""


def build_graphs(
    store: CrystalStore,
    cutoff: float,
    triplet_cutoff: float | None,
    tolerance: float,
    name: str = "graphs",
) -> PackedGraphs:
    """Quotient graphs and targets of all crystals of a store.

    Targets: ``eps_inter`` (n, NUM_ENERGIES, 2), real then imaginary part; ``drude_frequency`` (n,) eV; ``lab`` (n, 3),
    CIE L*a*b* colour of the total dielectric function.

    Args:
        store: Crystals with their spectra.
        cutoff: Longest edge, Å.
        triplet_cutoff: Longest edge of a three-body pair, Å; none: no pairs.
        tolerance: Lengths (Å) and cosines count as equal up to this difference; 0: full graphs.
        name: Title of the progress bar.
    """
    graphs = _graphs(store, cutoff, triplet_cutoff, tolerance)
    return pack(
        tqdm(graphs, name, len(store), disable=None),
        cutoff,
        triplet_cutoff,
        targets=_targets(store),
        mat_ids=store.mat_ids,
        compositions=store.compositions,
        source=store.source,
    )


def _graphs(
    store: CrystalStore, cutoff: float, triplet_cutoff: float | None, tolerance: float
) -> Iterator[CrystalGraph]:
    for start in range(0, len(store), TOGETHER):
        offsets = store.atom_offsets[start : start + TOGETHER + 1]
        num_atoms = np.diff(offsets)
        edges = [_edges(store, start + n, cutoff) for n in range(len(num_atoms))]
        union = graph_of_edges(
            store.atomic_numbers[offsets[0] : offsets[-1]],
            joined_edges(edges, num_atoms.tolist()),
            triplet_cutoff,
        )
        crystal = np.repeat(np.arange(len(edges)), num_atoms)
        yield from quotients_of_union(union, crystal, tolerance)


def _edges(store: CrystalStore, row: int, cutoff: float) -> Edges:
    atoms = slice(*store.atom_offsets[row : row + 2])
    try:
        return crystal_edges(
            store.lattices[row], store.atomic_numbers[atoms], store.positions[atoms], cutoff
        )
    except ValueError as error:
        raise ValueError(f"No graph for {store.mat_ids[row]}: {error}") from error


def _targets(store: CrystalStore) -> dict[str, np.ndarray]:
    eps_inter = store.eps_inter()
    lab = np.empty((len(store), 3), np.float32)
    for start in range(0, len(store), BLOCK):
        block = slice(start, start + BLOCK)
        lab[block] = lab_color(total_dielectric(eps_inter[block], store.drude_frequency[block]))
    return {
        "eps_inter": eps_inter.view(np.float32).reshape(*eps_inter.shape, 2),
        "drude_frequency": store.drude_frequency,
        "lab": lab,
    }
