"""Records of crystals -> packed graphs with the targets to learn."""

from collections.abc import Generator, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from tqdm import tqdm

from optimetal.database.store import BLOCK, CrystalStore
from optimetal.graphs.neighbours import Edges, crystal_edges, graph_of_edges, joined_edges
from optimetal.graphs.packed import (
    GraphRows,
    PackedGraphs,
    graph_file,
    graph_rows,
    joined_rows,
    pack_rows,
)
from optimetal.graphs.quotient import quotients_of_union
from optimetal.optics.color import material_lab
from optimetal.workers import process_map

TOGETHER: Final = 32
"""Crystals reduced at once: enough to amortise the calls, few enough to stay in the cache."""

WORTH_A_WORKER: Final = 5000
"""Crystals for which another process saves more time than the 1.5 s that starting the first costs."""

Part = tuple[GraphRows, dict[str, np.ndarray]]
"""Graphs and targets of some consecutive crystals."""


class _Block(NamedTuple):
    """Some crystals of a store, without their spectra: all that a worker is told."""

    mat_ids: list[str]
    lattices: np.ndarray
    num_atoms: np.ndarray
    atomic_numbers: np.ndarray
    positions: np.ndarray


def build_graphs(
    store: CrystalStore,
    cutoff: float,
    triplet_cutoff: float | None,
    tolerance: float,
    name: str = "graphs",
    jobs: int = 1,
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
        jobs: Worker processes at most; small stores use fewer. The result does not depend on it.

    Raises:
        ValueError: If a crystal has no graph (it is named), or the tolerance is negative.
    """
    with closing(_parts(store, cutoff, triplet_cutoff, tolerance, name, jobs)) as stream:
        rows, blocks = zip(*stream, strict=True)
    targets = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
    return pack_rows(
        rows, cutoff, triplet_cutoff, targets, store.mat_ids, store.compositions, store.source
    )


def write_graphs(
    path: str | Path,
    store: CrystalStore,
    cutoff: float,
    triplet_cutoff: float | None,
    tolerance: float,
    name: str = "graphs",
    jobs: int = 1,
) -> None:
    """The same, block by block into a file for :func:`optimetal.graphs.packed.load`.

    Memory does not grow with the number of crystals, apart from their names and structures.

    Args:
        path: HDF5 file to write; it appears when it is complete.
        store: As for :func:`build_graphs`, like all that follow.
        cutoff: Å.
        triplet_cutoff: Å.
        tolerance: Å.
        name: Title of the progress bar.
        jobs: Worker processes at most.

    Raises:
        ValueError: If a crystal has no graph (it is named), or the tolerance is negative.
        OSError: If the file cannot be written.
    """
    names = store.mat_ids, store.compositions
    with (
        graph_file(path, *names, cutoff, triplet_cutoff, store.source) as file,
        closing(_parts(store, cutoff, triplet_cutoff, tolerance, name, jobs)) as stream,
    ):
        for rows, targets in stream:
            file.append(rows, targets)


def _parts(
    store: CrystalStore,
    cutoff: float,
    triplet_cutoff: float | None,
    tolerance: float,
    name: str,
    jobs: int,
) -> Generator[Part]:
    """Graphs and targets of all crystals, BLOCK crystals at a time."""
    reduced = partial(_reduced, cutoff=cutoff, triplet_cutoff=triplet_cutoff, tolerance=tolerance)
    with (
        process_map(min(jobs, len(store) // WORTH_A_WORKER), [__name__]) as map_blocks,
        tqdm(desc=name, total=len(store), unit="crystal", disable=None) as bar,
    ):
        for number, rows in enumerate(map_blocks(reduced, _blocks(store))):
            yield rows, _targets(store, slice(number * BLOCK, (number + 1) * BLOCK))
            bar.update(len(rows))


def _blocks(store: CrystalStore) -> Iterator[list[_Block]]:
    for start in range(0, len(store), BLOCK):
        stop = min(start + BLOCK, len(store))
        firsts = range(start, stop, TOGETHER)
        yield [_block(store, slice(first, min(first + TOGETHER, stop))) for first in firsts]


def _block(store: CrystalStore, crystals: slice) -> _Block:
    offsets = store.atom_offsets[crystals.start : crystals.stop + 1]
    atoms = slice(offsets[0], offsets[-1])
    return _Block(
        store.mat_ids[crystals],
        store.lattices[crystals],
        np.diff(offsets),
        store.atomic_numbers[atoms],
        store.positions[atoms],
    )


def _reduced(
    blocks: list[_Block], cutoff: float, triplet_cutoff: float | None, tolerance: float
) -> GraphRows:
    """Quotient graphs of some blocks, in a worker."""
    parts = [_reduced_block(block, cutoff, triplet_cutoff, tolerance) for block in blocks]
    return joined_rows(parts)


def _reduced_block(
    block: _Block, cutoff: float, triplet_cutoff: float | None, tolerance: float
) -> GraphRows:
    """Quotient graphs of one block."""
    edges = _edges(block, cutoff)
    union = graph_of_edges(
        block.atomic_numbers, joined_edges(edges, block.num_atoms.tolist()), triplet_cutoff
    )
    crystal = np.repeat(np.arange(len(edges)), block.num_atoms)
    return graph_rows(quotients_of_union(union, crystal, tolerance))


def _edges(block: _Block, cutoff: float) -> list[Edges]:
    ends = np.cumsum(block.num_atoms)[:-1]
    numbers, positions = (np.split(rows, ends) for rows in (block.atomic_numbers, block.positions))
    edges = []
    crystals = zip(block.lattices, numbers, positions, strict=True)
    for mat_id, (lattice, elements, places) in zip(block.mat_ids, crystals, strict=True):
        try:
            edges.append(crystal_edges(lattice, elements, places, cutoff))
        except ValueError as error:
            raise ValueError(f"No graph for {mat_id}: {error}") from error
    return edges


def _targets(store: CrystalStore, crystals: slice) -> dict[str, np.ndarray]:
    eps_inter = store.eps_inter(crystals)
    drude_frequency = store.drude_frequency[crystals]
    return {
        "eps_inter": eps_inter.view(np.float32).reshape(*eps_inter.shape, 2),
        "drude_frequency": drude_frequency,
        "lab": material_lab(eps_inter, drude_frequency).astype(np.float32),
    }
