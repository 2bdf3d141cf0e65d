"""All graphs of a split in a few long columns, and batches gathered from them.

A ragged quantity (the edges of all crystals) is one array; row ``i`` of ``offsets`` says where crystal ``i`` begins.
Batches are gathered with array indexing, on whatever device the columns live. On disk, integers are as small as their
values allow.
"""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Final

import h5py
import numpy as np
import torch
from torch import Tensor

from optimetal.graphs.batch import GraphBatch
from optimetal.graphs.neighbours import CrystalGraph
from optimetal.hdf5 import new_hdf5

FORMAT: Final = "optimetal-graphs-1"

LEVELS: Final = ("node", "edge", "triplet")
"""A crystal has so many nodes, edges and three-body pairs."""

COLUMNS: Final[dict[str, tuple[str, str, str]]] = {
    # column: (level, field of CrystalGraph, type)
    "atomic_numbers": ("node", "atomic_numbers", "uint8"),
    "class_size": ("node", "class_size", "int32"),
    "edge_index": ("edge", "edge_index", "int32"),
    "edge_length": ("edge", "edge_length", "float32"),
    "edge_multiplicity": ("edge", "edge_multiplicity", "int32"),
    "triplet_index": ("triplet", "triplet_index", "int32"),
    "triplet_cosine": ("triplet", "triplet_cosine", "float32"),
    "triplet_multiplicity": ("triplet", "triplet_multiplicity", "int32"),
}

INTEGERS: Final = ("uint8", "int16", "int32")
"""Types of integers on disk, small to large; torch gathers from each of them."""

ROWS_AT_ONCE: Final = 2**18
"""Rows of a column in memory while it is written."""

ALIGNMENT: Final = 64
"""Columns begin at multiples of so many bytes, as those in memory do."""


@dataclass(frozen=True)
class GraphRows:
    """Graphs of some crystals end to end: small to send from one process to another."""

    columns: dict[str, np.ndarray]
    """Column name -> rows of all crystals, in the type of the file."""
    counts: dict[str, np.ndarray]
    """Level -> (num_crystals,) rows of each crystal."""

    def __len__(self) -> int:
        return len(self.counts["node"])


@dataclass(frozen=True, repr=False)
class PackedGraphs:
    """Graphs and targets of many crystals."""

    columns: dict[str, Tensor]
    """Column name -> all crystals' rows; index columns are (rows, 2) and count within the crystal."""
    offsets: dict[str, Tensor]
    """Level -> (num_crystals + 1,) first row of each crystal."""
    targets: dict[str, Tensor]
    """Target name -> (num_crystals, ...)."""
    mat_ids: tuple[str, ...]
    """Identifier of each crystal."""
    compositions: tuple[str, ...]
    """Reduced formula of each crystal."""
    cutoff: float
    """Longest edge, Å."""
    triplet_cutoff: float | None
    """Longest edge of a three-body pair, Å; none: there are no pairs."""
    source: str = ""
    """Where the targets come from, e.g. "ab initio" or "surrogate, not ab initio"."""

    def __len__(self) -> int:
        return len(self.mat_ids)

    def __repr__(self) -> str:
        edges = len(self.columns["edge_length"]) / len(self)
        size = sum(values.nbytes for values in self._tensors()) / 1e6
        return (
            f"PackedGraphs({len(self)} crystals, {edges:.1f} edges per crystal, "
            f"cutoff={self.cutoff}, triplet_cutoff={self.triplet_cutoff}, "
            f"source={self.source!r}, {size:.1f} MB)"
        )

    def _tensors(self) -> list[Tensor]:
        return [*self.columns.values(), *self.offsets.values(), *self.targets.values()]

    def to(self, device: torch.device | str) -> "PackedGraphs":
        """Same collection on another device, from where its batches are then gathered."""
        return replace(
            self,
            columns={name: values.to(device) for name, values in self.columns.items()},
            offsets={name: values.to(device) for name, values in self.offsets.items()},
            targets={name: values.to(device) for name, values in self.targets.items()},
        )

    def for_cutoffs(self, cutoff: float, triplet_cutoff: float | None) -> "PackedGraphs":
        """What a network with these cutoffs (Å) needs: two-body networks are spared the pairs.

        Raises:
            ValueError: If the graphs were built with other cutoffs.
        """
        if cutoff != self.cutoff or triplet_cutoff not in (None, self.triplet_cutoff):
            raise ValueError(
                f"The network looks {cutoff} Å and {triplet_cutoff} Å far (edges, three-body pairs), but the graphs "
                f"were built with {self.cutoff} Å and {self.triplet_cutoff} Å: make `graphs` agree with the model."
            )
        if triplet_cutoff == self.triplet_cutoff:
            return self
        columns = {
            name: values[:0] if COLUMNS[name][0] == "triplet" else values
            for name, values in self.columns.items()
        }
        offsets = self.offsets | {"triplet": torch.zeros_like(self.offsets["triplet"])}
        return replace(self, columns=columns, offsets=offsets, triplet_cutoff=None)

    def batch(self, crystals: Tensor) -> GraphBatch:
        """Gather some crystals, in the order given, into one batch.

        Args:
            crystals: (B,) int64 positions in this collection.
        """
        rows, counts = {}, {}
        for level in LEVELS:
            rows[level], counts[level] = _ragged_rows(self.offsets[level], crystals)
        # index_select gathers several times faster than indexing with [] on the CPU
        column = {
            name: values.index_select(0, rows[COLUMNS[name][0]])
            for name, values in self.columns.items()
        }
        graph = torch.arange(len(crystals), device=crystals.device)
        real = column["edge_length"].dtype
        return GraphBatch(
            num_graphs=len(crystals),
            atomic_numbers=column["atomic_numbers"].long(),
            node_graph=graph.repeat_interleave(counts["node"]),
            class_size=column["class_size"].to(real),
            edge_index=_shifted(column["edge_index"], counts["node"], counts["edge"]),
            edge_length=column["edge_length"],
            edge_multiplicity=column["edge_multiplicity"].to(real),
            triplet_index=_shifted(column["triplet_index"], counts["edge"], counts["triplet"]),
            triplet_cosine=column["triplet_cosine"],
            triplet_multiplicity=column["triplet_multiplicity"].to(real),
            targets={name: v.index_select(0, crystals) for name, v in self.targets.items()},
        )


def _ragged_rows(offsets: Tensor, crystals: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of the given crystals, crystal after crystal, and how many each has."""
    counts = offsets[crystals + 1] - offsets[crystals]
    start = offsets[crystals] - (counts.cumsum(0) - counts)
    rows = torch.arange(int(counts.sum()), device=crystals.device)
    return rows + start.repeat_interleave(counts), counts


def _shifted(index: Tensor, num_referred: Tensor, num_rows: Tensor) -> Tensor:
    """(rows, 2) indices within each crystal -> (2, rows) indices within the batch."""
    first = num_referred.cumsum(0) - num_referred
    return (index.long() + first.repeat_interleave(num_rows)[:, None]).T.contiguous()


def pack(
    graphs: Iterable[CrystalGraph],
    cutoff: float,
    triplet_cutoff: float | None,
    targets: Mapping[str, np.ndarray] | None = None,
    mat_ids: Iterable[str] | None = None,
    compositions: Iterable[str] | None = None,
    source: str = "",
    real_type: str = "float32",
) -> PackedGraphs:
    """Lay the graphs of some crystals end to end.

    Args:
        graphs: One per crystal.
        cutoff: Longest edge they were built with, Å.
        triplet_cutoff: Longest edge of a three-body pair, Å; none: they have no pairs.
        targets: Target name -> (num_crystals, ...) reals.
        mat_ids: Identifiers; counted from zero where none are given.
        compositions: Reduced formulas; empty where none are given.
        source: Where the targets come from.
        real_type: "float32", or "float64" for comparisons of rounding errors.

    Raises:
        ValueError: If there is no graph, or the number of targets or names differs from theirs.
    """
    graphs = list(graphs)
    return pack_rows(
        [graph_rows(graphs, real_type)] if graphs else [],
        cutoff,
        triplet_cutoff,
        {name: np.asarray(values, real_type) for name, values in (targets or {}).items()},
        map(str, range(len(graphs))) if mat_ids is None else mat_ids,
        [""] * len(graphs) if compositions is None else compositions,
        source,
    )


def graph_rows(graphs: Sequence[CrystalGraph], real_type: str = "float32") -> GraphRows:
    """Lay the graphs of at least one crystal end to end."""
    columns = {}
    for name, (_, field, disk_type) in COLUMNS.items():
        values = np.concatenate([getattr(graph, field).T for graph in graphs])
        dtype = real_type if disk_type.startswith("float") else disk_type
        columns[name] = values.astype(dtype)
    counts = {
        "node": [graph.atomic_numbers.size for graph in graphs],
        "edge": [graph.edge_length.size for graph in graphs],
        "triplet": [graph.triplet_cosine.size for graph in graphs],
    }
    return GraphRows(columns, {level: np.array(count) for level, count in counts.items()})


def pack_rows(
    parts: Sequence[GraphRows],
    cutoff: float,
    triplet_cutoff: float | None,
    targets: Mapping[str, np.ndarray],
    mat_ids: Iterable[str],
    compositions: Iterable[str],
    source: str,
) -> PackedGraphs:
    """Join consecutive parts; arguments and errors as :func:`pack`.

    The columns are taken out of the parts, so that no more than one of them is held twice.
    """
    num_crystals = sum(map(len, parts))
    if not num_crystals:
        raise ValueError("Expected at least one graph to pack, got none.")
    mat_ids, compositions = tuple(mat_ids), tuple(compositions)
    named = {"mat_ids": mat_ids, "compositions": compositions, **targets}
    for name, values in named.items():
        if len(values) != num_crystals:
            raise ValueError(f"Expected {num_crystals} {name}, one per graph, got {len(values)}.")
    counts = {level: [[0], *(part.counts[level] for part in parts)] for level in LEVELS}
    return PackedGraphs(
        columns={
            name: torch.from_numpy(np.concatenate([part.columns.pop(name) for part in parts]))
            for name in COLUMNS
        },
        offsets={
            level: torch.from_numpy(np.concatenate(count).cumsum(dtype=np.int64))
            for level, count in counts.items()
        },
        targets={
            name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in targets.items()
        },
        mat_ids=mat_ids,
        compositions=compositions,
        cutoff=cutoff,
        triplet_cutoff=triplet_cutoff,
        source=source,
    )


def joined_rows(parts: Sequence[GraphRows]) -> GraphRows:
    """Consecutive parts as one."""
    return GraphRows(
        {name: np.concatenate([part.columns[name] for part in parts]) for name in COLUMNS},
        {level: np.concatenate([part.counts[level] for part in parts]) for level in LEVELS},
    )


def save(packed: PackedGraphs, path: str | Path) -> None:
    """Write a collection to one HDF5 file, one plain contiguous dataset per column."""
    rows = GraphRows(
        {name: values.cpu().numpy() for name, values in packed.columns.items()},
        {level: offsets.diff().cpu().numpy() for level, offsets in packed.offsets.items()},
    )
    targets = {name: values.cpu().numpy() for name, values in packed.targets.items()}
    names = packed.mat_ids, packed.compositions
    cutoffs = packed.cutoff, packed.triplet_cutoff
    with graph_file(path, *names, *cutoffs, packed.source) as file:
        file.append(rows, targets)


@contextmanager
def graph_file(
    path: str | Path,
    mat_ids: Sequence[str],
    compositions: Sequence[str],
    cutoff: float,
    triplet_cutoff: float | None,
    source: str,
) -> Iterator["GraphFile"]:
    """File to write graphs to, one block after the other; it appears when all are in it.

    Columns are collected in files without a name beside it until their lengths are known, so that
    memory does not grow with the number of crystals.

    Args:
        path: HDF5 file to write.
        mat_ids: Identifier of every crystal.
        compositions: Its reduced formula.
        cutoff: Longest edge, Å.
        triplet_cutoff: Longest edge of a three-body pair, Å; none: there are no pairs.
        source: Where the targets come from.

    Raises:
        OSError: If it cannot be written.
        ValueError: If fewer crystals have come than have names.
    """
    alignment = {"alignment_threshold": 1, "alignment_interval": ALIGNMENT}
    with new_hdf5(path, **alignment) as file, ExitStack() as stack:
        file.attrs.update(format=FORMAT, source=source, cutoff=cutoff)
        if triplet_cutoff is not None:
            file.attrs["triplet_cutoff"] = triplet_cutoff
        names = {"mat_ids": mat_ids, "compositions": compositions}
        for name, texts in names.items():
            file.create_dataset(name, data=list(texts), dtype=h5py.string_dtype())
        for group in ("columns", "offsets", "targets"):
            file.create_group(group)
        folder = Path(path).parent
        collected = {
            name: stack.enter_context(tempfile.TemporaryFile(dir=folder)) for name in COLUMNS
        }
        graphs = GraphFile(file, len(mat_ids), collected)
        yield graphs
        graphs.complete()


class GraphFile:
    """What :func:`graph_file` gives."""

    def __init__(self, file: Any, num_crystals: int, collected: Mapping[str, IO[bytes]]) -> None:
        """HDF5 file, crystals that will come, and a file for the rows of each column."""
        self._file = file
        self._num_crystals = num_crystals
        self._collected = collected
        self._types: dict[str, np.dtype] = {}
        self._counts: dict[str, list[np.ndarray]] = {level: [] for level in LEVELS}
        self._num_written = 0

    def append(self, rows: GraphRows, targets: Mapping[str, np.ndarray]) -> None:
        """Add the next crystals.

        Args:
            rows: Their graphs.
            targets: Target name -> (num_crystals, ...) reals.
        """
        end = self._num_written + len(rows)
        for name, values in targets.items():
            shape = self._num_crystals, *values.shape[1:]
            target = self._file.require_dataset(f"targets/{name}", shape, values.dtype)
            target[self._num_written : end] = values
        self._num_written = end
        for level, counts in rows.counts.items():
            self._counts[level].append(counts)
        for name, values in rows.columns.items():
            self._collect(name, values)

    def _collect(self, name: str, values: np.ndarray) -> None:
        self._collected[name].write(np.ascontiguousarray(values, _common_type(name, values)).data)
        smallest = _smallest_type(values)
        self._types[name] = np.promote_types(self._types.get(name, smallest), smallest)

    def complete(self) -> None:
        """Write the columns, now that their lengths and largest values are known."""
        if self._num_written != self._num_crystals:
            raise ValueError(
                f"Expected the graphs of {self._num_crystals} crystals, got {self._num_written}."
            )
        for level, counts in self._counts.items():
            offsets = np.concatenate([[0], *counts]).cumsum(dtype=np.int64)
            self._file[f"offsets/{level}"] = offsets
            for name in COLUMNS:
                if COLUMNS[name][0] == level:
                    self._copy(name, int(offsets[-1]))

    def _copy(self, name: str, num_rows: int) -> None:
        """Move the rows of a column from where they were collected to the HDF5 file."""
        width = (2,) if name.endswith("index") else ()
        column = self._file.create_dataset(f"columns/{name}", (num_rows, *width), self._types[name])
        collected = self._collected[name]
        collected.seek(0)
        for start in range(0, num_rows, ROWS_AT_ONCE):
            stop = min(start + ROWS_AT_ONCE, num_rows)
            shape = stop - start, *width
            values = np.fromfile(collected, _common_type(name, column), int(np.prod(shape)))
            column[start:stop] = values.reshape(shape)


def _common_type(name: str, values: Any) -> np.dtype:
    """Type in which all blocks of a column are collected."""
    return np.dtype(COLUMNS[name][2]) if values.dtype.kind in "iu" else values.dtype


def _smallest_type(values: np.ndarray) -> np.dtype:
    """Type on disk of reals and of integers that are not negative."""
    if values.dtype.kind not in "iu":
        return values.dtype
    largest = values.max(initial=0)
    return next(np.dtype(kind) for kind in INTEGERS if largest <= np.iinfo(kind).max)


def load(path: str | Path) -> PackedGraphs:
    """Open a collection; its columns are mapped from the file and read when they are used.

    Raises:
        ValueError: If the file is not a collection of graphs of this format.
    """
    file: Any
    with h5py.File(path, "r") as file:
        found = file.attrs.get("format", "none")
        if found != FORMAT:
            raise ValueError(
                f"Expected a graph file of format {FORMAT!r}, but {path} has format {found!r}: build it again with the "
                "rule `graphs`."
            )

        def mapped(group: str) -> dict[str, Tensor]:
            return {name: _mapped(dataset, Path(path)) for name, dataset in file[group].items()}

        return PackedGraphs(
            columns=mapped("columns"),
            offsets=mapped("offsets"),
            targets=mapped("targets"),
            mat_ids=tuple(file["mat_ids"].asstr()[:]),
            compositions=tuple(file["compositions"].asstr()[:]),
            cutoff=float(file.attrs["cutoff"]),
            triplet_cutoff=file.attrs.get("triplet_cutoff"),
            source=str(file.attrs["source"]),
        )


def _mapped(dataset: h5py.Dataset, path: Path) -> Tensor:
    """A contiguous dataset as a tensor on the file's own pages (copied only where written to)."""
    if dataset.size == 0:
        return torch.from_numpy(dataset[()])
    return torch.from_numpy(
        np.memmap(path, dataset.dtype, "c", dataset.id.get_offset(), dataset.shape)
    )
