"""Exponent of the best learning rate."""

import numpy as np
import pytest

from optimetal.scaling.learning_rate import (
    best_learning_rates,
    fit_learning_rate,
    mean_over_seeds,
    with_lr_exponent,
)


def test_best_rates_are_those_of_the_lowest_mean(lr_runs):
    best = best_learning_rates(lr_runs)
    expected = 1e-3 * best.loc[best["width"] == 16, "num_params"].iloc[0] / best["num_params"]
    np.testing.assert_allclose(best["lr"], expected)
    assert not best["at_edge"].any()


def test_optimum_at_the_edge_of_the_rates_is_marked(lr_runs):
    narrow = lr_runs[(lr_runs["width"] != 32) | (lr_runs["lr"] > 3e-4)]
    best = best_learning_rates(narrow).set_index("width")
    assert best["at_edge"].to_dict() == {4: False, 8: False, 16: False, 32: True}


def test_exponent_is_the_one_that_was_put_in(lr_runs):
    fit = fit_learning_rate(lr_runs, reference_width=16).iloc[0]
    assert fit["gamma"] == pytest.approx(1)
    assert fit["lr0"] == pytest.approx(1e-3)
    assert fit["num_params0"] == 300 * 16 + 10 * 16**2
    assert fit["num_points"] == 4
    assert fit["label"] == "Model 2b_tc"


def test_two_sizes_give_a_slope_without_error(lr_runs):
    fit = fit_learning_rate(lr_runs[lr_runs["width"] <= 8], reference_width=8).iloc[0]
    assert fit["gamma"] == pytest.approx(1)
    assert np.isnan(fit["gamma_error"])


def test_diverged_rate_is_never_the_best(lr_runs):
    best_rate = best_learning_rates(lr_runs).set_index("width").loc[4, "lr"]
    chosen = (lr_runs["width"] == 4) & np.isclose(lr_runs["lr"], best_rate)
    one = chosen & (lr_runs["seed"] == 1)
    lr_runs.loc[one, "val_loss"] = np.inf
    assert best_learning_rates(lr_runs).set_index("width").loc[4, "lr"] != best_rate
    assert mean_over_seeds(lr_runs)["val_loss"].isna().sum() == 1
    lr_runs.loc[lr_runs["width"] == 4, "val_loss"] = np.nan
    with pytest.raises(ValueError, match=r"every learning rate diverged .*'2b_tc', 1360"):
        best_learning_rates(lr_runs)


def test_exponents_are_read_off_the_rates(lr_runs):
    runs = with_lr_exponent(lr_runs, reference_width=16)
    counts = runs.groupby(["width", "lr_exponent"]).size().unstack()
    # the runs of the reference width stand for every exponent
    assert counts.columns.tolist() == [0, 0.5, 1, 1.5]
    assert (counts == 3).to_numpy().all()


def test_reference_must_be_one_width_with_one_rate(lr_runs):
    with pytest.raises(ValueError, match="must have one learning rate at the reference width 8"):
        with_lr_exponent(lr_runs, reference_width=8)
    with pytest.raises(ValueError, match=r"no width 64: choose one of \[4, 8, 16, 32\]"):
        fit_learning_rate(lr_runs, reference_width=64)
    with pytest.raises(ValueError, match="needs two sizes or more"):
        fit_learning_rate(lr_runs[lr_runs["width"] == 8], reference_width=8)
