"""Records become graphs with targets."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from optimetal.database.entries import Record
from optimetal.database.store import CrystalStore, write_records
from optimetal.graphs import build
from optimetal.graphs.build import TOGETHER, build_graphs
from optimetal.graphs.neighbours import crystal_graph
from optimetal.graphs.packed import pack
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


def test_workers_change_nothing(tmp_path, monkeypatch):
    write_records(tmp_path / "r.h5", [record(n) for n in range(3 * TOGETHER + 1)])
    monkeypatch.setattr(build, "WORTH_A_WORKER", 1)
    monkeypatch.setattr(build, "BLOCKS_PER_MESSAGE", 1)
    with CrystalStore(tmp_path / "r.h5") as store:
        alone, shared = (build_graphs(store, 5.5, 4.0, 1e-4, jobs=jobs) for jobs in (1, 2))
    for group in ("columns", "offsets", "targets"):
        expected = getattr(alone, group)
        for name, values in getattr(shared, group).items():
            assert values.dtype == expected[name].dtype
            assert torch.equal(values, expected[name]), name
    assert shared.mat_ids == tuple(f"m{n}" for n in range(3 * TOGETHER + 1))


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_crystal_without_graph_is_named(tmp_path, monkeypatch, jobs):
    write_records(tmp_path / "r.h5", [record(1), record(2, lattice=np.ones((3, 3)))])
    monkeypatch.setattr(build, "WORTH_A_WORKER", 1)
    expected = pytest.raises(ValueError, match=r"^No graph for m2: .*singular")
    with CrystalStore(tmp_path / "r.h5") as store, expected:
        build_graphs(store, 5.5, 4.0, tolerance=1e-4, jobs=jobs)


def test_few_crystals_are_not_worth_a_process(store, monkeypatch):
    monkeypatch.setattr(build, "ProcessPoolExecutor", None)
    assert len(build_graphs(store, 5.5, 4.0, tolerance=1e-4, jobs=8)) == 3


INTERRUPTED = """
import sys
from optimetal.database.store import CrystalStore
from optimetal.graphs import build

build.WORTH_A_WORKER = 1
targets = build._targets
build._targets = lambda store: print("workers have started", flush=True) or targets(store)
with CrystalStore(sys.argv[1]) as store:
    build.build_graphs(store, 12.0, 12.0, 1e-4, jobs=2)  # many pairs: seconds of work
"""


def test_an_interrupt_ends_all_processes_with_one_message(tmp_path):
    write_records(tmp_path / "r.h5", [record(n % 5) for n in range(40 * TOGETHER)])
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(tmp_path / "r.h5")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "workers have started\n"
        time.sleep(0.3)
        os.killpg(process.pid, signal.SIGINT)
        _, messages = process.communicate(timeout=60)
        assert process.returncode == -signal.SIGINT
        assert messages.count("Traceback") == 1, messages
        assert _vanishes(process.pid)
    finally:
        if not _vanishes(process.pid, patience=0):
            os.killpg(process.pid, signal.SIGKILL)


def _vanishes(group, patience=20.0):
    """Whether no process of a group is left, after some seconds at most."""
    deadline = time.monotonic() + patience
    while True:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
