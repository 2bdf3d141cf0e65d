"""What a plan from fits says: the optimal width for each number of crystals, and loss over cost."""

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from optimetal.plots.labels import label, model_looks
from optimetal.plots.scaling import finish_log
from optimetal.scaling.laws import get_law

_LINES: Final = ("-", "--", ":", "-.")
"""One for each law."""


def optimal_width(
    frontiers: pd.DataFrame, measured: pd.DataFrame, ax: Axes, *, source_note: str | None = None
) -> Axes:
    """Width that is optimal for its cost over the number of crystals, with 95 % bands.

    The grey field holds the measured sizes; all outside is extrapolated.

    Args:
        frontiers: Tables of ``Planner.frontier`` of all models and laws.
        measured: Training runs of the grid.
        ax: Axes to draw on.
        source_note: Where the data come from.
    """
    _curves(frontiers, ax, x="num_train", y="width")
    finish_log(ax, label("num_train"), label("width"), source_note)
    (left, right), (lowest, highest) = (
        np.quantile(measured[column], (0, 1)).tolist() for column in ("num_train", "width")
    )
    field = Rectangle((left, lowest), right - left, highest - lowest)
    field.set(color="0.93", zorder=0, label="measured")
    ax.add_patch(field)
    ax.set_ylim(top=1.25 * max(highest, ax.get_ylim()[1]))
    ax.legend(loc="upper left")
    return ax


def loss_over_cost(
    frontiers: pd.DataFrame,
    measured: pd.DataFrame,
    ax: Axes,
    *,
    cost: str,
    source_note: str | None = None,
) -> Axes:
    """Loss of the optimal networks over their cost, above which all measured ones should lie.

    Args:
        frontiers: Tables of ``Planner.frontier`` of all models and laws.
        measured: Points of ``points(runs, "grid")`` with the cost of their trainings.
        ax: Axes to draw on.
        cost: Column of the cost, "hours" or "compute".
        source_note: Where the data come from.
    """
    for model, look in model_looks(measured["model"]).items():
        of_model = measured.loc[measured["model"] == model]
        ax.plot(
            of_model[cost],
            of_model["val_loss"],
            look.marker,
            color=look.color,
            ms=2,
            alpha=0.5,
            label=of_model["label"].iloc[0],
        )
    _curves(frontiers, ax, x=cost, y="loss")
    finish_log(ax, label(cost), label("val_loss"), source_note)
    return ax


def _curves(frontiers: pd.DataFrame, ax: Axes, *, x: str, y: str) -> None:
    looks = model_looks(frontiers["model"])
    lines = dict(zip(frontiers["law"].unique(), _LINES, strict=False))
    for model, law in frontiers[["model", "law"]].drop_duplicates().to_numpy().tolist():
        curve = frontiers.loc[(frontiers["model"] == model) & (frontiers["law"] == law)]
        name = f"{curve['label'].iloc[0]}, {get_law(law).label}"
        color = looks[model].color
        if np.isnan(curve["num_params"]).all():
            ax.plot([], [], lines[law], color=color, alpha=0.4, label=f"{name} (not converged)")
            continue
        ax.plot(curve[x], curve[y], lines[law], color=color, label=name)
        ax.fill_between(curve[x], curve[f"{y}_low"], curve[f"{y}_high"], color=color, alpha=0.2)
