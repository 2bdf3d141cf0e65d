"""Test metrics of all models in one table."""

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from optimetal.evaluation.results import ENSEMBLE
from optimetal.tables import escape, tabular

COLUMNS: Final = {
    "loss": ("Loss", "{:.3f}"),
    "eps_real_mae": (r"MAE Re $\varepsilon$", "{:.3f}"),
    "eps_imag_mae": (r"MAE Im $\varepsilon$", "{:.3f}"),
    "eps_real_sc": (r"SC Re $\varepsilon$", "{:.3f}"),
    "eps_imag_sc": (r"SC Im $\varepsilon$", "{:.3f}"),
    "drude_diff": (r"$\Delta\omega_\mathrm{D}$ (eV)", "{:.3f}"),
    "drude_rel_diff": (r"$\Delta\omega_\mathrm{D}/\omega_\mathrm{D}$", "{:.4f}"),
    "drude_mae": (r"$|\Delta\omega_\mathrm{D}|$ (eV)", "{:.3f}"),
    "drude_mape": (r"$|\Delta\omega_\mathrm{D}|/\omega_\mathrm{D}$ (\%)", "{:.2f}"),
    "delta_e": (r"$\Delta E$", "{:.2f}"),
}
"""Metric -> heading and format of the LaTeX table."""

STATISTICS: Final = ("mean", "median", "std")
"""Over the materials; the standard deviation is that of the population."""


def evaluation_table(summaries: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Test metrics over the materials, a row for each model, member and statistic.

    Args:
        summaries: Label of the model -> summary of :func:`optimetal.evaluation.evaluate.evaluate`.

    Returns:
        Columns ``model``, ``member`` (seed or "ensemble"), ``statistic`` ("mean", "median" or "std"),
        ``num_materials``, all metrics, and, beside the means, ``drude_r2`` of the whole set.
    """
    rows = [
        {
            "model": label,
            "member": member if member == ENSEMBLE else f"seed {member}",
            "statistic": statistic,
            "num_materials": metrics["num_materials"],
            **metrics[statistic],
            "drude_r2": metrics["drude_r2"] if statistic == "mean" else None,
        }
        for label, summary in summaries.items()
        for member, metrics in summary.items()
        if member != "source"
        for statistic in STATISTICS
    ]
    return pd.DataFrame(rows)


def evaluation_latex(table: pd.DataFrame, source_note: str | None = None) -> str:
    """LaTeX of :func:`evaluation_table`, with the metrics that the paper prints and the signed errors of ω_D.

    Args:
        table: Result of :func:`evaluation_table`.
        source_note: Printed below the table.
    """
    head = [["Model", "", "", *(heading for heading, _ in COLUMNS.values())]]
    body = [
        [
            escape(str(row["model"])),
            escape(str(row["member"])),
            str(row["statistic"]),
            *(form.format(row[name]) for name, (_, form) in COLUMNS.items()),
        ]
        for _, row in table.iterrows()
    ]
    return tabular("lll" + "c" * len(COLUMNS), head, body, source_note)
