"""Figures of the studies of architectures: kinds of layers, residual block, width of the spectrum head."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from optimetal.plots.labels import label, model_looks, sequence_colors
from optimetal.plots.legends import wrapped
from optimetal.plots.style import add_source_note, figure_size
from optimetal.scaling.ablation import Parts, improvements, start_of, type_label

_COLORS: Final = ("#000000", "#E69F00", "#0072B2", "#009E73")
_MARKERS: Final = ("o", "s", "^", "D")
# Distance of two families at equal N, as a share of the range of N.
_DODGE: Final = 0.015
# Height of a row of bars, as a share of the width of the figure.
_ROW: Final = 0.075
# Thickness of the bars, as a share of the distance of two rows.
_BAR: Final = 0.4
# Width in inch of the name of a row, and of the title of a legend beside the axes.
_NAME: Final = 1.7
_TITLE: Final = 1.4
_FAMILIES: Final = {
    "type": type_label,
    "hidden_multiplier": "multiplier {}".format,
    "num_best": "{} best".format,
}
"""What the colours of :func:`loss_of_settings` may stand for, and how it is named."""


def loss_of_settings(
    settings: pd.DataFrame,
    start: Mapping[str, float] | None,
    ax: Axes,
    *,
    family: str,
    title: str,
    source_note: str | None = None,
) -> Axes:
    """Loss over the number of parameters for all settings of one kind of layer.

    Bars are the sample standard deviation over the seeds. Where families share an N they stand a
    little beside each other. The line with its band is the
    architecture that the search started from.

    Args:
        settings: Rows of one kind of ``optimetal.scaling.ablation.read_published_ablation``.
        start: ``val_loss`` and ``val_loss_std`` of the start; None draws no line.
        ax: Axes to draw on.
        family: Column that sets the colour: "type", "hidden_multiplier" or "num_best".
        title: Kind of layer, above the legend.
        source_note: Where the data come from.
    """
    if start is not None:
        loss, std = start["val_loss"], start["val_loss_std"]
        if np.isfinite(std):  # not of a single seed
            ax.axhspan(loss - std, loss + std, color="0.88", lw=0, zorder=0)
        ax.axhline(loss, color="0.45", lw=0.8, zorder=1, label="start")
    values = sorted(settings[family].dropna().unique())
    ordered = family == "num_best" or len(values) > len(_COLORS)
    colors = sequence_colors(len(values)) if ordered else _COLORS
    num_params = settings["num_params"] / 1e6
    shared = bool((settings.groupby("num_params")[family].nunique() > 1).any())
    dodge = _DODGE * float(np.ptp(num_params.to_numpy())) if shared else 0.0
    for rank, value in enumerate(values):
        chosen = settings[family] == value
        ax.errorbar(
            num_params[chosen] + (rank - (len(values) - 1) / 2) * dodge,
            settings.loc[chosen, "val_loss"],
            settings.loc[chosen, "val_loss_std"],
            linestyle="none",
            color=colors[rank],
            marker=_MARKERS[rank % len(_MARKERS)],
            markersize=2.8,
            elinewidth=0.6,
            capthick=0.6,
            label=_FAMILIES[family](value),
        )
    ax.set(xlabel="Parameters $N$ (millions)", ylabel=label("val_loss"))
    ax.margins(x=0.08)
    ax.locator_params(axis="x", nbins=5)
    ax.legend(
        title=wrapped(title, _TITLE), loc="upper left", bbox_to_anchor=(1.0, 1.0), alignment="left"
    )
    add_source_note(ax, source_note)
    return ax


def search_figures(
    ablation: pd.DataFrame, parts: Parts, source_note: str | None
) -> Iterator[tuple[str, Figure]]:
    """All figures of a search for architectures, one after the other, with their names.

    Args:
        ablation: Table of ``optimetal.scaling.ablation``.
        parts: What its kinds are.
        source_note: Where the data come from.
    """
    titles = dict(parts.labels)
    if parts.combinations:
        titles[parts.combinations] = "Combinations"
    for kind, title in titles.items():
        settings = ablation.loc[ablation["kind"] == kind]
        families = {"": "num_best" if kind == parts.combinations else "type"}
        if kind in parts.by_multiplier:
            families["_multiplier"] = "hidden_multiplier"
        for suffix, family in families.items():
            fig, ax = plt.subplots(figsize=figure_size(1, 0.7))
            start = start_of(ablation, kind, parts)
            loss_of_settings(
                settings, start, ax, family=family, title=title, source_note=source_note
            )
            yield f"{kind}{suffix}", fig
            plt.close(fig)
    decreases = improvements(ablation, parts)
    fig, ax = plt.subplots(figsize=figure_size(1, max(0.8, 0.2 + _ROW * len(decreases))))
    improvement_bars(decreases, ax, source_note=source_note)
    yield "improvements", fig
    plt.close(fig)


def improvement_bars(
    improvements: pd.DataFrame, ax: Axes, *, source_note: str | None = None
) -> Axes:
    """How much each part of the search lowered the loss, in percent of where it started.

    Bars of the error need several seeds; a search that left out its start is named and has no bar.

    Args:
        improvements: Table of ``optimetal.scaling.ablation.improvements``.
        ax: Axes to draw on.
        source_note: Where the data come from.
    """
    rows = np.arange(len(improvements))
    ours, published = improvements["improvement"], improvements["published_improvement"]
    differs = ~np.isclose(ours, published, equal_nan=True)
    shift = np.where(differs, _BAR / 2, 0)
    ax.barh(
        rows - shift,
        ours,
        _BAR,
        color="#0072B2",
        xerr=improvements["improvement_error"].where(ours != 0),
        error_kw={"elinewidth": 0.7, "capsize": 1.5, "capthick": 0.7},
        label="start: mean over the kinds",
    )
    if differs.any():
        ax.barh(
            (rows + shift)[differs],
            published[differs],
            _BAR,
            color="#56B4E9",
            label="start as published",
        )
        ax.legend(loc="lower center", bbox_to_anchor=(0.2, 1.04))
    remarks = {"start is best": ours == 0, "start not tried": ours.isna()}
    for remark, where in remarks.items():
        for row in rows[where]:
            ax.annotate(
                remark, (0, row), (3, 0), textcoords="offset points", va="center", fontsize=5.5
            )
    ax.set_yticks(rows, [wrapped(name, _NAME) for name in improvements["comparison"]])
    ax.tick_params(axis="y", which="both", length=0)
    ax.invert_yaxis()
    ends = (ours + improvements["improvement_error"].fillna(0)).dropna()
    # the start may be the best of all
    ax.set_xlim(min([0.0, *ours.dropna()]), 1.15 * max(ends, default=0.0) or 1.0)
    ax.set_xlabel("Decrease of the validation loss (%)")
    add_source_note(ax, source_note)
    return ax


def loss_over_layers(measured: pd.DataFrame, ax: Axes, *, source_note: str | None = None) -> Axes:
    """Loss over the number of message passing layers, a line per kind of network.

    Args:
        measured: Points of ``optimetal.scaling.fits.points`` with a column ``num_layers``.
        ax: Axes to draw on.
        source_note: Where the data come from.
    """
    for model, look in model_looks(measured["model"]).items():
        line = measured.loc[measured["model"] == model].sort_values("num_layers")
        x = line["num_layers"].to_numpy(float)
        _errorbar(ax, x, line, look.color, look.marker, line["label"].iloc[0])
    ax.set(xlabel=label("num_layers"), ylabel=label("val_loss"))
    ax.xaxis.set_major_locator(ticker.MultipleLocator(1))
    ax.legend()
    add_source_note(ax, source_note)
    return ax


def loss_over_spectra_width(
    measured: pd.DataFrame,
    laws: Mapping[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]],
    ax: Axes,
    *,
    source_note: str | None = None,
) -> Axes:
    """Loss over the width of the spectrum head, beside what the same number of parameters gives.

    Args:
        measured: Points of ``optimetal.scaling.fits.points`` of one model, with a column
            ``spectra_multiplier`` (width of the head over hidden width).
        laws: Label -> law of the parameter scaling of this model, L(N), drawn at the N of each point.
        ax: Axes to draw on.
        source_note: Where the data come from.
    """
    line = measured.sort_values("spectra_multiplier")
    (look,) = model_looks(line["model"]).values()
    x, num_params = (line[name].to_numpy(float) for name in ("spectra_multiplier", "num_params"))
    _errorbar(ax, x, line, look.color, look.marker, line["label"].iloc[0])
    for (name, law), style in zip(laws.items(), ("--", ":"), strict=False):
        ax.plot(x, law(num_params), style, color="0.35", label=name)
    ax.set(xscale="log", xlabel=label("spectra_multiplier"), ylabel=label("val_loss"))
    ax.xaxis.set_major_locator(ticker.FixedLocator(list(x)))
    ax.xaxis.set_major_formatter(ticker.FormatStrFormatter("%d"))
    ax.xaxis.set_minor_locator(ticker.NullLocator())
    ax.margins(y=0.25)
    ax.legend(loc="upper right")
    add_source_note(ax, source_note)
    return ax


def _errorbar(
    ax: Axes, x: NDArray[np.float64], line: pd.DataFrame, color: str, marker: str, name: str
) -> None:
    ax.errorbar(
        x,
        line["val_loss"],
        line["val_loss_std"],
        color=color,
        marker=marker,
        elinewidth=0.7,
        capthick=0.7,
        label=name,
    )
