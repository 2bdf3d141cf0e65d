"""Entries of the published database: one JSON file per crystal, decoded to the fields that are learned.

Each file is a serialised ``pymatgen`` ``ComputedStructureEntry``. Only the needed fields are decoded, without building
pymatgen objects; whatever is wrong with a file is an :class:`EntryError` with a short reason, so that one bad record
never ends a database run.
"""

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson
from jaxtyping import Complex, Float, Int
from pymatgen.core import Composition, Element, Lattice

from optimetal.graphs.neighbours import crystal_edges
from optimetal.optics.grid import ENERGY, NUM_ENERGIES

AB_INITIO: Final = "ab initio"
"""Source of a record that does not say otherwise: the published database."""

SURROGATE: Final = "surrogate, not ab initio"
"""Label of everything that rests on the embedded tight-binding database."""

GRID_TOLERANCE: Final = 1e-4
"""eV; the grids of published entries are rounded and end at 19.999988 eV."""

NEAR: Final = 2.0
"""Å; reach of the search for atoms at the same place."""

LARGEST: Final = float(np.finfo(np.float32).max)
"""Largest number that is stored."""


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


def read_entry(path: str | Path) -> Record:
    """Decode one entry, in a quarter of the time that monty's ``loadfn`` takes.

    Raises:
        EntryError: If the file is unreadable, or the record is not complete and finite, or no
            graph can be made of the crystal.
    """
    try:
        with _no_garbage_collection():
            return _record(_read_json(Path(path)))
    except KeyError as error:
        raise EntryError("missing key", f"expected the key {error}") from error
    except EntryError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise EntryError("malformed", f"{type(error).__name__}: {error}") from error


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """The lists of an entry, thousands, set off searches for circles, which take longer than the rest."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _record(content: dict[str, Any]) -> Record:
    data, structure = content["data"], content["structure"]
    lattice = _finite("lattice", _lattice(structure["lattice"]), (3, 3))
    species = [_element(site) for site in structure["sites"]]
    composition = _reduced_formula(species)  # before positions: without atoms, they have no shape
    sites = [site["abc"] for site in structure["sites"]]
    fractional = _finite("fractional coordinates", sites, (len(species), 3))
    record = Record(
        mat_id=_identifier(data["mat_id"]),
        composition=composition,
        e_above_hull=_finite("e_above_hull", data["e_above_hull"], ()).item(),
        lattice=lattice.astype(np.float32),
        atomic_numbers=np.array([Element(symbol).Z for symbol in species], np.uint16),
        positions=_finite("positions", fractional @ lattice, (len(species), 3)).astype(np.float32),
        drude_frequency=float(
            np.sqrt(np.mean(_finite("drude_freq", data["drude_freq"], (3,)) ** 2))
        ),
        eps_inter=_mean_spectrum(data),
        source=SURROGATE if data.get("is_dft") is False else AB_INITIO,
    )
    check_geometry(record)
    return record


def _lattice(lattice: dict[str, Any]) -> Any:
    """Rows of the lattice; older files of pymatgen may have lengths and angles only."""
    if "matrix" in lattice:
        return lattice["matrix"]
    return Lattice.from_parameters(
        *(lattice[k] for k in ("a", "b", "c", "alpha", "beta", "gamma"))
    ).matrix


def _identifier(mat_id: Any) -> str:
    # neither HDF5 nor a line of a table takes every character that JSON does
    if not isinstance(mat_id, str) or not mat_id or not mat_id.isprintable():
        raise EntryError("malformed", f"expected mat_id as printable text, got {mat_id!r:.40}")
    return mat_id


def check_geometry(record: Record) -> None:
    """Refuse a crystal that no graph can be made of, which would end the run later.

    Raises:
        EntryError: If atoms coincide, the cell has no volume, or an element is heavier than Bi.
    """
    try:
        crystal_edges(record.lattice, record.atomic_numbers, record.positions, NEAR)
    except ValueError as error:
        raise EntryError("no graph", str(error)) from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        raw = path.read_bytes()
        try:
            content = orjson.loads(raw)
        except orjson.JSONDecodeError:
            content = json.loads(raw)  # also takes NaN and infinity, which are then named as such
    except (OSError, ValueError, RecursionError) as error:
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
        if np.abs(part[:, 0] - ENERGY).max() > GRID_TOLERANCE:
            raise EntryError(
                "energy grid",
                f"expected {NUM_ENERGIES} energies from {ENERGY[0]:g} to {ENERGY[-1]:g} eV, got {part[0, 0]:g} to "
                f"{part[-1, 0]:g} eV",
            )
    return (real[:, 1:] + 1j * imaginary[:, 1:]).mean(axis=1).astype(np.complex64)


def _finite(name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """The value as an array of the expected shape with finite entries; takes serialised arrays."""
    if isinstance(value, dict):
        value = value["data"]
    array = _table(value, shape[1]) if len(shape) == 2 else np.asarray(value, float)
    if array.shape != shape:
        raise EntryError("wrong shape", f"expected {name} of shape {shape}, got {array.shape}")
    if not (np.abs(array) <= LARGEST).all():
        raise EntryError(
            "not finite", f"{name} has NaN or infinite entries, or some above {LARGEST:.1g}"
        )
    return array


def _table(rows: Any, width: int) -> np.ndarray:
    """Rows of numbers as an array; twice as fast as ``np.array`` where all have the expected width."""
    if set(map(type, rows)) == {list} and set(map(len, rows)) == {width}:
        numbers = np.fromiter(chain.from_iterable(rows), float, len(rows) * width)
        return numbers.reshape(len(rows), width)
    return np.asarray(rows, float)
