"""The form in which the published study printed its tables."""

import numpy as np
import pytest

from optimetal.scaling.fits import fit_grid, fit_runs
from optimetal.scaling.printed import (
    printed_aicc,
    printed_aicc_latex,
    printed_law,
    printed_law_latex,
    printed_parameter_law,
    printed_study,
    printed_study_latex,
)


@pytest.fixture
def fits(runs_of):
    return fit_runs(runs_of(lambda params, size: 9 * size**-0.3), "num_train")


def test_two_decimals_and_scales_as_powers_of_ten(fits):
    row, printed = fits.iloc[0], printed_law(fits, "power").iloc[0]
    assert printed["alpha"] == f"{row['alpha']:.2f}" == "0.30"
    assert printed["alpha_error"] == f"{row['alpha_error']:.2f}"
    assert float(printed["log10_x0"]) == pytest.approx(np.log10(row["x0"]), abs=0.0051)
    assert float(printed["log10_x0_error"]) == pytest.approx(np.log10(row["x0_error"]), abs=0.0051)
    latex = printed_law_latex(fits, "power", "a note")
    assert rf"$0.30 \pm {printed['alpha_error']}$ & $10^{{{printed['log10_x0']}}} \pm 10^" in latex
    assert f"& {row['aicc']:.2f}" in latex
    assert "a note" in latex


def test_a_run_off_keeps_its_aicc_alone(fits):
    fits = fits.assign(converged=False, alpha=np.nan, x0=np.nan, aicc=np.nan)
    printed = printed_law(fits, "power").iloc[0]
    assert printed["alpha"] == printed["log10_x0_error"] == "unstable"
    assert printed["aicc"] == f"{fits['aicc_at_stop'][0]:.2f}"
    assert "unstable & unstable &" in printed_law_latex(fits, "power")
    assert printed_aicc(fits).loc["Power law"].tolist() == [printed["aicc"]]
    assert printed["aicc"] in printed_aicc_latex(fits)


def test_the_floor_of_the_hoffmann_form_is_a_whole_number(grid_runs):
    fits = fit_grid(grid_runs)
    fits["loss_floor"] = 0.296
    printed = printed_law(fits, "hoffmann").iloc[0]
    assert (printed["loss_floor"], printed["loss_floor_error"]) == ("0", "")
    assert r" & 0 & " in printed_law_latex(fits, "hoffmann")


def test_models_without_a_published_table_are_left_out(runs_of):
    runs = runs_of(lambda params, size: 9 * size**-0.3, model="optimate")
    fits = fit_runs(runs, "num_train", ["power"])
    assert printed_law(fits, "power").empty


def test_study_of_architectures(runs_of):
    runs = runs_of(
        lambda params, size: 1.23456, num_train=(100,), widths=(8, 16), noise=0.0
    ).assign(num_layers=lambda runs: runs["width"] // 8)
    printed = printed_study(runs, "num_layers")
    assert printed["num_layers"].tolist() == [1, 2]
    assert printed["val_loss"].tolist() == ["1.235", "1.235"]
    assert printed["num_params"].tolist() == ["0.0M", "0.0M"]
    latex = printed_study_latex(printed, "$n$")
    assert r"Model & $n$ & 1 & 2 \\" in latex
    assert r"$L_\mathrm{val}$ & 1.235 & 1.235 \\" in latex


def test_the_printed_law_of_the_parameters():
    # its floor, and (N_0 / N)^alpha = 10^-alpha at N = 10 N_0
    assert printed_parameter_law([1e99, 10**5.33]) == pytest.approx([1.03, 1.03 + 10**-0.58])
