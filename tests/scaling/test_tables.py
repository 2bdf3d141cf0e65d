"""Printed and stored tables of fits."""

import io

import numpy as np
import pandas as pd
import pytest

from optimetal.scaling.bootstrap import bootstrap_intervals, hold_out_largest
from optimetal.scaling.fits import fit_grid, fit_runs
from optimetal.scaling.laws import LAWS, PUBLISHED_LAWS
from optimetal.scaling.tables import (
    aicc_latex,
    aicc_table,
    format_scale,
    format_uncertain,
    hold_out_latex,
    law_latex,
    law_table,
    uncertainty_latex,
    weight_latex,
    weight_table,
)
from optimetal.tables import to_csv

NOTE = "surrogate, not ab initio"


@pytest.fixture
def fits(runs_of) -> pd.DataFrame:
    short = runs_of(lambda params, size: 9 * size**-0.3, num_train=(100, 200, 400))
    return fit_runs(
        pd.concat([runs_of(lambda params, size: 9 * size**-0.3), short.assign(model="3b_tc")]),
        "num_train",
    ).assign(label=lambda fits: fits["model"].map({"2b_tc": "2B_T & C", "3b_tc": "3B"}))


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.15405, 0.00212, "0.154(2)"),
        (0.42199, 0.01186, "0.422(12)"),
        (0.5, 0.0996, "0.50(10)"),
        (0.5, 0.0199, "0.50(2)"),
        (1.0, 1.94, "1.0(1.9)"),
        (4.29, 0.97, "4.3(1.0)"),
        (123.4, 45.0, "123(45)"),
        (-0.0001, 0.005, "0.000(5)"),
        (0.0, 0.47, "0.0(5)"),
        (0.123456, np.nan, "0.123"),
        (0.123456, 0.0, "0.123"),
        (1.0, 1e-12, "1"),
    ],
)
def test_uncertainty_of_the_last_digits(value, error, text):
    assert format_uncertain(value, error) == text


def test_scale_is_a_power_of_ten():
    # published: D_c = 10^4.72, error 10^3.33
    assert format_scale(52352.4, 2120.3) == "10^{4.719(18)}"


def test_law_table_holds_full_precision_and_the_status(fits):
    table = law_table(fits, "broken")
    assert table["model"].tolist() == ["2b_tc", "3b_tc"]
    assert table["converged"].tolist()[1] is False
    assert table.loc[1, "reason"] == "3 points cannot test 3 parameters"
    np.testing.assert_array_equal(
        law_table(fits, "power")["alpha"], fits.loc[fits["law"] == "power", "alpha"]
    )


def test_csv_reads_back_and_begins_with_the_note(fits):
    table = law_table(fits, "power")
    text = to_csv(table, NOTE)
    assert text.startswith(f"# {NOTE}\nx,model,label,alpha,alpha_error,")
    back = pd.read_csv(io.StringIO(text), comment="#", keep_default_na=False, na_values=[""])
    pd.testing.assert_series_equal(back["alpha"], table["alpha"])
    assert not to_csv(table).startswith("#")


def test_law_latex_prints_uncertainties_and_names_what_did_not_converge(fits):
    text = law_latex(fits, "power_floor", NOTE)
    lines = text.splitlines()
    assert lines[0] == r"\begin{tabular}{lcccc}"
    assert lines[2] == r"\multicolumn{5}{c}{$L(D) = (D_0/D)^{\alpha_D} + L_\infty$} \\"
    assert r"Model & $\alpha_D$ & $D_0$ & $L_\infty$ & AICc \\" in lines
    assert r"3B & \multicolumn{4}{c}{not converged} \\" in lines
    assert rf"\multicolumn{{5}}{{l}}{{\footnotesize {NOTE}}} \\" in lines
    assert r"2B\_T \& C & $" in text
    assert NOTE not in law_latex(fits, "power_floor")
    assert all(line.count("&") in (0, 1, 4, 5) for line in lines)


def test_aicc_table_has_a_row_per_law_and_a_column_per_model(fits):
    table = aicc_table(fits)
    assert table.index.tolist() == [LAWS[law].label for law in PUBLISHED_LAWS]
    assert table.columns.tolist() == ["2B_T & C", "3B"]
    assert table["3B"].isna().all()
    assert to_csv(table, index=True).startswith("law,2B_T & C,3B\nPower law,")


def test_aicc_latex_marks_the_best_law_and_the_missing(fits):
    text = aicc_latex(fits, NOTE)
    assert text.count(r"\mathbf") == 1
    assert text.count("& -- ") == 4 + fits.loc[fits["model"] == "2b_tc", "aicc"].isna().sum()
    assert NOTE in text


def test_grid_laws_are_printed_in_both_variables(grid_runs):
    text = law_latex(fit_grid(grid_runs), "kaplan")
    assert "$L(N, D) = " in text
    assert r"$\alpha_N$ & $\alpha_{D,1}$ & $\alpha_{D,2}$ & $N_\mathrm{c}$" in text


def test_tables_refuse_what_they_cannot_show(fits):
    with pytest.raises(ValueError, match="no fit of law 'kaplan': the table has"):
        law_table(fits, "kaplan")
    both = pd.concat([fits, fits.assign(x="num_params")])
    with pytest.raises(ValueError, match="one axis"):
        aicc_table(both)


def test_weights_sum_to_one_over_the_laws_that_converged(fits):
    table = weight_table(fits)
    assert table["2B_T & C"].sum() == pytest.approx(1)
    assert table["3B"].isna().all()
    assert weight_latex(fits, NOTE).count(r"\mathbf") == 1


def test_intervals_are_printed_and_failures_have_no_numbers(runs_of):
    runs = runs_of(lambda params, size: 9 * size**-0.3)
    table = bootstrap_intervals(runs, "num_train", ["power", "bnsl"], seed=0, num_samples=20)
    text = uncertainty_latex(table, "num_train", NOTE)
    low, high = table.loc[0, ["low", "high"]]
    assert rf"$\alpha_D$ & ${table['estimate'][0]:.3f}$ & ${low:.3f}$ to ${high:.3f}$ \\" in text
    assert r"$D_0$ & $10^{" in text
    reason = "not converged: 7 points cannot test 9 parameters"
    assert rf"Two breaks (BNSL) & Model 2b\_tc & \multicolumn{{3}}{{c}}{{{reason}}} \\" in text
    assert NOTE in text


def test_predictions_are_printed_and_failures_have_no_numbers(runs_of):
    runs = runs_of(lambda params, size: 9 * size**-0.3)
    table = hold_out_largest(runs, "num_train", ["power", "bnsl"])
    lines = hold_out_latex(table, NOTE).splitlines()
    error = 100 * table["relative_error"].iloc[0]
    assert lines[4].endswith(rf"& ${table['predicted'].iloc[0]:.3f}$ & ${error:+.1f}$ \\")
    assert r"6\,400" in lines[4]
    assert "not converged: 6 points cannot test 9 parameters" in lines[5]
