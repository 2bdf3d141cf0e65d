"""Information criterion and weights."""

import numpy as np
import pandas as pd
import pytest

from optimetal.scaling.selection import aicc, akaike_weights, select


def test_aicc_of_a_hand_computed_example():
    # 4 + 7 ln(0.07 / 7) + 12 / 4 = 7 - 7 * 4.605170...
    assert aicc(0.07, 7, 2) == pytest.approx(-25.23619130191664)


def test_aicc_tends_to_aic_for_many_points():
    n, k = 10**7, 3
    assert aicc(2.0 * n, n, k) - n * np.log(2.0) == pytest.approx(2 * k, abs=1e-4)


@pytest.mark.parametrize("num_points", [2, 3, 4])
def test_aicc_is_undefined_for_too_few_points(num_points):
    assert np.isnan(aicc(0.1, num_points, 3))


def test_exact_law_has_the_lowest_aicc():
    assert aicc(0.0, 7, 2) == -np.inf


def test_weights_follow_the_distance_to_the_best():
    weights = akaike_weights([-10.0, -8.0, np.nan])
    np.testing.assert_allclose(weights[1] / weights[0], np.exp(-1))
    assert np.nansum(weights) == pytest.approx(1)
    assert np.isnan(weights[2])


def test_exact_law_takes_all_weight():
    np.testing.assert_array_equal(akaike_weights([-np.inf, -100.0]), [1, 0])


def test_no_aicc_no_weight():
    assert np.isnan(akaike_weights([np.nan, np.nan])).all()


def test_select_compares_the_laws_of_each_model():
    fits = pd.DataFrame(
        {
            "x": "num_train",
            "model": ["a", "a", "a", "b", "b"],
            "aicc": [-5.0, -9.0, np.nan, np.nan, np.nan],
        }
    )
    selected = select(fits)
    np.testing.assert_array_equal(selected["delta_aicc"], [4, 0, np.nan, np.nan, np.nan])
    assert selected["best"].tolist() == [False, True, False, False, False]
    assert selected["weight"][1] == pytest.approx(1 / (1 + np.exp(-2)))
    assert "best" not in fits


def test_select_takes_an_exact_law():
    fits = pd.DataFrame({"x": "num_train", "model": "a", "aicc": [-np.inf, -9.0]})
    selected = select(fits)
    np.testing.assert_array_equal(selected["delta_aicc"], [0, np.inf])
    assert selected["best"].tolist() == [True, False]
