"""Tables of fitted laws, as CSV in full precision and as LaTeX (booktabs) for print.

Printed numbers carry the uncertainty of their last digits in brackets, 0.154(2); a scale is printed
as the power of ten that it is, with the uncertainty of the exponent, 10^{4.72(2)}.
"""

from typing import Any, Final

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
    return _by_law(fits, "aicc")


def weight_table(fits: pd.DataFrame) -> pd.DataFrame:
    """Akaike weight of every law (rows) for every model (columns), over one axis.

    The weights of a model sum to one over the laws that have an AICc; the others have NaN.

    Raises:
        ValueError: If the fits are over more than one axis.
    """
    return _by_law(select(fits), "weight")


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
    return _by_law_latex(fits, aicc_table(fits), 2, source_note)


def weight_latex(fits: pd.DataFrame, source_note: str | None = None) -> str:
    """LaTeX table of the Akaike weights, as :func:`aicc_latex`."""
    return _by_law_latex(fits, weight_table(fits), 3, source_note)


def uncertainty_latex(intervals: pd.DataFrame, axis: str, source_note: str | None = None) -> str:
    """LaTeX table of bootstrap intervals; a law that did not converge has the reason, no numbers.

    Args:
        intervals: Table of ``bootstrap.bootstrap_intervals``.
        axis: Axis of the fits.
        source_note: Printed below the table.
    """
    body = []
    for _, group in intervals.groupby(["law", "model"], sort=False):
        rows: list[dict[Any, Any]] = group.to_dict("records")
        declared = get_law(rows[0]["law"])
        name = [escape(declared.label), escape(rows[0]["label"])]
        if np.isnan(rows[0]["estimate"]):
            body.append([*name, _spanning(3, f"not converged: {rows[0]['reason']}")])
            continue
        symbols = declared.symbols_of(_VARIABLE[axis])
        for parameter, symbol, row in zip(declared.parameters, symbols, rows, strict=True):
            printed = _format_power if parameter.is_scale else "{:.3f}".format
            low, high = (f"${printed(row[limit])}$" for limit in ("low", "high"))
            interval = f"{low} to {high}" if np.isfinite(row["low"]) else escape(row["reason"])
            body.append([*name, f"${symbol}$", f"${printed(row['estimate'])}$", interval])
            name = ["", ""]
    head = [["Law", "Model", "Parameter", "Estimate", r"95\,\% interval"]]
    return tabular("llccc", head, body, source_note)


def hold_out_latex(predictions: pd.DataFrame, source_note: str | None = None) -> str:
    """LaTeX table of held-out losses and what each law predicted for them.

    Args:
        predictions: Table of ``bootstrap.hold_out_largest``.
        source_note: Printed below the table.
    """
    sizes = {"num_params": "$N$", "num_train": "$D$"}
    body = []
    rows: list[dict[Any, Any]] = predictions.to_dict("records")
    for row in rows:
        name = [escape(get_law(row["law"]).label), escape(row["label"])]
        measured = format_uncertain(row["val_loss"], row["val_loss_std"])
        point = [*(f"{row[size]:,}".replace(",", r"\,") for size in sizes), f"${measured}$"]
        outcome = [_spanning(2, f"not converged: {row['reason']}")]
        if row["converged"]:
            outcome = [f"${row['predicted']:.3f}$", f"${100 * row['relative_error']:+.1f}$"]
        body.append([*name, *point, *outcome])
    head = [["Law", "Model", *sizes.values(), "$L$", "Predicted", r"Error (\%)"]]
    return tabular("llccccc", head, body, source_note)


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


def _by_law(fits: pd.DataFrame, column: str) -> pd.DataFrame:
    _axis(fits)
    table = fits.pivot(index="law", columns="label", values=column)
    table = table.loc[fits["law"].unique(), fits["label"].unique()]
    return table.rename(index=lambda law: get_law(law).label).rename_axis(columns=None)


def _by_law_latex(
    fits: pd.DataFrame, table: pd.DataFrame, digits: int, source_note: str | None
) -> str:
    best = _by_law(select(fits), "best")
    body = [
        [label, *(_cell(value, digits, bold) for value, bold in zip(values, marks, strict=True))]
        for label, values, marks in zip(table.index, table.values, best.values, strict=True)
    ]
    head = [["Law", *(escape(label) for label in table.columns)]]
    return tabular("l" + "c" * len(table.columns), head, body, source_note)


def _axis(fits: pd.DataFrame) -> str:
    axes = list(fits["x"].unique())
    if len(axes) != 1:
        raise ValueError(f"a table is for fits over one axis, got {axes}: filter by column x")
    return axes[0]


def _fit_cells(row: pd.Series) -> list[str]:
    fit = read_fit(row)
    declared = get_law(fit.law).parameters
    if not fit.converged:
        return [_spanning(len(declared) + 1, "not converged")]
    numbers = [
        (format_scale if parameter.is_scale else format_uncertain)(value, error)
        for parameter, value, error in zip(declared, fit.parameters, fit.errors, strict=True)
    ]
    return [*(f"${number}$" for number in numbers), _cell(fit.aicc, 2, bold=False)]


def _cell(value: float, digits: int, bold: bool) -> str:
    if not np.isfinite(value):
        return "--"
    text = f"{value:.{digits}f}"
    return rf"$\mathbf{{{text}}}$" if bold else f"${text}$"


def _format_power(value: float) -> str:
    return f"10^{{{np.log10(value):.3f}}}"


def _spanning(columns: int, text: str) -> str:
    return rf"\multicolumn{{{columns}}}{{c}}{{{escape(text)}}}"
