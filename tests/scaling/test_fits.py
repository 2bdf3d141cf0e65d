"""Fits give back what they were given, and say so where they cannot."""

import numpy as np
import pandas as pd
import pytest

from optimetal.scaling.fits import (
    FIT_COLUMNS,
    fit_grid,
    fit_law,
    fit_runs,
    in_study,
    points,
    read_fit,
)
from optimetal.scaling.laws import GRID_LAWS, LAWS, PUBLISHED_LAWS, broken, power

X = np.geomspace(1e3, 1e6, 8)
FINE = np.geomspace(1e2, 1e7, 40)
TRUE = {
    "power": (0.25, 2e4),
    "power_floor": (0.5, 2e4, 0.8),
    "broken": (0.15, 0.42, 4e4),
    "broken_amplitude": (0.15, 0.42, 4e4, 0.05),
}
TRUE_GRID = {
    "kaplan": (0.3, 0.2, 0.45, 2e5, 3e4),
    "hoffmann": (0.6, 0.15, 0.5, 5e4, 2e4, 0.3),
    "kaplan_power": (0.3, 0.45, 2e5, 3e4),
    "hoffmann_power": (0.6, 0.35, 5e4, 2e4, 0.3),
}


def grid() -> np.ndarray:
    return np.stack([values.ravel() for values in np.meshgrid(np.geomspace(1e5, 1e8, 6), X)])


@pytest.mark.parametrize("name", PUBLISHED_LAWS)
@pytest.mark.parametrize("sigma", [None, np.linspace(0.001, 0.01, 8)], ids=["equal", "weighted"])
def test_noise_free_losses_give_back_the_parameters(name, sigma):
    fit = fit_law(LAWS[name], X, LAWS[name].function(X, *TRUE[name]), sigma)
    assert fit.converged
    assert fit.reason == ""
    assert fit.weighted == (sigma is not None)
    np.testing.assert_allclose(fit.parameters, TRUE[name], rtol=1e-5)
    np.testing.assert_allclose(fit.predict(X), LAWS[name].function(X, *TRUE[name]), rtol=1e-8)


@pytest.mark.parametrize(
    "true",
    [
        (0.1, 30.0, 0.1, 0.3, 3e3, 0.4, -0.2, 3e5, 0.5),
        (0.5, 10.0, 0.05, 0.4, 1e3, 0.3, 0.3, 1e5, 0.6),
    ],
)
def test_two_breaks_are_found(true):
    law = LAWS["bnsl"]
    exact = law.function(FINE, *true)
    fit = fit_law(law, FINE, exact)
    np.testing.assert_allclose(fit.parameters, true, rtol=1e-4)
    noise = 1 + 0.002 * np.random.default_rng(0).normal(size=FINE.size)
    noisy = fit_law(law, FINE, exact * noise, 0.002 * exact)
    assert noisy.converged
    assert (np.abs(noisy.parameters - true) < 4 * noisy.errors).all()


def test_seven_points_cannot_test_two_breaks(runs_of):
    fits = fit_runs(runs_of(lambda params, size: size**-0.3), "num_train", ["bnsl"], published=True)
    assert fits["reason"].tolist() == ["7 points cannot test 9 parameters"]
    assert not fits["converged"][0]


def test_the_published_solver_says_where_a_fit_ran_off():
    # losses that hardly fall: the scale runs to zero, the number is kept for the published table
    fit = fit_law(LAWS["power"], X, 1 + 1e-3 * np.cos(3 * np.arange(8)), published=True)
    assert not fit.converged
    assert np.isnan(fit.aicc)
    assert fit.reason == "no minimum found" or np.isfinite(fit.aicc_at_stop)


@pytest.mark.parametrize("name", GRID_LAWS)
def test_noise_free_grid_gives_back_the_parameters(name):
    fit = fit_law(GRID_LAWS[name], grid(), GRID_LAWS[name].function(grid(), *TRUE_GRID[name]))
    assert fit.converged
    np.testing.assert_allclose(fit.parameters, TRUE_GRID[name], rtol=1e-5)


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_losses_of_any_size_are_fitted(size):
    loss = size * broken(X, 0.15, 0.42, 4e4)
    fit = fit_law(LAWS["broken_amplitude"], X, loss)
    np.testing.assert_allclose(fit.parameters, (0.15, 0.42, 4e4, size), rtol=1e-4)


@pytest.mark.parametrize("name", ["power", "power_floor", "broken"])
def test_errors_cover_the_truth_as_often_as_they_should(name):
    # 8 points, known sigma: 68 % of the estimates within one standard error, 95 % within two
    rng = np.random.default_rng(1)
    true = np.array(TRUE[name])
    exact = LAWS[name].function(X, *true)
    sigma = 0.01 * exact
    pulls = []
    for _ in range(60):
        loss = exact + sigma * rng.normal(size=X.size)
        fit = fit_law(LAWS[name], X, loss, sigma, absolute_sigma=True)
        pulls.append((fit.parameters - true) / fit.errors)
    # a scale is estimated about log-normally, hence the generous bounds
    assert 0.5 < np.mean(np.abs(pulls) < 1) < 0.85
    assert np.mean(np.abs(pulls) < 2) > 0.87


def test_power_law_agrees_with_a_straight_line_in_logarithms():
    # a second route: for small scatter, relative weights make both the same problem
    loss = power(X, 0.3, 1e4) * np.exp(1e-5 * np.sin(np.arange(8)))
    fit = fit_law(LAWS["power"], X, loss, loss)
    (slope, _), covariance = np.polyfit(np.log(X), np.log(loss), 1, cov=True)
    assert fit.parameters[0] == pytest.approx(-slope, abs=1e-9)
    assert fit.errors[0] == pytest.approx(np.sqrt(covariance[0, 0]), rel=1e-4)


def test_absolute_sigma_divides_out_the_scatter():
    loss = LAWS["power"].function(X, *TRUE["power"]) * (1 + 0.02 * np.cos(np.arange(8)))
    sigma = 0.01 * loss
    relative = fit_law(LAWS["power"], X, loss, sigma)
    absolute = fit_law(LAWS["power"], X, loss, sigma, absolute_sigma=True)
    np.testing.assert_allclose(relative.parameters, absolute.parameters)
    np.testing.assert_allclose(
        relative.errors, absolute.errors * np.sqrt(relative.reduced_chi2), rtol=1e-6
    )


@pytest.mark.parametrize("published", [False, True])
def test_floor_without_need_rests_on_its_bound(published):
    # losses that fall ever faster have no use for a floor
    fit = fit_law(LAWS["power_floor"], X, broken(X, 0.1, 0.5, 4e4), published=published)
    assert fit.converged
    assert "loss_floor on its bound 0" in fit.reason
    assert fit.parameters[2] == pytest.approx(0, abs=1e-8)


def test_break_outside_the_points_is_remarked():
    fit = fit_law(LAWS["broken"], X, broken(X, 0.3, 0.5, 5e6))
    assert "x_break outside the measured range" in fit.reason


def assert_no_numbers(fit):
    assert not fit.converged
    assert np.isnan([*fit.parameters, *fit.errors, *fit.covariance.ravel(), fit.aicc]).all()
    assert np.isnan(fit.predict(np.ones((2, 1)))).all()


@pytest.mark.parametrize("phase", range(4))
def test_flat_losses_determine_no_scale(phase):
    fit = fit_law(LAWS["power"], X, 1 + 1e-3 * np.cos(3 * np.arange(8) + phase))
    assert_no_numbers(fit)
    assert fit.reason.startswith("unstable: ")


def test_no_minimum_is_a_status(monkeypatch):
    monkeypatch.setattr("optimetal.scaling.fits._MAX_EVALUATIONS", 1)
    fit = fit_law(LAWS["power_floor"], X, broken(X, 0.1, 0.5, 4e4))
    assert_no_numbers(fit)
    assert fit.reason == "no minimum found"


def test_two_points_are_too_few_for_two_parameters():
    fit = fit_law(LAWS["power"], [1e3, 1e4], [1.0, 0.5])
    assert_no_numbers(fit)
    assert fit.reason == "2 points cannot test 2 parameters"


def test_undefined_aicc_is_remarked():
    loss = power(X[:4], 0.5, 2e4) + 0.8 + 1e-3 * np.cos(np.arange(4))
    fit = fit_law(LAWS["power_floor"], X[:4], loss)
    assert fit.converged
    assert np.isnan(fit.aicc)
    assert "AICc needs at least 5 points, has 4" in fit.reason


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0, -0.1])
def test_impossible_losses_are_refused(bad):
    loss = power(X, 0.3, 1e4)
    loss[3] = bad
    with pytest.raises(ValueError, match="loss must be finite and positive"):
        fit_law(LAWS["power"], X, loss)


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="x must be"):
        fit_law(LAWS["power"], X[:3], power(X, 0.3, 1e4))
    with pytest.raises(ValueError, match="one sigma per loss"):
        fit_law(LAWS["power"], X, power(X, 0.3, 1e4), [0.1])


def test_points_are_means_over_the_seeds(runs_of):
    runs = runs_of(lambda params, size: size**-0.3)
    measured = points(runs, "num_train")
    first = runs.loc[runs["num_train"] == 100, "val_loss"]
    assert measured["num_train"].tolist() == sorted(set(runs["num_train"]))
    assert measured.loc[0, "val_loss"] == pytest.approx(first.mean())
    assert measured.loc[0, "val_loss_std"] == pytest.approx(np.std(first))
    assert (measured["num_seeds"] == 3).all()
    assert measured.loc[0, "label"] == "Model 2b_tc"


def test_order_of_the_runs_does_not_matter(runs_of):
    runs = runs_of(lambda params, size: size**-0.3)
    pd.testing.assert_frame_equal(
        fit_runs(runs, "num_train", ["broken"]),
        fit_runs(runs.sample(frac=1, random_state=0), "num_train", ["broken"]),
        rtol=1e-9,
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
def test_diverged_run_is_named(runs_of, bad):
    runs = runs_of(lambda params, size: size**-0.3)
    runs.loc[4, "val_loss"] = bad
    with pytest.raises(ValueError, match=r"data200_width16_seed2.*drop or repeat"):
        points(runs, "num_train")


def test_mixed_studies_are_refused(runs_of, grid_runs):
    with pytest.raises(ValueError, match="num_params must be fixed in a scaling over num_train"):
        fit_runs(grid_runs, "num_train")
    runs = runs_of(lambda params, size: size**-0.3)
    with pytest.raises(ValueError, match="same seed occurs twice"):
        fit_runs(pd.concat([runs, runs]), "num_train")


def test_unknown_names_are_refused(runs_of):
    runs = runs_of(lambda params, size: size**-0.3)
    with pytest.raises(ValueError, match="no law 'kaplan' for this axis: choose from power"):
        fit_runs(runs, "num_train", ["kaplan"])
    with pytest.raises(ValueError, match="fit_grid"):
        fit_runs(runs, "grid")
    with pytest.raises(ValueError, match="x must be one of num_train"):
        points(runs, "width")
    with pytest.raises(ValueError, match=r"study 'grid': the table has \['invented'\]"):
        in_study(runs, "grid")


def test_study_is_found_after_storage(runs_of, tmp_path):
    runs = runs_of(lambda params, size: size**-0.3)
    runs["studies"] = [
        ["data_scaling", "grid"] if size < 800 else ["grid"] for size in runs["num_train"]
    ]
    runs.to_parquet(tmp_path / "runs.parquet")
    back = in_study(pd.read_parquet(tmp_path / "runs.parquet"), "data_scaling")
    assert sorted(set(back["num_train"])) == [100, 200, 400]


def test_noisy_runs_give_the_exponent_within_its_error(runs_of):
    runs = runs_of(lambda params, size: 9 * size**-0.3)
    fit = fit_runs(runs, "num_train", ["power"]).iloc[0]
    assert fit["weighted"]
    assert abs(fit["alpha"] - 0.3) < 3 * fit["alpha_error"]
    assert fit["alpha_error"] < 0.02


@pytest.mark.parametrize("seeds", [(1,), (1, 2)])
def test_without_scatter_all_points_count_the_same(runs_of, seeds):
    runs = runs_of(lambda params, size: 9 * size**-0.3, seeds=seeds, noise=0.0)
    runs["val_loss"] *= 1 + 1e-3 * np.cos(runs["num_train"])
    fit = fit_runs(runs, "num_train", ["power"]).iloc[0]
    assert not fit["weighted"]
    assert np.isnan(fit["reduced_chi2"])
    assert fit["alpha"] == pytest.approx(0.3, abs=1e-2)
    assert fit["alpha_error"] > 0


def test_parameter_scaling_reads_the_number_of_parameters(runs_of):
    runs = runs_of(
        lambda params, size: (2e3 / params) ** 0.5 + 1,
        num_train=(400,),
        widths=(4, 8, 16, 32, 64, 128),
        noise=1e-3,
    )
    fit = fit_runs(runs, "num_params", ["power_floor"]).iloc[0]
    np.testing.assert_allclose(fit[["alpha", "loss_floor"]].astype(float), [0.5, 1], rtol=0.05)


def test_grid_runs_give_back_the_parameters(grid_runs):
    fits = fit_grid(grid_runs)
    kaplan, hoffmann = (read_fit(row) for _, row in fits.iterrows())
    true = np.array([0.3, 0.2, 0.4, 2e4, 1e3])
    assert (np.abs(kaplan.parameters - true) < 4 * kaplan.errors * kaplan.reduced_chi2**0.5).all()
    assert kaplan.aicc < hoffmann.aicc


def test_table_has_one_row_per_model_and_law_and_survives_parquet(runs_of, tmp_path):
    runs = pd.concat(
        [
            runs_of(lambda params, size: 9 * size**-0.3, num_train=(100, 200, 400, 800)),
            runs_of(lambda params, size: 5 * size**-0.2, model="3b_tc"),
        ]
    )
    fits = fit_runs(runs, "num_train")
    assert list(fits.columns) == list(FIT_COLUMNS)
    assert fits[["model", "law"]].apply(tuple, axis=1).tolist() == [
        (model, law) for model in ("2b_tc", "3b_tc") for law in PUBLISHED_LAWS
    ]
    assert not fits["converged"].all()
    assert fits.loc[~fits["converged"], "aicc"].isna().all()
    fits.to_parquet(tmp_path / "fits.parquet")
    back = pd.read_parquet(tmp_path / "fits.parquet")
    pd.testing.assert_frame_equal(back.drop(columns="covariance"), fits.drop(columns="covariance"))
    for (_, row), (_, row_back) in zip(fits.iterrows(), back.iterrows(), strict=True):
        fit, fit_back = read_fit(row), read_fit(row_back)
        np.testing.assert_array_equal(fit.covariance, fit_back.covariance)
        np.testing.assert_array_equal(fit.predict(X), fit_back.predict(X))
        np.testing.assert_allclose(np.sqrt(np.diag(fit.covariance)), fit.errors)


@pytest.mark.parametrize(("seeds", "weighted"), [((1, 2), False), ((1, 2, 3), True)])
def test_points_are_weighted_from_three_seeds_on(runs_of, seeds, weighted):
    runs = runs_of(lambda params, size: 9 * size**-0.3, num_train=(100, 200, 400), seeds=seeds)
    runs["val_loss"] *= 1 + 0.01 * np.sin(np.arange(len(runs)))
    fits = fit_runs(runs, "num_train", ["power"])
    assert fits["weighted"].tolist() == [weighted] * len(fits)
