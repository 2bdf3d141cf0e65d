"""The published database at its real size, invented: time, memory and disk of every step up to the graphs.

``python -m benchmarks.full_scale FOLDER [--entries N] [--cores N]``

The database comes folder by folder, and the JSON files of each are deleted once they are compressed: at most 6 GB of
the 79 GB are there at a time. The whole needs 20 GB of disk. Before that, some entries are read one by one, by us and
by pymatgen.

``python -m benchmarks.full_scale FOLDER --memory SECONDS``

Memory of as many processes as compress at most, over as many names as the database has: hard links to 1000 entries.
"""

import argparse
import gc
import logging
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import orjson
from monty.serialization import loadfn
from pymatgen.core import Element, Lattice, Structure
from pymatgen.entries.computed_entries import ComputedStructureEntry
from tqdm import tqdm

from benchmarks.costs import Cost, measured
from benchmarks.crystals import crystals_of_published_sizes
from optimetal.database.compress import MAX_WORKERS, compress
from optimetal.database.entries import Record, read_entry
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

READ: Final = 100
"""Entries that are read one by one."""

ROUNDS: Final = 5
"""So often; the round that others disturbed the least counts."""

ORIGINALS: Final = 1000
"""Entries that hard links repeat."""

_SERIALISED: Final = {"@module": "numpy", "@class": "array", "dtype": "float64"}

_COMPACT_GRID: Final = np.round(ENERGY * (1 - 6e-7), 6)
"""As in published entries: rounded, and 12 µeV short at the end."""


_COMPRESSION: Final = """
import logging
from pathlib import Path
from optimetal.database.compress import MAX_WORKERS, compress
logging.disable(logging.WARNING)  # each repetition of an entry would be named
folder = Path({folder!r})
compress(folder / "json", folder / "records.h5", folder / "quarantine.csv", 1.0, MAX_WORKERS)
"""


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
    parser.add_argument("--memory", type=float, metavar="SECONDS", help="only that of compression")
    arguments = parser.parse_args()
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    shutil.rmtree(arguments.folder, ignore_errors=True)
    arguments.folder.mkdir(parents=True)
    if arguments.memory:
        cost = memory_of_compression(arguments.folder, arguments.memory)
        log.info("%d processes, %.0f s: %.0f MB", MAX_WORKERS, cost.seconds, cost.memory)
        return
    crystals = list(crystals_of_published_sizes(TEMPLATES, seed=0))
    for name, milliseconds in reading(arguments.folder / "read", crystals, READ).items():
        log.info("%-44s %8.2f ms CPU per entry", name, milliseconds)
    for name, cost, size in measured_steps(arguments.folder, arguments.entries, arguments.cores):
        per_entry = 1e3 * cost.cpu_seconds / arguments.entries
        row = *cost, size / 1e9, per_entry
        text = "%-22s %7.1f s %7.1f s CPU %6.0f MB memory %7.3f GB disk %6.2f ms CPU per entry"
        log.info(text, name, *row)


def measured_steps(folder: Path, num_entries: int, cores: int) -> Iterator[tuple[str, Cost, int]]:
    """Name, cost and bytes written of each step."""
    counts = scaled_counts(num_entries)
    numbers = np.random.default_rng(0).permutation(sum(counts.values()))
    crystals = list(crystals_of_published_sizes(TEMPLATES, seed=0))
    written, made, compressed = 0, [], []
    for name, count in counts.items():
        chosen, numbers = numbers[:count], numbers[count:]
        made += [measured(write_entries, folder / "json" / name, crystals, chosen, cores)]
        size = _size(folder / "json")
        written += size
        records = folder / "folders" / f"{name}.h5"
        step = compress, folder / "json", records, records.with_suffix(".csv"), 0.0, cores
        compressed += [measured(*step)]
        shutil.rmtree(folder / "json")
        log.info("%s: %d entries, %.2f GB of JSON", name, count, size / 1e9)
    yield "write JSON (not ours)", _together(made), written
    yield "compress, by folder", _together(compressed), _size(folder / "folders")
    records = folder / "records.h5"
    yield "join folders", measured(join, folder / "folders", records), _size(records)
    shutil.rmtree(folder / "folders")
    files = {name: folder / f"{name}.h5" for name in SPLITS}
    cost = measured(split_records, records, files, folder / "splits.csv", (0.8, 0.1, 0.1), 42)
    yield "split", cost, sum(map(_size, files.values()))
    for name, file in files.items():
        graphs = folder / "graphs" / f"{name}.h5"
        yield f"graphs {name}", measured(build, file, graphs, cores), _size(graphs)


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
    """Write some entries, which say that they are not ab initio."""
    rng = np.random.default_rng(piece.numbers[0])
    more = _more_spectra(rng)
    for number in piece.numbers.tolist():
        entry = _entry(piece.templates[rng.integers(len(piece.templates))], rng)
        entry["data"] = {"mat_id": f"agm{number:09d}", "drude_freq": rng.uniform(1, 9, 3).tolist()}
        entry["data"] |= {"is_dft": False, "e_above_hull": 0.01, **_spectra(rng), **more}
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


# Reading


def reading(folder: Path, crystals: list[SurrogateCrystal], num_entries: int) -> dict[str, float]:
    """Way to read an entry -> CPU time of one process (ms), the mean over entries that were read before.

    With the searches for garbage that a way sets off, among what it makes itself.
    """
    folder.mkdir(parents=True)
    write_piece(Piece(folder, crystals, np.arange(num_entries)))
    ways = {
        "ours, read_entry": read_entry,
        "pymatgen's Structure and the two spectra": _structure_and_spectra,
        "monty's loadfn, a ComputedStructureEntry": loadfn,
    }
    files = sorted(folder.iterdir())
    gc.freeze()
    rounds = [[_cpu_time(way, files) for way in ways.values()] for _ in range(ROUNDS)]
    gc.unfreeze()
    return dict(zip(ways, 1e3 / len(files) * np.min(rounds, axis=0), strict=True))


def _structure_and_spectra(path: Path) -> tuple[Structure, np.ndarray, np.ndarray]:
    """The least that gets pymatgen's object and the numbers, with the fastest reader of JSON."""
    content = orjson.loads(path.read_bytes())
    real, imaginary = (
        np.array(content["data"][f"eps_inter_{part}"]["data"]) for part in ("re", "im")
    )
    return Structure.from_dict(content["structure"]), real, imaginary


def _cpu_time(function: Callable[[Path], Any], paths: list[Path]) -> float:
    start = time.process_time()
    for path in paths:
        function(path)
    return time.process_time() - start


# Measurement


def memory_of_compression(folder: Path, seconds: float) -> Cost:
    """Cost of compressing the names of the whole database, ended after some time."""
    crystals = list(crystals_of_published_sizes(TEMPLATES, seed=0))
    (folder / "originals").mkdir(parents=True)
    write_piece(Piece(folder / "originals", crystals, np.arange(ORIGINALS)))
    originals = sorted((folder / "originals").iterdir())
    for name, count in PUBLISHED_FOLDERS.items():
        (folder / "json" / name).mkdir(parents=True)
        for number in range(count):
            link = folder / "json" / name / f"agm{number:09d}.json"
            link.hardlink_to(originals[number % ORIGINALS])
    # as in the workflow, whose scripts import nothing else: not this module, either
    program = sys.modules["__main__"]
    program.__spec__ = program.__file__ = None
    return measured(exec, _COMPRESSION.format(folder=str(folder)), limit=seconds)


def _together(costs: list[Cost]) -> Cost:
    """Times add up, of the memory the largest counts."""
    seconds, cpu_seconds, memory = zip(*costs, strict=True)
    return Cost(sum(seconds), sum(cpu_seconds), max(memory))


def _size(path: Path) -> int:
    """Bytes of a file or folder."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())


if __name__ == "__main__":
    main()
