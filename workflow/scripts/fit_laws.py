"""Fit scaling laws to one study: all fits in one file, a table for each law, one for the AICc."""

from pathlib import Path

import pandas as pd

from optimetal.files import whole_file, write_text
from optimetal.scaling.fits import fit_grid, fit_runs, in_study
from optimetal.scaling.tables import aicc_latex, aicc_table, law_latex, law_table
from optimetal.tables import write_table
from optimetal.workflow import logged


def fit(runs: pd.DataFrame, axis: str, laws: list[str]) -> pd.DataFrame:
    return fit_grid(runs, laws) if axis == "grid" else fit_runs(runs, axis, laws)


def write_tables(fits: pd.DataFrame, laws: list[str], folder: Path, note: str) -> None:
    for law in laws:
        write_table(folder / law, law_table(fits, law), note)
        write_text(folder / f"{law}.tex", law_latex(fits, law, note))
    write_table(folder / "aicc", aicc_table(fits), note, index=True)
    write_text(folder / "aicc.tex", aicc_latex(fits, note))


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        runs = in_study(pd.read_parquet(snakemake.input.runs), snakemake.wildcards.study)
        fits = fit(runs, snakemake.params.axis, snakemake.params.laws)
        with whole_file(snakemake.output.fits) as temporary:
            fits.to_parquet(temporary, index=False)
        folder = Path(snakemake.output.html[0]).parent
        write_tables(fits, snakemake.params.laws, folder, runs["source"].iloc[0])
