"""Figures of the database: counting elements, the table's layout, sizes of unit cells."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from optimetal.plots import dataset, style


@pytest.fixture
def ax():
    return plt.subplots(figsize=style.figure_size(2, 0.45))[1]


def test_an_element_counts_once_per_material():
    counts = dataset.element_counts(["Cu3Au", "Cu", "Cu", "CO2", "Li2C"])
    assert counts["Cu"] == 3 and counts["Au"] == 1
    assert counts["C"] == 2 and counts["O"] == 1  # CO2 holds no cobalt
    assert counts["He"] == 0 and counts.sum() == 8


def test_elements_of_no_known_kind_are_refused():
    with pytest.raises(ValueError, match=r"\['U', 'Xx'\]"):
        dataset.element_counts(["UO2", "XxCu"])


def test_places_follow_group_and_period():
    from pymatgen.core import Element

    for symbol, (row, column) in dataset.PLACES.items():
        element = Element(symbol)
        if element.is_lanthanoid:
            assert (row, column) == (6, element.Z - 57 + 3)
        else:
            assert (row, column) == (element.row - 1, element.group - 1)
    assert len(dataset.PLACES) == 83


def test_periodic_table_states_count_and_share(ax):
    counts = dataset.element_counts(["Cu3Au"] * 30 + ["Cu"] * 10)
    dataset.draw_periodic_table(ax, counts, 40, source_note="surrogate")
    ax.figure.canvas.draw()
    texts = [text.get_text() for text in ax.texts]
    assert {"40", "100.0 %", "30", "75.0 %", "surrogate"} <= set(texts)
    assert len(ax.patches) == len(dataset.PLACES)
    assert texts.count("0") == 0  # absent elements are grey, without numbers


@pytest.mark.parametrize(
    ("num_materials", "numbers"),
    [(60, ["5", "10", "20", "50"]), (1_000, ["5", "10", "20"]), (60_000, ["10", "100", "1,000"])],
)
def test_the_scale_has_whole_numbers(ax, num_materials, numbers):
    counts = pd.Series({"Cu": num_materials, "Au": 12})
    dataset.draw_periodic_table(ax, counts, num_materials)
    ax.figure.canvas.draw()
    (scale,) = ax.child_axes
    low, high = scale.get_xlim()
    ticks = zip(scale.get_xticks(), scale.get_xticklabels(), strict=True)
    shown = [text.get_text() for tick, text in ticks if low <= tick <= high]
    assert shown[: len(numbers)] == numbers
    assert [text for text in scale.get_xticklabels(minor=True) if text.get_text()] == []


def test_one_material_and_one_element(ax):
    dataset.draw_periodic_table(ax, dataset.element_counts(["Cu"]), 1)
    ax.figure.canvas.draw()


def test_more_materials_than_there_are_is_refused(ax):
    with pytest.raises(ValueError, match="largest count of 2 and 1 materials"):
        dataset.draw_periodic_table(ax, pd.Series({"Cu": 2}), 1)
    with pytest.raises(ValueError, match="largest count of 0"):
        dataset.draw_periodic_table(ax, dataset.element_counts([]), 5)


def test_shares_over_cell_sizes_add_up_to_hundred(ax):
    sets = {"train": np.array([1, 2, 2, 4]), "val": np.array([3]), "test": [4, 4]}
    dataset.draw_atoms_per_cell(ax, sets, source_note="surrogate")
    ax.figure.canvas.draw()
    heights = np.array([bar.get_height() for bar in ax.patches]).reshape(3, 4)
    np.testing.assert_allclose(heights, [[25, 50, 0, 25], [0, 0, 100, 0], [0, 0, 0, 100]])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["train", "val", "test"]


def test_bad_sizes_are_refused(ax):
    with pytest.raises(ValueError, match=r"'val' must hold .* got 0 materials"):
        dataset.draw_atoms_per_cell(ax, {"train": [2], "val": []})
    with pytest.raises(ValueError, match="0 atoms"):
        dataset.draw_atoms_per_cell(ax, {"train": [2, 0]})
    with pytest.raises(ValueError, match="no set of materials"):
        dataset.draw_atoms_per_cell(ax, {})
