"""Metrics of all models in one table, and their distributions in one figure."""

import json
from pathlib import Path

import pandas as pd

from optimetal.evaluation.results import ENSEMBLE
from optimetal.evaluation.tables import evaluation_latex, evaluation_table
from optimetal.files import write_text
from optimetal.plots import style
from optimetal.plots.evaluation import draw_violins
from optimetal.tables import write_table
from optimetal.workflow import logged


def write_tables(summaries: dict[str, dict], stem: Path, note: str) -> None:
    table = evaluation_table(summaries)
    write_table(stem, table, note)
    write_text(stem.with_suffix(".tex"), evaluation_latex(table, note))


def draw(materials: dict[str, pd.DataFrame], metrics: list[str], stem: Path, note: str) -> None:
    style.use()
    fig, axes = style.panels(len(metrics), aspect=0.84)
    for ax, metric in zip(axes, metrics, strict=True):
        draw_violins(ax, materials, metric)
    style.add_source_note(fig, note)
    style.save(fig, stem)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        models = snakemake.params.models
        summaries = [json.loads(Path(file).read_text()) for file in snakemake.input.metrics]
        materials = [pd.read_parquet(file) for file in snakemake.input.materials]
        note = summaries[0]["source"]
        write_tables(
            dict(zip(models.values(), summaries, strict=True)),
            Path(snakemake.output.html).with_suffix(""),
            note,
        )
        draw(
            {
                model: table[table["member"] == ENSEMBLE]
                for model, table in zip(models, materials, strict=True)
            },
            snakemake.params.metrics,
            Path(snakemake.output.violins).with_suffix(""),
            note,
        )
