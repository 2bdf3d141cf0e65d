import math

import numpy as np
import pytest
import torch
from scipy.special import eval_legendre
from torch.testing import assert_close

from optimetal.layers.embeddings import (
    AngleEmbedding,
    AtomEmbedding,
    BesselEmbedding,
    Envelope,
    GaussianEmbedding,
    GroupPeriodEmbedding,
    check_elements,
    group_and_period,
)

CUTOFF = 5.5


@pytest.mark.parametrize(
    ("atomic_number", "group", "period"),
    [
        (1, 1, 1),  # H
        (2, 18, 1),  # He
        (4, 2, 2),  # Be
        (5, 13, 2),  # B
        (21, 3, 4),  # Sc
        (29, 11, 4),  # Cu
        (54, 18, 5),  # Xe
        (57, 3, 6),  # La
        (71, 3, 6),  # Lu
        (72, 4, 6),  # Hf
        (79, 11, 6),  # Au
        (83, 15, 6),  # Bi
    ],
)
def test_group_and_period(atomic_number, group, period):
    assert group_and_period(atomic_number) == (group, period)


def test_group_period_is_one_hot():
    embedding = GroupPeriodEmbedding()
    hot = embedding(torch.tensor([29]))[0].nonzero().flatten().tolist()
    assert hot == [10, 18 + 3]
    assert_close(embedding(torch.arange(1, 84)).sum(1), torch.full((83,), 2.0))
    assert not embedding.state_dict()


@pytest.mark.parametrize("wrong", [0, -1, 84])
@pytest.mark.parametrize("embedding", [GroupPeriodEmbedding(), AtomEmbedding(4)])
def test_unknown_elements_are_named(embedding, wrong):
    embedding(torch.tensor([1, 83]))
    with pytest.raises(ValueError, match=rf"got Z=\[{wrong}\]"):
        embedding(torch.tensor([13, wrong, wrong]))


def test_no_elements_are_fine():
    check_elements(torch.zeros(0, dtype=torch.int64))


@pytest.mark.parametrize("exponent", [1, 4, 5])
def test_envelope_falls_smoothly_from_one_to_zero(exponent):
    envelope = Envelope(CUTOFF, exponent)
    ends = torch.tensor([0.0, CUTOFF, CUTOFF + 1], dtype=torch.float64)
    assert envelope(ends).tolist() == [1, 0, 0]
    x = torch.tensor(CUTOFF * (1 - 1e-9), dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(envelope(x), x, create_graph=True)
    (curvature,) = torch.autograd.grad(slope, x)
    assert abs(slope) < 1e-7 and abs(curvature) < 1e-6


def test_gaussians_have_their_centres_and_width():
    embedding = GaussianEmbedding(CUTOFF, 12, 2.0, None).double()
    spacing = CUTOFF / 11
    centres = torch.arange(12) * spacing
    basis = embedding(centres.double())
    assert_close(basis.diagonal(), torch.ones(12).double())
    one_sigma = embedding(centres[3:4].double() + 2 * spacing)[0, 3]
    assert_close(one_sigma.item(), math.exp(-0.5), rtol=1e-6, atol=0)


def test_bessel_functions_are_orthonormal_in_the_sphere():
    embedding = BesselEmbedding(CUTOFF, 6, False, None).double()
    r = (torch.arange(4000).double() + 0.5) * (CUTOFF / 4000)
    basis = embedding(r) * r[:, None]
    overlap = basis.T @ basis * (CUTOFF / 4000)
    assert_close(overlap, torch.eye(6).double(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("trainable", [True, False])
def test_bessel_weights_are_saved_and_may_be_learned(trainable):
    embedding = BesselEmbedding(CUTOFF, 3, trainable, 5)
    assert list(embedding.state_dict()) == ["bessel_weights"]
    assert [name for name, _ in embedding.named_parameters()] == ["bessel_weights"] * trainable


@pytest.mark.parametrize(
    "make",
    [
        lambda e: GaussianEmbedding(CUTOFF, 8, 2.0, e),
        lambda e: BesselEmbedding(CUTOFF, 8, False, e),
    ],
)
def test_envelope_multiplies_the_basis(make):
    length = torch.linspace(0.5, 6, 12)
    assert_close(make(4)(length), make(None)(length) * Envelope(CUTOFF, 4)(length)[:, None])


@pytest.mark.parametrize("l_max", range(5))
def test_angles_are_spherical_harmonics(l_max):
    nodes, weights = np.polynomial.legendre.leggauss(12)
    basis = AngleEmbedding(l_max)(torch.from_numpy(nodes)).numpy()
    assert basis.shape == (12, l_max + 1)
    overlap = 2 * np.pi * (basis * weights[:, None]).T @ basis  # over the whole sphere
    np.testing.assert_allclose(overlap, np.eye(l_max + 1), atol=1e-12)
    legendre = eval_legendre(l_max, nodes) * np.sqrt((2 * l_max + 1) / (4 * np.pi))
    np.testing.assert_allclose(basis[:, -1], legendre, atol=1e-12)
