"""Every law against its limits."""

import numpy as np
import pytest

from optimetal.scaling.laws import (
    GRID_LAWS,
    LAWS,
    bnsl,
    broken,
    broken_amplitude,
    get_law,
    hoffmann,
    hoffmann_power,
    kaplan,
    kaplan_power,
    power,
    power_floor,
)

X = np.geomspace(10, 1e6, 11)


def slope(function, x: float) -> float:
    """Local exponent -dlnL/dlnx by a central difference."""
    low, high = x * 0.999, x * 1.001
    return -np.log(function(high) / function(low)) / np.log(high / low)


def test_power_law_is_one_at_x0_and_halves_as_its_exponent_says():
    assert power(500.0, 0.3, 500.0) == 1
    np.testing.assert_allclose(power(1000.0, 1.0, 500.0), 0.5)


def test_floor_is_what_remains_of_endless_data():
    np.testing.assert_allclose(power_floor(1e30, 0.5, 1e3, 0.7), 0.7)
    np.testing.assert_allclose(power_floor(X, 0.5, 1e3, 0.0), power(X, 0.5, 1e3))


def test_broken_power_law_has_one_exponent_far_on_either_side():
    def law(x):
        return broken(x, 0.15, 0.42, 1e4)

    assert slope(law, 1e-3) == pytest.approx(0.15, abs=1e-6)
    assert slope(law, 1e12) == pytest.approx(0.42, abs=1e-6)
    assert slope(law, 1e4) == pytest.approx((0.15 + 0.42) / 2, abs=1e-6)


def test_broken_power_law_is_continuous_at_its_break():
    at = broken(1e4, 0.15, 0.42, 1e4)
    np.testing.assert_allclose(at, 2 ** (0.15 - 0.42))
    np.testing.assert_allclose(broken([1e4 * (1 - 1e-9), 1e4 * (1 + 1e-9)], 0.15, 0.42, 1e4), at)


def test_broken_power_law_of_equal_exponents_is_a_power_law():
    np.testing.assert_allclose(broken(X, 0.3, 0.3, 1e4), power(X, 0.3, 1e4))


def test_amplitude_multiplies():
    np.testing.assert_allclose(
        broken_amplitude(X, 0.2, 0.4, 1e4, 3.0), 3 * broken(X, 0.2, 0.4, 1e4)
    )


def test_broken_neural_law_has_one_exponent_between_its_breaks():
    def law(x):
        return bnsl(x, 0.0, 30.0, 0.1, 0.3, 1e3, 0.2, -0.2, 1e7, 0.2)

    assert slope(law, 1e-3) == pytest.approx(0.1, abs=1e-6)
    assert slope(law, 1e5) == pytest.approx(0.1 + 0.3, abs=1e-6)
    assert slope(law, 1e13) == pytest.approx(0.1 + 0.3 - 0.2, abs=1e-6)
    assert slope(law, 1e3) == pytest.approx(0.1 + 0.3 / 2, abs=1e-5)


def test_broken_neural_law_is_the_published_product():
    # arXiv 2210.14891, equation 1, as it is written there
    a, b, c0, breaks = 0.3, 30.0, 0.1, ((0.3, 1e3, 0.4), (-0.2, 1e5, 0.7))
    product = np.prod([(1 + (X / d) ** (1 / f)) ** (-c * f) for c, d, f in breaks], axis=0)
    (c1, d1, f1), (c2, d2, f2) = breaks
    ours = bnsl(X, a, b, c0, c1, d1, f1, c2, d2, f2)
    np.testing.assert_allclose(ours, a + b * X**-c0 * product, rtol=1e-12)


def test_sharp_breaks_do_not_overflow():
    loss = bnsl(X, 0.0, 30.0, 0.1, 0.3, 1e3, 0.001, 0.2, 1e5, 0.001)
    assert np.isfinite(loss).all()
    assert (np.diff(loss) < 0).all()


GRID = (0.3, 0.2, 0.4, 2e5, 3e4)


def test_kaplan_form_tends_to_the_law_of_the_scarcer_resource():
    endless = np.full_like(X, 1e60)
    np.testing.assert_allclose(kaplan([endless, X], *GRID), broken(X, 0.2, 0.4, 3e4), rtol=1e-12)
    np.testing.assert_allclose(kaplan([X, endless], *GRID), power(X, 0.3, 2e5), rtol=1e-12)


def test_hoffmann_form_is_the_sum_of_its_terms():
    endless = np.full_like(X, 1e60)
    np.testing.assert_allclose(
        hoffmann([endless, X], *GRID, 0.15), 0.15 + broken(X, 0.2, 0.4, 3e4), rtol=1e-12
    )
    np.testing.assert_allclose(
        hoffmann([X, endless], *GRID, 0.15), 0.15 + power(X, 0.3, 2e5), rtol=1e-12
    )


def test_without_a_break_the_published_forms_are_those_of_their_authors():
    n_over, d_over = 2e5 / X, 3e4 / X[::-1]
    x = [X, X[::-1]]
    np.testing.assert_allclose(
        kaplan_power(x, 0.3, 0.4, 2e5, 3e4), (n_over**0.75 + d_over) ** 0.4, rtol=1e-12
    )
    np.testing.assert_allclose(
        hoffmann_power(x, 0.3, 0.4, 2e5, 3e4, 0.1), 0.1 + n_over**0.3 + d_over**0.4, rtol=1e-12
    )


def test_grid_laws_fall_with_data_and_parameters():
    num_params, num_train = np.meshgrid(np.geomspace(1e3, 1e8, 9), np.geomspace(10, 1e6, 8))
    for loss in (
        kaplan([num_params, num_train], *GRID),
        hoffmann([num_params, num_train], *GRID, 0.1),
    ):
        assert (np.diff(loss, axis=0) < 0).all()
        assert (np.diff(loss, axis=1) < 0).all()


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_symbols_follow_the_variable(law):
    assert len(law.symbols_of("D")) == len(law.names)
    text = law.formula_of("D") + "".join(law.symbols_of("D"))
    assert "X" not in text
    assert "D" in text


@pytest.mark.parametrize("law", (LAWS | GRID_LAWS).values(), ids=LAWS | GRID_LAWS)
def test_starting_points_are_finite_and_inside_the_bounds(law):
    loss = 40 * X**-0.3 + 2
    x = np.stack([X, X[::-1]]) if law.name in GRID_LAWS else X
    published = [law.published_start(x, loss)] if law.published_start else []
    for start in [*law.starts(x, loss), *published]:
        assert np.isfinite(law.function(x, *start)).all()
        for parameter, value in zip(law.parameters, start, strict=True):
            assert value >= parameter.lower
            assert not parameter.is_scale or value > 0


def test_unknown_law_names_the_known_ones():
    with pytest.raises(ValueError, match="no scaling law 'exponential': choose from power"):
        get_law("exponential")
