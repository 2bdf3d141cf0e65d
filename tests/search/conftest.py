"""A few crystals with flat invented spectra, as files of graphs."""

import numpy as np
import pytest

from optimetal.config.architecture import OptiMetal2B
from optimetal.config.run import Run
from optimetal.config.training import TrainingSettings
from optimetal.graphs.neighbours import crystal_graph
from optimetal.graphs.packed import pack, save
from optimetal.optics.grid import NUM_ENERGIES


def packed(numbers):
    """Simple cubic crystals of growing size."""
    graphs = [
        crystal_graph((2.8 + 0.05 * n) * np.eye(3), [11 + n], [[0, 0, 0]], 5.5, 4.0)
        for n in numbers
    ]
    targets = {
        "eps_inter": np.array([np.full((NUM_ENERGIES, 2), 0.1 * n) for n in numbers]),
        "drude_frequency": np.array([4 + 0.3 * n for n in numbers]),
        "lab": np.full((len(numbers), 3), 50.0),
    }
    names = [f"made-up-{n}" for n in numbers]
    return pack(graphs, 5.5, 4.0, targets, names, ["Cu"] * len(names), source="invented")


@pytest.fixture(scope="session")
def graphs(tmp_path_factory):
    """Files of training and validation graphs."""
    folder = tmp_path_factory.mktemp("graphs")
    files = folder / "train.h5", folder / "val.h5"
    for file, numbers in zip(files, (range(6), range(6, 9)), strict=True):
        save(packed(numbers), file)
    return files


@pytest.fixture
def run():
    """A small training."""
    settings = TrainingSettings(
        epochs=4, batch_size=3, warmup_epochs=1, checkpoint_every=1, device="cpu"
    )
    network = OptiMetal2B(hidden_dim=4)
    return Run(model="small", architecture=network, training=settings, num_train=6, seed=1)
