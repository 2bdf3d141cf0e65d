"""The figure of one prediction."""

from collections.abc import Iterable
from io import BytesIO
from textwrap import wrap
from typing import Final

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from optimetal.inference.prediction import Prediction
from optimetal.optics.color import VISIBLE
from optimetal.optics.grid import ENERGY, MAX_ENERGY
from optimetal.optics.measured import Measurement
from optimetal.plots.labels import label
from optimetal.plots.spectra import PART_COLORS
from optimetal.plots.style import STYLE, add_source_note, figure_size

_PANELS: Final = {
    label("eps_inter"): {"eps_inter_real": "Re", "eps_inter_imag": "Im"},
    "Refractive index $n$, $k$": {"n": "$n$", "k": "$k$"},
    label("reflectivity"): {"reflectivity": "prediction"},
    label("energy_loss"): {"energy_loss": "prediction"},
}
"""Label of each panel -> its spectra and how the legend calls them."""

_MEASURED: Final = ("n", "k", "reflectivity")
_PALE: Final = {"linewidth": 2.6, "alpha": 0.35, "solid_capstyle": "butt"}

_FOOT: Final = {"fontsize": 6, "linespacing": 1.3}
_LINE_HEIGHT: Final = 6 * 1.3 * 1.2 / 72  # inch, with matplotlib's own 1.2
_LINE_CHARACTERS: Final = 150
_FACT_CHARACTERS: Final = 36
_FACT_STEP: Final = 0.0315  # of the height of the column
_LOWEST: Final = 1.0  # eV; n and k diverge below


class PredictionFigure(Figure):
    """Shows itself in a notebook, whether or not a plotting backend was chosen there."""

    def _repr_png_(self) -> bytes:
        content = BytesIO()
        self.savefig(content, format="png")
        return content.getvalue()


def prediction_figure(
    prediction: Prediction, measured: Measurement | None = None
) -> PredictionFigure:
    """Spectra, colour and facts of a prediction, with what its reader must know at the foot.

    Bands are the standard deviation over the members, the grey strip is visible light.

    Args:
        prediction: What to show.
        measured: Broad pale lines to compare n, k and reflectivity with; none: no lines.

    Returns:
        Not managed by pyplot, so that many can be made: show it in a notebook or save it.
    """
    foot = [line for text in _foot(prediction) for line in wrap(text, _LINE_CHARACTERS)]
    with plt.style.context(STYLE):
        width, height = figure_size(2, 0.58)
        fig = PredictionFigure((width, height + len(foot) * _LINE_HEIGHT))
        grid = fig.add_gridspec(2, 3, width_ratios=(1, 1, 0.75))
        for place, (title, spectra) in zip(np.ndindex(2, 2), _PANELS.items(), strict=True):
            ax = fig.add_subplot(grid[place], ylabel=title)
            _draw_panel(ax, prediction, spectra, measured)
        _draw_facts(fig.add_subplot(grid[:, 2]), prediction)
        add_source_note(fig, prediction.source)
        _write_foot(fig, foot)
    return fig


def _foot(prediction: Prediction) -> list[str]:
    return [
        *(f"Warning: {warning}" for warning in prediction.warnings),
        *(f"Note: {note}" for note in prediction.notes),
    ]


def _draw_panel(
    ax: Axes, prediction: Prediction, spectra: dict[str, str], measured: Measurement | None
) -> None:
    for (name, title), color in zip(spectra.items(), PART_COLORS, strict=False):
        values = prediction.quantity(name)
        if measured is not None and name in _MEASURED:
            ax.plot(measured.energy, getattr(measured, name), color=color, **_PALE)
        if prediction.num_members > 1:
            spread = prediction.spread(name)
            band = values - spread, values + spread
            ax.fill_between(ENERGY, *band, color=color, alpha=0.25, lw=0)
        ax.plot(ENERGY, values, color=color, label=title)
    ax.axvspan(*ENERGY[VISIBLE][[0, -1]], color="0.93", lw=0, zorder=0)
    ax.axhline(0, color="0.6", linewidth=0.4, zorder=0)
    ax.set(xlabel=label("energy"), xlim=(0, MAX_ENERGY), ylim=_limits(prediction, spectra))
    if len(spectra) > 1 or (measured is not None and name in _MEASURED):
        handles = ax.get_legend_handles_labels()[0]
        if measured is not None and name in _MEASURED:
            handles.append(Line2D([], [], color="0.2", label=measured.label, **_PALE))
        ax.legend(handles=handles, loc="best")


def _limits(prediction: Prediction, spectra: Iterable[str]) -> tuple[float, float]:
    """Without the lowest energies, where n and k of metals grow beyond all bounds."""
    if "reflectivity" in spectra:
        return 0, 1
    shown = slice(None) if "eps_inter_real" in spectra else ENERGY >= _LOWEST
    values = np.stack([prediction.quantity(name)[shown] for name in spectra])
    margin = 0.06 * max(np.ptp(values), 1e-3)
    return min(0, values.min() - margin), values.max() + margin


def _draw_facts(ax: Axes, prediction: Prediction) -> None:
    """Name, swatch and facts, from top to bottom."""
    ax.set_axis_off()
    ax.set_title(prediction.name, fontsize=9, loc="left")
    swatch = Rectangle((0, 0.86), 1, 0.13, transform=ax.transAxes)
    swatch.set(facecolor=prediction.color.hex, edgecolor="0.3", linewidth=0.4, clip_on=False)
    ax.add_artist(swatch)
    height = 0.82
    for title, text in prediction.facts():
        lines = wrap(text.replace(" ± ", "\u00a0±\u00a0"), _FACT_CHARACTERS)
        place = {"transform": ax.transAxes, "va": "top", "fontsize": 6}
        ax.text(0, height, title, color="0.45", **place)
        ax.text(0, height - _FACT_STEP, "\n".join(lines), linespacing=1.25, **place)
        height -= _FACT_STEP * (len(lines) + 1.3)


def _write_foot(fig: Figure, lines: list[str]) -> None:
    """Warnings and notes below the panels, above the source."""
    source = 9 / 72
    height = (source + len(lines) * _LINE_HEIGHT) / fig.get_figheight()
    text = fig.text(0.006, source / fig.get_figheight(), "\n".join(lines), va="bottom", **_FOOT)
    text.set_in_layout(False)
    engine = fig.get_layout_engine()
    assert engine is not None  # the style sheet asks for constrained layout
    engine.set(rect=(0, height, 1, 1 - height))  # pyright: ignore[reportCallIssue]
