"""A few crystals with smooth invented spectra, packed for training."""

import multiprocessing
import time

import numpy as np
import pytest
import torch

from optimetal.config.run import Run
from optimetal.graphs.neighbours import crystal_graph
from optimetal.graphs.packed import pack, save
from optimetal.optics.grid import ENERGY
from optimetal.training.folder import RunFolder
from optimetal.training.status import Status
from optimetal.workers import start_server

NUM_CRYSTALS = 12
MAIN = "from optimetal.training.__main__ import main; main(arguments)"

HEEDS_SIGNALS = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())
"""
"""As from a terminal: in the background of a shell Ctrl-C is ignored, and the server blocks what queues send."""


def _packed(numbers):
    """Simple cubic and CsCl-like crystals whose spectra depend on elements and cell."""
    graphs, eps, drude = [], [], []
    for n in numbers:
        constant, symbols = 2.8 + 0.05 * n, [11 + n, 29][: 1 + n % 2]
        positions = constant / 2 * np.arange(len(symbols))[:, None] * np.ones(3)
        graphs.append(crystal_graph(constant * np.eye(3), symbols, positions, 5.5, 4.0))
        line = 1.0 + 0.1 * n
        part = line / ((ENERGY - 3 - 0.2 * n) ** 2 + 1)
        eps.append(np.stack([part, part[::-1]], axis=1))
        drude.append(4 + 0.3 * n)
    return pack(
        graphs,
        5.5,
        4.0,
        {
            "eps_inter": np.array(eps),
            "drude_frequency": np.array(drude),
            "lab": np.full((len(numbers), 3), 50.0),
        },
        mat_ids=[f"made-up-{n:03d}" for n in numbers],
        compositions=["Cu"] * len(numbers),
        source="invented",
    )


@pytest.fixture(scope="session")
def train_graphs():
    return _packed(range(NUM_CRYSTALS))


@pytest.fixture(scope="session")
def val_graphs():
    return _packed(range(NUM_CRYSTALS, NUM_CRYSTALS + 4))


@pytest.fixture(scope="session")
def make_run():
    """Function that declares a small run."""

    def make(architecture=None, num_train=8, seed=1, **training):
        settings = {"epochs": 4, "batch_size": 3, "warmup_epochs": 1, "checkpoint_every": 1}
        return Run.model_validate(
            {
                "model": "small",
                "architecture": architecture
                or {"type": "optimetal_2b", "hidden_dim": 8, "spectra_dim": 8, "depth": 1},
                "training": {**settings, "device": "cpu", **training},
                "num_train": num_train,
                "seed": seed,
            }
        )

    return make


@pytest.fixture(scope="session")
def graph_files(train_graphs, val_graphs, tmp_path_factory):
    """Files of the training and the validation set."""
    folder = tmp_path_factory.mktemp("graphs")
    save(train_graphs, folder / "train.h5")
    save(val_graphs, folder / "val.h5")
    return folder / "train.h5", folder / "val.h5"


@pytest.fixture(scope="session")
def start(graph_files):
    """Function that starts a training in a process of its own and returns the process."""
    context = multiprocessing.get_context("forkserver")
    start_server(["optimetal.training.train"])
    processes = []

    def start_process(run, folder, code=MAIN, **environment):
        folder.mkdir(exist_ok=True)
        (folder / "run.json").write_text(run.model_dump_json())
        arguments = [str(path) for path in (folder / "run.json", *graph_files, folder)]
        prepare = f"import os; os.environ.update({environment!r}); arguments = {arguments!r}"
        code = f"{prepare}\n{HEEDS_SIGNALS}\n{code}"
        processes.append(context.Process(target=exec, args=(code,)))
        processes[-1].start()
        return processes[-1]

    yield start_process
    for process in processes:
        process.kill()
        process.join()


@pytest.fixture(scope="session")
def finish():
    """Function that waits for a process and returns its exit code."""

    def finished(process):
        process.join(120)
        return process.exitcode

    return finished


@pytest.fixture(scope="session")
def wait_for():
    """Function that waits until something is true."""

    def wait(condition, process):
        deadline = time.monotonic() + 60
        while not condition():
            assert process.is_alive(), f"ended early with exit code {process.exitcode}"
            assert time.monotonic() < deadline
            time.sleep(0.01)

    return wait


@pytest.fixture
def one_thread():
    """Bit-for-bit comparisons need a fixed number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def fit():
    """Function that fits a trainer in a folder."""

    def run_fit(trainer, folder):
        return trainer.fit(RunFolder(folder), Status(folder / "status.json"))

    return run_fit
