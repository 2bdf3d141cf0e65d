"""Intervals over seeds and prediction of a held-out point."""

import numpy as np
import pandas as pd
import pytest

from optimetal.scaling.bootstrap import bootstrap_intervals, hold_out_largest
from optimetal.scaling.fits import fit_runs


@pytest.fixture
def runs(runs_of):
    return runs_of(lambda params, size: 9 * size**-0.3, seeds=(1, 2, 3, 4))


def test_interval_holds_the_estimate_and_the_truth(runs):
    table = bootstrap_intervals(runs, "num_train", ["power"], seed=0, num_samples=200)
    alpha = table.set_index("parameter").loc["alpha"]
    assert alpha["low"] < alpha["estimate"] < alpha["high"]
    assert alpha["low"] < 0.3 < alpha["high"]
    assert alpha["estimate"] == fit_runs(runs, "num_train", ["power"])["alpha"][0]
    assert (table["num_converged"] == 200).all()
    assert table[["model", "label", "law"]].iloc[0].tolist() == ["2b_tc", "Model 2b_tc", "power"]


def test_width_is_that_of_the_propagated_scatter(runs_of):
    # many seeds: the bootstrap agrees with the errors from the standard deviation of the mean
    runs = runs_of(lambda params, size: 9 * size**-0.3, seeds=tuple(range(40)))
    table = bootstrap_intervals(runs, "num_train", ["power"], seed=0, num_samples=400)
    alpha = table.set_index("parameter").loc["alpha"]
    log_x = np.log(sorted(set(runs["num_train"])))
    error = 0.01 / np.sqrt(40) / np.sqrt(((log_x - log_x.mean()) ** 2).sum())
    assert (alpha["high"] - alpha["low"]) / (2 * 1.96 * error) == pytest.approx(1, abs=0.2)


def test_same_seed_same_interval(runs):
    first, again, other = (
        bootstrap_intervals(runs, "num_train", ["power"], seed=seed, num_samples=20)
        for seed in (0, 0, 1)
    )
    pd.testing.assert_frame_equal(first, again)
    assert not first["low"].equals(other["low"])


def test_undetermined_law_has_no_interval(runs):
    table = bootstrap_intervals(
        runs[runs["num_train"] <= 400], "num_train", ["broken"], seed=0, num_samples=5
    )
    assert table["parameter"].tolist() == ["alpha1", "alpha2", "x_break"]
    assert table[["estimate", "low", "high"]].isna().to_numpy().all()
    assert (table["num_converged"] == 0).all()


def test_single_seed_has_no_interval_and_says_so(runs):
    table = bootstrap_intervals(runs[runs["seed"] == 1], "num_train", ["power"], seed=0)
    assert table["estimate"].notna().all()
    assert table[["low", "high"]].isna().to_numpy().all()
    assert set(table["reason"]) == {"a bootstrap needs two seeds at every point"}


def test_grid_has_intervals_too(grid_runs):
    table = bootstrap_intervals(grid_runs, "grid", ["kaplan"], seed=0, num_samples=30)
    intervals = table.set_index("parameter")
    true = {"alpha_n": 0.3, "alpha_d1": 0.2, "alpha_d2": 0.4, "n_scale": 2e4, "d_break": 1e3}
    assert set(intervals.index) == set(true)
    for name, value in true.items():
        low, high = intervals.loc[name, ["low", "high"]]
        assert low < intervals.loc[name, "estimate"] < high
        # three seeds make narrow intervals
        assert low - (high - low) < value < high + (high - low)


def test_grid_predicts_the_largest_data_at_every_width(grid_runs):
    table = hold_out_largest(grid_runs, "grid", ["kaplan"])
    assert (table["num_train"] == 6400).all()
    assert table["num_params"].is_unique
    assert len(table) == grid_runs["width"].nunique()
    assert (table["relative_error"].abs() < 0.04).all()


def test_true_law_predicts_the_point_it_did_not_see(runs):
    table = hold_out_largest(runs, "num_train", ["power", "broken_amplitude"]).set_index("law")
    power = table.loc["power"]
    assert power["num_train"] == 6400
    assert abs(power["relative_error"]) < 0.03
    assert power["predicted"] == pytest.approx(9 * 6400**-0.3, rel=0.03)
    measured = runs.loc[runs["num_train"] == 6400, "val_loss"]
    assert power["val_loss"] == pytest.approx(measured.mean())


def test_law_that_cannot_be_fitted_predicts_nothing(runs):
    table = hold_out_largest(runs[runs["num_train"] <= 800], "num_train", ["broken"])
    assert not table["converged"].iloc[0]
    assert np.isnan(table["relative_error"].iloc[0])
