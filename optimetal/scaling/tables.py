"""Tables of fitted laws, as CSV in full precision and as LaTeX (booktabs) for print.

Printed numbers carry the uncertainty of their last digits in brackets, 0.154(2); a scale is printed
as the power of ten that it is, with the uncertainty of the exponent, 10^{4.72(2)}.
"""

from typing import Final

import numpy as np
import pandas as pd

from optimetal.scaling.fits import read_fit
from optimetal.scaling.laws import get_law
from optimetal.scaling.selection import select
from optimetal.tables import escape, tabular

_VARIABLE: Final = {"num_train": "D", "num_params": "N", "grid": ""}
_ARGUMENTS: Final = {"num_train": "D", "num_params": "N", "grid": "N, D"}


def law_table(fits: pd.DataFrame, law: str) -> pd.DataFrame:
    """Parameters of one law for every model, in full precision.

    Args:
        fits: Table of ``fit_runs`` or ``fit_grid``.
        law: Name of the law.

    Returns:
        One row per model: ``x``, ``model``, ``label``, each parameter and its ``_error``, ``aicc``,
        ``reduced_chi2``, ``num_points``, ``converged`` and ``reason``.

    Raises:
        ValueError: If the law is not in the table.
    """
    chosen = fits.loc[fits["law"] == law]
    if chosen.empty:
        raise ValueError(f"no fit of law {law!r}: the table has {sorted(set(fits['law']))}")
    parameters = [column for name in get_law(law).names for column in (name, f"{name}_error")]
    judged = ["aicc", "reduced_chi2", "num_points", "converged", "reason"]
    return chosen[["x", "model", "label", *parameters, *judged]].reset_index(drop=True)


def aicc_table(fits: pd.DataFrame) -> pd.DataFrame:
    """AICc of every law (rows) for every model (columns), over one axis.

    Returns:
        Indexed by the label of the law, columns the labels of the models; NaN where a law did not
        converge or has too few points.

    Raises:
        ValueError: If the fits are over more than one axis.
    """
    _axis(fits)
    table = fits.pivot(index="law", columns="label", values="aicc")
    table = table.loc[fits["law"].unique(), fits["label"].unique()]
    return table.rename(index=lambda law: get_law(law).label).rename_axis(columns=None)


def law_latex(fits: pd.DataFrame, law: str, source_note: str | None = None) -> str:
    """LaTeX table of one law: its formula, then a row per model.

    Args:
        fits: Table of ``fit_runs`` or ``fit_grid``, over one axis.
        law: Name of the law.
        source_note: Printed below the table.

    Raises:
        ValueError: If the law is not in the table, or the fits are over more than one axis.
    """
    chosen, axis, declared = law_table(fits, law), _axis(fits), get_law(law)
    symbols = [f"${symbol}$" for symbol in declared.symbols_of(_VARIABLE[axis])]
    formula = f"$L({_ARGUMENTS[axis]}) = {declared.formula_of(_VARIABLE[axis])}$"
    width = len(symbols) + 2
    rows = [_fit_cells(row) for _, row in fits.loc[fits["law"] == law].iterrows()]
    head = [[rf"\multicolumn{{{width}}}{{c}}{{{formula}}}"], ["Model", *symbols, "AICc"]]
    labels = [escape(label) for label in chosen["label"]]
    body = [[label, *cells] for label, cells in zip(labels, rows, strict=True)]
    return tabular("l" + "c" * (width - 1), head, body, source_note)


def aicc_latex(fits: pd.DataFrame, source_note: str | None = None) -> str:
    """LaTeX table of the AICc of every law and model, the best law of each model in bold.

    Args:
        fits: Table of ``fit_runs`` or ``fit_grid``, over one axis.
        source_note: Printed below the table.
    """
    table = aicc_table(fits)
    best = select(fits).pivot(index="law", columns="label", values="best")
    best = best.loc[fits["law"].unique(), table.columns]
    body = [
        [label, *(_aicc_cell(value, bold) for value, bold in zip(values, marks, strict=True))]
        for label, values, marks in zip(table.index, table.values, best.values, strict=True)
    ]
    head = [["Law", *(escape(label) for label in table.columns)]]
    return tabular("l" + "c" * len(table.columns), head, body, source_note)


def format_uncertain(value: float, error: float) -> str:
    """A value with the uncertainty of its last digits, 0.154(2).

    The uncertainty keeps one digit, or two if the first is a 1. One that is not finite, or below a
    millionth of the value (rounding, as for an exact law), is left out and the value has 3 digits.
    """
    if not (np.isfinite(error) and error > 1e-6 * abs(value)):
        return f"{value:.3g}"
    exponent = int(np.floor(np.log10(error)))
    digits = 2 if error / 10.0**exponent < 1.95 else 1
    decimals = max(0, digits - 1 - exponent)
    rounded = round(error, decimals)
    # adding zero turns a rounded -0.0 into 0.0
    text = f"{round(value, decimals) + 0.0:.{decimals}f}"
    if rounded >= 1:
        return f"{text}({rounded:.{decimals}f})"
    return f"{text}({round(rounded * 10**decimals):d})"


def format_scale(value: float, error: float) -> str:
    """A positive value as a power of ten with the uncertainty of the exponent, 10^{4.72(2)}."""
    return f"10^{{{format_uncertain(np.log10(value), error / value / np.log(10))}}}"


def _axis(fits: pd.DataFrame) -> str:
    axes = list(fits["x"].unique())
    if len(axes) != 1:
        raise ValueError(f"a table is for fits over one axis, got {axes}: filter by column x")
    return axes[0]


def _fit_cells(row: pd.Series) -> list[str]:
    fit = read_fit(row)
    declared = get_law(fit.law).parameters
    if not fit.converged:
        return [rf"\multicolumn{{{len(declared) + 1}}}{{c}}{{not converged}}"]
    numbers = [
        (format_scale if parameter.is_scale else format_uncertain)(value, error)
        for parameter, value, error in zip(declared, fit.parameters, fit.errors, strict=True)
    ]
    return [*(f"${number}$" for number in numbers), _aicc_cell(fit.aicc, bold=False)]


def _aicc_cell(value: float, bold: bool) -> str:
    if not np.isfinite(value):
        return "--"
    return rf"$\mathbf{{{value:.2f}}}$" if bold else f"${value:.2f}$"
