"""The tables of the published study in the form in which it printed them, digit by digit.

Two decimals for exponents and AICc; a scale and its standard error each as a power of ten. Two of
its habits are repeated although ``scaling.tables`` does better: the floor of the Hoffmann form is
printed as the whole number 0, and a fit that ran off keeps its AICc.
"""

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from optimetal.scaling.fits import Fit, points, read_fit
from optimetal.scaling.laws import Parameter, get_law
from optimetal.tables import escape, tabular

MODELS: Final = ("2b_cgc", "2b_tc", "3b_tc")
"""Models of the published tables of fits."""

_VARIABLE: Final = {"num_train": "D", "num_params": "N", "grid": ""}
_UNSTABLE: Final = "unstable"


def printed_parameter_law(num_params: ArrayLike) -> NDArray[np.float64]:
    """L(N) of OptiMetal2B (TC) with the digits that the published study printed, (N_0 / N)^0.58 + 1.03, N_0 = 10^4.33.

    The study drew this line beside the losses of spectrum heads of different widths.
    """
    return get_law("power_floor").function(np.asarray(num_params, float), 0.58, 10**4.33, 1.03)


def printed_law(fits: pd.DataFrame, law: str) -> pd.DataFrame:
    """Parameters of one law as the published study printed them.

    Args:
        fits: Table of ``fit_runs`` or ``fit_grid`` with the published solver.
        law: Name of the law.

    Returns:
        Text: ``model``, then per parameter its name (a scale as ``log10_...``) and ``..._error``,
        then ``aicc``. A model whose fit did not converge has "unstable" in place of parameters.
    """
    rows = []
    for _, row in _of_study(fits, law).iterrows():
        fit = read_fit(row)
        cells = {"model": row["label"]}
        for parameter, value, error in _parameters(fit):
            name = f"log10_{parameter.name}" if parameter.is_scale else parameter.name
            cells |= dict(
                zip((name, f"{name}_error"), _numbers(fit, parameter, value, error), strict=True)
            )
        rows.append({**cells, "aicc": f"{fit.aicc_at_stop:.2f}"})
    return pd.DataFrame(rows)


def printed_law_latex(fits: pd.DataFrame, law: str, source_note: str | None = None) -> str:
    """The same as a LaTeX table."""
    chosen = _of_study(fits, law)
    declared, variable = get_law(law), _VARIABLE[chosen["x"].iloc[0]]
    body = []
    for label, (_, row) in zip(chosen["label"], chosen.iterrows(), strict=True):
        fit = read_fit(row)
        cells = [_latex(fit, *triple) for triple in _parameters(fit)]
        body.append([escape(label), *cells, f"{fit.aicc_at_stop:.2f}"])
    symbols = [f"${symbol}$" for symbol in declared.symbols_of(variable)]
    head = [["Model", *symbols, "AICc"]]
    return tabular("l" + "c" * (len(symbols) + 1), head, body, source_note)


def printed_aicc(fits: pd.DataFrame) -> pd.DataFrame:
    """AICc of every law (rows) and model (columns) with two decimals, run-offs included."""
    chosen = fits.loc[fits["model"].isin(MODELS) & fits["aicc_at_stop"].notna()]
    table = chosen.pivot(index="law", columns="label", values="aicc_at_stop")
    table = table.loc[chosen["law"].unique()].map("{:.2f}".format)
    return table.rename(index=lambda law: get_law(law).label).rename_axis(columns=None)


def printed_aicc_latex(fits: pd.DataFrame, source_note: str | None = None) -> str:
    """The same as a LaTeX table."""
    table = printed_aicc(fits)
    body = [[label, *values] for label, values in zip(table.index, table.values, strict=True)]
    head = [["", *map(escape, table.columns)]]
    return tabular("l" + "c" * len(table.columns), head, body, source_note)


def printed_study(runs: pd.DataFrame, column: str) -> pd.DataFrame:
    """Loss of a study of architectures as printed: N in millions, mean and deviation to 0.001.

    Args:
        runs: Table of the training runs of the study.
        column: What the study varies, such as "num_layers".

    Returns:
        Text, one row per model and value: ``label``, the column, ``num_params``, ``val_loss``,
        ``val_loss_std`` (ddof 0).
    """
    measured = points(runs, "grid").merge(
        runs[["model", "num_params", column]].drop_duplicates(), on=["model", "num_params"]
    )
    loss = {name: measured[name].map("{:.3f}".format) for name in ("val_loss", "val_loss_std")}
    num_params = (measured["num_params"] / 1e6).map("{:.1f}M".format)
    return measured[["label", column]].assign(num_params=num_params, **loss)


def printed_study_latex(table: pd.DataFrame, symbol: str, source_note: str | None = None) -> str:
    """The table of :func:`printed_study` in LaTeX, a column for each value, as published.

    Args:
        table: Of :func:`printed_study`.
        symbol: LaTeX symbol of what the study varies.
        source_note: Printed below the table.
    """
    varied = table.columns[1]
    values = list(table[varied].unique())
    rows = {"num_params": "$N$", "val_loss": "$L_\\mathrm{val}$", "val_loss_std": "$\\sigma$"}
    body = []
    for label, of_model in table.groupby("label", sort=True):
        for name, quantity in rows.items():
            body.append([escape(str(label)), quantity, *of_model[name]])
    head = [["Model", symbol, *map(str, values)]]
    return tabular("ll" + "c" * len(values), head, body, source_note)


def _of_study(fits: pd.DataFrame, law: str) -> pd.DataFrame:
    return fits.loc[(fits["law"] == law) & fits["model"].isin(MODELS)]


def _parameters(fit: Fit) -> list[tuple[Parameter, float, float]]:
    return list(zip(get_law(fit.law).parameters, fit.parameters, fit.errors, strict=True))


def _numbers(fit: Fit, parameter: Parameter, value: float, error: float) -> tuple[str, str]:
    if not fit.converged:
        return _UNSTABLE, _UNSTABLE
    if _is_whole(fit, parameter):
        return f"{value:.0f}", ""
    if parameter.is_scale:
        value, error = np.log10((value, error))
    return f"{value:.2f}", f"{error:.2f}"


def _latex(fit: Fit, parameter: Parameter, value: float, error: float) -> str:
    number, uncertainty = _numbers(fit, parameter, value, error)
    if not fit.converged or _is_whole(fit, parameter):
        return number
    if parameter.is_scale:
        return rf"$10^{{{number}}} \pm 10^{{{uncertainty}}}$"
    return rf"${number} \pm {uncertainty}$"


def _is_whole(fit: Fit, parameter: Parameter) -> bool:
    return fit.law == "hoffmann" and parameter.name == "loss_floor"
