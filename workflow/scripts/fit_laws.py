"""Fit scaling laws to one study: all fits in one file, a table for each law, their comparison and uncertainty."""

from pathlib import Path

import pandas as pd

from optimetal.files import whole_file, write_text
from optimetal.scaling import tables
from optimetal.scaling.bootstrap import bootstrap_intervals, hold_out_largest
from optimetal.scaling.fits import fit_grid, fit_runs, in_study
from optimetal.scaling.settings import by_settings
from optimetal.tables import write_table
from optimetal.workflow import logged


def fit(runs: pd.DataFrame, axis: str, laws: list[str], published: bool) -> pd.DataFrame:
    if axis == "grid":
        return fit_grid(runs, laws, published=published)
    return fit_runs(runs, axis, laws, published=published)


def write_tables(fits: pd.DataFrame, laws: list[str], folder: Path, note: str) -> None:
    for law in laws:
        write_table(folder / law, tables.law_table(fits, law), note)
        write_text(folder / f"{law}.tex", tables.law_latex(fits, law, note))
    write_table(folder / "aicc", tables.aicc_table(fits), note, index=True)
    write_text(folder / "aicc.tex", tables.aicc_latex(fits, note))
    write_table(folder / "weights", tables.weight_table(fits), note, index=True)
    write_text(folder / "weights.tex", tables.weight_latex(fits, note))


def write_uncertainty(
    runs: pd.DataFrame, axis: str, laws: list[str], bootstrap: dict, folder: Path, note: str
) -> None:
    intervals = bootstrap_intervals(runs, axis, laws, **bootstrap)
    write_table(folder / "uncertainty", intervals, note)
    write_text(folder / "uncertainty.tex", tables.uncertainty_latex(intervals, axis, note))
    predictions = hold_out_largest(runs, axis, laws)
    write_table(folder / "hold_out", predictions, note)
    write_text(folder / "hold_out.tex", tables.hold_out_latex(predictions, note))


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        runs = by_settings(
            in_study(pd.read_parquet(snakemake.input.runs), snakemake.wildcards.study),
            snakemake.params.split_by,
        )
        axis, laws = snakemake.params.axis, snakemake.params.laws
        note, folder = runs["source"].iloc[0], Path(snakemake.output.html[0]).parent
        fits = fit(runs, axis, laws, snakemake.params.published_solver)
        write_tables(fits, laws, folder, note)
        write_uncertainty(runs, axis, laws, snakemake.params.bootstrap, folder, note)
        with whole_file(snakemake.output.fits) as temporary:
            fits.to_parquet(temporary, index=False)
