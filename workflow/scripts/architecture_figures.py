"""Figures and tables of the architecture search, the residual block and the spectrum head."""

from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

from optimetal.files import write_text
from optimetal.plots import architecture, style
from optimetal.scaling.ablation import PUBLISHED_PARTS, improvements
from optimetal.scaling.fits import Fit, in_study, points, read_fit
from optimetal.scaling.printed import (
    printed_parameter_law,
    printed_study,
    printed_study_latex,
)
from optimetal.tables import to_latex, write_table
from optimetal.workflow import logged


def save(stem: Path, aspect: float, function: Callable[[Axes], Axes]) -> None:
    fig, ax = plt.subplots(figsize=style.figure_size(1, aspect))
    function(ax)
    style.save(fig, stem)
    plt.close(fig)


def write_all(stem: Path, table: pd.DataFrame, note: str) -> None:
    table = table.drop(columns="source", errors="ignore")
    write_table(stem, table, note)
    write_text(stem.with_suffix(".tex"), to_latex(table, note))


def draw_search(ablation: pd.DataFrame, figures: Path, tables: Path, note: str) -> None:
    for name, fig in architecture.search_figures(ablation, PUBLISHED_PARTS, note):
        style.save(fig, figures / name)
    for kind, settings in ablation.groupby("kind"):
        write_all(tables / str(kind), settings.dropna(axis="columns", how="all"), note)
    write_all(tables / "improvements", improvements(ablation), note)


def draw_study(runs: pd.DataFrame, column: str, symbol: str, table: Path) -> pd.DataFrame:
    """Write the table of a study that varies a column; its points."""
    note = runs["source"].iloc[0]
    printed = printed_study(runs, column)
    write_table(table, printed, note)
    write_text(table.with_suffix(".tex"), printed_study_latex(printed, symbol, note))
    varied = runs[["model", "num_params", column]].drop_duplicates()
    return points(runs, "grid").merge(varied, on=["model", "num_params"])


def main(runs: pd.DataFrame, ablation: pd.DataFrame, law: Fit, figures: Path, tables: Path) -> None:
    style.use()
    note = runs["source"].iloc[0]
    draw_search(ablation, figures, tables, note)
    layers = draw_study(
        in_study(runs, "residual_block"),
        "num_layers",
        r"$N_\mathrm{MP}$",
        tables / "residual_block",
    )
    save(
        figures / "residual_block",
        0.75,
        lambda ax: architecture.loss_over_layers(layers, ax, source_note=note),
    )
    spectra = in_study(runs, "spectra_width")
    spectra = draw_study(
        spectra.assign(spectra_multiplier=spectra["spectra_dim"] // spectra["width"]),
        "spectra_multiplier",
        r"$m_\mathrm{spectra}$",
        tables / "spectra_width",
    )
    laws = {"$L(N)$ of the parameter scaling": law.predict} if law.converged else {}
    laws["$L(N)$ as printed"] = printed_parameter_law
    save(
        figures / "spectra_width",
        0.75,
        lambda ax: architecture.loss_over_spectra_width(spectra, laws, ax, source_note=note),
    )


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        fits = pd.read_parquet(snakemake.input.fits)
        (row,) = fits.index[(fits["model"] == "2b_tc") & (fits["law"] == snakemake.params.law)]
        main(
            pd.read_parquet(snakemake.input.runs),
            pd.read_parquet(snakemake.input.ablation),
            read_fit(fits.loc[row]),
            Path(snakemake.params.figures),
            Path(snakemake.params.tables),
        )
