"""Entries of the published database: one JSON file per crystal, decoded to the fields that are learned.

Each file is a serialised ``pymatgen`` ``ComputedStructureEntry``. Only the needed fields are decoded, without building
pymatgen objects; whatever is wrong with a file is an :class:`EntryError` with a short reason, so that one bad record
never ends a database run.
"""

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson
from jaxtyping import Complex, Float, Int
from pymatgen.core import Composition, Element

from optimetal.optics.grid import ENERGY, NUM_ENERGIES

AB_INITIO: Final = "ab initio"
"""Source of a record that does not say otherwise: the published database."""

SURROGATE: Final = "surrogate, not ab initio"
"""Label of everything that rests on the embedded tight-binding database."""


class EntryError(ValueError):
    """A file that is no usable database entry; ``reason`` is one of a few words to count by."""

    def __init__(self, reason: str, detail: str) -> None:
        """Both become the message."""
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple:
        return type(self), (self.reason, self.detail)


@dataclass(frozen=True)
class Record:
    """One crystal with its optical response, averaged over the Cartesian directions."""

    mat_id: str
    composition: str
    """Reduced formula."""
    e_above_hull: float
    """Energy above the convex hull, eV/atom."""
    lattice: Float[np.ndarray, "3 3"]
    """float32, rows are vectors, Å."""
    atomic_numbers: Int[np.ndarray, " num_atoms"]
    positions: Float[np.ndarray, "num_atoms 3"]
    """float32, Cartesian, Å."""
    drude_frequency: float
    """ω_D, eV: root mean square of the three directional values."""
    eps_inter: Complex[np.ndarray, " num_energies"]
    """complex64, interband dielectric function on the energy grid."""
    source: str = AB_INITIO


@dataclass(frozen=True)
class BadEntry:
    """A file that was put into quarantine."""

    file: str
    reason: str
    detail: str


def entry_files(folder: str | Path) -> list[Path]:
    """JSON files of all ``database_*`` folders below a folder, sorted by name.

    Raises:
        FileNotFoundError: If the folder, or any entry in it, is missing.
    """
    found = Path(folder).glob("database_*/*.json")
    # a file that begins with a dot is an unfinished one of a killed process
    files = sorted((f for f in found if f.name[0] != "."), key=lambda file: file.name)
    if not files:
        raise FileNotFoundError(
            f"Expected folders database_*/ with JSON entries in {folder}, found none: check `database.folder`."
        )
    return files


def read_entry(path: str | Path) -> Record:
    """Decode one entry.

    Raises:
        EntryError: If the file is unreadable or the record is not complete and finite.
    """
    content = _read_json(Path(path))
    try:
        data, structure = content["data"], content["structure"]
        lattice = np.array(structure["lattice"]["matrix"], float)
        species = [_element(site) for site in structure["sites"]]
        fractional = np.array([site["abc"] for site in structure["sites"]], float)
        return Record(
            mat_id=str(data["mat_id"]),
            composition=_reduced_formula(species),
            e_above_hull=_finite("e_above_hull", data["e_above_hull"], ()).item(),
            lattice=_finite("lattice", lattice, (3, 3)).astype(np.float32),
            atomic_numbers=np.array([Element(symbol).Z for symbol in species], np.uint16),
            positions=_finite("positions", fractional @ lattice, (len(species), 3)).astype(
                np.float32
            ),
            drude_frequency=float(
                np.sqrt(np.mean(_finite("drude_freq", data["drude_freq"], (3,)) ** 2))
            ),
            eps_inter=_mean_spectrum(data),
            source=SURROGATE if data.get("is_dft") is False else AB_INITIO,
        )
    except KeyError as error:
        raise EntryError("missing key", f"expected the key {error}") from error
    except EntryError:
        raise
    except (TypeError, ValueError) as error:
        raise EntryError("malformed", str(error)) from error


def read_entries(
    files: Iterable[Path], jobs: int = 1, chunk: int = 16
) -> Iterator[Record | BadEntry]:
    """Decode many files in order, in parallel; a faulty file or a repeated mat_id gives a :class:`BadEntry`."""
    seen: set[str] = set()
    for outcome in _map(_read_or_quarantine, files, jobs, chunk):
        if isinstance(outcome, tuple):
            file, record = outcome
            if record.mat_id in seen:
                outcome = BadEntry(file, "duplicate mat_id", f"{record.mat_id} was read before")
            else:
                seen.add(record.mat_id)
                outcome = record
        yield outcome


def _map(function: Any, items: Iterable[Path], jobs: int, chunk: int) -> Iterator[Any]:
    if jobs == 1:
        yield from map(function, items)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(function, items, chunksize=chunk)


def _read_or_quarantine(path: Path) -> tuple[str, Record] | BadEntry:
    try:
        return str(path), read_entry(path)
    except EntryError as error:
        return BadEntry(str(path), error.reason, error.detail)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        raw = path.read_bytes()
        try:
            content = orjson.loads(raw)
        except orjson.JSONDecodeError:
            content = json.loads(raw)  # also takes NaN and infinity, which are then named as such
    except (OSError, ValueError) as error:
        raise EntryError("unreadable", str(error)) from error
    if not isinstance(content, dict):
        raise EntryError("malformed", f"expected a JSON object, got {type(content).__name__}")
    return content


def _element(site: dict[str, Any]) -> str:
    species = site["species"]
    if len(species) != 1 or species[0]["occu"] != 1:
        raise EntryError("disordered", "expected one fully occupied element per site")
    return species[0]["element"]


def _reduced_formula(species: list[str]) -> str:
    if not species:
        raise EntryError("no atoms", "expected at least one site")
    return Composition("".join(species)).reduced_formula


def _mean_spectrum(data: dict[str, Any]) -> Complex[np.ndarray, " num_energies"]:
    """Mean of the Cartesian columns of the complex dielectric function; column 0 is the energy."""
    shape = (NUM_ENERGIES, 4)
    real = _finite("eps_inter_re", data["eps_inter_re"], shape)
    imaginary = _finite("eps_inter_im", data["eps_inter_im"], shape)
    for part in (real, imaginary):
        if not np.allclose(part[:, 0], ENERGY, atol=1e-4):
            raise EntryError(
                "energy grid",
                f"expected {NUM_ENERGIES} energies from {ENERGY[0]:g} to {ENERGY[-1]:g} eV, got {part[0, 0]:g} to "
                f"{part[-1, 0]:g} eV",
            )
    return (real[:, 1:] + 1j * imaginary[:, 1:]).mean(axis=1).astype(np.complex64)


def _finite(name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """The value as an array of the expected shape with finite entries; takes serialised arrays."""
    array = np.asarray(value["data"] if isinstance(value, dict) else value, float)
    if array.shape != shape:
        raise EntryError("wrong shape", f"expected {name} of shape {shape}, got {array.shape}")
    if not np.isfinite(array).all():
        raise EntryError("not finite", f"{name} has NaN or infinite entries")
    return array
