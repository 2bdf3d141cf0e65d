"""Records of many crystals in one columnar HDF5 file.

Layout: ``mat_ids``, ``compositions`` (n,) text; ``e_above_hull`` (n,) eV/atom; ``lattices`` (n, 3, 3) Å;
``drude_frequency`` (n,) eV; ``eps_inter`` (n, NUM_ENERGIES) complex64; ``atom_offsets`` (n + 1,) first row of each
crystal in ``atomic_numbers`` (num_atoms,) and ``positions`` (num_atoms, 3) Å, Cartesian. The attribute ``source`` says
where the spectra come from.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import h5py
import numpy as np

from optimetal.database.entries import Record
from optimetal.hdf5 import new_hdf5
from optimetal.optics.grid import NUM_ENERGIES

FORMAT: Final = "optimetal-records-1"

BLOCK: Final = 256
"""Records held in memory at a time (4 MB of spectra)."""

PER_CRYSTAL: Final = {
    "e_above_hull": ((), "float32"),
    "lattices": ((3, 3), "float32"),
    "drude_frequency": ((), "float32"),
    "eps_inter": ((NUM_ENERGIES,), "complex64"),
}
PER_ATOM: Final = {"atomic_numbers": ((), "uint16"), "positions": ((3,), "float32")}
UNITS: Final = {
    "e_above_hull": "eV/atom",
    "lattices": "angstrom",
    "positions": "angstrom",
    "drude_frequency": "eV",
}


def write_records(path: str | Path, records: Iterable[Record]) -> int:
    """Stream records into a file, which appears only when it is complete; returns their number.

    Raises:
        ValueError: If there are no records, or they come from different sources: surrogate and
            ab initio spectra must not be mixed.
    """
    records = iter(records)
    with new_hdf5(path) as file:
        _create_columns(file)
        while block := list(islice(records, BLOCK)):
            _append(file, block)
        if not len(file["mat_ids"]):
            raise ValueError(f"Expected records for {path}, got none.")
        return len(file["mat_ids"])


def _create_columns(file: Any) -> None:
    file.attrs["format"] = FORMAT
    text = h5py.string_dtype()
    for name in ("mat_ids", "compositions"):
        file.create_dataset(name, (0,), text, maxshape=(None,), chunks=(1024,))
    file.create_dataset(
        "atom_offsets", data=np.zeros(1, np.int64), maxshape=(None,), chunks=(1024,)
    )
    for name, (shape, dtype) in {**PER_CRYSTAL, **PER_ATOM}.items():
        rows = 16 if name == "eps_inter" else 1024
        dataset = file.create_dataset(
            name, (0, *shape), dtype, maxshape=(None, *shape), chunks=(rows, *shape)
        )
        if name in UNITS:
            dataset.attrs["unit"] = UNITS[name]


def _append(file: Any, block: Sequence[Record]) -> None:
    for record in block:
        source = file.attrs.setdefault("source", record.source)
        if record.source != source:
            raise ValueError(
                f"Records of one file must come from one source, got {source!r} and then {record.source!r} "
                f"({record.mat_id}): keep the databases in different folders."
            )
    ends = file["atom_offsets"][-1] + np.cumsum([len(r.atomic_numbers) for r in block])
    _extend(file["mat_ids"], [record.mat_id for record in block])
    _extend(file["compositions"], [record.composition for record in block])
    _extend(file["e_above_hull"], [record.e_above_hull for record in block])
    _extend(file["lattices"], [record.lattice for record in block])
    _extend(file["drude_frequency"], [record.drude_frequency for record in block])
    _extend(file["eps_inter"], [record.eps_inter for record in block])
    _extend(file["atom_offsets"], ends)
    _extend(file["atomic_numbers"], np.concatenate([record.atomic_numbers for record in block]))
    _extend(file["positions"], np.concatenate([record.positions for record in block]))


def _extend(dataset: Any, values: Sequence | np.ndarray) -> None:
    start = len(dataset)
    dataset.resize(start + len(values), axis=0)
    dataset[start:] = values


class CrystalStore:
    """Reads a file of :func:`write_records`; a context manager.

    The light columns (names, cells, atoms, Drude frequencies) are read at once, the spectra when asked for.
    """

    def __init__(self, path: str | Path) -> None:
        """Open a file.

        Raises:
            FileNotFoundError: If there is none.
            ValueError: If it is no file of records of this format.
        """
        if not Path(path).is_file():
            raise FileNotFoundError(f"Expected a file of crystal records at {path}, found none.")
        try:
            self._file: Any = h5py.File(path, "r")
        except OSError as error:
            raise ValueError(
                f"Expected an HDF5 file of crystal records at {path}: {error}"
            ) from error
        found = self._file.attrs.get("format", "none")
        if found != FORMAT:
            self._file.close()
            raise ValueError(
                f"Expected records of format {FORMAT!r}, but {path} has format {found!r}: make it again with the rule "
                "`compress`."
            )
        self.source = str(self._file.attrs["source"])
        self.mat_ids: list[str] = list(self._file["mat_ids"].asstr()[:])
        self.compositions: list[str] = list(self._file["compositions"].asstr()[:])
        self.e_above_hull: np.ndarray = self._file["e_above_hull"][:]
        self.lattices: np.ndarray = self._file["lattices"][:]
        self.drude_frequency: np.ndarray = self._file["drude_frequency"][:]
        self.atom_offsets: np.ndarray = self._file["atom_offsets"][:]
        self.atomic_numbers: np.ndarray = self._file["atomic_numbers"][:]
        self.positions: np.ndarray = self._file["positions"][:]

    def __len__(self) -> int:
        return len(self.mat_ids)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    @property
    def num_atoms(self) -> np.ndarray:
        """(n,) atoms per cell."""
        return np.diff(self.atom_offsets)

    def eps_inter(self, rows: slice | np.ndarray = slice(None)) -> np.ndarray:
        """Spectra of some crystals, (rows, NUM_ENERGIES) complex64; rows must ascend."""
        return self._file["eps_inter"][rows]

    def records(self, rows: Sequence[int]) -> Iterator[Record]:
        """Records in any order, their spectra read block by block."""
        for start in range(0, len(rows), BLOCK):
            block = np.asarray(rows[start : start + BLOCK])
            ascending, back = np.unique(block, return_inverse=True)
            spectra = self.eps_inter(ascending)[back]
            for row, eps_inter in zip(block.tolist(), spectra, strict=True):
                atoms = slice(self.atom_offsets[row], self.atom_offsets[row + 1])
                yield Record(
                    mat_id=self.mat_ids[row],
                    composition=self.compositions[row],
                    e_above_hull=float(self.e_above_hull[row]),
                    lattice=self.lattices[row],
                    atomic_numbers=self.atomic_numbers[atoms],
                    positions=self.positions[atoms],
                    drude_frequency=float(self.drude_frequency[row]),
                    eps_inter=eps_inter,
                    source=self.source,
                )
