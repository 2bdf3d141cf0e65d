"""Records of crystals -> packed graphs with the targets to learn."""

from collections.abc import Iterator

import numpy as np
from tqdm import tqdm

from optimetal.database.store import BLOCK, CrystalStore
from optimetal.graphs.neighbours import CrystalGraph, crystal_graph
from optimetal.graphs.packed import PackedGraphs, pack
from optimetal.optics.color import lab_color
from optimetal.optics.drude import total_dielectric


def build_graphs(
    store: CrystalStore, cutoff: float, triplet_cutoff: float | None, name: str = "graphs"
) -> PackedGraphs:
    """Graphs and targets of all crystals of a store.

    Targets: ``eps_inter`` (n, NUM_ENERGIES, 2), real then imaginary part; ``drude_frequency`` (n,) eV; ``lab`` (n, 3),
    CIE L*a*b* colour of the total dielectric function.

    Args:
        store: Crystals with their spectra.
        cutoff: Longest edge, Å.
        triplet_cutoff: Longest edge of a three-body pair, Å; none: no pairs.
        name: Title of the progress bar.
    """
    graphs = tqdm(_graphs(store, cutoff, triplet_cutoff), name, len(store), disable=None)
    return pack(
        graphs,
        cutoff,
        triplet_cutoff,
        targets=_targets(store),
        mat_ids=store.mat_ids,
        compositions=store.compositions,
        source=store.source,
    )


def _graphs(
    store: CrystalStore, cutoff: float, triplet_cutoff: float | None
) -> Iterator[CrystalGraph]:
    for row, (start, stop) in enumerate(
        zip(store.atom_offsets, store.atom_offsets[1:], strict=False)
    ):
        try:
            yield crystal_graph(
                store.lattices[row],
                store.atomic_numbers[start:stop],
                store.positions[start:stop],
                cutoff,
                triplet_cutoff,
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
