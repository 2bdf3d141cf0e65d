"""Loss over any setting that a study varied."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from optimetal.plots.labels import label, model_looks, sequence_colors
from optimetal.plots.legends import place_legends, wrapped
from optimetal.plots.style import add_source_note, panels
from optimetal.scaling.fits import Fit
from optimetal.scaling.settings import (
    SIZES,
    combination_label,
    format_value,
    in_few_words,
    setting_name,
)

_QUANTITIES: Final = {
    "learning_rate": "lr",
    "num_layers": "num_layers",
    "spectra_dim": "spectra_dim",
}
"""Settings that are labelled as quantities of other figures."""
_MOST_NAMED: Final = 12
"""Lines that a legend names; of more, their colours tell the order alone."""
_SPREAD: Final = 0.7
"""Share of a row that its points may take."""
_ROW_NAME: Final = 1.5
"""Width in inch of the name of a row."""
_THIN: Final[dict[str, Any]] = {"elinewidth": 0.7, "capthick": 0.7}


def loss_over_setting(
    table: pd.DataFrame,
    ax: Axes,
    *,
    path: str,
    others: Sequence[str] = (),
    laws: Mapping[str, Fit] | None = None,
    source_note: str | None = None,
) -> Axes:
    """Loss over one setting: a line per model, size and combination of the other varied settings.

    Bars are the standard deviation over the seeds. Numbers stand on a linear axis where their steps are equal, on a
    logarithmic one where their ratios are more so; anything else is a category, the best on top. Where a number changes
    the size of a network, a dashed line is what that size gives by itself.

    Args:
        table: Of ``optimetal.scaling.settings.settings_table``.
        ax: Axes to draw on.
        path: The setting.
        others: The other varied settings.
        laws: Model -> its law L(N) of the parameter scaling.
        source_note: Where the data come from.
    """
    if not is_numeric(table[path]):
        return _by_category(table, ax, path, others, source_note)
    is_compared = False
    for name, look, line in _lines(table, others):
        bars = ax.errorbar(
            line[path], line["val_loss"], line["val_loss_std"], **look, **_THIN, linestyle="-"
        )
        bars[0].set_label(name)
        law = (laws or {}).get(str(line["model"].iloc[0]))
        if law is not None and len(set(line["num_params"])) > 1:
            ax.plot(line[path], law.predict(line["num_params"]), "--", color=look["color"], lw=0.8)
            is_compared = True
    if is_compared:
        ax.plot([], "--", color="0.35", lw=0.8, label="$L(N)$ of the parameter scaling")
    ax.set(xlabel=_axis_label(path), ylabel=label("val_loss"))
    _scale(ax, np.unique(table[path].to_numpy(float)))
    _finish(ax, source_note)
    return ax


def setting_figure(
    table: pd.DataFrame,
    varied: Sequence[str],
    *,
    laws: Mapping[str, Fit] | None = None,
    source_note: str | None = None,
) -> Figure:
    """A panel per varied setting, see :func:`loss_over_setting`; sections have as few words as tell them apart.

    Args:
        table: Of ``optimetal.scaling.settings.settings_table``.
        varied: The varied settings.
        laws: Model -> its law L(N) of the parameter scaling.
        source_note: Where the data come from.
    """
    table = in_few_words(table, varied)
    aspect = max(height(table, path) for path in varied)
    fig, axes = panels(len(varied), columns=2 if len(varied) > 1 else 1, aspect=aspect)
    for ax, path in zip(axes, varied, strict=True):
        others = [other for other in varied if other != path]
        loss_over_setting(table, ax, path=path, others=others, laws=laws)
    add_source_note(fig, source_note)
    place_legends(fig)
    plt.close(fig)  # pyplot would keep it
    return fig


def height(table: pd.DataFrame, path: str) -> float:
    """Height of a panel of a setting as a share of its width: a row of text or of two points each for categories."""
    if is_numeric(table[path]):
        return 0.72
    points = Counter(map(_row_name, table[path]))
    rows = [max(1 + name.count("\n"), number / 2) for name, number in points.items()]
    return max(0.72, 0.2 + 0.045 * sum(rows))


def is_numeric(values: Any) -> bool:
    """Whether a column of settings holds a number for every network."""
    numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    return numeric and bool(values.notna().all())


def _by_category(
    table: pd.DataFrame, ax: Axes, path: str, others: Sequence[str], source_note: str | None
) -> Axes:
    """A row per value, the best on top; points of different lines stand a little below each other."""
    named = table.assign(name=table[path].map(_row_name))
    best = named.sort_values("val_loss").drop_duplicates("name")
    rows = {name: row for row, name in enumerate(best["name"])}
    named = named.assign(row=[rows[name] for name in named["name"]])
    lines = list(_lines(named, others))
    for rank, (name, look, line) in enumerate(lines):
        bars = ax.errorbar(
            line["val_loss"],
            line["row"] + _SPREAD * ((rank + 0.5) / len(lines) - 0.5),
            xerr=line["val_loss_std"],
            **look,
            **_THIN,
            linestyle="none",
        )
        bars[0].set_label(name)
    ax.set_yticks(range(len(rows)), list(rows))
    ax.tick_params(axis="y", which="both", length=0)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set(xlabel=label("val_loss"), ylabel=_axis_label(path))
    _finish(ax, source_note)
    return ax


def _row_name(value: object) -> str:
    return wrapped(format_value(value), _ROW_NAME)


def _lines(
    table: pd.DataFrame, others: Sequence[str]
) -> Iterator[tuple[str, dict[str, str], pd.DataFrame]]:
    """Name, look and points of every model, size and combination of other settings."""
    varying = [
        column for column in (*SIZES, *others) if len(set(table[column].map(format_value))) > 1
    ]
    groups: list[tuple[Any, pd.DataFrame]] = list(
        table.groupby(["model", *varying], sort=True, dropna=False)
    )
    looks = model_looks(table["model"])
    sequence = sequence_colors(len(groups))
    for rank, (key, line) in enumerate(groups):
        look = looks[key[0]]
        color = look.color if len(groups) == len(looks) else sequence[rank]
        model = line["label"].iloc[0] if len(looks) > 1 or not varying else ""
        words = [model, combination_label(line.iloc[0], varying)]
        yield ", ".join(filter(None, words)), {"color": color, "marker": look.marker}, line


def _scale(ax: Axes, x: NDArray[np.float64]) -> None:
    if _is_geometric(x):
        ax.set_xscale("log")
    if len(x) <= _MOST_NAMED:
        ax.xaxis.set_major_locator(ticker.FixedLocator(x.tolist()))
        ax.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
        ax.xaxis.set_minor_locator(ticker.NullLocator())


def _finish(ax: Axes, source_note: str | None) -> None:
    if 1 < len(ax.get_legend_handles_labels()[0]) <= _MOST_NAMED:
        ax.legend(alignment="left")
    add_source_note(ax, source_note)


def _is_geometric(x: NDArray[np.float64]) -> bool:
    """Whether ratios of neighbours are more alike than their differences."""
    if len(x) < 3 or x.min() <= 0:
        return False
    steps, ratios = np.diff(x), np.diff(np.log(x))
    return bool(np.ptp(ratios) / ratios.mean() < np.ptp(steps) / steps.mean())


def _axis_label(path: str) -> str:
    name = path.rpartition(".")[2]
    return label(_QUANTITIES[name]) if name in _QUANTITIES else setting_name(path).capitalize()
