"""Packing, batching and storage of graphs."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import torch

from optimetal.graphs import packed as packed_module
from optimetal.graphs.neighbours import crystal_graph
from optimetal.graphs.packed import COLUMNS, graph_file, graph_rows, load, pack, save


@pytest.fixture(scope="module")
def graphs():
    """Crystals with one, two and one atoms; the last has edges but no pairs."""
    cubes = [(3.0, [29]), (3.4, [11, 17]), (5.0, [79])]
    return [
        crystal_graph(
            a * np.eye(3), numbers, a / 2 * np.arange(len(numbers))[:, None] * np.ones(3), 5.5, 4.0
        )
        for a, numbers in cubes
    ]


@pytest.fixture(scope="module")
def packed(graphs):
    targets = {
        "drude_frequency": np.array([1.0, 2.0, 3.0]),
        "lab": np.arange(9.0).reshape(3, 3),
    }
    return pack(graphs, 5.5, 4.0, targets, ["a", "b", "c"], ["Cu", "NaCl", "Au"], "test")


def test_a_batch_holds_the_graphs_in_the_order_asked_for(packed, graphs):
    batch = packed.batch(torch.tensor([2, 1]))
    assert batch.num_graphs == 2
    assert batch.atomic_numbers.tolist() == [79, 11, 17]
    assert batch.node_graph.tolist() == [0, 1, 1]
    num_edges = graphs[2].edge_index.shape[1]
    np.testing.assert_array_equal(batch.edge_index[:, :num_edges], graphs[2].edge_index)
    np.testing.assert_array_equal(batch.edge_index[:, num_edges:], graphs[1].edge_index + 1)
    np.testing.assert_array_equal(batch.triplet_index, graphs[1].triplet_index + num_edges)
    np.testing.assert_allclose(batch.edge_length[num_edges:], graphs[1].edge_length, rtol=1e-6)
    assert batch.targets["drude_frequency"].tolist() == [3.0, 2.0]


def test_full_graphs_have_unit_weights(packed):
    batch = packed.batch(torch.arange(3))
    for weights in (batch.class_size, batch.edge_population, batch.triplet_population):
        assert (weights == 1).all()


def test_edges_and_pairs_know_their_crystal(packed):
    batch = packed.batch(torch.arange(3))
    source, target = batch.edge_index
    assert (batch.node_graph[source] == batch.edge_graph).all()
    assert (batch.node_graph[target] == batch.edge_graph).all()
    assert (batch.edge_graph[batch.triplet_index[0]] == batch.triplet_graph).all()


def test_a_crystal_may_be_asked_for_twice(packed):
    twice, once = packed.batch(torch.tensor([1, 1])), packed.batch(torch.tensor([1]))
    assert torch.equal(twice.edge_length, once.edge_length.repeat(2))


def test_saved_graphs_come_back(packed, tmp_path, monkeypatch):
    monkeypatch.setattr(packed_module, "ROWS_AT_ONCE", 100)
    save(packed, tmp_path / "graphs.h5")
    loaded = load(tmp_path / "graphs.h5")
    for name in COLUMNS:
        assert torch.equal(
            loaded.columns[name].to(packed.columns[name].dtype), packed.columns[name]
        )
    crystals = torch.tensor([2, 0])
    loaded_batch, batch = (vars(collection.batch(crystals)) for collection in (loaded, packed))
    for name, values in batch.items():
        torch.testing.assert_close(loaded_batch[name], values, rtol=0, atol=0)
    for name, values in packed.targets.items():
        assert torch.equal(loaded.targets[name], values)
    assert (loaded.mat_ids, loaded.compositions) == (packed.mat_ids, packed.compositions)
    assert (loaded.cutoff, loaded.triplet_cutoff, loaded.source) == (5.5, 4.0, "test")


def test_integers_on_disk_are_as_small_as_they_can_be(packed, tmp_path):
    larger = {"triplet_index": 2**8, "edge_multiplicity": 2**15}
    columns = packed.columns | {name: packed.columns[name] + n for name, n in larger.items()}
    save(replace(packed, columns=columns), tmp_path / "graphs.h5")
    loaded = load(tmp_path / "graphs.h5").columns
    kinds = {name: str(values.dtype).removeprefix("torch.") for name, values in loaded.items()}
    assert kinds["edge_index"] == kinds["class_size"] == kinds["atomic_numbers"] == "uint8"
    assert kinds["triplet_index"] == "int16"
    assert kinds["edge_multiplicity"] == "int32"
    assert kinds["edge_length"] == "float32"
    assert torch.equal(loaded["edge_multiplicity"], columns["edge_multiplicity"])
    assert all(values.data_ptr() % values.element_size() == 0 for values in loaded.values())


def test_a_file_of_too_few_graphs_does_not_appear(graphs, tmp_path):
    names = ["a", "b"], ["Cu", "Cu"]
    expected = pytest.raises(ValueError, match="Expected the graphs of 2 crystals, got 1")
    with expected, graph_file(tmp_path / "graphs.h5", *names, 5.5, 4.0, "test") as file:
        file.append(graph_rows(graphs[:1]), {})
    assert not list(tmp_path.iterdir())


def test_two_body_networks_are_spared_the_pairs(packed):
    batch = packed.for_cutoffs(5.5, None).batch(torch.arange(3))
    assert batch.triplet_index.shape == (2, 0)
    assert batch.edge_index.shape == packed.batch(torch.arange(3)).edge_index.shape


def test_graphs_of_two_body_networks_have_no_triplet_cutoff(graphs, tmp_path):
    save(pack(graphs[:1], 5.5, None), tmp_path / "graphs.h5")
    assert load(tmp_path / "graphs.h5").triplet_cutoff is None


@pytest.mark.parametrize("cutoffs", [(5.0, 4.0), (5.5, 3.0)])
def test_other_cutoffs_are_refused(packed, cutoffs):
    with pytest.raises(ValueError, match=r"were built with 5\.5 Å and 4\.0 Å"):
        packed.for_cutoffs(*cutoffs)


def test_unequal_numbers_are_refused(graphs):
    with pytest.raises(ValueError, match="Expected 3 drude_frequency, one per graph, got 1"):
        pack(graphs, 5.5, 4.0, {"drude_frequency": np.ones(1)})
    with pytest.raises(ValueError, match="at least one graph"):
        pack([], 5.5, 4.0)


def test_another_file_is_refused(tmp_path):
    import h5py

    with h5py.File(tmp_path / "other.h5", "w"):
        pass
    with pytest.raises(ValueError, match="Expected a graph file of format 'optimetal-graphs-1'"):
        load(tmp_path / "other.h5")


def test_a_batch_changes_precision_but_not_its_integers(packed):
    batch = packed.batch(torch.arange(3)).to(dtype=torch.float64)
    assert batch.edge_length.dtype == batch.targets["lab"].dtype == torch.float64
    assert batch.edge_index.dtype == torch.int64


def test_a_collection_moves_as_a_whole(packed):
    moved = packed.to("meta")
    tensors = [*moved.columns.values(), *moved.offsets.values(), *moved.targets.values()]
    assert len(tensors) == len(COLUMNS) + 3 + 2
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert (moved.mat_ids, moved.cutoff, moved.source) == (packed.mat_ids, 5.5, "test")


def test_a_collection_says_in_one_line_what_it_is(packed, graphs):
    edges = sum(graph.edge_length.size for graph in graphs) / 3
    assert f"3 crystals, {edges:.1f} edges per crystal" in repr(packed)
    assert "cutoff=5.5, triplet_cutoff=4.0, source='test'" in repr(packed)
    heavy = pack(graphs, 5.5, 4.0, {"drude_frequency": np.ones((3, 10**6))})
    assert repr(heavy).endswith("12.0 MB)")
    assert len(repr(heavy)) < 150


def test_opening_a_file_reads_no_columns(graphs, tmp_path):
    spectra = np.arange(3e6, dtype=np.float32).reshape(3, 10**6)
    save(pack(graphs, 5.5, 4.0, {"eps_inter": spectra}), tmp_path / "graphs.h5")
    tracemalloc.start()
    try:
        loaded = load(tmp_path / "graphs.h5")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < spectra.nbytes / 10
    batch = loaded.batch(torch.tensor([1]))
    np.testing.assert_array_equal(batch.targets["eps_inter"], spectra[1:2])
