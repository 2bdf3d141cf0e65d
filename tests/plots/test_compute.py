"""What the figures of a plan show; how they look is for the eye."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from optimetal.plots.compute import loss_over_cost, optimal_width
from optimetal.plots.labels import label


def frontier(model: str, law: str, factor: float) -> pd.DataFrame:
    num_train = np.geomspace(100, 10_000, 5)
    table = pd.DataFrame({"model": model, "label": model, "law": law, "num_train": num_train})
    for column, values in {
        "num_params": 10 * num_train,
        "width": factor * num_train**0.5,
        "loss": factor * num_train**-0.3,
        "hours": num_train**2,
    }.items():
        table[column], table[f"{column}_low"], table[f"{column}_high"] = (
            values,
            0.9 * values,
            1.1 * values,
        )
    return table


@pytest.fixture
def frontiers():
    models = [("2b_tc", "kaplan", 1.0), ("2b_tc", "hoffmann", 1.5), ("3b_tc", "kaplan", 2.0)]
    return pd.concat([frontier(*model) for model in models])


@pytest.fixture
def measured():
    table = pd.DataFrame({"num_train": [100, 1000], "width": [8, 128]})
    return table.assign(model="2b_tc", label="2B", val_loss=[0.5, 0.4], hours=[1e4, 1e6])


@pytest.fixture
def ax():
    fig, ax = plt.subplots()
    yield ax
    plt.close(fig)


def test_one_line_with_band_for_each_model_and_law(frontiers, measured, ax):
    optimal_width(frontiers, measured, ax)
    lines, bands = ax.get_lines(), ax.collections
    assert len(lines) == len(bands) == 3
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 3
    assert lines[0].get_color() == lines[1].get_color() != lines[2].get_color()
    np.testing.assert_allclose(lines[0].get_ydata(), frontier("2b_tc", "kaplan", 1)["width"])
    (band,) = bands[0].get_paths()
    heights = np.asarray(band.vertices)[:, 1]
    assert (heights.min(), heights.max()) == pytest.approx((9.0, 110.0))
    assert (ax.get_xlabel(), ax.get_ylabel()) == (label("num_train"), label("width"))


def test_the_field_holds_the_measured_sizes(frontiers, measured, ax):
    optimal_width(frontiers, measured, ax)
    (field,) = ax.patches
    assert field.get_bbox().extents.tolist() == [100, 8, 1000, 128]
    assert ax.get_ylim()[1] > 128


def test_points_and_lines_over_cost(frontiers, measured, ax):
    loss_over_cost(frontiers, measured, ax, cost="hours")
    points, *lines = ax.get_lines()
    assert len(lines) == 3
    np.testing.assert_allclose(points.get_xydata(), [[1e4, 0.5], [1e6, 0.4]])
    np.testing.assert_allclose(lines[0].get_xdata(), np.geomspace(100, 10_000, 5) ** 2)
    assert (ax.get_xlabel(), ax.get_ylabel()) == (label("hours"), label("val_loss"))


def test_a_law_that_did_not_converge_is_named(frontiers, measured, ax):
    failed = frontiers["law"] == "hoffmann"
    frontiers.loc[failed, ["num_params", "width", "width_low", "width_high"]] = np.nan
    optimal_width(frontiers, measured, ax)
    assert [len(line.get_xdata()) for line in ax.get_lines()] == [5, 0, 5]
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names[1] == "2b_tc, Hoffmann form (not converged)"
