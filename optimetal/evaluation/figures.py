"""The figures of one tested network or ensemble."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from optimetal.config.project import PlotSettings
from optimetal.plots import style
from optimetal.plots.evaluation import (
    draw_drude_parity,
    draw_histogram,
    draw_quartiles,
    draw_random_materials,
)

Arrays = Mapping[str, NDArray]


def save_figures(
    table: pd.DataFrame,
    predictions: Arrays,
    targets: Arrays,
    folder: Path,
    settings: PlotSettings,
    source_note: str | None = None,
) -> None:
    """Draw and write ``histograms``, ``drude_frequency``, ``random_materials``, ``quartiles``.

    Args:
        table: Metrics of the network or ensemble, one row per material.
        predictions: In the order of the table.
        targets: Same.
        folder: Where the figures go, each as PDF and PNG.
        settings: What they show.
        source_note: Where the data come from.

    Raises:
        ValueError: If there are fewer than four materials, or the lengths differ.
    """
    arrays = table, predictions, targets
    examples = {"seed": settings.seed, "source_note": source_note}
    rows = -(-settings.num_random_materials // _COLUMNS)
    with plt.style.context(style.STYLE):
        _save(_histograms(table, settings, source_note), folder / "histograms")

        fig, ax = plt.subplots(figsize=style.figure_size(1, 0.9))
        draw_drude_parity(ax, table, source_note=source_note)
        _save(fig, folder / "drude_frequency")

        fig = plt.figure(figsize=style.figure_size(2, 0.3 * rows))
        draw_random_materials(fig, *arrays, num_rows=rows, num_columns=_COLUMNS, **examples)
        _save(fig, folder / "random_materials")

        fig = plt.figure(figsize=style.figure_size(2, 0.75))
        draw_quartiles(fig, *arrays, **examples)
        _save(fig, folder / "quartiles")


_COLUMNS: Final = 3


def _histograms(table: pd.DataFrame, settings: PlotSettings, source_note: str | None) -> Figure:
    fig, axes = style.panels(len(settings.metrics))
    for ax, metric in zip(axes, settings.metrics, strict=True):
        draw_histogram(ax, table, metric, num_bins=int(np.clip(len(table) // 4, 10, 50)))
    style.add_source_note(fig, source_note)
    return fig


def _save(fig: Figure, stem: Path) -> None:
    style.save(fig, stem)
    plt.close(fig)
