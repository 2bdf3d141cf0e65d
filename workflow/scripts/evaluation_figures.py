"""Figures of one tested ensemble."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from optimetal.config.project import PlotSettings
from optimetal.evaluation.results import ENSEMBLE, read_predictions
from optimetal.plots import style
from optimetal.plots.evaluation import (
    draw_drude_parity,
    draw_histogram,
    draw_quartiles,
    draw_random_materials,
)
from optimetal.workflow import logged


def main(materials: str, predictions: str, folder: Path, settings: PlotSettings) -> None:
    style.use()
    table = pd.read_parquet(materials)
    table = table[table["member"] == ENSEMBLE].reset_index(drop=True)
    predicted, target, note = read_predictions(predictions)
    draw_histograms(table, settings, folder, note)

    fig, ax = plt.subplots(figsize=style.figure_size(1, 0.9))
    draw_drude_parity(ax, table, source_note=note)
    style.save(fig, folder / "drude_frequency")

    fig = plt.figure(figsize=style.figure_size(2, 0.3 * -(-settings.num_random_materials // 3)))
    draw_random_materials(
        fig,
        table,
        predicted,
        target,
        num_rows=-(-settings.num_random_materials // 3),
        num_columns=3,
        seed=settings.seed,
        source_note=note,
    )
    style.save(fig, folder / "random_materials")

    fig = plt.figure(figsize=style.figure_size(2, 0.75))
    draw_quartiles(fig, table, predicted, target, seed=settings.seed, source_note=note)
    style.save(fig, folder / "quartiles")


def draw_histograms(table: pd.DataFrame, settings: PlotSettings, folder: Path, note: str) -> None:
    fig, axes = style.panels(len(settings.metrics))
    for ax, metric in zip(axes, settings.metrics, strict=True):
        draw_histogram(ax, table, metric, num_bins=int(np.clip(len(table) // 4, 10, 50)))
    style.add_source_note(fig, note)
    style.save(fig, folder / "histograms")


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main(
            snakemake.input.materials,
            snakemake.input.predictions,
            Path(snakemake.output[0]).parent,
            PlotSettings.model_validate(snakemake.params.plots),
        )
