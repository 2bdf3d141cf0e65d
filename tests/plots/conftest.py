"""Every figure is drawn in the house style, without a screen."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

from optimetal.plots import style


@pytest.fixture(autouse=True)
def _house_style():
    mpl.use("Agg")
    with plt.style.context(style.STYLE):
        yield
    plt.close("all")


@pytest.fixture
def ax():
    return plt.subplots()[1]
