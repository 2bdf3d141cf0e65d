"""Where data lie: on the device where they fit, else beside it."""

from dataclasses import fields

import pytest
import torch

from optimetal.training import devices
from optimetal.training.devices import gather, peak_memory, place, resolve_device

GPU = torch.device("cuda")


class Placed:
    """Stands for graphs on a GPU that is not there."""

    def __init__(self, graphs):
        self.columns, self.offsets, self.targets = graphs.columns, graphs.offsets, graphs.targets

    def to(self, device):
        return f"moved to {device}"


def test_a_gpu_that_is_not_there_is_told(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert resolve_device("auto").type == "cpu"
    with pytest.raises(ValueError, match="Expected a GPU for `device: cuda:1`"):
        resolve_device("cuda:1")


def num_bytes(graphs):
    parts = (graphs.columns, graphs.offsets, graphs.targets)
    return sum(v.numel() * v.element_size() for part in parts for v in part.values())


@pytest.mark.parametrize(("spare", "fits"), [(-1, False), (0, True), (10**9, True)])
def test_data_take_at_most_half_of_the_free_memory(train_graphs, monkeypatch, spare, fits):
    free = 2 * num_bytes(train_graphs) + 2 * spare
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda device: (free, 10 * free))
    graphs = Placed(train_graphs)
    assert place(graphs, GPU) == ("moved to cuda" if fits else graphs)


def test_on_the_cpu_data_stay_where_they_are(train_graphs):
    moved = place(train_graphs, torch.device("cpu"))
    for name, values in train_graphs.columns.items():
        assert moved.columns[name].data_ptr() == values.data_ptr(), name


def test_batches_of_data_beside_the_device_are_pinned_and_moved(train_graphs, monkeypatch):
    pinned = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: pinned.append(self) or self)
    crystals = torch.tensor([3, 0, 7])
    batch = gather(train_graphs, crystals, torch.device("meta"))
    expected = train_graphs.batch(crystals)
    for field in fields(expected):
        value, there = (getattr(b, field.name) for b in (expected, batch))
        if isinstance(value, torch.Tensor):
            assert there.device.type == "meta"
            assert (there.shape, there.dtype) == (value.shape, value.dtype)
    assert {v.device.type for v in batch.targets.values()} == {"meta"}
    tensors = [v for v in vars(expected).values() if isinstance(v, torch.Tensor)]
    assert len(pinned) == len(tensors) + len(expected.targets)


def test_batches_of_data_on_the_device_are_gathered_there(train_graphs, monkeypatch):
    monkeypatch.setattr(devices, "_pinned", None)
    crystals = torch.tensor([3, 0, 7])
    batch = gather(train_graphs, crystals, torch.device("cpu"))
    expected = train_graphs.batch(crystals)
    torch.testing.assert_close(batch.targets, expected.targets)
    assert batch.edge_index.equal(expected.edge_index)


def test_peak_memory_grows_with_what_is_used():
    before = peak_memory(torch.device("cpu"))
    ballast = torch.ones(int(before) * 150_000)  # 0.6 of all that was used so far
    assert peak_memory(torch.device("cpu")) > 1.1 * before
    del ballast
    assert peak_memory(torch.device("cpu")) > 1.1 * before
