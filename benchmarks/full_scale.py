"""The published database at its real size, invented: time, memory and disk of every step up to the graphs.

``python -m benchmarks.full_scale FOLDER [--entries N] [--cores N]``

The database comes folder by folder, and the JSON files of each are deleted once they are compressed: at most 6 GB of
the 79 GB are there at a time. The whole needs 20 GB of disk.
"""

import argparse
import logging
import multiprocessing
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import orjson
from pymatgen.core import Element, Lattice, Structure
from pymatgen.entries.computed_entries import ComputedStructureEntry
from tqdm import tqdm

from benchmarks.crystals import crystals_of_published_sizes
from optimetal.database.compress import compress
from optimetal.database.entries import Record
from optimetal.database.splits import SPLITS, split_records
from optimetal.database.store import CrystalStore, write_records
from optimetal.database.surrogate.crystals import SurrogateCrystal
from optimetal.database.surrogate.elements import ELEMENTS
from optimetal.database.validate import PUBLISHED_FOLDERS
from optimetal.graphs.build import write_graphs
from optimetal.optics.grid import ENERGY
from optimetal.workers import process_map

log = logging.getLogger("benchmarks")

TEMPLATES: Final = 1000
"""Crystals whose cells the others repeat, a little larger or smaller and with other elements."""

PIECE: Final = 256
"""Entries written by a worker at a time."""

INTERVAL: Final = 0.3
"""Time between two looks at the memory, s."""

_SERIALISED: Final = {"@module": "numpy", "@class": "array", "dtype": "float64"}

_COMPACT_GRID: Final = np.round(ENERGY * (1 - 6e-7), 6)
"""As in published entries: rounded, and 12 µeV short at the end."""


class Piece(NamedTuple):
    """Entries to write."""

    folder: Path
    templates: list[SurrogateCrystal]
    numbers: np.ndarray
    """Of the names, such as 1001811 of agm001001811."""


def main() -> None:
    """Read the arguments, run all steps, log a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.full_scale", description=__doc__)
    parser.add_argument("folder", type=Path, help="is emptied")
    parser.add_argument("--entries", type=int, default=sum(PUBLISHED_FOLDERS.values()))
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    arguments = parser.parse_args()
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    shutil.rmtree(arguments.folder, ignore_errors=True)
    arguments.folder.mkdir(parents=True)
    for row in measured_steps(arguments.folder, arguments.entries, arguments.cores):
        log.info("%-28s %8.1f s %8.0f MB memory %8.3f GB disk", *row)


def measured_steps(folder: Path, num_entries: int, cores: int) -> Iterator[tuple]:
    """Name, seconds, peak memory (MB, all processes together) and bytes written (GB) of each step."""
    counts = scaled_counts(num_entries)
    numbers = np.random.default_rng(0).permutation(sum(counts.values()))
    crystals = list(crystals_of_published_sizes(TEMPLATES, seed=0))
    written, made, compressed = 0, np.zeros(2), np.zeros(2)
    for name, count in counts.items():
        chosen, numbers = numbers[:count], numbers[count:]
        step = write_entries, folder / "json" / name, crystals, chosen, cores
        made = _summed(made, measured(*step))
        size = _size(folder / "json")
        written += size
        records = folder / "folders" / f"{name}.h5"
        step = compress, folder / "json", records, records.with_suffix(".csv"), 0.0, cores
        compressed = _summed(compressed, measured(*step))
        shutil.rmtree(folder / "json")
        log.info("%s: %d entries, %.2f GB of JSON", name, count, size / 1e9)
    yield "write JSON (not ours)", *made, written / 1e9
    yield "compress, by folder", *compressed, _size(folder / "folders") / 1e9
    records = folder / "records.h5"
    yield "join folders", *measured(join, folder / "folders", records), _size(records) / 1e9
    shutil.rmtree(folder / "folders")
    files = {name: folder / f"{name}.h5" for name in SPLITS}
    seconds, memory = measured(
        split_records, records, files, folder / "splits.csv", (0.8, 0.1, 0.1), 42
    )
    yield "split", seconds, memory, sum(map(_size, files.values())) / 1e9
    for name, file in files.items():
        graphs = folder / "graphs" / f"{name}.h5"
        yield f"graphs {name}", *measured(build, file, graphs, cores), _size(graphs) / 1e9


def scaled_counts(num_entries: int) -> dict[str, int]:
    """Entries of each folder, in the published proportions."""
    share = num_entries / sum(PUBLISHED_FOLDERS.values())
    return {name: max(1, round(share * count)) for name, count in PUBLISHED_FOLDERS.items()}


def write_entries(
    folder: Path, crystals: list[SurrogateCrystal], numbers: np.ndarray, cores: int
) -> None:
    """Entries in the published format and of the published size."""
    num_atoms = int(folder.name.split("_")[2])
    templates = [crystal for crystal in crystals if len(crystal.atomic_numbers) == num_atoms]
    folder.mkdir(parents=True)
    cuts = range(PIECE, len(numbers), PIECE)
    pieces = [Piece(folder, templates or crystals[:1], some) for some in np.split(numbers, cuts)]
    with process_map(cores, [__name__]) as map_pieces:
        for _ in tqdm(map_pieces(write_piece, pieces), folder.name, len(pieces), disable=None):
            pass


def write_piece(piece: Piece) -> None:
    """Write some entries."""
    rng = np.random.default_rng(piece.numbers[0])
    more = _more_spectra(rng)
    for number in piece.numbers.tolist():
        entry = _entry(piece.templates[rng.integers(len(piece.templates))], rng)
        entry["data"] = {"mat_id": f"agm{number:09d}", "drude_freq": rng.uniform(1, 9, 3).tolist()}
        entry["data"] |= {"e_above_hull": 0.01, **_spectra(rng), **more}
        text = orjson.dumps(entry, option=orjson.OPT_SERIALIZE_NUMPY)
        (piece.folder / f"agm{number:09d}.json").write_bytes(text)


def _entry(template: SurrogateCrystal, rng: np.random.Generator) -> dict[str, Any]:
    """A crystal as pymatgen serialises it, without data."""
    species, of_site = np.unique(template.atomic_numbers, return_inverse=True)
    elements = rng.choice(list(ELEMENTS), len(species), replace=False)
    scale = rng.uniform(0.97, 1.03)
    structure = Structure(
        Lattice(scale * template.lattice),
        [Element(str(elements[kind])) for kind in of_site],
        scale * template.positions,
        coords_are_cartesian=True,
    )
    return ComputedStructureEntry(structure, energy=0.0).as_dict()


def _spectra(rng: np.random.Generator) -> dict[str, Any]:
    """Three oscillators, one for each direction."""
    resonance, width, strength = rng.uniform([1, 0.5, 1], [8, 4, 20], (3, 3)).T[..., None]
    eps = 1 + strength / (resonance**2 - ENERGY**2 - 1j * width * ENERGY)
    return {
        f"eps_inter_{name}": _array(part) for name, part in (("re", eps.real), ("im", eps.imag))
    }


def _more_spectra(rng: np.random.Generator) -> dict[str, Any]:
    """Five more spectra, which published entries hold and nobody needs; made once, to save time."""
    kinds = {f"other_{n}": _array(rng.uniform(0, 9, (1, len(ENERGY)))) for n in range(5)}
    option = orjson.OPT_SERIALIZE_NUMPY
    return {
        name: orjson.Fragment(orjson.dumps(value, option=option)) for name, value in kinds.items()
    }


def _array(columns: np.ndarray) -> dict[str, Any]:
    table = np.column_stack([_COMPACT_GRID, *np.round(columns, 6)])
    return {**_SERIALISED, "data": np.ascontiguousarray(table)}


def join(folder: Path, records_file: Path) -> None:
    """Files of records as one."""
    with ExitStack() as stack:
        stores = [stack.enter_context(CrystalStore(path)) for path in sorted(folder.glob("*.h5"))]
        write_records(records_file, _all_records(stores))


def _all_records(stores: list[CrystalStore]) -> Iterator[Record]:
    for store in stores:
        yield from store.records(range(len(store)))


def build(records_file: Path, graphs_file: Path, cores: int) -> None:
    """Graphs with the published cutoffs."""
    with CrystalStore(records_file) as store:
        write_graphs(graphs_file, store, 5.5, 4.0, 1e-4, records_file.stem, cores)


# Measurement


def measured(function: Callable[..., Any], *arguments: Any) -> tuple[float, float]:
    """Seconds and peak memory (MB) of a call in a fresh process, with all processes it starts.

    Memory is what the system could give to others if they were gone (proportional set size).

    Raises:
        RuntimeError: If the call fails.
    """
    process = multiprocessing.get_context("spawn").Process(target=function, args=arguments)
    start, peak = time.perf_counter(), 0.0
    process.start()
    while process.is_alive():
        peak = max(peak, sum(map(_memory, _with_children(process.pid))))
        process.join(INTERVAL)
    if process.exitcode:
        raise RuntimeError(f"{function.__name__} failed with exit code {process.exitcode}")
    return time.perf_counter() - start, peak


def _with_children(process: int | None) -> Iterator[int]:
    """A process and all that descend from it."""
    if process is None:
        return
    yield process
    try:
        for thread in Path(f"/proc/{process}/task").iterdir():
            for child in (thread / "children").read_text().split():
                yield from _with_children(int(child))
    except (FileNotFoundError, ProcessLookupError):
        return  # it has ended


def _memory(process: int) -> float:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def _summed(total: np.ndarray, step: tuple[float, float]) -> np.ndarray:
    """Seconds add up, of the memory the largest counts."""
    return np.array([total[0] + step[0], max(total[1], step[1])])


def _size(path: Path) -> int:
    """Bytes of a file or folder."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())


if __name__ == "__main__":
    main()
