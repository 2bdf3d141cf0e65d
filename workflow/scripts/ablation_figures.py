"""Figures and tables of our own search for architectures."""

from pathlib import Path

import pandas as pd

from optimetal.config.run import Run
from optimetal.files import write_text
from optimetal.plots import style
from optimetal.plots.architecture import search_figures
from optimetal.scaling.ablation import Parts, ablation_of_runs, improvements
from optimetal.tables import to_latex, write_table
from optimetal.workflow import logged


def write_all(stem: Path, table: pd.DataFrame, note: str) -> None:
    table = table.drop(columns="source", errors="ignore").dropna(axis="columns", how="all")
    write_table(stem, table, note)
    write_text(stem.with_suffix(".tex"), to_latex(table, note))


def main(ablation: pd.DataFrame, parts: Parts, figures: Path, tables: Path) -> None:
    style.use()
    note = ablation["source"].iloc[0]
    for name, fig in search_figures(ablation, parts, note):
        style.save(fig, figures / name)
    for kind, settings in ablation.groupby("kind"):
        write_all(tables / str(kind), settings, note)
    decreases = improvements(ablation, parts).drop(columns="published_improvement")
    write_all(tables / "improvements", decreases, note)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        trained = [
            Run.model_validate_json(Path(file).read_text()) for file in snakemake.input.configs
        ]
        params = snakemake.params
        ablation = ablation_of_runs(
            pd.read_parquet(snakemake.input.runs),
            {run.name: run for run in trained},
            params.settings,
            params.starts,
        )
        parts = Parts(params.layers, params.combinations, params.three_body, params.by_multiplier)
        main(ablation, parts, Path(params.figures), Path(params.tables))
