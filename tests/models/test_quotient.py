"""Quotient graphs of crystals give every network what their full graphs give, to rounding."""

import copy
from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure
from torch.testing import assert_close

from optimetal.config.run import Run
from optimetal.graphs.neighbours import crystal_graph
from optimetal.graphs.packed import pack
from optimetal.graphs.quotient import quotient_graphs
from optimetal.models import build_model
from optimetal.optics.grid import NUM_ENERGIES
from optimetal.tasks import OPTICS, task_loss
from optimetal.training.loop import Trainer

CLOSE = {"rtol": 1e-10, "atol": 1e-10}
TOLERANCE = 1e-4
CUTOFFS = 5.5, 4.0
LONELY = 20 * np.eye(3), np.array([29]), np.zeros((1, 3))
SPARSE = 4.6 * np.eye(3), np.array([55]), np.zeros((1, 3))  # edges, but none short enough for pairs
SPACE_GROUPS = (1, 2, 12, 47, 62, 123, 139, 148, 166, 191, 194, 198, 221)


def batches(crystals):
    """The full graphs as one batch, and their quotients, with the same invented targets."""
    full = [crystal_graph(*crystal, *CUTOFFS) for crystal in crystals]
    rng = np.random.default_rng(len(crystals))
    targets = {
        "eps_inter": rng.normal(size=(len(full), NUM_ENERGIES, 2)),
        "drude_frequency": rng.uniform(0, 8, len(full)),
    }
    return [
        pack(graphs, *CUTOFFS, targets, real_type="float64").batch(torch.arange(len(full)))
        for graphs in (full, quotient_graphs(full, TOLERANCE))
    ]


def results(network, batch):
    """Predictions, loss and gradients."""
    network.zero_grad()
    predictions = network(batch)
    loss, _ = task_loss(OPTICS, predictions, batch.targets)
    loss.backward()
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    return predictions, loss.detach(), gradients


def off_the_kinks(network):
    """Move all weights a little: zero biases put equal atoms on the kink of ReLU in training."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network


def assert_same_results(architecture, crystals):
    full, quotient = batches(crystals)
    torch.manual_seed(0)
    network = off_the_kinks(build_model(architecture).double())
    for training in (True, False):
        one, two = network.train(training), copy.deepcopy(network)
        assert_close(results(one, full), results(two, quotient), **CLOSE)
        assert_close(dict(one.named_buffers()), dict(two.named_buffers()), **CLOSE)


def random_crystal(seed, space_group):
    """One or two orbits of a space group, coordinates special or not; None if too crowded."""
    rng = np.random.default_rng(seed)
    a, b, c = rng.uniform(3.0, 6.0, 3)
    alpha, beta, gamma = rng.uniform(70, 110, 3)
    if space_group > 194:
        lattice = Lattice.cubic(a)
    elif space_group > 142:
        lattice = Lattice.hexagonal(a, c)
    elif space_group > 74:
        lattice = Lattice.tetragonal(a, c)
    elif space_group > 15:
        lattice = Lattice.orthorhombic(a, b, c)
    elif space_group > 2:
        lattice = Lattice.monoclinic(a, b, c, beta)
    else:
        lattice = Lattice.from_parameters(a, b, c, alpha, beta, gamma)
    number = rng.integers(1, 3)
    sites = [rng.choice([0.0, 0.25, 0.5, rng.random()], 3) for _ in range(number)]
    structure = Structure.from_spacegroup(space_group, lattice, [29, 13][:number], sites)
    if len(structure) > 24 or structure.volume < 8 * len(structure) or not structure.is_valid(1.8):
        return None
    return structure.lattice.matrix, np.array(structure.atomic_numbers), structure.cart_coords


@pytest.mark.parametrize("space_group", SPACE_GROUPS)
def test_random_crystals_of_all_symmetries(small_architectures, prototypes, space_group):
    drawn = (random_crystal(seed, space_group) for seed in range(40))
    crystals = list(islice(filter(None, drawn), 2))
    assert len(crystals) == 2
    for name in ("2b_transformer", "3b_transformer"):
        assert_same_results(small_architectures[name], [*crystals, SPARSE, prototypes["NaCl"]])


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10_000), space_group=st.sampled_from(SPACE_GROUPS))
def test_random_crystals(architecture, prototypes, seed, space_group):
    crystal = random_crystal(seed, space_group)
    assume(crystal is not None)
    company = [prototypes[name] for name in ("NaCl", "CaTiO3", "dhcp")]
    assert_same_results(architecture, [crystal, SPARSE, *company])


def test_prototypes_in_one_batch(architecture, prototypes):
    assert_same_results(architecture, list(prototypes.values()))


def test_a_mixed_batch(architecture, prototypes, other_descriptions):
    """In training a supercell counts as the cells it holds, as its full graph does."""
    low = next(filter(None, (random_crystal(seed, 1) for seed in range(40))))
    large = other_descriptions(prototypes["Cu"])["2x2x2"]
    assert_same_results(architecture, [prototypes["CaTiO3"], low, large, LONELY, SPARSE])


def test_crystals_without_edges(architecture):
    assert_same_results(architecture, [LONELY, LONELY])


@pytest.mark.parametrize("name", ["Cu", "W", "Mg", "CsCl", "NaCl", "CaTiO3", "MnAlCu2", "CrB"])
def test_same_prediction_for_all_descriptions(architecture, prototypes, other_descriptions, name):
    crystal = prototypes[name]
    crystals = [crystal, *other_descriptions(crystal).values()]
    torch.manual_seed(0)
    network = build_model(architecture).double().eval()
    with torch.no_grad():
        predictions = network(batches(crystals)[1])
    for values in predictions.values():
        assert_close(values, values[:1].expand_as(values), **CLOSE)


def test_noise_below_the_tolerance_acts_in_second_order(architecture, prototypes):
    """Means over the classes stand for values that differ by δ = 1e-5 Å."""
    rng = np.random.default_rng(0)
    noisy = [
        (lattice, numbers, positions + rng.normal(0, 1e-5, positions.shape))
        for lattice, numbers, positions in (prototypes[name] for name in ("CaTiO3", "CrB", "Mg"))
    ]
    full, quotient = batches(noisy)
    assert len(quotient.edge_length) < len(full.edge_length) / 4
    torch.manual_seed(0)
    network = build_model(architecture).double().eval()
    with torch.no_grad():
        assert_close(network(quotient), network(full), rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", ["optimate", "2b_cgconv", "2b_transformer", "3b_gatv2"])
def test_training_follows_that_on_full_graphs(small_architectures, prototypes, name):
    run = Run.model_validate(
        {
            "model": name,
            "architecture": small_architectures[name],
            "training": {
                "epochs": 3,
                "batch_size": 6,
                "warmup_epochs": 1,
                "precision": "fp64",
                "device": "cpu",
            },
            "num_train": 12,
            "seed": 1,
        }
    )
    rng = np.random.default_rng(0)
    full = [crystal_graph(*crystal, *CUTOFFS) for crystal in list(prototypes.values())[-16:]]
    eps, drude = rng.normal(size=(16, NUM_ENERGIES, 2)), rng.uniform(0, 8, 16)
    histories, weights = [], []
    for graphs in (full, quotient_graphs(full, TOLERANCE)):
        train, val = (
            pack(
                graphs[part],
                *CUTOFFS,
                {"eps_inter": eps[part], "drude_frequency": drude[part]},
                real_type="float64",
            )
            for part in (slice(12), slice(12, 16))
        )
        trainer = Trainer(run, train, val)
        histories.append([{**trainer.do_epoch(), "seconds": 0.0} for _ in range(3)])
        weights.append(trainer.model.state_dict())
    for one, two in zip(*histories, strict=True):
        assert two == pytest.approx(one, rel=1e-9, abs=1e-12)
    assert_close(*weights, rtol=1e-7, atol=1e-9)
