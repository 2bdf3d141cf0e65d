"""What the figures of architectures show; how they look is for the eye."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from optimetal.plots.architecture import (
    improvement_bars,
    loss_of_settings,
    loss_over_layers,
    loss_over_spectra_width,
    search_figures,
)
from optimetal.plots.labels import label
from optimetal.scaling.ablation import Parts
from optimetal.scaling.printed import printed_parameter_law

NOTE = "a note"


@pytest.fixture
def ax() -> Iterator[Axes]:
    figure, ax = plt.subplots(layout="constrained")
    yield ax
    figure.canvas.draw()
    plt.close(figure)


def legend(ax: Axes) -> list[str]:
    box = ax.get_legend()
    assert box is not None
    return [text.get_text() for text in box.get_texts()]


@pytest.fixture
def settings() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "type": ["gaussian", "gaussian", "bessel"],
            "num_params": [1_000_000, 2_000_000, 3_000_000],
            "val_loss": [1.0, 1.1, 1.2],
            "val_loss_std": [0.01, 0.02, 0.03],
        }
    )


START = {"val_loss": 1.1, "val_loss_std": 0.02}


def test_settings_are_points_by_family_beside_the_start(settings, ax):
    loss_of_settings(settings, START, ax, family="type", title="Edges", source_note=NOTE)
    assert legend(ax) == ["start", "Bessel", "Gaussian"]
    points = {c.get_label(): c[0].get_xydata().tolist() for c in ax.containers}
    assert points == {"Bessel": [[3.0, 1.2]], "Gaussian": [[1.0, 1.0], [2.0, 1.1]]}
    assert "millions" in ax.get_xlabel()
    assert NOTE in [text.get_text() for text in ax.texts]


def test_families_of_equal_size_stand_beside_each_other(settings, ax):
    settings.loc[2, "num_params"] = 1_000_000
    loss_of_settings(settings, None, ax, family="type", title="Edges")
    (bessel, *_), (gaussian, *_) = (c[0].get_xdata().tolist() for c in ax.containers)
    assert bessel < 1.0 < gaussian
    assert legend(ax) == ["Bessel", "Gaussian"]


def test_improvements_show_both_starts_where_they_differ(ax):
    table = pd.DataFrame(
        {
            "comparison": ["Pooling", "Edges", "All"],
            "improvement": [0.0, 3.0, 8.0],
            "improvement_error": [0.0, 1.0, 1.0],
            "published_improvement": [0.0, 3.0, 7.5],
        }
    )
    improvement_bars(table, ax, source_note=NOTE)
    widths = sorted(float(bar.get_width()) for bar in ax.patches)
    assert widths == [0.0, 3.0, 7.5, 8.0]
    texts = [text.get_text() for text in ax.texts]
    assert texts.count("start is best") == 1
    assert [tick.get_text() for tick in ax.get_yticklabels()] == table["comparison"].tolist()


def test_equal_starts_need_no_second_bar(ax):
    table = pd.DataFrame(
        {
            "comparison": ["Pooling"],
            "improvement": [3.0],
            "improvement_error": [1.0],
            "published_improvement": [3.0],
        }
    )
    improvement_bars(table, ax)
    assert [float(bar.get_width()) for bar in ax.patches] == [3.0]
    assert ax.get_legend() is None


def test_a_single_seed_has_no_bar_and_a_start_not_tried_is_named(ax):
    table = pd.DataFrame({"comparison": ["Pooling", "Edges"], "improvement": [3.0, np.nan]})
    table = table.assign(improvement_error=np.nan, published_improvement=table["improvement"])
    improvement_bars(table, ax)
    assert [text.get_text() for text in ax.texts] == ["start not tried"]
    (bars,) = (c for c in ax.containers if c.get_label() == "start: mean over the kinds")
    (lines,) = bars.errorbar.lines[2]
    assert np.isnan(np.concatenate([path.vertices for path in lines.get_paths()])[:, 0]).all()
    assert ax.get_xlim() == (0, pytest.approx(1.15 * 3))


def test_any_number_of_multipliers_has_its_colour(settings, ax):
    many = pd.concat([settings] * 3, ignore_index=True).assign(hidden_multiplier=range(9))
    loss_of_settings(
        many.assign(val_loss_std=np.nan), START, ax, family="hidden_multiplier", title=""
    )
    assert len({bars[0].get_color() for bars in ax.containers}) == 9


def test_a_start_of_one_seed_has_a_line_and_no_band(settings, ax):
    start = {"val_loss": 1.1, "val_loss_std": np.nan}
    loss_of_settings(settings, start, ax, family="type", title="Edges")
    assert "start" in legend(ax)
    assert not ax.patches


def test_all_figures_of_a_search(settings):
    table = pd.concat(
        [settings.assign(kind="edges"), settings.assign(kind="both")], ignore_index=True
    )
    table = table.assign(is_start=[True, False, False] * 2, num_best=[0, 1, 1] * 2, setting="x")
    table["hidden_multiplier"] = [2, 4, 4, None, None, None]
    parts = Parts({"edges": "Edges"}, "both", by_multiplier=["edges"])
    figures = dict(search_figures(table, parts, NOTE))
    assert list(figures) == ["edges", "edges_multiplier", "both", "improvements"]
    assert legend(figures["both"].axes[0]) == ["start", "0 best", "1 best"]


def test_layers_are_a_line_per_network(ax):
    frame = pd.DataFrame({"model": ["a", "a", "b", "b"], "num_layers": [2, 1, 1, 2]})
    frame = frame.assign(label=frame["model"], val_loss=[1.0, 2.0, 3.0, 4.0], val_loss_std=0.1)
    loss_over_layers(frame, ax, source_note=NOTE)
    assert legend(ax) == ["a", "b"]
    assert ax.containers[0][0].get_xydata().tolist() == [[1, 2], [2, 1]]
    assert ax.get_xlabel() == label("num_layers")


def test_spectra_width_is_compared_with_laws_at_equal_size(ax):
    frame = pd.DataFrame({"spectra_multiplier": [4, 1, 2], "num_params": [4e6, 1e6, 2e6]})
    frame = frame.assign(model="2b_tc", label="2B", val_loss=1.0, val_loss_std=0.1)
    laws = {"fitted": lambda size: 2e6 / size, "printed": printed_parameter_law}
    loss_over_spectra_width(frame, laws, ax, source_note=NOTE)
    fitted, printed = (
        [line for line in ax.lines if line.get_linestyle() == s] for s in ("--", ":")
    )
    assert fitted[0].get_xydata().tolist() == [[1, 2], [2, 1], [4, 0.5]]
    np.testing.assert_allclose(printed[0].get_ydata(), printed_parameter_law([1e6, 2e6, 4e6]))
    assert legend(ax) == ["fitted", "printed", "2B"]
    assert [float(tick) for tick in ax.get_xticks()] == [1, 2, 4]
