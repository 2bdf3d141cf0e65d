"""Figures of a study along one axis: the chosen law, all laws, and their comparison."""

from pathlib import Path

import pandas as pd

from optimetal.plots import style
from optimetal.plots.scaling import curve_figures
from optimetal.scaling.fits import in_study, points
from optimetal.scaling.settings import by_settings
from optimetal.workflow import logged


def main(runs: pd.DataFrame, fits: pd.DataFrame, axis: str, law: str, folder: Path) -> None:
    style.use()
    measured, note = points(runs, axis), runs["source"].iloc[0]
    for name, fig in curve_figures(measured, fits, law=law, source_note=note):
        style.save(fig, folder / name)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main(
            by_settings(
                in_study(pd.read_parquet(snakemake.input.runs), snakemake.wildcards.study),
                snakemake.params.split_by,
            ),
            pd.read_parquet(snakemake.input.fits),
            snakemake.params.axis,
            snakemake.params.law,
            Path(snakemake.output[0]).parent,
        )
