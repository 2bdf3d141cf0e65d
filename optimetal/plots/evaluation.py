"""Figures that show how well a network predicts: over all materials, and material by material."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter
from numpy.typing import NDArray

from optimetal.optics.color import material_lab
from optimetal.plots.labels import (
    MODELS,
    ModelLook,
    formula,
    label,
    model_looks,
    sequence_colors,
)
from optimetal.plots.legends import wrapped
from optimetal.plots.spectra import draw_parts, draw_swatches, legend_handles
from optimetal.plots.style import add_source_note

Arrays = Mapping[str, NDArray]

_TAIL = 0.02
"""Share of materials that the limits of a long-tailed metric may leave out."""

_MOST_LEVEL = 4
"""Violins with level names."""

_SIGNED = {"drude_diff", "drude_rel_diff"}
_QUARTILES = ("best quarter", "second quarter", "third quarter", "worst quarter")


def draw_histogram(
    ax: Axes,
    table: pd.DataFrame,
    metric: str,
    *,
    num_bins: int = 50,
    color: str = "#0072B2",
    source_note: str | None = None,
) -> Axes:
    """Distribution of a metric over materials, with its mean and median.

    The axis ends where the long tail begins: at most 2 % of the materials lie beyond, and the
    figure says how many. Mean and median are those of all materials.

    Args:
        ax: Axes to draw on.
        table: Metrics per material.
        metric: Column of the table, with a label in ``labels.QUANTITIES``.
        num_bins: Number of bins between the limits.
        color: Of the bars.
        source_note: Where the data come from.

    Raises:
        ValueError: If the column is missing, empty or not finite.
    """
    values = _values(table, metric)
    low, high = _limits(values, metric)
    ax.hist(values, bins=num_bins, range=(low, high), color=color, alpha=0.55, linewidth=0)
    for name, value, style in (
        ("mean", values.mean(), "-"),
        ("median", np.median(values), "--"),
    ):
        ax.axvline(value, color="black", linewidth=0.9, linestyle=style, label=_stated(name, value))
    beyond = int(((values < low) | (values > high)).sum())
    if beyond:
        ax.plot([], [], " ", label=f"{beyond} of {len(values)} beyond")
    ax.set_xlim(low, high)
    ax.set_xlabel(label(metric))
    ax.set_ylabel(label("num_materials"))
    ax.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.legend(loc="upper left" if _bounded_above(metric) else "upper right")
    add_source_note(ax, source_note)
    return ax


def draw_violins(
    ax: Axes,
    tables: Mapping[str, pd.DataFrame],
    metric: str,
    *,
    source_note: str | None = None,
) -> Axes:
    """Distribution of a metric over materials, one violin per model.

    The white bar is the median, the box spans the middle half of the materials, the diamond is the
    mean, all of them over all materials. Limits as in :func:`draw_histogram`, common to all models.

    Args:
        ax: Axes to draw on.
        tables: Metrics per material for each model key.
        metric: Column of the tables.
        source_note: Where the data come from.

    Raises:
        ValueError: If there is no model, or a column is missing, empty or not finite.
    """
    if not tables:
        raise ValueError("there is no model to draw: give at least one table of metrics")
    columns = {model: _values(table, metric) for model, table in tables.items()}
    limits = np.array([_limits(values, metric) for values in columns.values()])
    low, high = limits[:, 0].min(), limits[:, 1].max()
    looks = model_looks(columns)
    for place, (model, values) in enumerate(columns.items()):
        _draw_violin(ax, place, values, (low, high), looks[model].color)
    is_level = len(columns) <= _MOST_LEVEL
    named = _two_lines if is_level else _long_lines
    ax.set_xticks(range(len(columns)), [named(looks[model].label) for model in columns])
    ax.tick_params(axis="x", length=0, rotation=0 if is_level else 90)
    ax.set_xlim(-0.6, len(columns) - 0.4)
    ax.set_ylim(low, high)
    ax.set_ylabel(label(metric))
    add_source_note(ax, source_note)
    return ax


def draw_drude_parity(
    ax: Axes, table: pd.DataFrame, *, drude_r2: float | None = None, source_note: str | None = None
) -> Axes:
    """Predicted over target Drude frequency, one pale dot per material.

    Args:
        ax: Axes to draw on.
        table: Metrics per material, of which drude_target and drude_predicted are drawn.
        drude_r2: R² over all materials, written into the figure when given.
        source_note: Where the data come from.

    Raises:
        ValueError: If a column is missing, empty or not finite.
    """
    target, predicted = _values(table, "drude_target"), _values(table, "drude_predicted")
    top = 1.04 * max(target.max(), predicted.max(), 1e-3)
    # As pixels: tens of thousands of dots would make a vector file slow to open.
    ax.scatter(target, predicted, 4, color="#0072B2", alpha=0.3, linewidths=0, rasterized=True)
    ax.plot([0, top], [0, top], color="black", linewidth=0.7)
    lines = [f"MAE {np.abs(predicted - target).mean():.3g} eV"]
    if drude_r2 is not None:
        lines.append(f"$R^2$ {drude_r2:.3f}")
    ax.text(0.05, 0.95, "\n".join(lines), transform=ax.transAxes, va="top", fontsize=6.5)
    ax.set(xlim=(0, top), ylim=(0, top), aspect="equal")
    ax.set_xlabel(label("drude_frequency_target"))
    ax.set_ylabel(label("drude_frequency_predicted"))
    add_source_note(ax, source_note)
    return ax


def draw_random_materials(
    fig: Figure,
    table: pd.DataFrame,
    predictions: Arrays,
    targets: Arrays,
    *,
    num_rows: int = 4,
    num_columns: int = 3,
    seed: int = 0,
    source_note: str | None = None,
) -> Figure:
    """Random materials: prediction against target, with formula, colours and their difference.

    Args:
        fig: Empty figure to draw on.
        table: Metrics per material, in the order of the arrays.
        predictions: "eps_inter" (n, NUM_ENERGIES, 2) and "drude_frequency" (n,).
        targets: Same.
        num_rows: Rows of the grid; fewer panels appear where there are fewer materials.
        num_columns: Columns of the grid.
        seed: Of the choice of materials.
        source_note: Where the data come from.

    Raises:
        ValueError: If the table is empty or not as long as the arrays.
    """
    _check_same_length(table, predictions, targets)
    chosen = _sample(np.arange(len(table)), num_rows * num_columns, seed)
    grid = fig.subplots(num_rows, num_columns, sharex=True, squeeze=False)
    _draw_panels(grid, chosen.tolist(), table, predictions, targets)
    _label_grid(fig, source_note)
    return fig


def draw_quartiles(
    fig: Figure,
    table: pd.DataFrame,
    predictions: Arrays,
    targets: Arrays,
    *,
    num_columns: int = 6,
    seed: int = 0,
    source_note: str | None = None,
) -> Figure:
    """Four rows of random materials, one for each quarter of the loss, best above.

    Args:
        fig: Empty figure to draw on.
        table: Metrics per material, in the order of the arrays.
        predictions: "eps_inter" (n, NUM_ENERGIES, 2) and "drude_frequency" (n,).
        targets: Same.
        num_columns: Materials of each quarter.
        seed: Of the choice of materials.
        source_note: Where the data come from.

    Raises:
        ValueError: If there are fewer than four materials or the lengths differ.
    """
    _check_same_length(table, predictions, targets)
    if len(table) < len(_QUARTILES):
        raise ValueError(f"quarters of the loss need at least 4 materials, got {len(table)}")
    loss = _values(table, "loss")
    grid = fig.subplots(len(_QUARTILES), num_columns, sharex=True, squeeze=False)
    quarters = np.array_split(np.argsort(loss, kind="stable"), len(_QUARTILES))
    for axes, name, quarter in zip(grid, _QUARTILES, quarters, strict=True):
        chosen = _sample(quarter, num_columns, seed)
        _draw_panels(axes[np.newaxis], chosen.tolist(), table, predictions, targets)
        span = f"$L$ = {loss[quarter[0]]:.2g} … {loss[quarter[-1]]:.2g}"
        axes[0].set_ylabel(f"{name}\n{span}", fontsize=6)
    _label_grid(fig, source_note)
    return fig


def draw_learning_curves(
    ax: Axes,
    histories: Mapping[str, pd.DataFrame],
    *,
    lr_ax: Axes | None = None,
    source_note: str | None = None,
) -> Axes:
    """Training (thin) and validation loss (thick) over epochs; a dot marks the best epoch.

    Args:
        ax: Axes to draw the losses on, logarithmic.
        histories: For each run its name and a table with columns epoch, train_loss, val_loss and,
            for ``lr_ax``, lr. Model keys bring their own colour and label; other names are taken for
            an ordered family, such as sizes.
        lr_ax: Axes below, for the learning rate.
        source_note: Where the data come from.

    Raises:
        ValueError: If there is no run, or a column is missing, empty or not finite.
    """
    if not histories:
        raise ValueError("there is no run to draw: give at least one history")
    for history, look in zip(histories.values(), _curve_looks(histories), strict=True):
        epoch, train, val = (_values(history, c) for c in ("epoch", "train_loss", "val_loss"))
        best = val.argmin()
        ax.plot(epoch, train, color=look.color, linewidth=0.6, alpha=0.6)
        ax.plot(epoch, val, color=look.color, label=look.label)
        ax.plot(epoch[best], val[best], "o", color=look.color, markeredgecolor="white", zorder=3)
        if lr_ax is not None:
            lr_ax.plot(epoch, _values(history, "lr"), color=look.color)
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.set_ylabel(label("loss"))
    lowest = ax
    if lr_ax is not None:
        lr_ax.sharex(ax)
        ax.tick_params(labelbottom=False)
        lr_ax.set_ylabel(label("lr"))
        lowest = lr_ax
    lowest.set_xlabel(label("epoch"))
    ax.plot([], [], color="0.3", linewidth=0.6, alpha=0.6, label="training loss")
    ax.legend(loc="upper right")
    add_source_note(ax, source_note)
    return ax


def _curve_looks(names: Iterable[str]) -> list[ModelLook]:
    names = list(names)
    if set(names) & set(MODELS):
        return list(model_looks(names).values())
    return [
        ModelLook(name, color, "o")
        for name, color in zip(names, sequence_colors(len(names)), strict=True)
    ]


def _draw_violin(
    ax: Axes, place: int, values: NDArray, limits: tuple[float, float], color: str
) -> None:
    lower, median, upper = np.quantile(values, [0.25, 0.5, 0.75])
    shown = values[(values >= limits[0]) & (values <= limits[1])]
    if shown.size and np.ptp(shown) > 0:  # a single value has no density
        parts = ax.violinplot([shown], [place], widths=0.85, showextrema=False)
        for body in parts["bodies"]:  # type: ignore[union-attr]
            body.set(facecolor=color, edgecolor=color, alpha=0.45, linewidth=0.6)
    ax.vlines(place, lower, upper, color=color, linewidth=4, zorder=2)
    ax.plot(place, median, "_", color="white", markersize=5, markeredgewidth=1.2, zorder=3)
    ax.plot(place, values.mean(), "D", color="black", markersize=2.6, zorder=4)


def _draw_panels(
    grid: NDArray,
    rows: list[int],
    table: pd.DataFrame,
    predictions: Arrays,
    targets: Arrays,
) -> None:
    """One small panel per material; panels left over are switched off."""
    panels: list[Axes] = grid.ravel().tolist()
    for place in range(len(rows), len(panels)):
        panels[place].set_axis_off()
        if place >= grid.shape[1]:  # the panel above is now the lowest of its column
            panels[place - grid.shape[1]].tick_params(labelbottom=True)
    labs = [_lab(arrays, rows) for arrays in (predictions, targets)]
    for ax, row, predicted_lab, target_lab in zip(panels, rows, *labs, strict=False):
        predicted, target = (arrays["eps_inter"][row] for arrays in (predictions, targets))
        draw_parts(ax, predicted, target, linewidth=0.6)
        draw_swatches(ax, predicted_lab, target_lab)
        ax.set_title(formula(table["composition"].iloc[row]), fontsize=6, pad=2.5)
        ax.tick_params(labelsize=5.5)
        ax.yaxis.set_major_locator(MaxNLocator(3))


def _label_grid(fig: Figure, source_note: str | None) -> None:
    fig.supxlabel(label("energy"), fontsize=7)
    fig.supylabel(label("eps_inter"), fontsize=7)
    swatches = Patch(
        facecolor="0.9", edgecolor="0.3", linewidth=0.4, label="colours: target, prediction"
    )
    handles = [*legend_handles(), swatches]
    fig.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    add_source_note(fig, source_note)


def _lab(arrays: Arrays, rows: list[int]) -> NDArray[np.float64]:
    eps = arrays["eps_inter"][rows]
    return material_lab(eps[..., 0] + 1j * eps[..., 1], arrays["drude_frequency"][rows])


def _sample(rows: NDArray, num: int, seed: int) -> NDArray:
    return np.random.default_rng(seed).choice(rows, min(num, len(rows)), replace=False)


def _bounded_above(metric: str) -> bool:
    return metric.endswith(("_r2", "_sc"))


def _limits(values: NDArray, metric: str) -> tuple[float, float]:
    """Range to show: symmetric for signed metrics, up to 1 for R² and SC, from 0 for errors."""
    if metric in _SIGNED:
        reach = float(np.quantile(np.abs(values), 1 - _TAIL)) or 1.0
        return -reach, reach
    if _bounded_above(metric):
        low = float(np.quantile(values, _TAIL))
        return (low, 1.0) if low < 1 else (0.0, 1.0)
    return 0.0, float(np.quantile(values, 1 - _TAIL)) * 1.02 or 1.0


def _stated(name: str, value: float) -> str:
    return f"{name} {value:.3g}".replace("-", "−")


def _two_lines(text: str) -> str:
    return "\n".join(wrapped(line, 0.8) for line in text.replace(" (", "\n(").split("\n"))


def _long_lines(text: str) -> str:
    return wrapped(text, 1.1)


def _values(table: pd.DataFrame, column: str) -> NDArray[np.float64]:
    if column not in table:
        raise ValueError(f"the table needs a column {column!r}, it has {list(table.columns)}")
    values = table[column].to_numpy(dtype=float)
    if values.size == 0:
        raise ValueError(f"the table has no row: there is no {column!r} to draw")
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise ValueError(
            f"column {column!r} must be finite, but {bad.size} of {values.size} values are not, "
            f"the first in row {bad[0]}: drop these rows or look for the cause"
        )
    return values


def _check_same_length(table: pd.DataFrame, predictions: Arrays, targets: Arrays) -> None:
    lengths = [len(table), len(predictions["eps_inter"]), len(targets["eps_inter"])]
    if len(set(lengths)) != 1 or not lengths[0]:
        raise ValueError(
            f"table, predictions and targets must list the same materials and at least one, got "
            f"{lengths} entries"
        )
