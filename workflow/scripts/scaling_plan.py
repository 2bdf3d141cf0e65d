"""What to train, from the fits of a grid: optimal networks, the cheapest way to a loss, and what trainings cost."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from optimetal.files import write_text
from optimetal.plots import style
from optimetal.plots.compute import loss_over_cost, optimal_width
from optimetal.scaling.compute import CostModel, Planner, fit_costs, make_planner
from optimetal.scaling.fits import in_study, points
from optimetal.scaling.settings import by_settings
from optimetal.tables import to_latex, write_table
from optimetal.workflow import logged

DOUBLINGS = (2, 4)  # of the largest measured number of crystals
TARGETS = (2.0, 1.5, 1.2, 1.0, 0.9, 0.8, 0.7, 0.6)  # of the lowest measured loss


def write_tables(runs: pd.DataFrame, planners: list[Planner], folder: Path, note: str) -> None:
    sizes = sorted(set(runs["num_train"]))
    sizes += [factor * sizes[-1] for factor in DOUBLINGS]
    lowest = points(runs, "grid")["val_loss"].min()
    losses = [float(f"{factor * lowest:.2g}") for factor in TARGETS]
    costs = {planner.fit.label: asdict(planner.cost) for planner in planners}
    tables = {
        "compute_optimal": pd.concat([planner.frontier(sizes) for planner in planners]),
        "loss_targets": pd.concat([planner.for_loss(losses) for planner in planners]),
        "cost": pd.DataFrame([{"label": label, **cost} for label, cost in costs.items()]),
    }
    for name, table in tables.items():
        write_table(folder / name, table, note)
        write_text(folder / f"{name}.tex", to_latex(table, note))


def draw(
    runs: pd.DataFrame, planners: list[Planner], costs: dict[str, CostModel], stem: Path, note: str
) -> None:
    style.use()
    smallest, largest = np.quantile(runs["num_train"], (0, 1))
    sizes = np.geomspace(smallest / 1.25, largest * DOUBLINGS[-1], 50).tolist()
    frontiers = pd.concat([planner.frontier(sizes) for planner in planners])
    measured, epochs = points(runs, "grid"), planners[0].epochs
    quantity = planners[0].cost.quantity
    measured[quantity] = [
        float(costs[point.model](point.num_params, point.num_train, epochs))
        for point in measured.itertuples()
    ]
    fig, axes = style.panels(2)
    optimal_width(frontiers, runs, axes[0])
    loss_over_cost(frontiers, measured, axes[1], cost=quantity)
    style.add_source_note(fig, note)
    style.save(fig, stem)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        runs = by_settings(
            in_study(pd.read_parquet(snakemake.input.runs), snakemake.wildcards.study),
            snakemake.params.split_by,
        )
        costs, note = fit_costs(runs), runs["source"].iloc[0]
        planners = [
            make_planner(of_model, law, costs[model], **snakemake.params.bootstrap)
            for model, of_model in runs.groupby("model")
            for law in snakemake.params.laws
        ]
        write_tables(runs, planners, Path(snakemake.output.html[0]).parent, note)
        draw(runs, planners, costs, Path(snakemake.output.pdf).with_suffix(""), note)
