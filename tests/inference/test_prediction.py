"""What comes out of a prediction."""

import json
from dataclasses import replace

import numpy as np
import pytest

from optimetal.inference.predict import predict
from optimetal.inference.prediction import QUANTITIES, Color, Prediction
from optimetal.optics.color import lab_color
from optimetal.optics.constants import EPS0_OVER_HBAR, HC
from optimetal.optics.drude import drude_dielectric, total_dielectric
from optimetal.optics.grid import ENERGY
from optimetal.optics.response import (
    absorption_coefficient,
    energy_loss,
    optical_conductivity,
    reflectivity,
    refractive_index,
)

SOURCE = "surrogate, not ab initio"


def lorentz(strength, resonance=4.0, damping=1.0):
    """A causal interband part."""
    return 1 + strength / (resonance**2 - ENERGY**2 - 1j * damping * ENERGY)


@pytest.fixture
def prediction(gold_copper) -> Prediction:
    """Two members that differ in strength and Drude frequency."""
    return Prediction(
        name="Cu3Au & <friends>",
        structure=gold_copper,
        members_eps_inter=np.array([lorentz(30.0), lorentz(40.0)]).astype(np.complex64),
        members_drude_frequency=np.array([7.0, 9.0], np.float32),
        model="3b_tc",
        source=SOURCE,
        warnings=("Something is odd.",),
        notes=("Something was done.",),
    )


def alone(prediction):
    """Its first member."""
    return replace(
        prediction,
        members_eps_inter=prediction.members_eps_inter[:1],
        members_drude_frequency=prediction.members_drude_frequency[:1],
    )


def test_mean_and_spread(prediction):
    np.testing.assert_allclose(prediction.eps_inter, lorentz(35.0), rtol=1e-6)
    half = (lorentz(40.0) - lorentz(30.0)) / 2
    spread = np.abs(np.stack([half.real, half.imag], axis=1))
    np.testing.assert_allclose(prediction.eps_inter_spread, spread, atol=1e-6)
    assert prediction.drude_frequency == 8.0
    assert prediction.drude_frequency_spread == 1.0
    assert not alone(prediction).eps_inter_spread.any()
    assert alone(prediction).drude_frequency_spread == 0


def test_spectra_follow_from_the_mean(prediction):
    eps = total_dielectric(lorentz(35.0), 8.0)
    close = {"rtol": 1e-5, "atol": 1e-6}
    np.testing.assert_allclose(prediction.eps[1:], eps[1:], **close)
    index = refractive_index(eps)
    np.testing.assert_allclose(prediction.n[1:], index.real[1:], **close)
    np.testing.assert_allclose(prediction.k[1:], index.imag[1:], **close)
    np.testing.assert_allclose(prediction.reflectivity, reflectivity(eps), **close)
    np.testing.assert_allclose(prediction.absorption, absorption_coefficient(ENERGY, eps), **close)
    np.testing.assert_allclose(prediction.energy_loss, energy_loss(eps), **close)
    np.testing.assert_allclose(prediction.color.lab, lab_color(eps), rtol=1e-4)
    assert prediction.energy is ENERGY


def test_conductivity_has_its_limit_at_zero(prediction):
    eps = total_dielectric(lorentz(35.0), 8.0)[1:]
    np.testing.assert_allclose(
        prediction.conductivity[1:], optical_conductivity(ENERGY[1:], eps), rtol=1e-5
    )
    assert prediction.conductivity[0] == pytest.approx(EPS0_OVER_HBAR * 8.0**2 / 0.1)
    np.testing.assert_array_equal(
        prediction.quantity("conductivity_real"), prediction.conductivity.real
    )


def test_spread_of_what_follows(prediction):
    """Half the distance of the two members."""
    members = [
        reflectivity(lorentz(strength) + drude_dielectric(ENERGY, drude))
        for strength, drude in ((30.0, 7.0), (40.0, 9.0))
    ]
    half = np.abs(members[0] - members[1]) / 2
    np.testing.assert_allclose(prediction.spread("reflectivity"), half, atol=1e-6)
    assert half.max() > 0.01
    assert np.isnan(prediction.spread("n")[0])
    for name in QUANTITIES:
        assert np.isfinite(prediction.quantity(name)[1:]).all()
        assert np.isfinite(prediction.spread(name)[1:]).all()
    with pytest.raises(ValueError, match=r"one of the spectra eps_inter_real, .* got 'colour'"):
        prediction.quantity("colour")
    with pytest.raises(ValueError, match="got 'colour'"):
        prediction.spread("colour")


def test_color_and_its_spread(prediction):
    members = [
        lab_color(total_dielectric(lorentz(strength), drude))
        for strength, drude in ((30.0, 7.0), (40.0, 9.0))
    ]
    np.testing.assert_allclose(
        prediction.color.lab_spread, np.abs(members[0] - members[1]) / 2, atol=1e-3
    )
    white = Color(np.array([100.0, 0, 0]), np.zeros(3))
    assert white.hex == "#ffffff"
    np.testing.assert_allclose(white.srgb, 1, atol=1e-6)
    assert repr(white) == "L* 100.0, a* 0.0, b* 0.0  #ffffff"
    assert "L* 50.0 ± 2.0, a* 0.0" in repr(Color(np.array([50.0, 0, 0]), np.array([2.0, 0, 0])))


def test_reflectivity_at_three_wavelengths(prediction):
    energy = HC / np.array([650, 550, 450])
    eps = 1 + 35 / (16 - energy**2 - 1j * energy) + drude_dielectric(energy, 8.0)
    np.testing.assert_allclose(prediction.reflectivity_rgb, reflectivity(eps), atol=1e-4)


def test_sum_rules(prediction):
    """A Lorentz oscillator is causal, and its strength and the Drude frequency add up."""
    assert prediction.kramers_kronig_residual < 0.01
    assert prediction.f_sum == pytest.approx(np.sqrt(35 + 64), rel=0.02)
    wrong = replace(prediction, members_eps_inter=prediction.members_eps_inter.conj())
    assert wrong.kramers_kronig_residual > 1


def test_crystal(prediction, low_symmetry):
    assert prediction.formula == "Cu3Au"
    assert prediction.space_group == "Pm-3m (221)"
    assert prediction.num_members == 2
    assert replace(prediction, structure=low_symmetry).space_group == "P1 (1)"


def test_table(prediction):
    table = prediction.to_dataframe()
    assert len(table) == len(ENERGY)
    assert list(table)[:5] == [
        "energy_eV",
        "eps_inter_real",
        "eps_inter_real_spread",
        "eps_inter_imag",
        "eps_inter_imag_spread",
    ]
    assert {"n", "absorption_per_cm", "absorption_spread_per_cm", "conductivity_real_S_per_m"} <= {
        *table
    }
    np.testing.assert_array_equal(table["reflectivity"], prediction.reflectivity)
    np.testing.assert_array_equal(table["k_spread"][1:], prediction.spread("k")[1:])
    assert table.attrs["source"] == SOURCE
    assert table.attrs["warnings"] == ["Something is odd."]
    assert json.loads(json.dumps(table.attrs)) == table.attrs
    single = alone(prediction).to_dataframe()
    assert list(single) == [name for name in table if "spread" not in name]
    assert single.attrs["drude_frequency_eV"] == 7


def test_text(prediction):
    text = repr(prediction)
    for part in (
        "Prediction for Cu3Au & <friends>",
        "Cu3Au, Pm-3m (221), 4 atoms",
        "8.00 ± 1.00 eV (damping 0.1 eV)",
        "3b_tc, 2 members",
        SOURCE,
        "Something is odd.",
        "Something was done.",
    ):
        assert part in text
    assert max(map(len, text.splitlines())) < 100
    assert "±" not in repr(alone(prediction))
    assert "members" not in repr(alone(prediction))


def test_html(prediction):
    html = prediction._repr_html_()
    assert "Cu3Au &amp; &lt;friends&gt;" in html
    assert f"background:{prediction.color.hex}" in html
    assert SOURCE in html
    assert "Something is odd." in html


def test_every_form_of_a_surrogate_says_so(ensemble, copper):
    prediction = predict(copper, ensemble)
    texts = [
        text.get_text() for text in prediction.plot().findobj(lambda a: hasattr(a, "get_text"))
    ]
    assert texts.count(SOURCE) == 2  # among the facts and at the foot
    for form in (repr(prediction), prediction._repr_html_(), str(prediction.to_dataframe().attrs)):
        assert SOURCE in form
