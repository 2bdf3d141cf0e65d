"""How the best learning rate of one model depends on its size: four figures and a table."""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from optimetal.files import write_text
from optimetal.plots import scaling, style
from optimetal.scaling.fits import in_study
from optimetal.scaling.learning_rate import (
    best_learning_rates,
    fit_learning_rate,
    with_lr_exponent,
)
from optimetal.tables import to_latex, write_table
from optimetal.training.status import ENDED
from optimetal.workflow import logged


def draw(
    runs: pd.DataFrame, fits: pd.DataFrame, reference_width: int, stem: str, note: str
) -> None:
    style.use()
    exponents = with_lr_exponent(runs, reference_width)
    figures = {
        "loss_over_width": lambda ax: scaling.loss_over_width(exponents, ax, source_note=note),
        "loss_over_exponent": lambda ax: scaling.loss_over_exponent(
            exponents, ax, source_note=note
        ),
        "loss_over_lr": lambda ax: scaling.loss_over_lr(runs, ax, source_note=note),
        "best_lr": lambda ax: scaling.best_lr_over_params(runs, fits, ax, source_note=note),
    }
    for name, function in figures.items():
        fig, ax = plt.subplots(figsize=style.figure_size(1, 0.75))
        function(ax)
        style.save(fig, f"{stem}_{name}")
        plt.close(fig)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        runs = in_study(pd.read_parquet(snakemake.input.runs), snakemake.wildcards.study, ENDED)
        runs = runs[runs["model"] == snakemake.wildcards.model]
        note = runs["source"].iloc[0]
        fits = fit_learning_rate(runs, snakemake.params.reference_width)
        stem = Path(snakemake.output.html).with_suffix("")
        for table, suffix in ((fits, ""), (best_learning_rates(runs), "_best")):
            file = stem.with_name(f"{stem.name}{suffix}")
            write_table(file, table, note)
            write_text(file.with_suffix(".tex"), to_latex(table, note))
        figure = str(snakemake.output.pdf[0]).removesuffix(f"_{snakemake.params.first}.pdf")
        draw(runs, fits, snakemake.params.reference_width, figure, note)
