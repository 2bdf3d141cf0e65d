"""The published HDF5 files, ready split: one group per crystal, read to records and written from them.

Group ``<mat_id>``: ``mat_id``, ``composition`` (reduced formula) as bytes; ``e_above_hull`` eV/atom; ``lattice``
(3, 3) float32 Å, rows are vectors; ``atomic_number`` (n,) uint16; ``position`` (n, 3) float32 Å, Cartesian;
``drude`` float32 eV; ``eps`` (NUM_ENERGIES,) complex64.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from tqdm import tqdm

from optimetal.database.entries import (
    AB_INITIO,
    LARGEST,
    BadEntry,
    EntryError,
    Record,
    check_geometry,
)
from optimetal.database.quarantine import Quarantine
from optimetal.database.splits import SPLITS
from optimetal.database.store import write_records
from optimetal.database.validate import PUBLISHED_SPLITS, check_published, deviations
from optimetal.files import whole_file
from optimetal.hdf5 import new_hdf5
from optimetal.optics.grid import NUM_ENERGIES

logger = logging.getLogger(__name__)


def read_published(path: str | Path) -> Iterator[Record | BadEntry]:
    """Records of a published file one after the other, by name, which is the published order.

    A faulty group gives a :class:`BadEntry` that names file, group and reason.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no HDF5 file, or one without groups.
    """
    with _opened(path) as file:
        source = str(file.attrs.get("source", AB_INITIO))
        for name in file:
            try:
                yield _record(file, name, source)
            except EntryError as error:
                yield BadEntry(f"{path}:/{name}", error.reason, error.detail)


def write_published(path: str | Path, records: Iterable[Record]) -> None:
    """Write records in the published layout, whole or not at all.

    The file's attribute ``source``, which published files lack, says where the spectra come from.

    Raises:
        ValueError: If a name occurs twice or cannot be that of a group, or the records come from different sources.
        OSError: If the file cannot be written.
    """
    with new_hdf5(path) as file:
        for record in records:
            if file.attrs.setdefault("source", record.source) != record.source:
                raise ValueError(f"Records of one file must come from one source: {record.mat_id}")
            if "/" in record.mat_id or record.mat_id == ".":
                raise ValueError(
                    f"Expected a name without '/', other than '.', got {record.mat_id!r}."
                )
            if record.mat_id in file:
                raise ValueError(f"Expected each crystal once, got {record.mat_id} again.")
            _write_group(file.create_group(record.mat_id), record)


def import_published(
    folder: str | Path,
    split_files: Mapping[str, Path],
    table_file: str | Path,
    quarantine_file: str | Path,
    max_bad_share: float,
    allow_partial: bool,
) -> None:
    """Turn ``train.h5``, ``val.h5`` and ``test.h5`` of the published data into files of records.

    Args:
        folder: Holds the published files.
        split_files: Split -> file of records to write, sorted by mat_id.
        table_file: CSV to write: mat_id, composition and split of each crystal.
        quarantine_file: CSV of the groups left out; written in every case.
        max_bad_share: Share of bad groups (0 to 1) above which the run stops.
        allow_partial: Whether splits may be smaller than the published ones.

    Raises:
        FileNotFoundError: If one of the files is missing.
        ValueError: If a file is none of the kind, splits have not the published sizes, crystals are
            in two splits, or more than the allowed share of the groups is bad.
    """
    files = {name: Path(folder, f"{name}.h5") for name in SPLITS}
    sizes = {name: _num_groups(file) for name, file in files.items()}
    check_published(folder, sizes, allow_partial, PUBLISHED_SPLITS)
    tables = []
    with Quarantine(quarantine_file, max_bad_share * sum(sizes.values())) as quarantine:
        for name, file in files.items():
            outcomes = tqdm(read_published(file), name, sizes[name], disable=None)
            rows: list[tuple[str, str]] = []
            write_records(split_files[name], _noted(quarantine.good(outcomes), rows))
            tables.append(pd.DataFrame(rows, columns=["mat_id", "composition"]).assign(split=name))
    table = pd.concat(tables)
    _check_apart(table)
    with whole_file(table_file) as temporary:
        table.to_csv(temporary, index=False)


def planned_faults(folder: str | Path, allow_partial: bool) -> list[str]:
    """What is not acceptable in published files that are there while a run is planned."""
    files = {name: Path(folder, f"{name}.h5") for name in SPLITS}
    if not all(file.is_file() for file in files.values()):
        return []
    try:
        sizes = {name: _num_groups(file) for name, file in files.items()}
    except ValueError as error:
        return [str(error)]
    return deviations(sizes, PUBLISHED_SPLITS).faults(allow_partial)


def _noted(records: Iterable[Record], rows: list[tuple[str, str]]) -> Iterator[Record]:
    for record in records:
        rows.append((record.mat_id, record.composition))
        yield record


def _check_apart(table: pd.DataFrame) -> None:
    """No crystal may be in two splits; a composition should not be."""
    twice = table.loc[table.duplicated("mat_id"), "mat_id"]
    if len(twice):
        names = ", ".join(twice[:5])
        raise ValueError(f"Expected each crystal in one split, got {len(twice)} twice: {names}")
    pairs = table.drop_duplicates(["composition", "split"])
    if shared := len(pairs[pairs.duplicated("composition")]):
        logger.warning("%d times a composition is in one more split", shared)


def _opened(path: str | Path) -> Any:
    if not Path(path).is_file():
        raise FileNotFoundError(f"Expected published records at {path}, found none.")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise ValueError(f"Expected an HDF5 file at {path}: {error}") from error


def _num_groups(path: Path) -> int:
    with _opened(path) as file:
        return len(file)


def _record(file: Any, name: str, source: str) -> Record:
    group = _item(file, name, h5py.Group)
    if (mat_id := _text(group, "mat_id")) != name:
        raise EntryError("wrong mat_id", f"expected that of the group, got {mat_id!r}")
    atomic_numbers = _atomic_numbers(group)
    record = Record(
        mat_id=mat_id,
        composition=_text(group, "composition"),
        e_above_hull=float(_numbers(group, "e_above_hull", "iuf", ())),
        lattice=_numbers(group, "lattice", "f", (3, 3)).astype(np.float32),
        atomic_numbers=atomic_numbers,
        positions=_numbers(group, "position", "f", (len(atomic_numbers), 3)).astype(np.float32),
        drude_frequency=float(_numbers(group, "drude", "iuf", ())),
        eps_inter=_numbers(group, "eps", "c", (NUM_ENERGIES,)).astype(np.complex64),
        source=source,
    )
    check_geometry(record)
    return record


def _item(parent: Any, key: str, kind: type) -> Any:
    """A group or dataset, without reading it."""
    try:
        item = parent.get(key)
    except (OSError, RuntimeError) as error:
        raise EntryError("unreadable", f"{key}: {error}") from error
    if item is None:
        raise EntryError("missing key", f"expected the key {key!r}")
    if not isinstance(item, kind):
        raise EntryError("malformed", f"expected {key} as {kind.__name__}, got {item!r:.60}")
    return item


def _value(dataset: Any) -> Any:
    try:
        return dataset[()]
    except (OSError, TypeError) as error:
        raise EntryError("unreadable", f"{dataset.name}: {error}") from error


def _text(group: Any, key: str) -> str:
    dataset = _item(group, key, h5py.Dataset)
    if dataset.shape != () or not isinstance(value := _value(dataset), bytes):
        raise EntryError("malformed", f"expected {key} as text, got {dataset!r:.60}")
    return value.decode(errors="replace")


def _atomic_numbers(group: Any) -> np.ndarray:
    shape = _item(group, "atomic_number", h5py.Dataset).shape
    if len(shape) != 1 or not shape[0]:
        raise EntryError("no atoms", f"expected a list of atomic numbers, got shape {shape}")
    numbers = _numbers(group, "atomic_number", "iu", shape)
    if not 0 < numbers.min() <= numbers.max() <= 118:
        raise EntryError("malformed", f"expected atomic numbers from 1 to 118, got {numbers}")
    return numbers.astype(np.uint16)


def _numbers(group: Any, key: str, kinds: str, shape: tuple[int, ...]) -> np.ndarray:
    """Finite numbers of some of NumPy's kinds; shape and kind are known before anything is read."""
    dataset = _item(group, key, h5py.Dataset)
    if dataset.shape != shape:
        raise EntryError("wrong shape", f"expected {key} of shape {shape}, got {dataset.shape}")
    if dataset.dtype.kind not in kinds:
        raise EntryError("malformed", f"expected numbers for {key}, got {dataset.dtype}")
    value = np.asarray(_value(dataset))
    if not (np.abs(value) <= LARGEST).all():
        raise EntryError(
            "not finite", f"{key} has NaN or infinite entries, or some above {LARGEST:.1g}"
        )
    return value


def _write_group(group: Any, record: Record) -> None:
    group["mat_id"] = record.mat_id
    group["composition"] = record.composition
    group["e_above_hull"] = record.e_above_hull
    group["lattice"] = record.lattice.astype(np.float32)
    group["atomic_number"] = record.atomic_numbers.astype(np.uint16)
    group["position"] = record.positions.astype(np.float32)
    group["drude"] = np.float32(record.drude_frequency)
    group["eps"] = record.eps_inter.astype(np.complex64)
