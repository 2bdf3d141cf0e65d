"""Graphs built, opened and gathered, and metrics computed, in both ways."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch.testing import assert_close
from torch_geometric.loader import DataLoader

from benchmarks.crystals import benchmark_records
from benchmarks.plain import evaluation as plain_evaluation
from benchmarks.plain import graphs as plain_graphs
from benchmarks.plain.graphs import FOLLOW, CrystalData
from benchmarks.timing import Comparison
from optimetal.database.store import CrystalStore, write_records
from optimetal.evaluation.metrics import material_metrics
from optimetal.graphs import packed
from optimetal.graphs.build import build_graphs
from optimetal.graphs.packed import PackedGraphs

CUTOFF, TRIPLET_CUTOFF = 5.5, 4.0
TOLERANCE: Final = 1e-4
COPIES: Final = 8
"""So often does every crystal occur in the files that are opened."""
EVALUATED: Final = 10_000
"""Materials that metrics are computed of."""


def write_inputs(folder: Path, count: int) -> None:
    """``dataset.h5``; graphs of both ways, ``plain.pt`` and ``ours.h5``; many of both to open."""
    write_records(folder / "dataset.h5", list(benchmark_records(count)))
    with CrystalStore(folder / "dataset.h5") as store:
        crystals = plain_graphs.data_of_store(store, CUTOFF, TRIPLET_CUTOFF)
        graphs = build_graphs(store, CUTOFF, TRIPLET_CUTOFF, TOLERANCE)
    plain_graphs.save(crystals, folder / "plain.pt")
    packed.save(graphs, folder / "ours.h5")
    copies = [crystal.clone() for _ in range(COPIES) for crystal in crystals]
    plain_graphs.save(copies, folder / "plain_many.pt")
    packed.save(repeated(graphs, COPIES), folder / "ours_many.h5")


def repeated(graphs: PackedGraphs, times: int) -> PackedGraphs:
    """The same crystals several times over."""
    sizes = {level: offsets.diff().repeat(times) for level, offsets in graphs.offsets.items()}
    whole = PackedGraphs(
        columns={
            name: values.repeat(times, *[1] * (values.dim() - 1))
            for name, values in graphs.columns.items()
        },
        offsets={
            level: torch.cat([torch.zeros(1, dtype=torch.int64), size.cumsum(0)])
            for level, size in sizes.items()
        },
        targets={
            name: values.repeat(times, *[1] * (values.dim() - 1))
            for name, values in graphs.targets.items()
        },
        mat_ids=tuple(f"{mat_id}-{n}" for n in range(times) for mat_id in graphs.mat_ids),
        compositions=graphs.compositions * times,
        cutoff=graphs.cutoff,
        triplet_cutoff=graphs.triplet_cutoff,
        source=graphs.source,
    )
    return whole


def read_all(graphs: PackedGraphs) -> PackedGraphs:
    """Every byte, copied into memory."""
    for values in (*graphs.columns.values(), *graphs.targets.values()):
        values.clone()
    return graphs


def comparisons(folder: Path) -> Iterator[tuple[str, Comparison]]:
    """Names and measurements."""
    store = CrystalStore(folder / "dataset.h5")
    yield (
        "build_graphs",
        Comparison(
            "edges, three-body pairs, colours; ours also the quotient (one core)",
            len(store),
            lambda: plain_graphs.data_of_store(store, CUTOFF, TRIPLET_CUTOFF),
            lambda: build_graphs(store, CUTOFF, TRIPLET_CUTOFF, TOLERANCE),
            _same_populations,
        ),
    )
    yield (
        "open_data",
        Comparison(
            "opening the graphs",
            COPIES * len(store),
            lambda: plain_graphs.load(folder / "plain_many.pt"),
            lambda: packed.load(folder / "ours_many.h5"),
            _same_targets,
        ),
    )
    yield (
        "read_data",
        Comparison(
            "opening the graphs and reading all of them",
            COPIES * len(store),
            lambda: plain_graphs.load(folder / "plain_many.pt"),
            lambda: read_all(packed.load(folder / "ours_many.h5")),
            _same_targets,
        ),
    )
    crystals, graphs = plain_graphs.load(folder / "plain.pt"), packed.load(folder / "ours.h5")
    order = torch.randperm(len(crystals), generator=torch.Generator().manual_seed(0))[:256]
    chosen = [crystals[i] for i in order]
    yield (
        "gather_batch",
        Comparison(
            "a batch of 256 from the open data",
            len(order),
            lambda: next(iter(DataLoader(chosen, len(chosen), follow_batch=FOLLOW))),
            lambda: graphs.batch(order),
            lambda a, b: assert_close(a.drude_frequency, b.targets["drude_frequency"]),
            15,
        ),
    )
    targets, predictions = _spectra(graphs)
    names = [str(n) for n in range(EVALUATED)]
    yield (
        "evaluate",
        Comparison(
            f"all metrics of {EVALUATED:,} materials",
            EVALUATED,
            lambda: plain_evaluation.material_metrics(predictions, targets, names, names),
            lambda: material_metrics(
                predictions, targets, mat_ids=names, compositions=names, target_lab=targets["lab"]
            ),
            lambda a, b: np.testing.assert_allclose(
                a.iloc[:, 2:].astype(float), b.iloc[:, 2:], rtol=1e-6, atol=1e-6
            ),
            3,
        ),
    )


def _spectra(graphs: PackedGraphs) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    times = -(-EVALUATED // len(graphs))
    targets = {
        name: np.concatenate([values.numpy()] * times)[:EVALUATED]
        for name, values in graphs.targets.items()
    }
    rng = np.random.default_rng(0)
    predictions = {
        name: (values * rng.uniform(0.9, 1.1, values.shape)).astype(np.float32)
        for name, values in targets.items()
    }
    return targets, predictions


def _same_populations(crystals: list[CrystalData], graphs: PackedGraphs) -> None:
    batch = graphs.batch(torch.arange(len(graphs)))
    assert batch.class_size.sum() == sum(c.atomic_numbers.numel() for c in crystals)
    assert batch.edge_population.sum() == sum(c.edge_index.shape[1] for c in crystals)
    assert batch.triplet_population.sum() == sum(c.triplet_index.shape[1] for c in crystals)


def _same_targets(crystals: list[CrystalData], graphs: Any) -> None:
    for n in (0, len(crystals) - 1):
        assert_close(crystals[n]["eps_inter"][0], graphs.targets["eps_inter"][n])
