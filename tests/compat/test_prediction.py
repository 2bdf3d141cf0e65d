"""Predictions for crystals given as plain arrays."""

import numpy as np
import pytest
import torch

from optimetal.compat import prediction
from optimetal.compat.prediction import predict_crystals
from optimetal.models import build_model
from optimetal.optics.grid import NUM_ENERGIES


@pytest.fixture
def crystals(prototypes):
    """Different sizes; the last has neither bonds nor pairs."""
    known = [crystal._asdict() for crystal in list(prototypes.values())[:4]]
    alone = {"lattice": 20 * np.eye(3), "atomic_numbers": [11], "positions": np.zeros((1, 3))}
    return [*known, {**alone, "name": "more keys do no harm"}]


@pytest.fixture
def model(architecture):
    torch.manual_seed(0)
    return build_model(architecture)


def test_every_network_predicts(model, crystals, monkeypatch):
    eps, drude = predict_crystals(model, crystals)
    assert (eps.shape, drude.shape) == ((5, NUM_ENERGIES, 2), (5,))
    assert (eps.dtype, drude.dtype) == (np.float32, np.float32)
    assert np.isfinite(eps).all()
    assert np.isfinite(drude).all()
    monkeypatch.setattr(prediction, "TOGETHER", 2)
    for whole, parts in zip((eps, drude), predict_crystals(model, crystals), strict=True):
        np.testing.assert_allclose(parts, whole, rtol=1e-5, atol=1e-6)


def test_double_precision_gives_double_precision(model, crystals):
    single, _ = predict_crystals(model, crystals)
    double, drude = predict_crystals(model.double(), crystals)
    assert (double.dtype, drude.dtype) == (np.float64, np.float64)
    np.testing.assert_allclose(double, single, rtol=0, atol=1e-4)


def test_lists_do_as_well_as_arrays(model, crystals):
    lists = [{key: np.asarray(value).tolist() for key, value in c.items()} for c in crystals[:1]]
    for ours, theirs in zip(
        predict_crystals(model, lists), predict_crystals(model, crystals[:1]), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"atomic_numbers": [84]}, r"crystal 1: Expected elements from H .* got Z = \[84\]"),
        ({"lattice": np.zeros((3, 3))}, "crystal 1: The lattice vectors must span a volume"),
        ({"positions": [[0, 0]]}, "crystal 1: A crystal needs a"),
    ],
)
def test_faulty_crystals_are_named(small_architectures, crystals, wrong, message):
    model = build_model(small_architectures["2b_cgconv"])
    with pytest.raises(ValueError, match=message):
        predict_crystals(model, [crystals[-1], {**crystals[-1], **wrong}])


def test_missing_keys_are_named(small_architectures, crystals):
    model = build_model(small_architectures["2b_cgconv"])
    del crystals[-1]["positions"]
    with pytest.raises(ValueError, match=r"crystal 4 has no 'positions'.*found lattice, atomic"):
        predict_crystals(model, crystals)
    with pytest.raises(ValueError, match="at least one crystal"):
        predict_crystals(model, [])
