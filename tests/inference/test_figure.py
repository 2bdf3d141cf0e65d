"""The figure of one prediction."""

import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex

from optimetal.inference.figure import prediction_figure
from optimetal.inference.predict import predict
from optimetal.optics.grid import ENERGY
from optimetal.optics.measured import Measurement


@pytest.fixture
def prediction(ensemble, gold_copper):
    gold_copper.replace_species({"Au": "Pt"})
    return predict(gold_copper * (2, 1, 1), ensemble, names="alloy")


def texts(figure):
    return "\n".join(
        t.get_text() for t in figure.findobj(lambda artist: hasattr(artist, "get_text"))
    )


def drawn(figure):
    figure.savefig(io.BytesIO())  # warnings are errors
    return figure


def test_spectra_with_their_spread(prediction):
    figure = drawn(prediction.plot())
    eps, index, reflectivity, loss, _ = figure.axes
    for ax, names in (
        (eps, ["eps_inter_real", "eps_inter_imag"]),
        (index, ["n", "k"]),
        (reflectivity, ["reflectivity"]),
        (loss, ["energy_loss"]),
    ):
        for line, band, name in zip(
            ax.get_lines(), ax.findobj(PolyCollection), names, strict=False
        ):
            values, spread = prediction.quantity(name), prediction.spread(name)
            np.testing.assert_array_equal(line.get_ydata(), values)
            upper = band.get_paths()[0].vertices[:, 1]
            assert np.isclose(upper, values[500] + spread[500]).any()
        assert ax.get_xlabel().endswith("(eV)")
        assert ax.get_ylabel()
    assert len(eps.findobj(PolyCollection)) == 2


def test_a_single_network_has_no_band(save_member, tmp_path, copper):
    prediction = predict(copper, save_member(tmp_path / "a.safetensors"))
    assert drawn(prediction.plot()).findobj(PolyCollection) == []


def test_what_a_reader_must_know(prediction):
    figure = drawn(prediction.plot())
    text = texts(figure)
    for part in ("alloy", "small, 2 members", "surrogate, not ab initio"):
        assert part in text
    assert "Warning: No crystal of the training set contained Pt." in text
    assert "Note: The cell of 8 atoms was reduced" in text
    swatch = figure.axes[-1].patches[0]
    assert to_hex(swatch.get_facecolor()) == prediction.color.hex


def test_nothing_overlaps_and_nothing_is_cut_off(prediction):
    figure = prediction.plot()
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    width, height = canvas.get_width_height()
    for ax in figure.axes:
        box = ax.get_tightbbox(renderer)
        assert box.x0 >= -1
        assert box.y0 >= -1
        assert box.x1 <= width + 1
        assert box.y1 <= height + 1
    foot = next(t for t in figure.texts if t.get_text().startswith("Warning"))
    top = foot.get_window_extent(renderer).y1
    assert top <= min(ax.get_tightbbox(renderer).y0 for ax in figure.axes[:4]) + 1


def test_many_warnings_make_the_figure_higher(prediction, copper, ensemble):
    few = predict(copper, ensemble).plot()
    assert prediction.plot().get_figheight() > few.get_figheight()


def test_measured_optical_constants(prediction):
    values = np.linspace(1, 2, 5)
    measured = Measurement("Cu3Pt", "Somebody 1999", np.linspace(0.2, 1, 5), values, values, "")
    figure = drawn(prediction_figure(prediction, measured))
    for ax in figure.axes[1:3]:
        assert [t.get_text() for t in ax.get_legend().get_texts()][-1] == "Somebody 1999"
    np.testing.assert_array_equal(figure.axes[1].get_lines()[0].get_ydata(), values)
    np.testing.assert_array_equal(figure.axes[2].get_lines()[0].get_ydata(), measured.reflectivity)
    for ax in (figure.axes[0], figure.axes[3]):
        assert all(len(line.get_xdata()) in (len(ENERGY), 2) for line in ax.get_lines())


def test_pyplot_keeps_no_figure_and_its_style(prediction):
    before = dict(plt.rcParams)
    prediction.plot()
    assert plt.get_fignums() == []
    assert dict(plt.rcParams) == before
