"""Records become graphs with targets."""

import tracemalloc
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from optimetal.database.entries import Record
from optimetal.database.store import CrystalStore, write_records
from optimetal.graphs import build
from optimetal.graphs.build import TOGETHER, build_graphs, write_graphs
from optimetal.graphs.neighbours import crystal_graph
from optimetal.graphs.packed import pack, save
from optimetal.optics.color import material_lab
from optimetal.optics.grid import ENERGY, NUM_ENERGIES


def record(number, lattice=None):
    eps = (1 + number / ((ENERGY - 3) ** 2 + 1)) * (1 + 0.5j)
    return Record(
        mat_id=f"m{number}",
        composition="Cu",
        e_above_hull=0.0,
        lattice=((3.5 + 0.1 * number) * np.eye(3) if lattice is None else lattice).astype("f4"),
        atomic_numbers=np.array([29], np.uint16),
        positions=np.zeros((1, 3), np.float32),
        drude_frequency=8.0 + number,
        eps_inter=eps.astype(np.complex64),
        source="surrogate, not ab initio",
    )


@pytest.fixture
def store(tmp_path):
    write_records(tmp_path / "r.h5", [record(n) for n in range(3)])
    with CrystalStore(tmp_path / "r.h5") as store:
        yield store


def test_graphs_and_targets_are_those_of_the_records(store):
    packed = build_graphs(store, 5.5, 4.0, tolerance=0.0)
    assert packed.mat_ids == ("m0", "m1", "m2")
    assert packed.source == "surrogate, not ab initio"
    eps = packed.targets["eps_inter"].numpy()
    assert eps.shape == (3, NUM_ENERGIES, 2)
    np.testing.assert_array_equal(eps[..., 0] + 1j * eps[..., 1], store.eps_inter())
    np.testing.assert_allclose(packed.targets["drude_frequency"], [8.0, 9.0, 10.0])
    expected = material_lab(store.eps_inter(), store.drude_frequency)
    np.testing.assert_allclose(packed.targets["lab"], expected, atol=1e-3)
    graphs = [crystal_graph(record(n).lattice, [29], np.zeros((1, 3)), 5.5, 4.0) for n in range(3)]
    alone = pack(graphs, 5.5, 4.0)
    for level, offsets in alone.offsets.items():
        assert torch.equal(packed.offsets[level], offsets)
    for name, values in alone.columns.items():
        assert torch.equal(packed.columns[name], values)


@pytest.mark.parametrize("num_crystals", [3, TOGETHER + 1])
def test_equivalent_rows_are_merged(tmp_path, num_crystals):
    write_records(tmp_path / "r.h5", [record(n % 5) for n in range(num_crystals)])
    with CrystalStore(tmp_path / "r.h5") as store:
        packed = build_graphs(store, 5.5, 4.0, tolerance=1e-4)
        full = build_graphs(store, 5.5, 4.0, tolerance=0.0)
    batch, whole = (graphs.batch(torch.arange(num_crystals)) for graphs in (packed, full))
    assert batch.edge_population.sum() == whole.edge_length.numel() > batch.edge_length.numel()
    assert batch.triplet_population.sum() == whole.triplet_cosine.numel()


def test_a_crystal_without_graph_is_named(tmp_path):
    write_records(tmp_path / "r.h5", [record(1), record(2, lattice=np.ones((3, 3)))])
    expected = pytest.raises(ValueError, match=r"^No graph for m2: .*singular")
    with CrystalStore(tmp_path / "r.h5") as store, expected:
        build_graphs(store, 5.5, 4.0, tolerance=1e-4)


def test_few_crystals_are_not_worth_a_process(store, monkeypatch):
    asked = []

    @contextmanager
    def process_map(jobs, preload):
        asked.append(jobs)
        yield map

    monkeypatch.setattr(build, "process_map", process_map)
    assert len(build_graphs(store, 5.5, 4.0, tolerance=1e-4, jobs=8)) == 3
    assert asked == [0]


@pytest.mark.parametrize("jobs", [1, 2])
def test_graphs_can_be_written_block_by_block(tmp_path, monkeypatch, jobs):
    write_records(tmp_path / "r.h5", [record(n) for n in range(100)])
    with CrystalStore(tmp_path / "r.h5") as store:
        save(build_graphs(store, 5.5, 4.0, 1e-4), tmp_path / "at_once.h5")
        monkeypatch.setattr(build, "WORTH_A_WORKER", 1)
        monkeypatch.setattr(build, "BLOCK", 40)
        write_graphs(tmp_path / "by_blocks.h5", store, 5.5, 4.0, 1e-4, jobs=jobs)
    assert (tmp_path / "by_blocks.h5").read_bytes() == (tmp_path / "at_once.h5").read_bytes()


def test_writing_holds_a_few_spectra_only(tmp_path, monkeypatch):
    write_records(tmp_path / "r.h5", [record(n % 7) for n in range(600)])
    monkeypatch.setattr(build, "BLOCK", 20)
    with CrystalStore(tmp_path / "r.h5") as store:
        write_graphs(tmp_path / "warm.h5", store, 3.0, None, 1e-4)
        tracemalloc.start()
        try:
            write_graphs(tmp_path / "g.h5", store, 3.0, None, 1e-4)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 600 * NUM_ENERGIES * 8 / 4


def test_a_crystal_without_graph_leaves_no_file(tmp_path):
    write_records(tmp_path / "r.h5", [record(1), record(2, lattice=np.ones((3, 3)))])
    with CrystalStore(tmp_path / "r.h5") as store, pytest.raises(ValueError, match="No graph"):
        write_graphs(tmp_path / "g.h5", store, 5.5, 4.0, 1e-4)
    assert [path.name for path in tmp_path.iterdir()] == ["r.h5"]
