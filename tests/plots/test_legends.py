"""Legends hide nothing, and nothing leaves the canvas, however many curves there are and however long their names."""

from itertools import product

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.lines import Line2D

from optimetal.plots.labels import model_looks
from optimetal.plots.legends import place_legends, without_shared_start
from optimetal.plots.scaling import curve_figures
from optimetal.plots.settings import setting_figure
from optimetal.plots.style import panels
from optimetal.scaling.fits import fit_runs, points
from optimetal.scaling.settings import by_settings, settings_table

SETTINGS = {
    "architecture.edge_embedding": [
        "gaussian, num_basis 64, basis_width 2.0, trainable none, envelope_exponent 6",
        "gaussian, num_basis 32, basis_width 4.0, trainable none, envelope_exponent 6",
        "bessel, num_basis 8, trainable True, envelope_exponent none",
    ],
    "training.schedule": ["constant", "cosine, period none, minimum 0"],
    "architecture.activation": ["relu", "silu"],
}


def runs(varied, sizes=(4, 8, 16, 32)):
    """A study of some settings, crossed with sizes and two seeds."""
    generator = np.random.default_rng(1)
    rows = [
        {
            **dict(zip(varied, choice, strict=True)),
            **{"run": f"{number}_{size}_{seed}", "studies": ["a"], "model": "m"},
            **{"label": "OptiMetal2B (TC)", "num_train": size, "width": 8, "num_params": 900},
            **{"seed": seed, "lr": 1e-3},
            "val_loss": 2 * size ** (-0.1 - 0.02 * number) * generator.normal(1, 0.05),
        }
        for number, choice in enumerate(product(*(SETTINGS[path] for path in varied)))
        for size in sizes
        for seed in (1, 2)
    ]
    return pd.DataFrame(rows)


def check(fig):
    """All is on the canvas, axes have most of it, and what is drawn is not under a legend."""
    fig.draw_without_rendering()
    drawn, (width, height) = fig.get_tightbbox(), fig.get_size_inches()
    assert drawn.x0 > -0.01 and drawn.x1 < width + 0.01, drawn
    assert drawn.y0 > -0.01 and drawn.y1 < height + 0.01, drawn
    legends = [*fig.legends, *(ax.get_legend() for ax in fig.axes if ax.get_legend())]
    for ax in fig.axes:
        columns = ax.get_subplotspec().get_gridspec().ncols
        assert ax.get_position().width > 0.55 / columns
        for box in (legend.get_window_extent() for legend in legends):
            for line in ax.findobj(Line2D):
                if line in ax.lines and len(line.get_xdata()):
                    assert not np.any(
                        [
                            box.contains(*point)
                            for point in ax.transData.transform(line.get_xydata())
                        ]
                    )
    assert all(
        not one.get_window_extent().overlaps(other.get_window_extent())
        for number, one in enumerate(legends)
        for other in legends[:number]
    )


CROSSED = [list(SETTINGS)[2:], list(SETTINGS)[1:], list(SETTINGS)]


@pytest.mark.parametrize("varied", CROSSED, ids=lambda varied: f"{len(varied)} settings")
def test_figures_of_settings_crossed_with_sizes(varied):
    study = by_settings(runs(varied), varied)
    fits = fit_runs(study, "num_train", ["power", "power_floor"])
    measured = points(study, "num_train")
    for name, fig in curve_figures(measured, fits, law="power_floor", source_note="a note"):
        assert name in ("scaling", "laws", "aicc")
        check(fig)
    check(setting_figure(settings_table(runs(varied), varied), varied, source_note="a note"))


def test_a_free_corner_is_taken_and_the_figure_stays(ax):
    ax.plot([0, 1], [1, 0], label="a")
    height = ax.figure.get_figheight()
    place_legends(ax.figure)
    assert ax.get_legend() is None
    ax.legend()
    place_legends(ax.figure)
    assert ax.figure.get_figheight() == height
    assert ax.bbox.contains(*ax.get_legend().get_window_extent().p0)


def test_a_bar_around_the_legend_is_seen(ax):
    ax.bar([0], [1], 1, label="a")
    ax.set(xlim=(-0.4, 0.4), ylim=(0, 0.9))
    ax.legend()
    place_legends(ax.figure)
    assert ax.get_legend() is None
    assert ax.figure.legends


def test_axes_keep_their_height_under_a_legend():
    heights = []
    for count in (1, 9):
        fig, ax = plt.subplots()
        for number in range(count):
            ax.plot([0, 1, 1, 0, 0], np.array([0, 0, 1, 1, 0]) * number, label=f"{number} " * 20)
        ax.legend()
        place_legends(fig)
        fig.draw_without_rendering()
        heights.append(ax.bbox.height)
    assert heights[1] == pytest.approx(heights[0], rel=0.05)


def test_panels_have_their_legends_above_them():
    fig, axes = panels(2)
    for number, ax in enumerate(axes):
        ax.plot([0, 1, 0, 1], [0, 1, 1, 0], label=f"line of panel {number}, with a long name")
        ax.plot([0.5, 0.5, 0, 1], [0, 1, 0.5, 0.5], label="another")
        ax.margins(0)
        ax.legend()
    place_legends(fig)
    check(fig)
    for ax in axes:
        assert ax.get_legend().get_window_extent().y0 > ax.bbox.y1


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["A, b 1", "A, b 2"], ("A", ["b 1", "b 2"])),
        (["A, b 1, c", "A, b 1, d"], ("A, b 1", ["c", "d"])),
        (["A", "A, b"], ("", ["A", "A, b"])),
        (["A, b"], ("", ["A, b"])),
        (["A b", "A c"], ("", ["A b", "A c"])),
    ],
)
def test_shared_starts_become_a_title(names, expected):
    assert without_shared_start(names) == expected


def test_many_models_look_different():
    looks = model_looks(f"model {number:02d}" for number in range(36)).values()
    assert len({(look.color, look.marker) for look in looks}) == 36
