"""Surrogate crystals and spectra as files of the published format, labelled for what they are.

One JSON file per crystal holds a serialised pymatgen ``ComputedStructureEntry``. The three
Cartesian directions are equal, because the surrogate computes their average only; compression gives
it back.
"""

import logging
import os
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import orjson
from tqdm import tqdm

from optimetal.database.surrogate.crystals import SurrogateCrystal, crystal_stream
from optimetal.database.surrogate.neutrality import ConvergenceError
from optimetal.database.surrogate.response import OpticalResponse, optical_response
from optimetal.files import write_text
from optimetal.optics.grid import ENERGY
from optimetal.workers import Map, process_map

if TYPE_CHECKING:
    from optimetal.config.surrogate import SurrogateSettings

logger = logging.getLogger(__name__)

MODEL_VERSION: Final = "tb-surrogate-v1"
"""Changes whenever the same settings would give other crystals or spectra."""

SOURCE: Final = "tight-binding surrogate"

NOTICE: Final = (
    "Surrogate, not ab initio: computed by a fitted universal tight-binding model for unrelaxed, "
    "invented crystals. Elemental metals are about 30 % off DFT. Use it to run and test the "
    "pipeline. Errors, scaling exponents and rankings of models measured on it say nothing about "
    "the DFT database."
)

HULL_NOTE: Final = (
    "e_above_hull repeats synthetic_stability_score for compatibility of the format: a ranking "
    "score made of distances, sizes and electronegativities. No energy was computed and no convex "
    "hull was built; energy is set to 0."
)

UNITS: Final = {
    "lattice": "angstrom",
    "energy_grid": "eV",
    "eps_inter": "dimensionless",
    "drude_freq": "eV",
    "synthetic_stability_score": "eV/atom",
}

DECIMALS: Final = 6
"""Spectra are rounded to 1e-6: finer than any use of them, and it halves the files."""

MANIFEST: Final = "manifest.json"

_PRELOAD: Final = (__name__, "pymatgen.entries.computed_entries")
"""Imported once for all workers."""


def write_database(
    folder: Path, settings: "SurrogateSettings", jobs: int = 1, progress: bool = True
) -> None:
    """Compute the surrogate database, or what is missing of it, one JSON file per crystal.

    Finished files are kept, so that a killed run continues. ``manifest.json`` says which settings a
    folder belongs to: files of other settings are replaced. Files are the same, byte by byte, for
    any number of workers. A crystal whose charges do not converge is left out, and the next one of
    the stream takes its place.

    Args:
        folder: Root of the database.
        settings: Which crystals.
        jobs: Worker processes, with one BLAS thread each.
        progress: Show a progress bar on a terminal.

    Raises:
        ValueError: If the folder holds entries from elsewhere, or elements and prototypes allow too
            few crystals.
    """
    folder = Path(folder)
    _claim(folder, settings)
    bar = tqdm(total=settings.num_crystals, unit="crystal", disable=None if progress else True)
    with bar, process_map(jobs, _PRELOAD, apart=True) as map_crystals:
        finished = _complete(folder, settings, map_crystals, bar)
    num_removed = _remove(path for path in _surrogate_files(folder) if path not in finished)
    logger.info("%s complete, %d surplus files removed. %s", folder, num_removed, NOTICE)


def _complete(
    folder: Path, settings: "SurrogateSettings", map_crystals: Map, bar: tqdm
) -> set[Path]:
    """Go along the stream until enough crystals have a file; returns all files of the database."""
    stream = crystal_stream(settings)
    finished: set[Path] = set()
    num_computed = num_rejected = 0
    while missing := settings.num_crystals - len(finished):
        crystals = {entry_path(folder, settings.seed, c): c for c in islice(stream, missing)}
        kept = {path for path in crystals if path.exists()}
        finished |= kept
        bar.update(len(kept))
        to_do = [(path, crystal) for path, crystal in crystals.items() if path not in kept]
        for path, failure in map_crystals(partial(_compute_entry, settings.seed), to_do):
            if failure is None:
                finished.add(path)
                num_computed += 1
                bar.update()
            else:
                num_rejected += 1
                logger.warning("%s left out: %s", path.stem, failure)
    logger.info(
        "%d crystals: %d computed now, %d rejected", len(finished), num_computed, num_rejected
    )
    return finished


def material_id(seed: int, crystal: SurrogateCrystal) -> str:
    """Identifier that cannot be mistaken for one of a real database."""
    return f"tbs1-{seed}-{crystal.index:06d}"


def entry_path(folder: Path, seed: int, crystal: SurrogateCrystal) -> Path:
    """Place of a crystal's file; folders are named as the published ones, by number of atoms."""
    name = f"database_nsite_{len(crystal.atomic_numbers)}_part_1"
    return folder / name / f"{material_id(seed, crystal)}.json"


def entry_document(crystal: SurrogateCrystal, response: OpticalResponse, seed: int) -> dict:
    """A ``ComputedStructureEntry`` as pymatgen serialises it, with the spectra as arrays."""
    # here, because pymatgen takes two seconds to import, which a mere look at the settings should
    # not cost
    from pymatgen.core import Lattice, Structure
    from pymatgen.entries.computed_entries import ComputedStructureEntry

    structure = Structure(
        Lattice(crystal.lattice),
        crystal.atomic_numbers.tolist(),
        crystal.positions,
        coords_are_cartesian=True,
    )
    entry = ComputedStructureEntry(
        structure, energy=0.0, data=_labels(crystal, seed), entry_id=material_id(seed, crystal)
    )
    document = entry.as_dict()
    drude_frequency = round(response.drude_frequency, DECIMALS)
    document["data"] |= {
        "drude_freq": [drude_frequency] * 3,
        "eps_inter_re": _three_directions(np.real(response.eps_inter)),
        "eps_inter_im": _three_directions(np.imag(response.eps_inter)),
    }
    return document


def _labels(crystal: SurrogateCrystal, seed: int) -> dict[str, Any]:
    score = round(crystal.stability_score, DECIMALS)
    return {
        "mat_id": material_id(seed, crystal),
        "e_above_hull": score,
        "synthetic_stability_score": score,
        "source": SOURCE,
        "is_dft": False,
        "model_version": MODEL_VERSION,
        "seed": seed,
        "prototype": crystal.prototype,
        "units": UNITS,
        "notice": NOTICE,
        "note_on_e_above_hull": HULL_NOTE,
    }


def _three_directions(spectrum: np.ndarray) -> dict[str, Any]:
    """(num_energies, 4) array of energy and three equal columns, as monty serialises arrays."""
    columns = np.stack([ENERGY, spectrum, spectrum, spectrum], axis=1)
    return {
        "@module": "numpy",
        "@class": "array",
        "dtype": "float64",
        "data": np.round(columns, DECIMALS) + 0.0,  # + 0.0: no minus zeros
    }


def _compute_entry(seed: int, task: tuple[Path, SurrogateCrystal]) -> tuple[Path, str | None]:
    """Compute and write one entry in a worker; returns its path, and why if it was rejected."""
    path, crystal = task
    try:
        response = optical_response(crystal.lattice, crystal.atomic_numbers, crystal.positions)
    except ConvergenceError as error:
        return path, str(error)
    document = entry_document(crystal, response, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    # a name that no reader takes for an entry, and that the next run writes over
    temporary = path.with_suffix(".unfinished")
    temporary.write_bytes(orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY))
    os.replace(temporary, path)
    return path, None


def _claim(folder: Path, settings: "SurrogateSettings") -> None:
    """Make the folder one of these settings; what belongs to others is removed."""
    foreign = [p for p in _entry_files(folder) if not p.name.startswith("tbs1-")]
    if foreign:
        raise ValueError(
            f"expected no entries but the surrogate's in {folder}, got {len(foreign)} others such "
            f"as {foreign[0].name}: the two must not be mixed, write the surrogate elsewhere"
        )
    manifest = {
        "model_version": MODEL_VERSION,
        "source": SOURCE,
        "is_dft": False,
        "notice": NOTICE,
        "settings": settings.model_dump(mode="json"),
    }
    if not _same_stream(folder / MANIFEST, manifest):
        num_removed = _remove(_surrogate_files(folder))
        if num_removed:
            logger.warning("%s: %d files of other settings removed", folder, num_removed)
    text = orjson.dumps(manifest, option=orjson.OPT_INDENT_2).decode()
    write_text(folder / MANIFEST, text + "\n")


def _same_stream(path: Path, manifest: dict[str, Any]) -> bool:
    """Whether the files beside a manifest are of the same stream of crystals, however many."""
    try:
        found = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    if not isinstance(found, dict) or not isinstance(found.get("settings"), dict):
        return False
    number = {"num_crystals": manifest["settings"]["num_crystals"]}
    return found | {"settings": found["settings"] | number} == manifest


def _entry_files(folder: Path) -> Iterator[Path]:
    return folder.glob("database_*/*.json")


def _surrogate_files(folder: Path) -> Iterator[Path]:
    return (path for path in _entry_files(folder) if path.name.startswith("tbs1-"))


def _remove(paths: Iterator[Path]) -> int:
    paths_now = list(paths)
    for path in paths_now:
        path.unlink()
    return len(paths_now)
