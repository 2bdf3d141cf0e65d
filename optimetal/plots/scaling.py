"""Figures of the scaling studies: loss over data, parameters and learning rate, with laws."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from optimetal.plots.labels import label, model_looks, sequence_colors
from optimetal.plots.legends import place_legends, without_shared_start
from optimetal.plots.style import add_source_note, figure_size, panels
from optimetal.scaling.fits import VARIABLES, Fit, read_fit
from optimetal.scaling.laws import get_law
from optimetal.scaling.learning_rate import best_learning_rates, mean_over_seeds
from optimetal.scaling.selection import select
from optimetal.scaling.tables import format_uncertain

_SYMBOL: Final = {"num_train": "D", "num_params": "N"}
_NOT_CONVERGED: Final = "open: law not converged"
# Height of a figure for each bar, as a share of its width.
_BAR: Final = 0.03
# Lines run this factor beyond the first and the last point.
_MARGIN: Final = 1.25
# Where ticks may stand in a decade, from few to many.
_DECADE_PARTS: Final = ((1,), (1, 3), (1, 2, 5), (1, 2, 3, 5, 7), (1, 1.5, 2, 3, 4, 5, 7))


def loss_scaling(
    measured: pd.DataFrame,
    fits: pd.DataFrame,
    ax: Axes,
    *,
    law: str,
    legend: bool = True,
    source_note: str | None = None,
) -> Axes:
    """Loss over data or parameters, with one fitted law per model.

    Bars are the standard deviation over the seeds; a vertical tick on a line marks its break. Where the law did not
    converge, the symbols are open. What all names begin with is the title of the legend.

    Args:
        measured: Points of ``optimetal.scaling.fits.points``.
        fits: Table of ``fit_runs`` over the axis to draw.
        ax: Axes to draw on.
        law: Name of the law.
        legend: Whether to draw the legend.
        source_note: Where the data come from.
    """
    x = _axis_of(fits)
    chosen = fits.loc[fits["law"] == law].set_index("model", drop=False)
    failed = set(chosen.loc[~chosen["converged"], "model"])
    title, names = _names(measured)
    for model, look in model_looks(measured["model"]).items():
        of_model = measured.loc[measured["model"] == model].sort_values(x)
        _errorbar(
            ax,
            of_model[x],
            of_model,
            color=look.color,
            marker=look.marker,
            label=names[model],
            is_open=model in failed,
        )
        if model in chosen.index and model not in failed:
            _draw_law(ax, of_model[x], read_fit(chosen.loc[model]), look.color)
    finish_log(ax, label(x), label("val_loss"), source_note)
    if legend:
        if failed:
            ax.add_line(_symbol("0.35", "o", _NOT_CONVERGED, is_open=True))
        ax.legend(title=title, alignment="left")
    return ax


def trial_laws(
    measured: pd.DataFrame,
    fits: pd.DataFrame,
    axes: Iterable[Axes],
    *,
    source_note: str | None = None,
) -> list[Axes]:
    """One panel per fitted law, see :func:`loss_scaling`; the first panel holds the legend of all.

    Args:
        measured: Points of ``optimetal.scaling.fits.points``.
        fits: Table of ``fit_runs`` over one axis.
        axes: As many axes as there are laws in the table.
        source_note: Where the data come from, above the last panel.
    """
    laws, axes = list(fits["law"].unique()), list(axes)
    for panel, (ax, law) in enumerate(zip(axes, laws, strict=True)):
        loss_scaling(measured, fits, ax, law=law, legend=False)
        ax.set_title(get_law(law).label, loc="left")
        if ax.get_subplotspec() is not None:
            _label_outer(ax, is_last_below=panel + _columns(ax) >= len(axes))
    title, names = _names(measured)
    symbols = [
        _symbol(look.color, look.marker, names[model])
        for model, look in model_looks(measured["model"]).items()
    ]
    if not all(fits["converged"]):
        symbols.append(_symbol("0.35", "o", _NOT_CONVERGED, is_open=True))
    axes[0].legend(handles=symbols, title=title, alignment="left")
    add_source_note(axes[-1], source_note)
    return axes


def aicc_bars(fits: pd.DataFrame, ax: Axes, *, source_note: str | None = None) -> Axes:
    """AICc of every law above that of the best law of the same model; zero is best.

    Args:
        fits: Table of ``fit_runs`` or ``fit_grid`` over one axis.
        ax: Axes to draw on.
        source_note: Where the data come from.
    """
    laws, looks = list(fits["law"].unique()), model_looks(fits["model"])
    compared = select(fits).pivot(index="law", columns="model", values="delta_aicc").loc[laws]
    height = 0.8 / len(looks)
    title, names = _names(fits)
    for rank, (model, look) in enumerate(looks.items()):
        delta = compared[model].to_numpy()
        rows = np.arange(len(laws)) + (rank - (len(looks) - 1) / 2) * height
        ax.barh(rows, np.nan_to_num(delta), height, color=look.color, label=names[model])
        for row, value in zip(rows, delta, strict=True):
            if not value > 0:
                note = "best" if value == 0 else "no AICc"
                _beside(ax, note, row, look.color)
    ax.set_yticks(range(len(laws)), [get_law(law).label.replace(" +", "\n+") for law in laws])
    ax.tick_params(axis="y", which="both", length=0)
    ax.invert_yaxis()
    widest = np.nanmax(compared.to_numpy(), initial=2.0)
    ax.set_xlim(0, 1.08 * widest)
    ax.set_xlabel(rf"{label('aicc')} $-$ {label('aicc')} of the best law")
    ax.legend(title=title, alignment="left")
    add_source_note(ax, source_note)
    return ax


def curve_figures(
    measured: pd.DataFrame, fits: pd.DataFrame, *, law: str, source_note: str | None = None
) -> Iterator[tuple[str, Figure]]:
    """The figures of a study along one axis, one after the other, with their names.

    They are ``scaling`` (:func:`loss_scaling`), ``laws`` (:func:`trial_laws`) and ``aicc`` (:func:`aicc_bars`).

    Args:
        measured: Points of ``optimetal.scaling.fits.points``.
        fits: Table of ``fit_runs`` over one axis.
        law: Of the first figure.
        source_note: Where the data come from.
    """
    fig, ax = plt.subplots(figsize=figure_size(1, 0.8))
    loss_scaling(measured, fits, ax, law=law, source_note=source_note)
    yield "scaling", _finished(fig)

    num_laws = len(set(fits["law"]))
    fig, axes = panels(num_laws, columns=2 if num_laws > 1 else 1, share_axes=True)
    trial_laws(measured, fits, axes, source_note=source_note)
    yield "laws", _finished(fig)

    fig, ax = plt.subplots(figsize=figure_size(1, max(0.8, 0.2 + _BAR * len(fits))))
    aicc_bars(fits, ax, source_note=source_note)
    yield "aicc", _finished(fig)


def grid_lines(
    measured: pd.DataFrame,
    fits: pd.DataFrame,
    ax: Axes,
    *,
    model: str,
    law: str,
    over: Literal["num_params", "num_train"],
    source_note: str | None = None,
) -> Axes:
    """Loss of one model over N for every D, or over D for every N, with a law over both.

    Args:
        measured: Points of ``points(runs, "grid")``.
        fits: Table of ``fit_grid``.
        ax: Axes to draw on; its legend is placed outside, on the right.
        model: Key of the model.
        law: Name of the grid law.
        over: What the horizontal axis shows.
        source_note: Where the data come from.
    """
    of_model, fit = _model_and_fit(measured, fits, model, law)
    other = "num_train" if over == "num_params" else "num_params"
    values = sorted(of_model[other].unique())
    for value, color in zip(values, sequence_colors(len(values)), strict=True):
        line = of_model.loc[of_model[other] == value].sort_values(over)
        _errorbar(ax, line[over], line, color=color, marker="o", label=_engineering(value))
        if fit.converged:
            x = _between(line[over])
            columns = {over: x, other: np.full_like(x, value)}
            loss = fit.predict(np.array([columns[name] for name in VARIABLES["grid"]]))
            ax.plot(x, loss, color=color)
    finish_log(ax, label(over), label("val_loss"), source_note)
    ax.legend(title=f"${_SYMBOL[other]}$", loc="center left", bbox_to_anchor=(1.0, 0.5))
    _name_not_converged(ax, fits.loc[(fits["model"] == model) & (fits["law"] == law)])
    return ax


def grid_contours(
    measured: pd.DataFrame,
    fits: pd.DataFrame,
    ax: Axes,
    *,
    model: str,
    law: str,
    source_note: str | None = None,
) -> Axes:
    """Map of the fitted loss of one model over N and D; the points carry the measured colour.

    Args:
        measured: Points of ``points(runs, "grid")``.
        fits: Table of ``fit_grid``.
        ax: Axes to draw on; its figure gets a colour bar.
        model: Key of the model.
        law: Name of the grid law.
        source_note: Where the data come from.
    """
    of_model, fit = _model_and_fit(measured, fits, model, law)
    lowest, highest = np.quantile(of_model["val_loss"], (0, 1))
    norm = LogNorm(lowest / 1.05, highest * 1.05)
    ax.set(xscale="log", yscale="log")
    if fit.converged:
        mesh = np.meshgrid(_between(of_model["num_params"]), _between(of_model["num_train"]))
        loss = fit.predict(np.stack([values.ravel() for values in mesh])).reshape(mesh[0].shape)
        ax.pcolormesh(*mesh, loss, norm=norm, cmap="viridis", shading="gouraud", rasterized=True)
        levels = _plain_ticks(*np.quantile(loss, (0, 1)), at_least=6)
        lines = ax.contour(*mesh, loss, levels=levels, colors="white", linewidths=0.5)
        paths = [np.asarray(path.vertices) for path in lines.get_paths()]
        middles = [vertices[len(vertices) // 2] for vertices in paths if len(vertices)]
        ax.clabel(lines, fontsize=5.5, fmt="%g", manual=middles)
    dots = ax.scatter(
        of_model["num_params"],
        of_model["num_train"],
        c=of_model["val_loss"],
        norm=norm,
        cmap="viridis",
        s=14,
        edgecolors="black",
        linewidths=0.5,
        zorder=3,
    )
    bar = ax.figure.colorbar(dots, ax=ax, label=label("val_loss"))
    _plain_log_ticks(bar.ax.yaxis, at_least=4)
    finish_log(ax, label("num_params"), label("num_train"), source_note)
    _plain_log_ticks(ax.yaxis, at_least=2)
    ax.tick_params(which="both", direction="out", top=False, right=False)
    _name_not_converged(ax, fits.loc[(fits["model"] == model) & (fits["law"] == law)])
    return ax


def loss_over_width(runs: pd.DataFrame, ax: Axes, *, source_note: str | None = None) -> Axes:
    """Loss of one model over its width, a line per exponent of the learning rate.

    Args:
        runs: Table of ``optimetal.scaling.learning_rate.with_lr_exponent``.
        ax: Axes to draw on.
        source_note: Where the data come from.
    """
    symbol = r"$\gamma$"
    _family(runs, ax, x="width", family="lr_exponent", title=symbol, name="{:g}".format)
    finish_log(ax, label("width"), label("val_loss"), source_note)
    _ticks_at(ax.xaxis, runs["width"])
    return ax


def loss_over_exponent(runs: pd.DataFrame, ax: Axes, *, source_note: str | None = None) -> Axes:
    """Loss of one model over the exponent of the learning rate, a line per width.

    Args:
        runs: Table of ``optimetal.scaling.learning_rate.with_lr_exponent``.
        ax: Axes to draw on.
        source_note: Where the data come from.
    """
    _family(runs, ax, x="lr_exponent", family="width", title="$h$", name=str)
    finish_log(ax, label("lr_exponent"), label("val_loss"), source_note)
    ax.set_xscale("linear")
    ax.autoscale(axis="x")
    return ax


def loss_over_lr(runs: pd.DataFrame, ax: Axes, *, source_note: str | None = None) -> Axes:
    """Loss of one model over the learning rate, a line per width; stars mark the best rates.

    Args:
        runs: Table of the training runs of a learning-rate study.
        ax: Axes to draw on.
        source_note: Where the data come from.
    """
    means, best = mean_over_seeds(runs), best_learning_rates(runs)
    for (width, line), color in zip(
        means.groupby("width"), sequence_colors(len(set(means["width"]))), strict=True
    ):
        _errorbar(ax, line["lr"], line, color=color, marker="o", label=str(width), linestyle="-")
        optimum = best.loc[best["width"] == width]
        ax.plot(
            optimum["lr"],
            optimum["val_loss"],
            "*",
            color=color,
            ms=8,
            mec="black",
            mew=0.5,
            zorder=5,
        )
    finish_log(ax, label("lr"), label("val_loss"), source_note)
    ax.legend(title="$h$", loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax


def best_lr_over_params(
    runs: pd.DataFrame, fits: pd.DataFrame, ax: Axes, *, source_note: str | None = None
) -> Axes:
    """Best learning rate over the number of parameters, with the fitted exponent.

    Open symbols are optima at the edge of the rates that were tried.

    Args:
        runs: Table of the training runs of a learning-rate study.
        fits: Table of ``optimetal.scaling.learning_rate.fit_learning_rate``.
        ax: Axes to draw on.
        source_note: Where the data come from.
    """
    best = best_learning_rates(runs)
    looks = model_looks(best["model"])
    for fit in fits.to_dict("records"):
        look, sizes = looks[fit["model"]], best.loc[best["model"] == fit["model"]]
        x = _between(sizes["num_params"])
        gamma = format_uncertain(fit["gamma"], fit["gamma_error"])
        name = rf"{fit['label']}: $\gamma$ = {gamma}"
        lr = fit["lr0"] * (fit["num_params0"] / x) ** fit["gamma"]
        ax.plot(x, lr, color=look.color, label=name)
        for at_edge, group in sizes.groupby("at_edge"):
            face = "white" if at_edge else look.color
            ax.plot(group["num_params"], group["lr"], look.marker, color=look.color, mfc=face)
    finish_log(ax, label("num_params"), label("lr"), source_note)
    _plain_log_ticks(ax.yaxis, at_least=2)
    ax.legend()
    return ax


def finish_log(ax: Axes, xlabel: str, ylabel: str, source_note: str | None) -> None:
    """Logarithmic axes with plain numbers, their labels, and where the data come from."""
    ax.set(xscale="log", yscale="log", xlabel=xlabel, ylabel=ylabel)
    _plain_log_ticks(ax.xaxis, at_least=2)
    _plain_log_ticks(ax.yaxis, at_least=4)
    add_source_note(ax, source_note)


def _axis_of(fits: pd.DataFrame) -> str:
    unique = sorted(set(fits["x"]))
    if len(unique) != 1 or unique[0] not in _SYMBOL:
        raise ValueError(f"expected fits over one of {list(_SYMBOL)}, got {unique}: filter them")
    return unique[0]


def _model_and_fit(
    measured: pd.DataFrame, fits: pd.DataFrame, model: str, law: str
) -> tuple[pd.DataFrame, Fit]:
    of_model = measured.loc[measured["model"] == model]
    rows = fits.loc[(fits["model"] == model) & (fits["law"] == law)]
    if of_model.empty or len(rows) != 1:
        raise ValueError(
            f"expected points and one fit of {law!r} for model {model!r}, got {len(of_model)} "
            f"points and {len(rows)} fits: the fits have {sorted(set(fits['model']))} and "
            f"{sorted(set(fits['law']))}"
        )
    return of_model, read_fit(rows.iloc[0])


def _errorbar(
    ax: Axes,
    x: ArrayLike,
    loss: pd.DataFrame,
    *,
    color: str | tuple[float, ...],
    marker: str,
    label: str,
    linestyle: str = "none",
    is_open: bool = False,
) -> None:
    bars = ax.errorbar(
        x,
        loss["val_loss"],
        loss["val_loss_std"].replace(0.0, np.nan),  # a single seed tells of no spread
        color=color,
        marker=marker,
        mfc="white" if is_open else color,
        linestyle=linestyle,
        elinewidth=0.7,
        capthick=0.7,
    )
    # labels on the line, not on the container: the legend shows no bars
    bars[0].set_label(label)


def _draw_law(ax: Axes, x: ArrayLike, fit: Fit, color: str) -> None:
    line = _between(x)
    ax.plot(line, fit.predict(line), color=color)
    for name, value in zip(get_law(fit.law).names, fit.parameters, strict=True):
        if name.startswith("x_break") and line[0] <= value <= line[-1]:
            ax.plot(value, fit.predict(value), marker="|", ms=10, mew=1.0, color=color)


def _names(table: pd.DataFrame) -> tuple[str, dict[str, str]]:
    """What the labels of all models begin with, and what is left of each: model -> name."""
    labels = table.drop_duplicates("model").set_index("model")["label"]
    title, names = without_shared_start(labels)
    return title, dict(zip(labels.index, names, strict=True))


def _symbol(color: str, marker: str, name: str, *, is_open: bool = False) -> Line2D:
    face = "white" if is_open else color
    return Line2D([], [], color=color, marker=marker, mfc=face, linestyle="none", label=name)


def _finished(fig: Figure) -> Figure:
    place_legends(fig)
    plt.close(fig)  # pyplot would keep it
    return fig


def _beside(ax: Axes, text: str, row: float, color: str) -> None:
    ax.annotate(
        text,
        (0, row),
        xytext=(2, 0),
        textcoords="offset points",
        va="center",
        fontsize=5.5,
        color=color,
    )


def _columns(ax: Axes) -> int:
    place = ax.get_subplotspec()
    return place.get_gridspec().ncols if place else 1


def _label_outer(ax: Axes, is_last_below: bool) -> None:
    """Labels at the left and below, also above a place in the last row that stays empty."""
    xlabel = ax.get_xlabel()
    ax.label_outer()
    if is_last_below:
        ax.set_xlabel(xlabel)
        ax.tick_params(axis="x", labelbottom=True)


def _name_not_converged(ax: Axes, fits: pd.DataFrame) -> None:
    """Name the models whose fit is missing, in the corner that falling losses leave free."""
    failed = fits.loc[~fits["converged"], "label"].tolist()
    if failed:
        text = "\n".join(["law not converged:", *failed])
        ax.text(0.04, 0.05, text, transform=ax.transAxes, ha="left", va="bottom", fontsize=5.5)


def _family(
    runs: pd.DataFrame,
    ax: Axes,
    *,
    x: str,
    family: str,
    title: str,
    name: Callable[..., str],
) -> None:
    """Mean loss over x, a line for each value of another column."""
    means = runs.groupby([family, x])["val_loss"].agg(
        val_loss="mean", val_loss_std=lambda loss: loss.std(ddof=0)
    )
    values = means.index.unique(family)
    for value, color in zip(values, sequence_colors(len(values)), strict=True):
        line = means.loc[value].reset_index()
        _errorbar(ax, line[x], line, color=color, marker="o", label=name(value), linestyle="-")
    ax.legend(title=title, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _between(x: ArrayLike) -> NDArray[np.float64]:
    return np.geomspace(np.min(x) / _MARGIN, np.max(x) * _MARGIN, 200)


def _engineering(value: float) -> str:
    """A count with three digits and k, M or G, as 2.5k."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def _ticks_at(axis: Axis, values: ArrayLike) -> None:
    """Label exactly the values that were measured."""
    axis.set_major_locator(ticker.FixedLocator(np.unique(values).tolist()))
    axis.set_minor_locator(ticker.NullLocator())


def _plain_log_ticks(axis: Axis, at_least: int) -> None:
    """Labels as plain numbers on a logarithmic axis that may span less than a decade."""
    axis.set_major_locator(_PlainLogLocator(at_least))
    axis.set_major_formatter(ticker.FuncFormatter(_plain_number))
    axis.set_minor_locator(ticker.LogLocator(subs=range(2, 10), numticks=99))
    axis.set_minor_formatter(ticker.NullFormatter())


class _PlainLogLocator(ticker.Locator):
    def __init__(self, at_least: int) -> None:
        self.at_least = at_least

    def __call__(self) -> NDArray[np.float64]:
        assert isinstance(self.axis, Axis)
        low, high = self.axis.get_view_interval()
        return self.tick_values(low, high)

    def tick_values(self, vmin: float, vmax: float) -> NDArray[np.float64]:
        return _plain_ticks(*sorted((vmin, vmax)), at_least=self.at_least)


def _plain_ticks(low: float, high: float, at_least: int) -> NDArray[np.float64]:
    """Few round numbers between low and high: decades, parts of decades, or even steps."""
    decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    for parts in _DECADE_PARTS:
        ticks = _inside(np.outer(decades, parts).ravel(), low, high)
        if len(ticks) >= at_least:
            return ticks
    for intervals in range(at_least, 20 * at_least):
        steps = ticker.MaxNLocator(intervals, steps=[1, 2, 5, 10]).tick_values(low, high)
        ticks = _inside(np.asarray(steps), low, high)
        if len(ticks) >= at_least:
            break
    return ticks


def _inside(ticks: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    return ticks[(low <= ticks) & (ticks <= high)]


def _plain_number(value: float, position: int | None = None) -> str:
    exponent = int(np.floor(np.log10(value) + 1e-9))
    mantissa = value / 10.0**exponent
    power = rf"\mathrm{{10^{{{exponent}}}}}"
    if np.isclose(mantissa, 1) and not -2 < exponent < 3:
        return f"${power}$"
    if -4 < exponent < 4:
        return f"{value:g}"
    return rf"{mantissa:.3g}$\times{power}$"
