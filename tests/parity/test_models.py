"""Networks against numbers of the published code (torch 2.13, PyG 2.8.1, float32 on a CPU)."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from optimetal.compat import architecture_from_published, load_published, predict_crystals
from optimetal.graphs.batch import GraphBatch
from optimetal.layers.embeddings import (
    AngleEmbedding,
    BesselEmbedding,
    Envelope,
    GaussianEmbedding,
    group_and_period,
)
from optimetal.models import build_model, count_parameters
from optimetal.tasks import OPTICS, optics_task, task_loss

MODELS = [
    "2b_cgconv_gp_besselenv5_set2set",
    "2b_cgconv_gp_gaussenv_vector",
    "2b_gatv2_atom_gauss_scalar",
    "2b_transformer_atom_bessel_mean",
    "2b_transformer_gp_gaussenv_vector",
    "2bnr_gatv2_gp_gauss_vector",
    "3b_cgconv_atom_gauss_mean",
    "3b_transformer_gp_gaussenv_vector",
    "optimate",
]
EPS_TOLERANCE, DRUDE_TOLERANCE = 5e-5, 1e-5
GRADIENT_TOLERANCE = 1e-4
"""Relative to the largest entry; differences of this size are the rounding errors of float32."""


def read_json(path: Path):
    return json.loads(path.read_text())


def full_graph(crystal: dict, graphs: dict, number: int) -> dict[str, np.ndarray]:
    """Edges and pairs of one crystal, from the stored indices and cell shifts."""
    edges = slice(*graphs["edge_offsets"][number : number + 2])
    triplets = slice(*graphs["triplet_offsets"][number : number + 2])
    source, target = edge_index = graphs["edge_index"][:, edges].astype(np.int64)
    first, second = triplet_index = graphs["threebody_index"][:, triplets].astype(np.int64)
    positions = np.array(crystal["positions"])
    shift = graphs["pbc_offset"][edges] @ np.array(crystal["lattice"])
    vector = shift + positions[target] - positions[source]
    length = np.linalg.norm(vector, axis=1)
    cosine = (vector[first] * vector[second]).sum(1) / (length[first] * length[second])
    return {
        "atomic_numbers": np.array(crystal["atomic_numbers"]),
        "edge_index": edge_index,
        "edge_length": length,
        "triplet_index": triplet_index,
        "triplet_cosine": cosine.clip(-1 + 1e-7, 1 - 1e-7),
    }


def joined(crystals: list[dict[str, np.ndarray]], targets: dict[str, np.ndarray]) -> GraphBatch:
    """Graphs of several crystals as one batch with all weights one."""
    num_nodes = np.array([len(c["atomic_numbers"]) for c in crystals])
    num_edges = np.array([len(c["edge_length"]) for c in crystals])

    def column(name: str, offsets=None) -> Tensor:
        offsets = np.zeros(len(crystals), int) if offsets is None else np.cumsum(offsets) - offsets
        parts = [c[name] + first for c, first in zip(crystals, offsets, strict=True)]
        values = torch.from_numpy(np.concatenate(parts, axis=-1))
        return values.float() if values.is_floating_point() else values

    length, cosine = column("edge_length"), column("triplet_cosine")
    return GraphBatch(
        num_graphs=len(crystals),
        atomic_numbers=column("atomic_numbers"),
        node_graph=torch.arange(len(crystals)).repeat_interleave(torch.from_numpy(num_nodes)),
        class_size=torch.ones(int(num_nodes.sum())),
        edge_index=column("edge_index", num_nodes),
        edge_length=length,
        edge_multiplicity=torch.ones_like(length),
        triplet_index=column("triplet_index", num_edges),
        triplet_cosine=cosine,
        triplet_multiplicity=torch.ones_like(cosine),
        targets={name: torch.from_numpy(values) for name, values in targets.items()},
    )


@pytest.fixture(scope="module")
def batch(parity) -> GraphBatch:
    """The eight crystals and random targets that all numbers belong to."""
    crystals = read_json(parity / "crystals.json")
    graphs = dict(np.load(parity / "graphs.npz"))
    stored = np.load(parity / "models" / "batch.npz")
    return joined(
        [full_graph(crystals[i], graphs, i) for i in stored["crystal_index"]],
        {"eps_inter": stored["target_eps"], "drude_frequency": stored["target_drude"]},
    )


def recipe_values(recipe: dict) -> np.ndarray:
    """Pseudo-random weights that are described instead of stored."""
    count = math.prod(recipe["shape"])
    z = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z += np.uint64(recipe["index"])
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):
        z = (z ^ (z >> np.uint64(shift))) * np.uint64(factor)
    values = (z % np.uint64(255)).astype(float) - 127
    scale = 2.0 ** recipe["exponent"]
    return 1 + np.floor(values / 2) / scale if recipe["kind"] == "scale" else values / scale


def optimate_weights(recipes: dict[str, dict], stored: dict[str, np.ndarray]) -> dict[str, Tensor]:
    weights = {}
    for name, recipe in recipes.items():
        if recipe["kind"] == "stored":
            values = stored[f"buffer__{name}"]
        elif recipe["kind"] == "constant":
            values = np.array(recipe["value"])
        else:
            values = recipe_values(recipe)
        weights[name] = torch.from_numpy(values).reshape(recipe["shape"])
    return weights


class Published:
    """One published network with all its numbers."""

    def __init__(self, folder: Path, name: str) -> None:
        self.facts = read_json(folder / f"{name}.json")
        self.numbers = dict(np.load(folder / f"{name}_io.npz"))
        self.architecture = self.facts["architecture"]
        if name == "optimate":
            self.weights = optimate_weights(self.facts["weight_recipe"], self.numbers)
            self.task = optics_task("imaginary_mae", drude_weight=0)
        else:
            self.weights = load_file(folder / f"{name}.safetensors")
            self.task = OPTICS

    def network(self):
        return load_published(self.architecture, self.weights)


@pytest.fixture(params=MODELS)
def published(request, parity) -> Published:
    return Published(parity / "models", request.param)


def named(values, kind: str) -> dict[str, Tensor]:
    """Parameters or buffers under their published names."""
    spectrum = "mlp_eps_imag" if kind == "optimate" else "spectra_mlp"
    ours = {
        "heads.eps_inter.mlp": spectrum,
        "heads.drude_frequency.mlp": "drude_mlp",
        "trunk.": "",
    }
    renamed = {}
    for name, value in values:
        for prefix, theirs in ours.items():
            if name.startswith(prefix):
                renamed[theirs + name.removeprefix(prefix)] = value
    return renamed


def total_norm(gradients) -> float:
    """Norm of all gradients together, in single precision and so rounded like the published one."""
    return torch.stack([g.norm() for g in gradients]).norm().item()


def test_evaluation(published, batch):
    """Spectra, Drude frequencies, loss and gradients with running statistics."""
    network, numbers = published.network(), published.numbers
    predictions = network(batch)
    loss, parts = task_loss(published.task, predictions, batch.targets)
    loss.backward()
    eps, drude = (predictions[name].detach().numpy() for name in ("eps_inter", "drude_frequency"))
    np.testing.assert_allclose(eps, numbers["eps"], rtol=0, atol=EPS_TOLERANCE)
    np.testing.assert_allclose(drude, numbers["drude"], rtol=0, atol=DRUDE_TOLERANCE)
    np.testing.assert_allclose(loss.item(), numbers["loss"], rtol=1e-6)
    np.testing.assert_allclose(parts["eps_inter"].item(), numbers["loss_eps"], rtol=1e-6)
    np.testing.assert_allclose(parts["drude_frequency"].item(), numbers["loss_drude"], rtol=1e-6)

    parameters = named(network.named_parameters(), published.architecture["type"])
    gradients = {k: p.grad for k, p in parameters.items() if p.grad is not None}
    np.testing.assert_allclose(total_norm(gradients.values()), numbers["grad_norm"], rtol=1e-5)
    for name, norm in published.facts["parameter_grad_norms"].items():
        tolerance = {"rtol": GRADIENT_TOLERANCE, "atol": 1e-6}
        mine = gradients[name].double().norm().item()
        np.testing.assert_allclose(mine, norm, err_msg=name, **tolerance)
    for i, name in enumerate(numbers["grad_names"]):
        reference = numbers[f"grad_{i}"]
        tolerance = GRADIENT_TOLERANCE * np.abs(reference).max()
        np.testing.assert_allclose(gradients[name].numpy(), reference, rtol=0, atol=tolerance)


def test_predictions_from_crystals(published, parity):
    """From plain arrays, graphs of our own."""
    crystals = read_json(parity / "crystals.json")
    rows = np.load(parity / "models" / "batch.npz")["crystal_index"]
    eps, drude = predict_crystals(published.network(), [crystals[row] for row in rows])
    np.testing.assert_allclose(eps, published.numbers["eps"], rtol=0, atol=EPS_TOLERANCE)
    np.testing.assert_allclose(drude, published.numbers["drude"], rtol=0, atol=DRUDE_TOLERANCE)


def test_training(published, batch):
    """One forward pass with batch statistics, and what it leaves in the running ones."""
    network, numbers = published.network().train(), published.numbers
    predictions = network(batch)
    loss, _ = task_loss(published.task, predictions, batch.targets)
    loss.backward()
    eps, drude = (predictions[name].detach().numpy() for name in ("eps_inter", "drude_frequency"))
    first_two = numbers["train_eps_first_two"]
    np.testing.assert_allclose(eps[:2], first_two, rtol=0, atol=EPS_TOLERANCE)
    np.testing.assert_allclose(drude, numbers["train_drude"], rtol=0, atol=DRUDE_TOLERANCE)
    np.testing.assert_allclose(loss.item(), numbers["train_loss"], rtol=1e-6)
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    np.testing.assert_allclose(total_norm(gradients), numbers["train_grad_norm"], rtol=1e-5)
    buffers = named(network.named_buffers(), published.architecture["type"])
    for key in (key for key in numbers if key.startswith("train_after__")):
        mine = buffers[key.removeprefix("train_after__")].numpy()
        np.testing.assert_allclose(mine, numbers[key], rtol=1e-5, atol=1e-6)


def test_parameter_counts(published):
    architecture = architecture_from_published(published.architecture)
    assert count_parameters(architecture) == published.facts["num_parameter"]


def test_parameter_counts_of_all_published_configurations(parity):
    configurations = read_json(parity / "parameter_counts.json")
    assert len(configurations) == 41
    for configuration in configurations:
        architecture = architecture_from_published(configuration["architecture"])
        assert count_parameters(architecture) == configuration["num_parameter"], architecture


@pytest.mark.parametrize(
    "name",
    [
        "2b_gatv2_atom_gauss_scalar",
        "2b_transformer_gp_gaussenv_vector",
        "2bnr_gatv2_gp_gauss_vector",
        "3b_transformer_gp_gaussenv_vector",
        "optimate",
    ],
)
def test_initial_weights_have_the_same_statistics(parity, name):
    """Constants equal, random weights of the same spread: mean and deviation over a few seeds."""
    reference = read_json(parity / "init_stats.json")[name]
    section = read_json(parity / "models" / f"{name}.json")["architecture"]
    kind = section["type"]
    samples: dict[str, list[Tensor]] = {}
    for seed in range(2 if kind == "optimate" else 12):
        torch.manual_seed(seed)
        network = build_model(architecture_from_published(section))
        for key, parameter in named(network.named_parameters(), kind).items():
            samples.setdefault(key, []).append(parameter.detach().double().flatten())
    assert samples.keys() == reference.keys()
    for key, parts in samples.items():
        values, expected = torch.cat(parts), reference[key]
        error = 6 / math.sqrt(len(values))  # six standard errors, for mean and deviation alike
        assert abs(values.mean() - expected["mean"]) <= error * expected["std"], key
        assert abs(values.std(correction=0) - expected["std"]) <= error * expected["std"], key


@pytest.fixture(scope="module")
def stored_embeddings(parity) -> dict[str, np.ndarray]:
    return dict(np.load(parity / "embeddings.npz"))


def test_groups_and_periods(stored_embeddings):
    table = [group_and_period(int(z)) for z in stored_embeddings["atomic_number"]]
    groups, periods = np.array(table).T
    np.testing.assert_array_equal(groups - 1, stored_embeddings["group_index"])
    np.testing.assert_array_equal(periods - 1, stored_embeddings["period_index"])


@pytest.mark.parametrize(
    ("key", "embedding"),
    [
        ("gaussian_32_4_env4", lambda: GaussianEmbedding(5.5, 32, 4.0, 4)),
        ("gaussian_64_2_noenv", lambda: GaussianEmbedding(5.5, 64, 2.0, None)),
        ("gaussian_56_2_noenv", lambda: GaussianEmbedding(5.5, 56, 2.0, None)),
        ("gaussian_40_2_env5", lambda: GaussianEmbedding(5.5, 40, 2.0, 5)),
        ("bessel_8_noenv", lambda: BesselEmbedding(5.5, 8, False, None)),
        ("bessel_8_env4", lambda: BesselEmbedding(5.5, 8, False, 4)),
        ("bessel_12_env5", lambda: BesselEmbedding(5.5, 12, False, 5)),
        ("envelope4", lambda: Envelope(5.5, 4)),
        ("envelope5", lambda: Envelope(5.5, 5)),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_embeddings_of_lengths(stored_embeddings, key, embedding, dtype):
    length = torch.from_numpy(stored_embeddings["distance"]).to(dtype)
    basis = embedding().to(dtype)(length).numpy()
    np.testing.assert_allclose(basis, stored_embeddings[key], rtol=0, atol=5e-6)


def test_gaussian_exponent_is_that_of_the_single_precision_grid(stored_embeddings):
    for (num_basis, width), expected in zip(
        [(32, 4.0), (64, 2.0), (56, 2.0), (40, 2.0)],
        stored_embeddings["gaussian_coeff"],
        strict=True,
    ):
        assert GaussianEmbedding(5.5, num_basis, width, None).coefficient == expected


def test_embedding_of_angles(stored_embeddings):
    basis = AngleEmbedding(4)(torch.from_numpy(stored_embeddings["cosine"])).numpy()
    np.testing.assert_allclose(basis, stored_embeddings["angle_lmax4"], rtol=0, atol=1e-6)
