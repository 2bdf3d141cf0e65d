"""What to train, from the fits of a grid: optimal networks, the cheapest way to a loss, the lowest loss for a cost."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from optimetal.files import write_text
from optimetal.plots import style
from optimetal.plots.compute import loss_over_cost, optimal_width
from optimetal.scaling.compute import CostModel, Planner, decades, fit_costs, make_planner
from optimetal.scaling.fits import in_study, points
from optimetal.scaling.settings import by_settings
from optimetal.tables import to_latex, write_table
from optimetal.workflow import logged

DOUBLINGS = (2, 4)  # of the largest measured number of crystals
TARGETS = (2.0, 1.5, 1.2, 1.0, 0.9, 0.8, 0.7, 0.6)  # of the lowest measured loss


def measured_points(runs: pd.DataFrame, costs: dict[str, CostModel], epochs: float) -> pd.DataFrame:
    """Points of the grid with what a training of each costs."""
    measured = points(runs, "grid")
    quantity = next(iter(costs.values())).quantity
    measured[quantity] = [
        float(costs[point.model](point.num_params, point.num_train, epochs))
        for point in measured.itertuples()
    ]
    return measured


def write_tables(
    measured: pd.DataFrame,
    planners: list[Planner],
    costs: dict[str, CostModel],
    folder: Path,
    note: str,
) -> None:
    sizes = sorted(set(measured["num_train"]))
    sizes += [factor * sizes[-1] for factor in DOUBLINGS]
    losses = [float(f"{factor * measured['val_loss'].min():.2g}") for factor in TARGETS]
    budgets = decades(measured[planners[0].cost.quantity])
    labels = measured.set_index("model")["label"].to_dict()
    tables = {
        "compute_optimal": pd.concat([planner.frontier(sizes) for planner in planners]),
        "loss_targets": pd.concat([planner.for_loss(losses) for planner in planners]),
        "budgets": pd.concat([planner.for_cost(budgets) for planner in planners]),
        "cost": pd.DataFrame(
            [{"label": labels[model], **asdict(cost)} for model, cost in costs.items()]
        ),
    }
    for name, table in tables.items():
        write_table(folder / name, table, note)
        write_text(folder / f"{name}.tex", to_latex(table, note))


def draw(
    measured: pd.DataFrame, runs: pd.DataFrame, planners: list[Planner], stem: Path, note: str
) -> None:
    style.use()
    smallest, largest = np.quantile(measured["num_train"], (0, 1))
    sizes = np.geomspace(smallest / 1.25, largest * DOUBLINGS[-1], 50).tolist()
    frontiers = pd.concat([planner.frontier(sizes) for planner in planners])
    fig, axes = style.panels(2)
    optimal_width(frontiers, runs, axes[0])
    loss_over_cost(frontiers, measured, axes[1], cost=planners[0].cost.quantity)
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
        measured = measured_points(runs, costs, planners[0].epochs)
        write_tables(measured, planners, costs, Path(snakemake.output.html[0]).parent, note)
        draw(measured, runs, planners, Path(snakemake.output.pdf).with_suffix(""), note)
