"""Figures of the evaluation: expected artists, one material, and clear errors."""

from itertools import pairwise

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PolyCollection

from optimetal.evaluation.metrics import material_metrics
from optimetal.optics.grid import ENERGY, NUM_ENERGIES
from optimetal.plots import evaluation, labels

NUM = 30
RNG = np.random.default_rng(3)


def arrays(noise: float) -> dict[str, np.ndarray]:
    centre = np.linspace(1, 6, NUM)[:, None] * (1 + noise * RNG.normal(size=(NUM, 1)))
    eps = 1 + 25 / (centre**2 - ENERGY**2 - 0.8j * ENERGY)
    drude = np.linspace(1, 9, NUM) + noise * RNG.normal(size=NUM)
    return {"eps_inter": np.stack([eps.real, eps.imag], axis=-1), "drude_frequency": drude}


TARGETS, PREDICTIONS = arrays(0), arrays(0.05)
TABLE = material_metrics(PREDICTIONS, TARGETS, compositions=[f"Cu{n}Au" for n in range(2, 32)])


def first(num: int, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {key: array[:num] for key, array in values.items()}


@pytest.mark.parametrize("metric", ["loss", "delta_e", "eps_real_r2", "eps_imag_sc", "drude_diff"])
def test_histogram_counts_all_within_its_limits_and_names_the_rest(ax, metric):
    evaluation.draw_histogram(ax, TABLE, metric, source_note="surrogate")
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    counted = sum(bar.get_height() for bar in ax.patches)
    beyond = next((int(text.split()[0]) for text in legend if text.endswith("beyond")), 0)
    assert counted + beyond == NUM
    assert legend[0].startswith("mean") and legend[1].startswith("median")
    assert ax.get_xlabel() == labels.label(metric)
    assert [text.get_text() for text in ax.texts] == ["surrogate"]
    ax.figure.canvas.draw()


def test_long_tail_does_not_set_the_limit(ax):
    values = np.append(RNG.uniform(0, 1, 199), 500.0)
    evaluation.draw_histogram(ax, pd.DataFrame({"loss": values}), "loss")
    assert ax.get_xlim()[1] < 2
    assert ax.get_legend().get_texts()[0].get_text() == f"mean {values.mean():.3g}"


@pytest.mark.parametrize("metric", ["loss", "eps_real_r2", "drude_diff"])
@pytest.mark.parametrize("value", [0.0, 1.0, 0.3])
def test_one_material_is_drawn(ax, metric, value):
    single = pd.DataFrame({metric: [value]})
    evaluation.draw_histogram(ax, single, metric)
    evaluation.draw_violins(plt.subplots()[1], {"3b_tc": single}, metric)
    ax.figure.canvas.draw()


def test_one_violin_per_model_in_its_colour(ax):
    evaluation.draw_violins(ax, {"2b_tc": TABLE, "3b_tc": TABLE}, "loss", source_note="surrogate")
    bodies = [child for child in ax.collections if isinstance(child, PolyCollection)]
    assert len(bodies) == 2
    colors = [mpl.colors.to_hex(body.get_facecolor()[0]) for body in bodies]
    assert colors == [labels.MODELS[key].color.lower() for key in ("2b_tc", "3b_tc")]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == [
        "OptiMetal2B\n(TC)",
        "OptiMetal3B\n(TC)",
    ]
    ax.figure.canvas.draw()


@pytest.mark.parametrize("count", [2, 4, 12])
def test_names_of_violins_do_not_touch(count):
    fig, ax = plt.subplots()
    frame = pd.DataFrame({"loss": [1.0, 2.0, 3.0]})
    evaluation.draw_violins(
        ax, {f"network number {n} (of many)": frame for n in range(count)}, "loss"
    )
    fig.draw_without_rendering()
    boxes = [name.get_window_extent() for name in ax.get_xticklabels()]
    assert not any(one.overlaps(other) for one, other in pairwise(boxes))
    assert ax.get_position().height > 0.5


def test_median_and_mean_of_a_violin_are_those_of_all_materials(ax):
    values = np.array([0.1, 0.2, 0.3, 0.4, 50.0])
    evaluation.draw_violins(ax, {"3b_tc": pd.DataFrame({"loss": values})}, "loss")
    drawn = {line.get_marker(): line.get_ydata()[0] for line in ax.get_lines()}
    assert drawn == {"_": np.median(values), "D": values.mean()}


def test_parity_plot_is_square_with_one_dot_per_material(ax):
    evaluation.draw_drude_parity(ax, TABLE, drude_r2=0.97, source_note="surrogate")
    assert ax.get_xlim() == ax.get_ylim()
    (dots,) = ax.collections
    np.testing.assert_allclose(
        dots.get_offsets(), TABLE[["drude_target", "drude_predicted"]].to_numpy()
    )
    assert "0.970" in ax.texts[0].get_text()
    ax.figure.canvas.draw()


def test_random_materials_are_the_same_for_the_same_seed():
    def formulas(seed: int) -> list[str]:
        fig = plt.figure()
        evaluation.draw_random_materials(
            fig, TABLE, PREDICTIONS, TARGETS, seed=seed, source_note="surrogate"
        )
        return [ax.get_title() for ax in fig.axes]

    assert formulas(1) == formulas(1) != formulas(2)
    assert len(set(formulas(1))) == 12  # no material twice


def test_fewer_materials_than_panels_leave_panels_empty():
    fig = plt.figure()
    evaluation.draw_random_materials(
        fig, TABLE.iloc[:1], first(1, PREDICTIONS), first(1, TARGETS), num_rows=2, num_columns=2
    )
    assert [ax.axison for ax in fig.axes] == [True, False, False, False]
    assert len(fig.texts) == 2  # the two labels: no note was asked for
    fig.canvas.draw()
    assert fig.axes[0].xaxis.get_tick_params()["labelbottom"]  # now the lowest of its column


def test_panels_show_the_spectra_of_their_material():
    fig = plt.figure()
    evaluation.draw_random_materials(fig, TABLE, PREDICTIONS, TARGETS, num_rows=1, num_columns=2)
    for ax in fig.axes:
        row = [labels.formula(text) for text in TABLE["composition"]].index(ax.get_title())
        lines = [line for line in ax.get_lines() if len(line.get_xdata()) == NUM_ENERGIES]
        np.testing.assert_array_equal(lines[0].get_ydata(), TARGETS["eps_inter"][row, :, 0])
        np.testing.assert_array_equal(lines[3].get_ydata(), PREDICTIONS["eps_inter"][row, :, 1])


def test_quartiles_take_their_materials_from_their_quarter():
    fig = plt.figure()
    evaluation.draw_quartiles(fig, TABLE, PREDICTIONS, TARGETS, source_note="surrogate")
    fig.canvas.draw()
    loss = TABLE["loss"].to_numpy()
    by_title = dict(zip(map(labels.formula, TABLE["composition"]), loss, strict=True))
    rows = np.array([by_title[ax.get_title()] for ax in fig.axes]).reshape(4, 6)
    assert (rows[:-1].max(axis=1) <= rows[1:].min(axis=1)).all()
    assert fig.axes[0].get_ylabel().startswith("best quarter")
    assert fig.texts[-1].get_text() == "surrogate"


def test_four_materials_are_enough_for_quartiles():
    fig = plt.figure()
    evaluation.draw_quartiles(fig, TABLE.iloc[:4], first(4, PREDICTIONS), first(4, TARGETS))
    assert sum(ax.axison for ax in fig.axes) == 4
    with pytest.raises(ValueError, match="at least 4 materials"):
        evaluation.draw_quartiles(
            plt.figure(), TABLE.iloc[:3], first(3, PREDICTIONS), first(3, TARGETS)
        )


def history(num_epochs: int = 40) -> pd.DataFrame:
    epoch = np.arange(1, num_epochs + 1)
    return pd.DataFrame(
        {
            "epoch": epoch,
            "train_loss": 2 / epoch,
            "val_loss": 2.2 / epoch + 0.01 * epoch,
            "lr": 1e-3 * np.cos(epoch / num_epochs),
        }
    )


def test_learning_curves_mark_the_best_epoch():
    ax, lr_ax = plt.subplots(2, 1)[1]
    runs = {"3b_tc": history(), "2b_tc": history()}
    evaluation.draw_learning_curves(ax, runs, lr_ax=lr_ax, source_note="surrogate")
    ax.figure.canvas.draw()
    best = [line for line in ax.get_lines() if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in best] == [history()["val_loss"].argmin() + 1] * 2
    assert len(lr_ax.get_lines()) == 2
    assert lr_ax.get_xlabel() == labels.label("epoch")
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == ["OptiMetal3B (TC)", "OptiMetal2B (TC)", "training loss"]


def test_one_epoch_is_drawn(ax):
    evaluation.draw_learning_curves(ax, {"a run": history(1)})
    ax.figure.canvas.draw()


def test_bad_input_is_refused(ax):
    broken = TABLE.assign(loss=np.where(np.arange(NUM) == 4, np.nan, TABLE["loss"]))
    with pytest.raises(ValueError, match="first in row 4"):
        evaluation.draw_histogram(ax, broken, "loss")
    with pytest.raises(ValueError, match="needs a column 'los'"):
        evaluation.draw_histogram(ax, TABLE, "los")
    with pytest.raises(ValueError, match="no row"):
        evaluation.draw_violins(ax, {"3b_tc": TABLE.iloc[:0]}, "loss")
    with pytest.raises(ValueError, match="no model"):
        evaluation.draw_violins(ax, {}, "loss")
    with pytest.raises(ValueError, match="no run"):
        evaluation.draw_learning_curves(ax, {})
    with pytest.raises(ValueError, match="same materials"):
        evaluation.draw_random_materials(plt.figure(), TABLE.iloc[:2], PREDICTIONS, TARGETS)
