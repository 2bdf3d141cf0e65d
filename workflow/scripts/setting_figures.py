"""Loss over the settings that a study varied: a panel for each, and the table."""

from pathlib import Path

import pandas as pd

from optimetal.files import write_text
from optimetal.plots import style
from optimetal.plots.settings import setting_figure
from optimetal.scaling.fits import Fit, in_study, read_fit
from optimetal.scaling.settings import settings_table
from optimetal.tables import to_latex, write_table
from optimetal.workflow import logged


def laws_of_size(files: list[str], law: str | None) -> dict[str, Fit]:
    """Model -> its law L(N), where a study of widths tells it."""
    rows = [row for file in files for _, row in pd.read_parquet(file).iterrows()]
    return {row["model"]: read_fit(row) for row in rows if row["law"] == law and row["converged"]}


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        runs = in_study(pd.read_parquet(snakemake.input.runs), snakemake.wildcards.study)
        varied, note = snakemake.params.varied, runs["source"].iloc[0]
        table = settings_table(runs, varied)
        write_table(Path(snakemake.output.html).with_suffix(""), table, note)
        write_text(Path(snakemake.output.html).with_suffix(".tex"), to_latex(table, note))
        laws = laws_of_size(snakemake.input.fits, snakemake.params.law)
        style.use()
        fig = setting_figure(table, varied, laws=laws, source_note=note)
        style.save(fig, Path(snakemake.output.figure).with_suffix(""))
