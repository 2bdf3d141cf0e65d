import numpy as np
import pytest

from optimetal.database.surrogate.elements import (
    ELEMENTS,
    ORBITALS,
    SMALL_ELEMENTS,
    gather_sites,
)


def test_element_sets():
    assert len(ELEMENTS) == 46
    assert len(SMALL_ELEMENTS) == 22
    assert set(SMALL_ELEMENTS) <= ELEMENTS.keys()


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [
        ("Al", (3, -7.83, -2.78, None, 0.0, 0.83, 0.0, 16.6)),
        ("Cu", (11, -4.86, -0.78, -5.33, 0.57, 0.90, 0.24, 11.8)),
        ("Au", (11, -6.08, -0.88, -7.12, 0.88, 0.94, 0.36, 17.0)),
        ("Cs", (1, -2.22, -0.78, None, 0.0, 1.50, 0.0, 117.8)),
    ],
)
def test_parameters_after_the_factors(symbol, expected):
    element = ELEMENTS[symbol]
    got = (
        element.num_valence,
        element.level_s,
        element.level_p,
        element.level_d,
        element.radius_d,
        element.dipole_sp,
        element.dipole_pd,
        element.volume,
    )
    assert got == pytest.approx(expected, abs=0.051)
    assert got[:7] == pytest.approx(expected[:7], abs=0.0051)


def test_relativity_brings_the_d_level_of_gold_close_to_s():
    gap = {s: ELEMENTS[s].level_s - ELEMENTS[s].level_d for s in ("Ag", "Au")}
    assert gap["Ag"] == pytest.approx(2.95, abs=0.05)
    assert gap["Au"] == pytest.approx(1.0, abs=0.05)


def test_wigner_seitz_radius_of_fcc_puts_neighbours_in_contact():
    element = ELEMENTS["Cu"]
    nearest = (4 * element.volume) ** (1 / 3) / np.sqrt(2)
    assert nearest / (2 * element.wigner_seitz_radius) == pytest.approx(0.905, abs=5e-4)


def test_dipoles_are_angular_integrals():
    """<l|x_a|l'> of real harmonics by quadrature, in units of <s|x|p_x> and <p_y|x|d_xy>."""
    cosine, weight = np.polynomial.legendre.leggauss(8)
    angle = 2 * np.pi * np.arange(8) / 8
    z, phi = (grid.ravel() for grid in np.meshgrid(cosine, angle, indexing="ij"))
    x, y = np.sqrt(1 - z**2) * np.cos(phi), np.sqrt(1 - z**2) * np.sin(phi)
    weight = np.repeat(weight, 8) / 16  # mean over the sphere
    d = [x * y, y * z, z * x, (x**2 - y**2) / 2, (3 * z**2 - 1) / np.sqrt(12)]
    harmonics = np.array([np.ones_like(x), *(np.sqrt(3) * np.array([x, y, z]))])
    harmonics = np.concatenate([harmonics, np.sqrt(15) * np.array(d)])
    np.testing.assert_allclose((harmonics * weight) @ harmonics.T, np.eye(9), atol=1e-12)

    site = gather_sites(np.array([ELEMENTS["Pd"].atomic_number]))
    integral = np.array([(harmonics * weight * r) @ harmonics.T for r in (x, y, z)])
    sp, pd = integral[0, 0, 1], integral[0, 2, ORBITALS.index("xy")]
    expected = np.zeros((3, 9, 9))
    expected[:, :4, :4] = ELEMENTS["Pd"].dipole_sp * integral[:, :4, :4] / sp
    expected[:, 1:4, 4:] = ELEMENTS["Pd"].dipole_pd * integral[:, 1:4, 4:] / pd
    expected[:, 4:, 1:4] = expected[:, 1:4, 4:].swapaxes(1, 2)
    np.testing.assert_allclose(site.dipole[:, 0], expected, atol=1e-12)


def test_sites_know_which_orbitals_exist():
    sites = gather_sites(np.array([13, 29]))
    assert sites.exists.sum(axis=1).tolist() == [4, 9]
    assert sites.num_valence.tolist() == [3, 11]
    assert sites.radius_d[0] == 0


def test_unknown_element_is_named():
    with pytest.raises(ValueError, match=r"atomic number \[8, 92\]; known elements are Li"):
        gather_sites(np.array([13, 92, 8]))
