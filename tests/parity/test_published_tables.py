"""The tables that the published study printed, digit by digit."""

import re

import numpy as np
import pandas as pd
import pytest

from optimetal.scaling.ablation import improvements, read_published_ablation
from optimetal.scaling.fits import fit_grid, fit_runs, in_study
from optimetal.scaling.printed import (
    printed_aicc,
    printed_law,
    printed_law_latex,
    printed_parameter_law,
    printed_study,
    printed_study_latex,
)
from optimetal.scaling.published import read_published_runs

# The numbers of the published LaTeX tables, in their order: CGC, 2B TC, 3B TC, a row each.
PRINTED = {
    ("data_scaling", "power"): """
        0.23 0.01 4.29 3.21 -36.20
        0.24 0.01 4.29 3.10 -34.87
        0.25 0.01 4.10 2.85 -39.91""",
    ("data_scaling", "power_floor"): """
        0.23 0.10 4.29 4.64 0.00 0.47 -29.20
        0.24 0.08 4.29 4.48 0.00 0.34 -27.87
        0.25 0.09 4.10 4.26 0.00 0.33 -32.91""",
    ("data_scaling", "broken"): """
        0.15 0.00 0.42 0.01 4.72 3.33 -57.74
        0.18 0.01 0.39 0.03 4.62 3.62 -44.88
        0.17 0.01 0.38 0.02 4.43 3.25 -57.70""",
    ("data_scaling", "broken_amplitude"): """
        0.16 0.00 0.51 0.06 5.00 4.50 0.87 0.06 -49.89
        0.11 0.05 0.32 0.02 3.87 3.73 1.55 0.29 -38.72
        0.12 0.03 0.34 0.02 4.03 3.69 1.27 0.15 -48.48""",
    ("parameter_scaling", "power_floor"): """
        0.53 0.03 4.40 3.46 1.01 0.00 -60.97
        0.58 0.06 4.33 3.77 1.03 0.01 -54.73
        0.41 0.09 3.95 3.78 0.89 0.02 -51.17""",
    ("parameter_scaling", "broken"): """
        0.09 0.01 -0.01 0.00 6.60 6.17 -48.73
        0.07 0.01 -0.01 0.00 6.79 6.03 -56.10
        0.12 0.06 0.02 0.00 5.74 5.56 -47.24""",
    ("parameter_scaling", "broken_amplitude"): """
        0.19 0.05 0.01 0.00 5.63 5.31 1.10 0.02 -50.34
        0.08 0.01 -0.01 0.01 6.52 6.31 1.02 0.02 -44.71
        0.07 0.01 -0.01 0.01 6.90 6.80 0.90 0.03 -47.04""",
    ("grid", "kaplan"): """
        0.30 0.01 0.20 0.00 0.37 0.00 5.36 3.64 4.51 2.61 -344.50
        0.33 0.00 0.16 0.00 0.46 0.00 5.14 3.40 4.47 2.57 -359.55""",
    ("grid", "hoffmann"): """
        0.43 0.01 0.26 0.00 0.31 0.04 4.38 3.17 4.00 3.08 0 -253.68
        0.77 0.01 0.13 0.01 0.61 0.02 4.86 3.25 4.12 2.44 0 -285.21""",
}
AICC = {
    "data_scaling": """
        -36.20 -34.87 -39.91
        -29.20 -27.87 -32.91
        -57.74 -44.88 -57.70
        -49.89 -38.72 -48.48""",
    "parameter_scaling": """
        -41.67 -27.99 -44.40
        -60.97 -54.73 -51.17
        -48.73 -56.10 -47.24
        -50.34 -44.71 -47.04""",
}
# Parameters N, mean loss, standard deviation.
STUDIES = {
    ("residual_block", "num_layers"): """
        6.2M 6.4M 6.7M 7.0M 7.2M 7.5M 7.7M 8.0M
        1.346 1.412 1.233 1.184 1.176 1.428 1.205 1.308
        0.023 0.078 0.015 0.004 0.005 0.033 0.012 0.062
        6.7M 7.5M 8.3M 9.1M 9.9M 10.7M 11.4M 12.2M
        1.269 1.162 1.137 1.124 1.119 1.142 1.158 1.163
        0.022 0.006 0.007 0.004 0.003 0.010 0.006 0.012""",
    ("spectra_width", "spectra_dim"): """
        3.9M 5.2M 8.1M 15.7M
        1.063 1.073 1.063 1.043
        0.017 0.003 0.004 0.015""",
}
IMPROVEMENTS = {
    "Best 2B against first 2B": "7.66",
    "Message passing (3B)": "1.32",
    "Best 3B against first 2B": "18.35",
    "Best 3B against best 2B": "11.57",
}


def cells(text):
    return [line.split() for line in text.strip().splitlines()]


@pytest.fixture(scope="module")
def folder(parity):
    folder = parity / ".." / ".." / "published"
    if not folder.is_dir():
        pytest.skip(f"no published measurements at {folder}")
    return folder


@pytest.fixture(scope="module")
def runs(folder) -> pd.DataFrame:
    return read_published_runs(folder)


@pytest.fixture(scope="module")
def fits(runs) -> dict[str, pd.DataFrame]:
    axes = {"data_scaling": "num_train", "parameter_scaling": "num_params"}
    fitted = {
        study: fit_runs(in_study(runs, study), axis, published=True) for study, axis in axes.items()
    }
    return fitted | {"grid": fit_grid(in_study(runs, "grid"), published=True)}


@pytest.mark.parametrize(("study", "law"), PRINTED)
def test_tables_of_laws(fits, study, law):
    printed = printed_law(fits[study], law).drop(columns="model")
    ours = [[cell for cell in row if cell] for row in printed.to_numpy().tolist()]
    assert ours == cells(PRINTED[study, law])


@pytest.mark.parametrize(("study", "law"), PRINTED)
def test_latex_of_laws(fits, study, law):
    lines = [
        line for line in printed_law_latex(fits[study], law).splitlines() if line.startswith("Opti")
    ]
    # the base of the powers of ten and the name of the model are no numbers of the table
    bare = [re.sub(r"OptiMetal\dB", "", line).replace("10^", "") for line in lines]
    assert [re.findall(r"-?\d+(?:\.\d+)?", line) for line in bare] == cells(PRINTED[study, law])


def test_the_law_beside_the_spectrum_heads_is_the_printed_one(fits):
    printed = printed_law(fits["parameter_scaling"], "power_floor").set_index("model")
    alpha, scale, floor = map(
        float, printed.loc["OptiMetal2B (TC)", ["alpha", "log10_x0", "loss_floor"]]
    )
    sizes = np.geomspace(1e6, 1e8, 5)
    expected = (10**scale / sizes) ** alpha + floor
    np.testing.assert_allclose(printed_parameter_law(sizes), expected)


def test_the_power_law_in_n_is_unstable(fits):
    printed = printed_law(fits["parameter_scaling"], "power").set_index("model")
    assert printed.loc["OptiMetal2B (TC)", "alpha"] == "unstable"
    assert (printed["alpha"] == "unstable").sum() == 1


@pytest.mark.parametrize("study", AICC)
def test_tables_of_the_aicc(fits, study):
    assert printed_aicc(fits[study]).to_numpy().tolist() == cells(AICC[study])


@pytest.mark.parametrize(("study", "column"), STUDIES)
def test_tables_of_architectures(runs, study, column):
    printed = printed_study(in_study(runs, study), column)
    rows = [
        of_model[name].tolist()
        for _, of_model in printed.groupby("label")
        for name in ("num_params", "val_loss", "val_loss_std")
    ]
    assert rows == cells(STUDIES[study, column])
    latex = printed_study_latex(printed, "$x$")
    for row in rows:
        assert " & ".join(row) in latex


def test_relative_improvements(folder):
    table = improvements(read_published_ablation(folder)).set_index("comparison")
    printed = table["published_improvement"].map("{:.2f}".format)
    assert {name: printed[name] for name in IMPROVEMENTS} == IMPROVEMENTS
    # with all four trainings of the first architecture it is a little more
    np.testing.assert_allclose(
        table.loc["Best 2B against first 2B", "improvement"], 7.905, atol=1e-3
    )
