"""Records of crystals -> packed graphs with the targets to learn."""

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import connection, get_context, parent_process
from typing import Any, Final, NamedTuple

import numpy as np
from tqdm import tqdm

from optimetal.database.store import BLOCK, CrystalStore
from optimetal.graphs.neighbours import Edges, crystal_edges, graph_of_edges, joined_edges
from optimetal.graphs.packed import GraphRows, PackedGraphs, graph_rows, pack_rows
from optimetal.graphs.quotient import quotients_of_union
from optimetal.optics.color import material_lab

TOGETHER: Final = 32
"""Crystals reduced at once: enough to amortise the calls, few enough to stay in the cache."""

BLOCKS_PER_MESSAGE: Final = 8
"""Blocks sent to a worker at once: about 0.1 s of work."""

WORTH_A_WORKER: Final = 5000
"""Crystals for which another process saves more time than the 1.5 s that starting the first costs."""


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
    reduced = partial(_reduced, cutoff=cutoff, triplet_cutoff=triplet_cutoff, tolerance=tolerance)
    with _mapping(min(jobs, len(store) // WORTH_A_WORKER)) as map_blocks:
        parts = map_blocks(reduced, _blocks(store))
        targets = _targets(store)  # while the workers are at it
        parts = _collected(parts, tqdm(desc=name, total=len(store), unit="crystal", disable=None))
    return pack_rows(
        parts, cutoff, triplet_cutoff, targets, store.mat_ids, store.compositions, store.source
    )


def _collected(parts: Iterable[GraphRows], bar: tqdm) -> list[GraphRows]:
    collected = []
    with bar:
        for part in parts:
            collected.append(part)
            bar.update(len(part))
    return collected


def _blocks(store: CrystalStore) -> Iterator[_Block]:
    for start in range(0, len(store), TOGETHER):
        crystals = slice(start, start + TOGETHER)
        offsets = store.atom_offsets[start : start + TOGETHER + 1]
        atoms = slice(offsets[0], offsets[-1])
        yield _Block(
            store.mat_ids[crystals],
            store.lattices[crystals],
            np.diff(offsets),
            store.atomic_numbers[atoms],
            store.positions[atoms],
        )


def _reduced(
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


def _targets(store: CrystalStore) -> dict[str, np.ndarray]:
    eps_inter = store.eps_inter()
    lab = np.empty((len(store), 3), np.float32)
    for start in range(0, len(store), BLOCK):
        block = slice(start, start + BLOCK)
        lab[block] = material_lab(eps_inter[block], store.drude_frequency[block])
    return {
        "eps_inter": eps_inter.view(np.float32).reshape(*eps_inter.shape, 2),
        "drude_frequency": store.drude_frequency,
        "lab": lab,
    }


# Workers


@contextmanager
def _mapping(jobs: int) -> Iterator[Callable[..., Iterable[Any]]]:
    """Python's ``map``, or the same in worker processes, with the results in the same order."""
    if jobs < 2:
        yield map
        return
    # Its server imports this module once, and all workers are copies of it that share its memory.
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    pool = ProcessPoolExecutor(jobs, context, _follow_parent)
    try:
        yield partial(pool.map, chunksize=BLOCKS_PER_MESSAGE)
    finally:
        pool.shutdown(cancel_futures=True)  # pending only after an error or Ctrl-C


def _follow_parent() -> None:
    """Let a worker end with its parent: silently at Ctrl-C, and when the parent was killed."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parent = parent_process()
    assert parent is not None

    def watch() -> None:  # a worker would wait for work forever
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
