"""A dielectric function in a pair of axes: prediction, target and the colours that they give."""

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.offsetbox import AnchoredOffsetbox, DrawingArea
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from numpy.typing import ArrayLike, NDArray

from optimetal.optics.color import delta_e, lab_to_hex
from optimetal.optics.grid import ENERGY, MAX_ENERGY, NUM_ENERGIES
from optimetal.plots.labels import QUANTITIES, label
from optimetal.plots.style import add_source_note

PART_COLORS = ("#0072B2", "#D55E00")
"""Colour of the real and of the imaginary part in every spectrum."""

_PALE, _BROAD = 0.35, 2.6  # the target's opacity, and its width over the prediction's


def draw_spectrum(
    ax: Axes,
    predicted: ArrayLike,
    target: ArrayLike | None = None,
    *,
    predicted_lab: ArrayLike | None = None,
    target_lab: ArrayLike | None = None,
    source_note: str | None = None,
) -> Axes:
    """Predicted interband dielectric function over its target, explained by legend and labels.

    The target is a broad pale line, the prediction a thin dark one on top of it. The colours of the
    material appear as swatches in the upper right corner.

    Args:
        ax: Axes to draw on.
        predicted: (NUM_ENERGIES, 2) real and imaginary part.
        target: (NUM_ENERGIES, 2); None for a material that nobody has calculated.
        predicted_lab: (3,) CIE L*a*b* of the prediction; None draws no swatch.
        target_lab: (3,) CIE L*a*b* of the target.
        source_note: Where the data come from.

    Raises:
        ValueError: If a spectrum has another shape or is not finite.
    """
    draw_parts(ax, predicted, target, linewidth=mpl.rcParams["lines.linewidth"])
    ax.set_xlabel(label("energy"))
    ax.set_ylabel(QUANTITIES["eps_inter"].label)
    top = 1.0
    if predicted_lab is not None:
        draw_swatches(ax, predicted_lab, target_lab, captions=True)
        top = 0.74
    ax.legend(
        handles=legend_handles(with_target=target is not None),
        loc="upper right",
        bbox_to_anchor=(1, top),
    )
    add_source_note(ax, source_note)
    return ax


def draw_parts(
    ax: Axes, predicted: ArrayLike, target: ArrayLike | None = None, *, linewidth: float
) -> Axes:
    """The bare lines of :func:`draw_spectrum`: real and imaginary part, prediction over target.

    Args:
        ax: Axes to draw on.
        predicted: (NUM_ENERGIES, 2) real and imaginary part.
        target: (NUM_ENERGIES, 2) or None.
        linewidth: Of the prediction, in points.

    Raises:
        ValueError: If a spectrum has another shape or is not finite.
    """
    if target is not None:
        look = {"linewidth": _BROAD * linewidth, "alpha": _PALE, "solid_capstyle": "butt"}
        _draw_both(ax, _checked("target", target), look)
    _draw_both(ax, _checked("predicted", predicted), {"linewidth": linewidth})
    ax.axhline(0, color="0.6", linewidth=0.4, zorder=0)
    ax.set_xlim(0, MAX_ENERGY)
    ax.set_xticks(np.linspace(0, MAX_ENERGY, 5))
    return ax


def draw_swatches(
    ax: Axes,
    predicted_lab: ArrayLike,
    target_lab: ArrayLike | None = None,
    *,
    captions: bool = False,
) -> None:
    """Colours and their difference ΔE in the upper right corner, the target left of the prediction.

    Args:
        ax: Axes to draw on.
        predicted_lab: (3,) CIE L*a*b*.
        target_lab: (3,) CIE L*a*b* or None.
        captions: Whether to draw the swatches large and to name them.
    """
    labs = [predicted_lab] if target_lab is None else [target_lab, predicted_lab]
    names = ["prediction"] if target_lab is None else ["target", "prediction"]
    side, height, foot = (34, 16, 16) if captions else (10, 9, 8)  # points
    area = DrawingArea(side * len(labs), height + foot)
    for place, (color, name) in enumerate(zip(lab_to_hex(np.array(labs)), names, strict=True)):
        area.add_artist(Rectangle((side * place, foot), side, height, color=color, linewidth=0))
        if captions:
            area.add_artist(_centred(side * (place + 0.5), foot - 1, name))
    frame = Rectangle((0, foot), side * len(labs), height, fill=False, edgecolor="0.3")
    frame.set_linewidth(0.4)
    area.add_artist(frame)
    if target_lab is not None:
        difference = f"$\\Delta E$ {delta_e(predicted_lab, target_lab):.1f}"
        area.add_artist(_centred(side, foot - (8 if captions else 1), difference))
    ax.add_artist(AnchoredOffsetbox("upper right", child=area, pad=0.3, frameon=False))


def _centred(x: float, y: float, text: str) -> Text:
    return Text(x, y, text, ha="center", va="top", fontsize=5.5)


def legend_handles(with_target: bool = True) -> list[Line2D]:
    """Entries of a legend that explains spectra: real and imaginary part, prediction and target."""
    width = mpl.rcParams["lines.linewidth"]
    handles = [
        Line2D([], [], color=color, linewidth=width, label=label(key))
        for color, key in zip(PART_COLORS, ("eps_inter_real", "eps_inter_imag"), strict=True)
    ]
    if with_target:
        broad = _BROAD * width
        handles += [
            Line2D([], [], color="0.2", linewidth=width, label="prediction"),
            Line2D([], [], color="0.2", linewidth=broad, alpha=_PALE, label="target"),
        ]
    return handles


def _draw_both(ax: Axes, spectrum: NDArray[np.float64], look: dict) -> None:
    for values, color in zip(spectrum.T, PART_COLORS, strict=True):
        ax.plot(ENERGY, values, color=color, **look)


def _checked(name: str, spectrum: ArrayLike) -> NDArray[np.float64]:
    spectrum = np.asarray(spectrum, dtype=float)
    if spectrum.shape != (NUM_ENERGIES, 2):
        raise ValueError(
            f"the {name} spectrum must have shape {(NUM_ENERGIES, 2)} (real, imaginary part), got "
            f"{spectrum.shape}: pass one material"
        )
    if not np.isfinite(spectrum).all():
        raise ValueError(f"the {name} spectrum must be finite, got NaN or infinity")
    return spectrum
