"""Look, size and storage of every figure."""

import io
from pathlib import Path
from typing import Final, Literal

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from optimetal.files import whole_file

STYLE: Final = "optimetal.plots.optimetal"
"""Name of the style sheet for ``plt.style.use`` and ``plt.style.context``."""

COLUMN_WIDTH: Final = {1: 8.5 / 2.54, 2: 17.0 / 2.54}
"""Width in inch of a figure over one or two journal columns (8.5 cm and 17 cm)."""

# Dates and software names in the files would make equal figures differ.
_METADATA: Final = {"pdf": {"CreationDate": None}, "png": {"Software": None}}


def use() -> None:
    """Apply the style sheet to all figures made from now on."""
    plt.style.use(STYLE)


def figure_size(columns: Literal[1, 2] = 1, aspect: float = 0.75) -> tuple[float, float]:
    """Width and height in inch of a figure over one or two columns.

    Args:
        columns: Journal columns that the figure spans.
        aspect: Height divided by width.

    Raises:
        ValueError: If there is no such column count or the aspect is not positive.
    """
    if columns not in COLUMN_WIDTH:
        raise ValueError(f"columns must be one of {sorted(COLUMN_WIDTH)}, got {columns!r}")
    if not aspect > 0:
        raise ValueError(f"aspect (height / width) must be positive, got {aspect!r}")
    width = COLUMN_WIDTH[columns]
    return width, width * aspect


def panels(
    count: int, columns: Literal[1, 2] = 2, aspect: float = 0.72, *, share_axes: bool = False
) -> tuple[Figure, list[Axes]]:
    """Figure with so many panels, row by row; places left over stay empty.

    Args:
        count: Number of panels.
        columns: Panels side by side, each as wide as a journal column.
        aspect: Height divided by width of a panel.
        share_axes: Whether all panels have the same limits.

    Returns:
        The figure and its ``count`` axes.
    """
    rows = -(-count // columns)
    fig, grid = plt.subplots(
        rows,
        columns,
        figsize=figure_size(columns, aspect * rows / columns),
        sharex=share_axes,
        sharey=share_axes,
        squeeze=False,
    )
    axes = list(grid.flat)
    for ax in axes[count:]:
        ax.set_axis_off()
    return fig, axes[:count]


def save(fig: Figure, path_stem: str | Path) -> tuple[Path, Path]:
    """Write a figure as vector PDF and as PNG, each whole or not at all.

    Equal figures give equal files: they carry no date.

    Args:
        fig: The figure.
        path_stem: Path without suffix; its folder is made if missing.

    Returns:
        The paths of the PDF and the PNG.
    """
    stem = Path(path_stem)
    # Draw both before the first write, so that a failing drawing leaves no half pair behind.
    rendered = {suffix: _render(fig, suffix) for suffix in _METADATA}
    pdf, png = (stem.with_name(f"{stem.name}.{suffix}") for suffix in rendered)
    for path, content in zip((pdf, png), rendered.values(), strict=True):
        with whole_file(path) as temporary:
            temporary.write_bytes(content)
    return pdf, png


def add_source_note(target: Axes | Figure, note: str | None) -> None:
    """Write where the data come from, small, above an axes or at the foot of a figure.

    Args:
        target: An axes (note above its upper right corner) or a figure (note at the lower right).
        note: The text, such as "surrogate, not ab initio"; None draws nothing.
    """
    if not note:
        return
    look = {"fontsize": 5.5, "color": "0.35", "style": "italic"}
    if isinstance(target, Axes):
        target.annotate(
            note,
            (1, 1),
            xytext=(0, 2),
            xycoords="axes fraction",
            textcoords="offset points",
            ha="right",
            va="bottom",
            **look,
        )
        return
    text = target.text(0.995, 0.004, note, ha="right", va="bottom", **look)
    engine = target.get_layout_engine()
    if isinstance(engine, ConstrainedLayoutEngine):
        foot = 9 / 72 / target.get_figheight()
        engine.set(rect=(0, foot, 1, 1 - foot))
        text.set_in_layout(False)


def _render(fig: Figure, suffix: str) -> bytes:
    buffer = io.BytesIO()
    fig.savefig(buffer, format=suffix, metadata=_METADATA[suffix])
    return buffer.getvalue()
