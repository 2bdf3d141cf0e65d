"""What to train, from the fits of a grid: optimal networks, the cheapest way to a loss, the lowest loss for a cost."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from optimetal.cost.published import published_rates, with_gpu_hours
from optimetal.files import write_text
from optimetal.plots import style
from optimetal.plots.compute import loss_over_cost, optimal_width
from optimetal.plots.legends import place_legends
from optimetal.scaling.compute import (
    CostModel,
    Planner,
    decades,
    fit_costs,
    losses_around,
    make_planner,
)
from optimetal.scaling.fits import in_study, points
from optimetal.scaling.settings import by_settings
from optimetal.tables import to_latex, write_table
from optimetal.workflow import logged

DOUBLINGS = (2, 4)  # of the largest measured number of crystals


def measured_points(runs: pd.DataFrame, costs: dict[str, CostModel], epochs: float) -> pd.DataFrame:
    """Points of the grid with what a training of each costs."""
    measured = points(runs, "grid")
    quantity = next(iter(costs.values())).quantity
    measured[quantity] = [
        float(costs[point.model](point.num_params, point.num_train, epochs))
        for point in measured.itertuples()
    ]
    return measured


def answers(
    measured: pd.DataFrame, planners: list[Planner], asked: dict[str, list[float]]
) -> dict[str, pd.DataFrame]:
    sizes = sorted(set(measured["num_train"]))
    sizes += [factor * sizes[-1] for factor in DOUBLINGS]
    losses = asked["losses"] or losses_around(measured["val_loss"].min())
    budgets = asked["budgets"] or decades(measured[planners[0].cost.quantity])
    return {
        "compute_optimal": pd.concat(
            [planner.frontier(sizes) for planner in planners], ignore_index=True
        ),
        "loss_targets": pd.concat(
            [planner.for_loss(losses) for planner in planners], ignore_index=True
        ),
        "budgets": pd.concat(
            [planner.for_cost(budgets) for planner in planners], ignore_index=True
        ),
    }


def cost_table(measured: pd.DataFrame, costs: dict[str, CostModel]) -> pd.DataFrame:
    labels = measured.set_index("model")["label"].to_dict()
    return pd.DataFrame([{"label": labels[model], **asdict(cost)} for model, cost in costs.items()])


def draw(
    measured: pd.DataFrame, runs: pd.DataFrame, planners: list[Planner], stem: Path, note: str
) -> None:
    style.use()
    smallest, largest = np.quantile(measured["num_train"], (0, 1))
    sizes = np.geomspace(smallest / 1.25, largest * DOUBLINGS[-1], 50).tolist()
    frontiers = pd.concat([planner.frontier(sizes) for planner in planners], ignore_index=True)
    fig, axes = style.panels(2)
    optimal_width(frontiers, runs, axes[0])
    loss_over_cost(frontiers, measured, axes[1], cost=planners[0].cost.quantity)
    style.add_source_note(fig, note)
    place_legends(fig)
    style.save(fig, stem)


def main(trainings: pd.DataFrame) -> None:
    params, output = snakemake.params, snakemake.output
    runs = by_settings(in_study(trainings, snakemake.wildcards.study), params.split_by)
    costs, note = fit_costs(runs), runs["source"].iloc[0]
    planners = [
        make_planner(of_model, law, costs[model], **params.bootstrap)
        for model, of_model in runs.groupby("model")
        for law in params.laws
    ]
    epochs = planners[0].epochs
    measured = measured_points(runs, costs, epochs)
    tables = answers(measured, planners, params.asked)
    if params.published:
        rates = published_rates(trainings)
        tables = {name: with_gpu_hours(table, rates, epochs) for name, table in tables.items()}
    for name, table in (tables | {"cost": cost_table(measured, costs)}).items():
        stem = Path(output.html[0]).parent / name
        write_table(stem, table, note)
        write_text(stem.with_suffix(".tex"), to_latex(table, note))
    draw(measured, runs, planners, Path(output.pdf).with_suffix(""), note)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main(pd.read_parquet(snakemake.input.runs))
