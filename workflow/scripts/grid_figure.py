"""Loss of one model over data and parameters, with one law: two sections and a map."""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from optimetal.plots import style
from optimetal.plots.scaling import grid_contours, grid_lines
from optimetal.scaling.fits import in_study, points
from optimetal.workflow import logged


def main(runs: pd.DataFrame, fits: pd.DataFrame, model: str, law: str, stem: Path) -> None:
    style.use()
    measured, note = points(runs, "grid"), runs["source"].iloc[0]
    fig, axes = plt.subplots(1, 3, figsize=style.figure_size(2, 0.33))
    grid_lines(measured, fits, axes[0], model=model, law=law, over="num_params")
    grid_lines(measured, fits, axes[1], model=model, law=law, over="num_train")
    grid_contours(measured, fits, axes[2], model=model, law=law)
    style.add_source_note(fig, note)
    style.save(fig, stem)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main(
            in_study(pd.read_parquet(snakemake.input.runs), snakemake.wildcards.study),
            pd.read_parquet(snakemake.input.fits),
            snakemake.wildcards.model,
            snakemake.wildcards.law,
            Path(snakemake.output[0]).with_suffix(""),
        )
