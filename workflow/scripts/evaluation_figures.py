"""Figures of one tested ensemble."""

from pathlib import Path

import pandas as pd

from optimetal.config.project import PlotSettings
from optimetal.evaluation.figures import save_figures
from optimetal.evaluation.results import ENSEMBLE, read_predictions
from optimetal.workflow import logged


def main(materials: str, predictions: str, folder: Path, settings: PlotSettings) -> None:
    table = pd.read_parquet(materials)
    table = table[table["member"] == ENSEMBLE].reset_index(drop=True)
    predicted, target, note = read_predictions(predictions)
    save_figures(table, predicted, target, folder, settings, note)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main(
            snakemake.input.materials,
            snakemake.input.predictions,
            Path(snakemake.output[0]).parent,
            PlotSettings.model_validate(snakemake.params.plots),
        )
