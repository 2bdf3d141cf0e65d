"""The plain networks, in double precision, against numbers of the published code (float32 on a CPU).

OptiMate is missing, whose published weights are described instead of stored: ours is compared with its numbers, and the
plain one with ours.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch_geometric.data import Batch

from benchmarks.plain.graphs import FOLLOW, crystal_data
from benchmarks.plain.networks import plain_network
from optimetal.compat import architecture_from_published, load_published
from optimetal.tasks import OPTICS, task_loss

MODELS = [
    "2b_cgconv_gp_besselenv5_set2set",
    "2b_cgconv_gp_gaussenv_vector",
    "2b_gatv2_atom_gauss_scalar",
    "2b_transformer_atom_bessel_mean",
    "2b_transformer_gp_gaussenv_vector",
    "2bnr_gatv2_gp_gauss_vector",
    "3b_cgconv_atom_gauss_mean",
    "3b_transformer_gp_gaussenv_vector",
]
EPS_TOLERANCE, DRUDE_TOLERANCE = 5e-5, 1e-5


def read_json(path: Path):
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def batch(parity) -> Batch:
    crystals = read_json(parity / "crystals.json")
    stored = np.load(parity / "models" / "batch.npz")
    graphs = []
    for n, row in enumerate(stored["crystal_index"]):
        lattice, numbers, positions = (
            np.array(crystals[row][key]) for key in ("lattice", "atomic_numbers", "positions")
        )
        targets = {
            "eps_inter": stored["target_eps"][n],
            "drude_frequency": stored["target_drude"][n],
        }
        graphs.append(crystal_data(lattice, numbers, positions, 5.5, 4.0, targets, torch.float64))
    return Batch.from_data_list(graphs, follow_batch=FOLLOW)


@pytest.fixture(params=MODELS)
def published(request, parity):
    """Plain network with published weights, and its numbers."""
    section = read_json(parity / "models" / f"{request.param}.json")["architecture"]
    weights = load_file(parity / "models" / f"{request.param}.safetensors")
    network = plain_network(architecture_from_published(section)).double()
    network.load_state_dict(load_published(section, weights).state_dict())
    return network, dict(np.load(parity / "models" / f"{request.param}_io.npz"))


def results(network, batch):
    """Spectra, Drude frequencies, loss and norm of the gradient."""
    predictions = network(batch)
    loss, _ = task_loss(OPTICS, predictions, {target.name: batch[target.name] for target in OPTICS})
    loss.backward()
    norms = [p.grad.norm() for p in network.parameters()]
    eps, drude = (predictions[target.name].detach().numpy() for target in OPTICS)
    return eps, drude, loss.item(), torch.stack(norms).norm().item()


def test_evaluation(published, batch):
    network, numbers = published
    eps, drude, loss, norm = results(network.eval(), batch)
    np.testing.assert_allclose(eps, numbers["eps"], rtol=0, atol=EPS_TOLERANCE)
    np.testing.assert_allclose(drude, numbers["drude"], rtol=0, atol=DRUDE_TOLERANCE)
    np.testing.assert_allclose(loss, numbers["loss"], rtol=1e-6)
    np.testing.assert_allclose(norm, numbers["grad_norm"], rtol=1e-5)


def test_training(published, batch):
    network, numbers = published
    eps, drude, loss, norm = results(network.train(), batch)
    first_two = numbers["train_eps_first_two"]
    np.testing.assert_allclose(eps[:2], first_two, rtol=0, atol=EPS_TOLERANCE)
    np.testing.assert_allclose(drude, numbers["train_drude"], rtol=0, atol=DRUDE_TOLERANCE)
    np.testing.assert_allclose(loss, numbers["train_loss"], rtol=1e-6)
    np.testing.assert_allclose(norm, numbers["train_grad_norm"], rtol=1e-5)
