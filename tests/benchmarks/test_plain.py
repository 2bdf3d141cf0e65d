"""The plain networks on full graphs and ours on quotient graphs are the same mathematics."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch.testing import assert_close
from torch_geometric.data import Batch

from benchmarks.plain.color import lab_color as plain_lab_color
from benchmarks.plain.evaluation import material_metrics as plain_metrics
from benchmarks.plain.evaluation import predict as plain_predict
from benchmarks.plain.graphs import FOLLOW, crystal_data, data_of_store, load, save
from benchmarks.plain.networks import plain_network
from benchmarks.plain.training import train
from optimetal.config.run import Run
from optimetal.database.entries import Record
from optimetal.database.store import CrystalStore, write_records
from optimetal.evaluation.evaluate import predict
from optimetal.evaluation.metrics import material_metrics
from optimetal.graphs.build import build_graphs
from optimetal.graphs.neighbours import crystal_graph, edge_pairs, neighbour_edges
from optimetal.graphs.packed import PackedGraphs, pack
from optimetal.graphs.quotient import quotient_graphs
from optimetal.models import build_model
from optimetal.optics.color import lab_color
from optimetal.optics.grid import ENERGY, NUM_ENERGIES
from optimetal.tasks import OPTICS, Target, task_loss
from optimetal.training.loop import Trainer
from optimetal.training.schedules import step

CLOSE = {"rtol": 1e-10, "atol": 1e-10}
CUTOFFS = 5.5, 4.0
TOLERANCE = 1e-4
LONELY = 20 * np.eye(3), np.array([29]), np.zeros((1, 3))
SPARSE = 4.6 * np.eye(3), np.array([55]), np.zeros((1, 3))  # edges, but none short enough for pairs


def random_crystal(seed: int):
    """Triclinic, five atoms of two elements, some outside the home cell."""
    rng = np.random.default_rng(seed)
    lattice = 4.5 * np.eye(3) + rng.uniform(-0.6, 0.6, (3, 3))
    sites = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5], [0.5, 0.5, 1.5]])
    sites = sites + rng.uniform(-0.06, 0.06, sites.shape) + rng.integers(-1, 2, sites.shape)
    return lattice, np.array([29, 13, 29, 13, 29]), sites @ lattice


def invented_targets(number: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(number)
    eps_inter = rng.normal(size=(number, NUM_ENERGIES, 2))
    return {"eps_inter": eps_inter, "drude_frequency": rng.uniform(0, 8, number)}


def plain_graphs(crystals, targets, dtype=torch.float64):
    return [
        crystal_data(*crystal, *CUTOFFS, {k: v[n] for k, v in targets.items()}, dtype)
        for n, crystal in enumerate(crystals)
    ]


def quotients(crystals, targets) -> PackedGraphs:
    full = [crystal_graph(*crystal, *CUTOFFS) for crystal in crystals]
    return pack(quotient_graphs(full, TOLERANCE), *CUTOFFS, targets, real_type="float64")


def pair_of_networks(architecture, task=OPTICS):
    """Plain network and ours with the same weights in double precision."""
    torch.manual_seed(0)
    network = build_model(architecture, task).double()
    with torch.no_grad():  # zero biases would put equal atoms on the kink of ReLU in training
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    plain = plain_network(architecture, task).double()
    plain.load_state_dict(network.state_dict())
    return plain, network


def results(network, batch, targets):
    """Predictions, loss and gradients."""
    network.zero_grad()
    predictions = network(batch)
    loss, _ = task_loss(OPTICS, predictions, targets)
    loss.backward()
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    return predictions, loss.detach(), gradients


@pytest.fixture(scope="module")
def crystals(prototypes):
    """Symmetric and not, without pairs, without edges, last one with all."""
    return [LONELY, *prototypes.values(), random_crystal(1), SPARSE, random_crystal(2)]


def test_weights_go_both_ways(architecture):
    ours, plain = build_model(architecture), plain_network(architecture)
    assert [n for n, _ in plain.named_parameters()] == [n for n, _ in ours.named_parameters()]
    ours.load_state_dict(plain.state_dict())
    plain.load_state_dict(ours.state_dict())
    assert_close(dict(plain.state_dict()), dict(ours.state_dict()), rtol=0, atol=0)


def test_same_results_as_quotient_graphs(architecture, crystals):
    targets = invented_targets(len(crystals))
    batch = Batch.from_data_list(plain_graphs(crystals, targets), follow_batch=FOLLOW)
    ours = quotients(crystals, targets).batch(torch.arange(len(crystals)))
    for training in (True, False):
        plain, network = pair_of_networks(architecture)
        plain.train(training), network.train(training)
        expected = results(plain, batch, {name: batch[name] for name in targets})
        assert_close(results(network, ours, ours.targets), expected, **CLOSE)
        assert_close(dict(network.named_buffers()), dict(plain.named_buffers()), **CLOSE)


def test_other_targets(small_architectures, crystals):
    task = (Target("gap", (), "eV", non_negative=True), Target("tensor", (3, 2), ""))
    batch = Batch.from_data_list(plain_graphs(crystals, {}), follow_batch=FOLLOW)
    ours = quotients(crystals, {}).batch(torch.arange(len(crystals)))
    for name in ("optimate", "2b_cgconv", "3b_cgconv"):
        plain, network = pair_of_networks(small_architectures[name], task)
        assert_close(network.eval()(ours), plain.eval()(batch), **CLOSE)


def test_predictions_of_many_batches(small_architectures, crystals):
    plain, network = pair_of_networks(small_architectures["3b_transformer"])
    targets = invented_targets(len(crystals))
    expected = predict(network, quotients(crystals, targets), batch_size=100)
    predictions = plain_predict(plain, plain_graphs(crystals, targets), batch_size=5)
    assert predictions.keys() == expected.keys()
    for name, values in predictions.items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("number", [0, 4, 9, -1, -2, -3])
def test_same_edges_and_pairs(crystals, number):
    lattice, elements, positions = crystals[number]
    plain = crystal_data(lattice, elements, positions, *CUTOFFS)
    edges = neighbour_edges(lattice, positions, CUTOFFS[0])

    def names(index, shift):
        return list(map(tuple, np.c_[index.T, shift].astype(int).tolist()))

    ours = names(edges.edge_index, edges.cell_shift)
    theirs = names(plain.edge_index.numpy(), plain.cell_shift.numpy())
    assert sorted(ours) == sorted(theirs)
    our_pairs = [(ours[a], ours[b]) for a, b in edge_pairs(edges, CUTOFFS[1]).T]
    their_pairs = [(theirs[a], theirs[b]) for a, b in plain.triplet_index.T]
    assert sorted(our_pairs) == sorted(their_pairs)


def test_a_triplet_cutoff_is_optional(crystals):
    assert crystal_data(*crystals[-1], 5.5).triplet_index.shape == (2, 0)


@pytest.mark.parametrize("name", ["optimate", "2b_cgconv", "2b_transformer", "3b_gatv2"])
def test_training_follows_ours(small_architectures, prototypes, name):
    training = {
        "epochs": 3,
        "batch_size": 5,
        "learning_rate": 3e-3,
        "weight_decay": 0.1,
        "warmup_epochs": 1,
        "gradient_clip": 0.5,
        "eps_loss": "mse",
        "drude_weight": 0.5,
        "precision": "fp64",
        "device": "cpu",
    }
    architecture = small_architectures[name]
    run = Run(model=name, architecture=architecture, training=training, num_train=12, seed=3)
    crystals = [*list(prototypes.values())[-12:], random_crystal(3), random_crystal(4)]
    targets = invented_targets(len(crystals))
    graphs = quotients(crystals, targets)
    trainer = Trainer(run, graphs, graphs)
    plain = plain_network(architecture).double()
    plain.load_state_dict(trainer.model.state_dict())

    losses = train(run, plain, plain_graphs(crystals, targets))
    for epoch in losses:
        trainer.model.train()
        ours = [trainer.train_step(batch)[0] for batch in trainer.loader]
        assert len(ours) == 3
        assert ours == pytest.approx(epoch, rel=1e-9)
        step(trainer.scheduler, 0.0)
    assert losses[0][0] != losses[1][0] != losses[2][0]
    # Adam divides by the size of the gradient: the rounding of a vanishing one is seen in the weight
    assert_close(trainer.model.state_dict(), plain.state_dict(), rtol=1e-6, atol=1e-8)


# Evaluation


def spectra(number: int, seed: int) -> dict[str, np.ndarray]:
    """Absorption lines with noise; the first spectrum is constant, the second zero."""
    rng = np.random.default_rng(seed)
    centre, height = rng.uniform(1, 6, (number, 1)), rng.uniform(5, 40, (number, 1))
    line = 1 + height / (centre**2 - ENERGY**2 - 0.8j * ENERGY)
    eps = np.stack([line.real, line.imag], axis=-1) + 0.1 * rng.normal(
        size=(number, NUM_ENERGIES, 2)
    )
    eps[0], eps[1] = 2, 0
    drude = rng.uniform(1, 10, number)
    return {"eps_inter": eps.astype(np.float32), "drude_frequency": drude.astype(np.float32)}


@pytest.mark.parametrize(
    "losses",
    [
        {},
        {"eps_loss": "mse", "drude_loss": "mse", "eps_weight": 0.3, "drude_weight": 2.0},
        {"eps_loss": "imaginary_mae", "drude_weight": 0.0},
    ],
)
def test_metrics(losses):
    predictions, targets = spectra(12, 1), spectra(12, 2)
    targets["lab"] = np.random.default_rng(0).uniform(0, 100, (12, 3))
    names = {"mat_ids": list("abcdefghijkl"), "compositions": ["Cu"] * 12}
    ours = material_metrics(predictions, targets, **names, target_lab=targets["lab"], **losses)
    plain = plain_metrics(predictions, targets, **names, **losses)
    assert ours["eps_real_r2"].isna().sum() == 2 and ours["eps_imag_sc"].isna().sum() == 1
    pd.testing.assert_frame_equal(plain, ours, rtol=1e-9, atol=1e-12)


def test_colours():
    eps = spectra(8, 3)["eps_inter"] @ np.array([1, 1j]) - 30 / (ENERGY + 0.5)
    assert (eps.imag < 0).any() and (eps.imag > 0).any()
    nearly_black = np.full((1, ENERGY.size), 1.05 + 0.01j)
    for spectrum in [*eps, *nearly_black]:
        np.testing.assert_allclose(plain_lab_color(spectrum), lab_color(spectrum), atol=1e-9)


# Data


@pytest.fixture
def store(crystals, tmp_path):
    """Records of a few crystals with spectra."""
    chosen = [crystals[n] for n in (3, 5, -1)]
    arrays = spectra(5, 4)
    records = [
        Record(
            mat_id=f"agm{n:09d}",
            composition="CuAl",
            e_above_hull=0.0,
            lattice=lattice.astype(np.float32),
            atomic_numbers=elements,
            positions=positions.astype(np.float32),
            drude_frequency=arrays["drude_frequency"][n + 2],
            eps_inter=(arrays["eps_inter"][n + 2] @ [1, 1j]).astype(np.complex64),
        )
        for n, (lattice, elements, positions) in enumerate(chosen)
    ]
    write_records(tmp_path / "records.h5", records)
    with CrystalStore(tmp_path / "records.h5") as store:
        yield store


def test_data_of_a_store(store, tmp_path):
    save(data_of_store(store, *CUTOFFS), tmp_path / "graphs.pt")
    crystals = load(tmp_path / "graphs.pt")
    packed = build_graphs(store, *CUTOFFS, tolerance=0)
    for n, crystal in enumerate(crystals):
        batch = packed.batch(torch.tensor([n]))
        assert crystal.num_nodes == len(batch.atomic_numbers)
        assert crystal.num_edges == len(batch.edge_length)
        assert crystal.triplet_index.shape == batch.triplet_index.shape
        assert_close(crystal.atomic_numbers, batch.atomic_numbers)
        targets = {name: crystal[name] for name in ("eps_inter", "drude_frequency", "lab")}
        assert_close(targets, batch.targets, rtol=1e-6, atol=1e-5)


def test_predictions_from_a_store(store, small_architectures):
    torch.manual_seed(0)
    ours = build_model(small_architectures["3b_gatv2"])
    plain = plain_network(small_architectures["3b_gatv2"])
    plain.load_state_dict(ours.state_dict())
    packed = build_graphs(store, *CUTOFFS, tolerance=TOLERANCE)
    expected = predict(ours, packed, batch_size=8)
    predictions = plain_predict(plain, data_of_store(store, *CUTOFFS), batch_size=2)
    for name, values in predictions.items():
        np.testing.assert_allclose(values, expected[name], rtol=0, atol=1e-5)
