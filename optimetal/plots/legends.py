"""Legends that hide nothing, however many curves there are and however long their names."""

import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Literal, get_args

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.path import Path
from matplotlib.transforms import Bbox, ScaledTranslation

_Place = Literal[
    "upper right",
    "upper left",
    "lower left",
    "lower right",
    "center right",
    "center left",
    "upper center",
    "lower center",
]
# From the first to try to the last.
_PLACES: Final[Sequence[_Place]] = get_args(_Place)
# Wider text is broken into lines.
_LETTERS_PER_INCH: Final = 15
# Distance that a legend keeps from what is drawn, and from its axes where it stands above them (room for a title).
_PADDING: Final = 2 / 72
_TITLE: Final = 13 / 72


def without_shared_start(names: Iterable[str]) -> tuple[str, list[str]]:
    """What several names, lists with commas, begin with in common, and what is left of each.

    ``["A, heads 2", "A, heads 4"]`` are ``"A"`` and ``["heads 2", "heads 4"]``: title and entries of a legend.
    """
    names = list(names)
    entries = [name.split(", ") for name in names]
    shared = 0
    for words in zip(*(entry[:-1] for entry in entries), strict=False):
        if len(entries) == 1 or len(set(words)) > 1:
            break
        shared += 1
    if not shared:
        return "", names
    return ", ".join(entries[0][:shared]), [", ".join(entry[shared:]) for entry in entries]


def wrapped(text: str, inches: float) -> str:
    """Text in lines of some width."""
    return textwrap.fill(text, max(12, int(_LETTERS_PER_INCH * inches)), break_long_words=False)


def place_legends(fig: Figure) -> None:
    """Put every legend of a figure where it hides nothing: to a free place within its axes, or above.

    Above, long names are wrapped and the figure grows by the height of the legend, so that its axes stay as they are.
    A legend that is the only one of several panels stands above all of them.

    Args:
        fig: The figure, in constrained layout, after all else is drawn.
    """
    axes = [ax for ax in fig.axes if ax.get_legend()]
    for legend in map(_legend_of, axes):
        legend.set_in_layout(False)  # it would squeeze the axes before it is moved
    fig.draw_without_rendering()
    crowded = [ax for ax in axes if not _finds_a_place(ax)]
    if len(axes) == 1:
        growth = [_above_all(fig, ax) for ax in crowded]
    else:
        rows: dict[int, float] = {}
        for ax in crowded:
            row = _grid_place(ax)[0]
            rows[row] = max(rows.get(row, 0.0), _above_axes(fig, ax))
        growth = list(rows.values())
    fig.set_figheight(fig.get_figheight() + sum(growth))


def _finds_a_place(ax: Axes) -> bool:
    legend = _legend_of(ax)
    for place in _PLACES:
        legend.set_loc(place)
        box = legend.get_window_extent()
        is_inside = ax.bbox.x0 <= box.x0 and box.x1 <= ax.bbox.x1 and ax.bbox.y0 <= box.y0
        if is_inside and not _hides_something(ax, box.padded(_PADDING * ax.figure.dpi)):
            legend.set_in_layout(True)
            return True
    return False


def _hides_something(ax: Axes, box: Bbox) -> bool:
    """Whether a box lies on a line, a point, a bar or a text of the axes; on a background it may."""
    patches = [patch for patch in ax.patches if patch.get_zorder() >= 1]
    outlines: list[tuple[Path, Any]] = [
        (shape.get_path(), shape.get_transform()) for shape in (*ax.lines, *patches)
    ]
    for drawn in ax.collections:
        outlines += [(path, drawn.get_transform()) for path in drawn.get_paths()]
        outlines.append((Path(np.asarray(drawn.get_offsets())), drawn.get_offset_transform()))
    return (
        any(path.transformed(to).intersects_bbox(box, filled=False) for path, to in outlines)
        or any(box.overlaps(patch.get_window_extent()) for patch in patches)
        or any(box.overlaps(text.get_window_extent()) for text in ax.texts)
    )


def _above_all(fig: Figure, ax: Axes) -> float:
    """Move the legend above all panels and return its height in inch."""

    def draw(**look: Any) -> Legend:
        return fig.legend(loc="outside upper center", **look)

    return _moved(_legend_of(ax), fig, fig.get_figwidth(), draw)


def _above_axes(fig: Figure, ax: Axes) -> float:
    """Move the legend above its axes and return its height in inch."""
    above_title = ax.transAxes + ScaledTranslation(0, _TITLE, fig.dpi_scale_trans)

    def draw(**look: Any) -> Legend:
        place = {"bbox_to_anchor": (1, 1), "bbox_transform": above_title}
        return ax.legend(loc="lower right", **place, **look)

    return _moved(_legend_of(ax), fig, fig.get_figwidth() / _grid_place(ax)[1], draw)


def _moved(legend: Legend, fig: Figure, width: float, draw: Callable[..., Legend]) -> float:
    """Draw the legend anew, in as many columns as fit into a width, and return its height; all in inch."""
    names = [wrapped(text.get_text(), width) for text in legend.get_texts()]
    title = wrapped(legend.get_title().get_text(), width) or None
    handles = legend.legend_handles
    legend.remove()
    box = Bbox.null()
    for columns in range(len(names), 0, -1):
        drawn = draw(handles=handles, labels=names, title=title, alignment="left", ncols=columns)
        box = drawn.get_window_extent().transformed(fig.dpi_scale_trans.inverted())
        if columns == 1 or box.width <= width:
            break
        drawn.remove()
    return box.height


def _legend_of(ax: Axes) -> Legend:
    legend = ax.get_legend()
    assert legend is not None
    return legend


def _grid_place(ax: Axes) -> tuple[int, int]:
    """Row of the axes, and number of columns of its grid."""
    place = ax.get_subplotspec()
    return (place.rowspan.start, place.get_gridspec().ncols) if place else (0, 1)
