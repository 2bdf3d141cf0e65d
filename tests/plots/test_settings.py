"""What the figures of varied settings show; how they look is for the eye."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from optimetal.plots.labels import label
from optimetal.plots.settings import height, loss_over_setting
from optimetal.scaling.fits import fit_law
from optimetal.scaling.laws import LAWS

HEADS, RATE, POOLING = (
    "architecture.message_passing.heads",
    "training.learning_rate",
    "architecture.pooling",
)


@pytest.fixture
def ax():
    figure, ax = plt.subplots(layout="constrained")
    yield ax
    figure.canvas.draw()
    plt.close(figure)


@pytest.fixture
def table():
    rows = [(heads, rate, heads + rate) for heads in (1, 2, 4, 8) for rate in (0.1, 0.2)]
    frame = pd.DataFrame(rows, columns=[HEADS, RATE, "val_loss"])
    return frame.assign(model="m", label="M", num_train=4, width=8, num_params=9, val_loss_std=0.1)


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_a_line_for_each_value_of_the_others(table, ax):
    loss_over_setting(table, ax, path=HEADS, others=[RATE], source_note="a note")
    assert legend(ax) == ["learning rate 0.1", "learning rate 0.2"]
    assert ax.containers[0][0].get_xydata().tolist() == [[h, h + 0.1] for h in (1, 2, 4, 8)]
    assert ax.get_xscale() == "log"
    assert ax.get_xlabel() == "Heads"
    assert "a note" in [text.get_text() for text in ax.texts]


def test_equal_steps_are_linear(table, ax):
    table[HEADS] = table[HEADS].map({1: 1, 2: 2, 4: 3, 8: 4})
    loss_over_setting(table, ax, path=HEADS, others=[RATE])
    assert ax.get_xscale() == "linear"


def test_a_learning_rate_has_its_symbol(table, ax):
    loss_over_setting(table[table[HEADS] == 1], ax, path=RATE, others=[HEADS])
    assert ax.get_xlabel() == label("lr")
    assert ax.get_legend() is None  # one line needs none


def test_sizes_are_compared_with_their_law(table, ax):
    x = np.geomspace(1e5, 1e8, 7)
    law = fit_law(LAWS["power"], x, LAWS["power"].function(x, 0.1, 1e7))
    table = table[table[RATE] == 0.1].assign(num_params=[1e5, 1e6, 1e7, 1e8])
    loss_over_setting(table, ax, path=HEADS, laws={"m": law, "other": law})
    drawn, empty = (line for line in ax.lines if line.get_linestyle() == "--")
    assert drawn.get_xdata().tolist() == [1, 2, 4, 8]
    np.testing.assert_allclose(drawn.get_ydata(), law.predict(table["num_params"]))
    assert empty.get_label() in legend(ax)
    assert "M" in legend(ax)


def test_equal_sizes_need_no_law(table, ax):
    law = fit_law(LAWS["power"], [1e5, 1e6, 1e7], [3, 2, 1])
    loss_over_setting(table.assign(num_params=7), ax, path=HEADS, others=[RATE], laws={"m": law})
    assert "--" not in [line.get_linestyle() for line in ax.lines]


def test_categories_are_rows_with_the_best_on_top(table, ax):
    table = table[table[RATE] == 0.1].assign(**{POOLING: ["b", "a", None, "c"]})
    loss_over_setting(table, ax, path=POOLING)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["b", "a", "none", "c"]
    assert ax.containers[0][0].get_xydata().tolist() == [[1.1, 0], [2.1, 1], [4.1, 2], [8.1, 3]]
    low, high = ax.get_ylim()
    assert low > high
    assert height(table, POOLING) == height(table, HEADS)
