"""Spectra and swatches: what is drawn, and what is refused. Also size, storage and labels."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.offsetbox import AnchoredOffsetbox, DrawingArea
from matplotlib.patches import Rectangle

from optimetal.optics.grid import ENERGY, NUM_ENERGIES
from optimetal.plots import labels, spectra, style


def spectrum(shift: float = 0.0) -> np.ndarray:
    eps = 1 + 30 / ((2 + shift) ** 2 - ENERGY**2 - 0.5j * ENERGY)
    return np.stack([eps.real, eps.imag], axis=-1)


def swatches(ax) -> list[str]:
    (box,) = (child for child in ax.get_children() if isinstance(child, AnchoredOffsetbox))
    area = box.get_child()
    assert isinstance(area, DrawingArea)
    rectangles = [child for child in area.get_children() if isinstance(child, Rectangle)]
    return [to_hex(patch.get_facecolor()) for patch in rectangles if patch.get_fill()]


def test_prediction_and_target_are_two_lines_each(ax):
    spectra.draw_spectrum(
        ax,
        spectrum(),
        spectrum(0.1),
        predicted_lab=[100, 0, 0],
        target_lab=[0, 0, 0],
        source_note="surrogate",
    )
    curves = [line for line in ax.get_lines() if len(line.get_xdata()) == NUM_ENERGIES]
    np.testing.assert_allclose(curves[0].get_ydata(), spectrum(0.1)[:, 0])  # target below
    np.testing.assert_allclose(curves[3].get_ydata(), spectrum()[:, 1])
    assert len(curves) == 4
    assert swatches(ax) == ["#000000", "#ffffff"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        labels.label("eps_inter_real"),
        labels.label("eps_inter_imag"),
        "prediction",
        "target",
    ]
    assert ax.get_xlabel() == labels.label("energy") and "eV" in ax.get_xlabel()
    assert "surrogate" in [text.get_text() for text in ax.texts]
    ax.figure.canvas.draw()


def test_a_new_material_has_no_target(ax):
    spectra.draw_spectrum(ax, spectrum(), predicted_lab=[50, 10, 10])
    assert len([line for line in ax.get_lines() if len(line.get_xdata()) == NUM_ENERGIES]) == 2
    assert len(swatches(ax)) == 1
    ax.figure.canvas.draw()


def test_bad_spectra_are_refused(ax):
    broken = spectrum()
    broken[5, 1] = np.nan
    with pytest.raises(ValueError, match="target spectrum must be finite"):
        spectra.draw_spectrum(ax, spectrum(), broken)
    with pytest.raises(ValueError, match="pass one material"):
        spectra.draw_spectrum(ax, spectrum()[None])


def test_figure_sizes_are_those_of_the_columns():
    width, height = style.figure_size(1, 0.5)
    assert width * 2.54 == pytest.approx(8.5) and height == width / 2
    assert style.figure_size(2)[0] * 2.54 == pytest.approx(17)
    with pytest.raises(ValueError, match="columns"):
        style.figure_size(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="aspect"):
        style.figure_size(1, 0)


def test_saved_pairs_are_reproducible(ax, tmp_path):
    spectra.draw_spectrum(ax, spectrum(), predicted_lab=[50, 10, 10], source_note="surrogate")
    first = [path.read_bytes() for path in style.save(ax.figure, tmp_path / "new" / "a.b")]
    again = [path.read_bytes() for path in style.save(ax.figure, tmp_path / "new" / "a.b")]
    assert first == again
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["a.b.pdf", "a.b.png"]
    assert b"CreationDate" not in first[0]


def test_failing_drawing_leaves_nothing_behind(ax, tmp_path):
    ax.set_title("$\\frac{$")  # broken mathtext fails when it is drawn
    with pytest.raises(ValueError):
        style.save(ax.figure, tmp_path / "broken")
    assert not list(tmp_path.iterdir())


def test_source_note_appears_only_when_given(ax):
    style.add_source_note(ax, None)
    assert not ax.texts
    style.add_source_note(ax.figure, "surrogate, not ab initio")
    assert ax.figure.texts[0].get_text() == "surrogate, not ab initio"


def test_models_keep_their_look_whatever_their_company():
    alone = labels.model_looks(["3b_tc"])["3b_tc"]
    together = labels.model_looks(["new_b", "3b_tc", "new_a", "2b_tc", "3b_tc"])
    assert list(together) == ["new_b", "3b_tc", "new_a", "2b_tc"]
    assert together["3b_tc"] == alone
    assert labels.model_looks(["new_a", "new_b"]) == {
        key: together[key] for key in ("new_a", "new_b")
    }
    assert len({look.color for look in together.values()}) == 4


def test_every_label_can_be_drawn():
    fig = plt.figure()
    for key in labels.QUANTITIES:
        fig.text(0, 0, labels.label(key))
    fig.text(0, 0, labels.formula("Cu3Au"))
    fig.canvas.draw()


def test_labels_carry_units_and_unknown_keys_are_refused():
    assert labels.label("wavelength").endswith("(nm)")
    assert labels.formula("MnAlCu2") == "MnAlCu$_{\\mathrm{2}}$"
    with pytest.raises(ValueError, match="no label for 'enrgy'"):
        labels.label("enrgy")


def test_panels_are_as_many_as_asked_for_and_the_rest_is_empty():
    fig, axes = style.panels(3, aspect=0.5)
    assert len(axes) == 3
    assert [ax.axison for ax in fig.axes] == [True, True, True, False]
    np.testing.assert_allclose(fig.get_size_inches(), style.figure_size(2, 0.5))


def test_a_single_panel_is_one_column_wide():
    fig, axes = style.panels(1, columns=1, aspect=0.5)
    assert len(axes) == len(fig.axes) == 1
    np.testing.assert_allclose(fig.get_size_inches(), style.figure_size(1, 0.5))
