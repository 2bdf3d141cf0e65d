"""What the database consists of: elements and sizes of unit cells."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, to_rgb
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator, StrMethodFormatter
from numpy.typing import ArrayLike

from optimetal.plots.labels import label
from optimetal.plots.style import add_source_note

_ROWS: Final = (
    "H . . . . . . . . . . . . . . . . He",
    "Li Be . . . . . . . . . . B C N O F Ne",
    "Na Mg . . . . . . . . . . Al Si P S Cl Ar",
    "K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr",
    "Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe",
    "Cs Ba * Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi . . .",
    ". . * La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu",
)
"""The periodic table up to Bi; the lanthanides follow in a row of their own."""

PLACES: Final[dict[str, tuple[int, int]]] = {
    symbol: (row, column)
    for row, line in enumerate(_ROWS)
    for column, symbol in enumerate(line.split())
    if symbol not in ".*"
}
"""Row and column of each element's cell."""

_ELEMENT = re.compile(r"[A-Z][a-z]?")


def element_counts(compositions: Iterable[str]) -> pd.Series:
    """Number of materials that contain each element.

    Args:
        compositions: Formula of each material, such as "Cu3Au"; equal ones count every time.

    Returns:
        Counts by symbol, for all elements of the table, 0 included.

    Raises:
        ValueError: If a formula holds an element beyond Bi, or something that is none.
    """
    counts: Counter[str] = Counter()
    for composition, times in Counter(compositions).items():
        for symbol in set(_ELEMENT.findall(composition)):
            counts[symbol] += times
    unknown = sorted(set(counts) - set(PLACES))
    if unknown:
        raise ValueError(f"formulas must consist of elements up to Bi, got {unknown}")
    return pd.Series({symbol: counts[symbol] for symbol in PLACES}, name="num_materials")


def draw_periodic_table(
    ax: Axes, counts: pd.Series, num_materials: int, *, source_note: str | None = None
) -> Axes:
    """Periodic table: how many materials contain each element, as number and in percent.

    Args:
        ax: Axes to draw on; two columns wide, aspect about 0.45.
        counts: Materials that contain each element, by symbol (:func:`element_counts`).
        num_materials: Number of all materials, 100 %.
        source_note: Where the data come from.

    Raises:
        ValueError: If no material is counted or a count exceeds their number.
    """
    numbers: dict[str, int] = counts.astype(int).to_dict()
    most = max(numbers.values())
    if not 0 < most <= num_materials:
        raise ValueError(
            f"counts must lie between 1 and the number of materials, got a largest count of {most} "
            f"and {num_materials} materials"
        )
    # Starts below the smallest count, so that a rare element still differs from a missing one.
    norm = LogNorm(min(filter(None, numbers.values())) / 3, most)
    colormap = mpl.colormaps["YlGnBu"]
    for symbol, (row, column) in PLACES.items():
        count = numbers.get(symbol, 0)
        _draw_cell(ax, symbol, row, column, count, num_materials, colormap(norm(count)))
    ax.text(2.5, 5.5, "57–71", ha="center", va="center", fontsize=5, color="0.4")
    ax.text(2.5, 6.7, "57–71", ha="center", va="center", fontsize=5, color="0.4")
    ax.set(xlim=(-0.05, 18.05), ylim=(7.75, -0.05), aspect="equal")
    ax.set_axis_off()
    _draw_scale(ax, ScalarMappable(norm, colormap), num_materials)
    add_source_note(ax, source_note)
    return ax


def draw_atoms_per_cell(
    ax: Axes, num_atoms: Mapping[str, ArrayLike], *, source_note: str | None = None
) -> Axes:
    """Share of materials over the number of atoms in the unit cell, for each set of materials.

    Args:
        ax: Axes to draw on.
        num_atoms: For each split or subset, by its name in the legend, the number of atoms of each
            of its materials.
        source_note: Where the data come from.

    Raises:
        ValueError: If a set is empty or a cell has no atom.
    """
    if not num_atoms:
        raise ValueError("there is no set of materials to draw: give at least one")
    sets = {name: _checked_sizes(name, sizes) for name, sizes in num_atoms.items()}
    sizes = np.arange(1, max(values.max() for values in sets.values()) + 1)
    width = 0.84 / len(sets)
    colors = mpl.colormaps["viridis"](np.linspace(0.05, 0.85, len(sets)))
    for place, ((name, values), color) in enumerate(zip(sets.items(), colors, strict=True)):
        share = 100 * np.bincount(values, minlength=sizes[-1] + 1)[1:] / values.size
        offset = (place - (len(sets) - 1) / 2) * width
        ax.bar(sizes + offset, share, width, color=color, label=name)
    ax.set_xticks(sizes)
    ax.tick_params(axis="x", length=0)
    ax.set_xlim(0.4, sizes[-1] + 0.6)
    ax.set_xlabel(label("num_atoms"))
    ax.set_ylabel(label("share_materials"))
    ax.legend(loc="best")
    add_source_note(ax, source_note)
    return ax


def _draw_scale(ax: Axes, scale: ScalarMappable, num_materials: int) -> None:
    """Colour bar in the gap of the table's first rows."""
    inset = ax.inset_axes((3.2 / 18.1, 0.87, 7.6 / 18.1, 0.03))
    low, high = scale.get_clim()
    bar = ax.figure.colorbar(
        scale,
        cax=inset,
        orientation="horizontal",
        # whole numbers rather than powers of ten, of which a small table has one at most
        ticks=LogLocator(subs=(1,) if high > 300 * low else (1, 2, 5)),
        format=StrMethodFormatter("{x:,g}"),
    )
    bar.minorticks_off()
    bar.set_label(f"Materials that contain the element, of {num_materials:,}", fontsize=6.5)
    bar.ax.tick_params(labelsize=6)


def _draw_cell(
    ax: Axes,
    symbol: str,
    row: int,
    column: int,
    count: int,
    num_materials: int,
    color: tuple[float, float, float, float],
) -> None:
    top = row + 0.2 * (row == 6)  # the lanthanides stand a little apart
    face = color if count else (0.93, 0.93, 0.93, 1.0)
    ax.add_patch(Rectangle((column + 0.03, top + 0.03), 0.94, 0.94, facecolor=face, linewidth=0))
    ink = "white" if np.dot(to_rgb(face), (0.299, 0.587, 0.114)) < 0.5 else "black"
    if not count:
        ink = "0.55"
    lines = [(0.27, symbol, 7.0)]
    if count:
        lines += [(0.58, f"{count}", 5.0), (0.82, _percent(count / num_materials), 5.0)]
    for height, text, size in lines:
        weight = "bold" if text == symbol else "normal"
        ax.text(
            column + 0.5,
            top + height,
            text,
            fontsize=size,
            weight=weight,
            color=ink,
            ha="center",
            va="center",
        )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 0.0005 else "<0.1 %"


def _checked_sizes(name: str, sizes: ArrayLike) -> np.ndarray:
    sizes = np.asarray(sizes)
    if sizes.size == 0 or sizes.min() < 1:
        raise ValueError(
            f"{name!r} must hold the number of atoms, 1 or more, of at least one material, got "
            f"{sizes.size} materials" + (f" and {sizes.min()} atoms" if sizes.size else "")
        )
    return sizes.astype(int)
