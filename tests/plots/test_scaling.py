"""What the scaling figures show; how they look is for the eye."""

from collections.abc import Iterator
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

from optimetal.plots.labels import MODELS, label
from optimetal.plots.scaling import (
    aicc_bars,
    best_lr_over_params,
    grid_contours,
    grid_lines,
    loss_over_exponent,
    loss_over_lr,
    loss_over_width,
    loss_scaling,
    trial_laws,
)
from optimetal.scaling.fits import fit_grid, fit_runs, points, read_fit
from optimetal.scaling.laws import LAWS, PUBLISHED_LAWS, broken, kaplan
from optimetal.scaling.learning_rate import fit_learning_rate, with_lr_exponent

NOTE = "surrogate, not ab initio"
SIZES = (100, 200, 400, 800, 1600)


def run(model: str, num_train: int, width: int, seed: int, loss: float, lr: float = 1e-3) -> dict:
    scatter = 1 + 0.01 * np.cos(7 * seed + num_train + width)
    return {
        "run": f"{model}_{num_train}_{width}_{seed}_{lr}",
        "studies": ["invented"],
        "model": model,
        "label": MODELS[model].label,
        "num_train": num_train,
        "width": width,
        "num_params": 300 * width + 10 * width**2,
        "seed": seed,
        "lr": lr,
        "val_loss": loss * scatter,
    }


@pytest.fixture(scope="module")
def data_runs() -> pd.DataFrame:
    rows = [
        run(model, size, 16, seed, float(broken(size, 0.1, 0.5, x_break)))
        for model, x_break in (("2b_tc", 600), ("3b_tc", 400))
        for size in SIZES
        for seed in (1, 2)
    ]
    rows += [run("optimate", size, 16, seed, 1.0) for size in SIZES[:2] for seed in (1, 2)]
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def measured(data_runs: pd.DataFrame) -> pd.DataFrame:
    return points(data_runs, "num_train")


@pytest.fixture(scope="module")
def fits(data_runs: pd.DataFrame) -> pd.DataFrame:
    return fit_runs(data_runs, "num_train")


@pytest.fixture(scope="module")
def grid_runs() -> pd.DataFrame:
    return pd.DataFrame(
        run(
            "3b_tc",
            size,
            width,
            seed,
            float(kaplan([300 * width + 10 * width**2, size], 0.3, 0.2, 0.4, 1e4, 500)),
        )
        for size in SIZES
        for width in (4, 8, 16, 32)
        for seed in (1, 2)
    )


@pytest.fixture(scope="module")
def lr_runs() -> pd.DataFrame:
    rows = []
    for width in (4, 8, 16):
        ratio = (300 * 8 + 10 * 64) / (300 * width + 10 * width**2)
        for exponent in (0.0, 1.0, 2.0) if width != 8 else (0.0,):
            lr = 1e-3 * ratio**exponent
            loss = width**-0.2 * (1 + np.log(lr / 1e-3 / ratio) ** 2)
            rows += [run("2b_tc", 400, width, seed, loss, lr) for seed in (1, 2)]
    return pd.DataFrame(rows)


@pytest.fixture
def ax() -> Iterator[Axes]:
    figure, ax = plt.subplots(layout="constrained")
    yield ax
    figure.canvas.draw()
    plt.close(figure)


def texts(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def legend(ax: Axes) -> list[str]:
    box = ax.get_legend()
    assert box is not None
    return [text.get_text() for text in box.get_texts()]


def test_loss_scaling_draws_points_laws_and_breaks(measured, fits, ax):
    assert loss_scaling(measured, fits, ax, law="broken", source_note=NOTE) is ax
    assert (ax.get_xlabel(), ax.get_ylabel()) == (label("num_train"), label("val_loss"))
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert NOTE in texts(ax)
    of_model = {
        key: [line for line in ax.lines if to_hex(line.get_color()) == MODELS[key].color.lower()]
        for key in ("2b_tc", "3b_tc", "optimate")
    }
    breaks = [line for line in of_model["2b_tc"] if line.get_marker() == "|" and line.get_ms() > 5]
    row = fits[(fits["model"] == "2b_tc") & (fits["law"] == "broken")].iloc[0]
    assert [float(line.get_xdata()[0]) for line in breaks] == [row["x_break"]]
    (curve,) = [line for line in of_model["2b_tc"] if len(line.get_xdata()) > 50]
    np.testing.assert_allclose(curve.get_ydata(), read_fit(row).predict(curve.get_xdata()))
    assert list(of_model["2b_tc"][0].get_xdata()) == list(SIZES)


def test_law_that_did_not_converge_has_open_symbols_and_no_line(measured, fits, ax):
    loss_scaling(measured, fits, ax, law="broken")
    assert legend(ax) == [
        MODELS["2b_tc"].label,
        MODELS["3b_tc"].label,
        MODELS["optimate"].label,
        "open: law not converged",
    ]
    faces = {bars[0].get_label(): bars[0].get_markerfacecolor() for bars in ax.containers}
    assert faces == {
        MODELS[key].label: "white" if key == "optimate" else MODELS[key].color
        for key in ("2b_tc", "3b_tc", "optimate")
    }
    grey = [
        line for line in ax.lines if to_hex(line.get_color()) == MODELS["optimate"].color.lower()
    ]
    assert all(len(line.get_xdata()) <= 2 for line in grey)


def test_trial_laws_are_a_panel_each(measured, fits):
    figure, axes = plt.subplots(2, 2, sharex=True, sharey=True, layout="constrained")
    panels = trial_laws(measured, fits, axes.ravel(), source_note=NOTE)
    figure.canvas.draw()
    assert [ax.get_title(loc="left") for ax in panels] == [
        LAWS[law].label for law in PUBLISHED_LAWS
    ]
    assert legend(panels[0])[3:] == ["open: law not converged"]
    assert NOTE in texts(panels[-1])
    assert [bars[0].get_markerfacecolor() for bars in panels[2].containers][2] == "white"
    plt.close(figure)


def test_aicc_bars_name_the_best_and_the_missing(fits, ax):
    aicc_bars(fits, ax, source_note=NOTE)
    notes = texts(ax)
    assert notes.count("best") == 2
    assert notes.count("no AICc") == fits["aicc"].isna().sum()
    assert len(ax.patches) == len(fits)


@pytest.mark.parametrize(("over", "lines"), [("num_params", len(SIZES)), ("num_train", 4)])
def test_grid_lines_have_one_line_per_other_size(grid_runs, ax, over, lines):
    grid_lines(
        points(grid_runs, "grid"),
        fit_grid(grid_runs),
        ax,
        model="3b_tc",
        law="kaplan",
        over=over,
        source_note=NOTE,
    )
    assert len(legend(ax)) == lines
    assert ax.get_xlabel() == label(over)
    curves = [line for line in ax.lines if len(line.get_xdata()) > 50]
    assert len(curves) == lines
    row = fit_grid(grid_runs, ["kaplan"]).iloc[0]
    first = {"num_params": ([2e3], [100]), "num_train": ([1360], [2e3])}[over]
    expected = read_fit(row).predict(np.array(first))
    drawn = np.interp(2e3, curves[0].get_xdata(), curves[0].get_ydata())
    np.testing.assert_allclose(drawn, expected, rtol=1e-3)


def test_contours_map_the_fit(grid_runs, ax):
    grid_contours(
        points(grid_runs, "grid"),
        fit_grid(grid_runs),
        ax,
        model="3b_tc",
        law="kaplan",
        source_note=NOTE,
    )
    assert (ax.get_xlabel(), ax.get_ylabel()) == (label("num_params"), label("num_train"))
    (bar,) = [other for other in ax.figure.axes if other is not ax]
    assert bar.get_ylabel() == label("val_loss")
    dots = ax.collections[-1]
    assert len(dots.get_offsets()) == 4 * len(SIZES)


@pytest.mark.parametrize("draw", [grid_contours, partial(grid_lines, over="num_params")])
def test_grid_without_a_fit_shows_the_points_and_says_so(grid_runs, ax, draw):
    few = grid_runs[(grid_runs["width"] <= 8) & (grid_runs["num_train"] <= 200)]
    draw(points(few, "grid"), fit_grid(few), ax, model="3b_tc", law="kaplan")
    assert texts(ax) == [f"law not converged:\n{MODELS['3b_tc'].label}"]


def test_unknown_model_names_the_known_ones(grid_runs, ax):
    with pytest.raises(ValueError, match=r"'4b'.*\['3b_tc'\]"):
        grid_contours(points(grid_runs, "grid"), fit_grid(grid_runs), ax, model="4b", law="kaplan")


def test_one_figure_shows_one_axis(measured, fits, ax):
    with pytest.raises(ValueError, match="filter them"):
        loss_scaling(measured, fits.assign(x="grid"), ax, law="power")


def test_learning_rate_figures(lr_runs, ax):
    loss_over_lr(lr_runs, ax, source_note=NOTE)
    stars = [line for line in ax.lines if line.get_marker() == "*"]
    assert legend(ax) == ["4", "8", "16"]
    np.testing.assert_allclose(
        [line.get_xdata()[0] * n for line, n in zip(stars, (1360, 3040, 7360), strict=True)],
        1e-3 * 3040,
    )


@pytest.mark.parametrize(
    ("draw", "xlabel", "family"),
    [
        (loss_over_width, label("width"), ["0", "1", "2"]),
        (loss_over_exponent, label("lr_exponent"), ["4", "8", "16"]),
    ],
)
def test_families_of_learning_rates(lr_runs, ax, draw, xlabel, family):
    draw(with_lr_exponent(lr_runs, 8), ax, source_note=NOTE)
    assert ax.get_xlabel() == xlabel
    assert legend(ax) == family
    assert all(len(container[0].get_xdata()) == 3 for container in ax.containers)


def test_best_rate_over_parameters_prints_the_exponent(lr_runs, ax):
    best_lr_over_params(lr_runs, fit_learning_rate(lr_runs, 8), ax, source_note=NOTE)
    assert legend(ax) == [f"{MODELS['2b_tc'].label}: $\\gamma$ = 1"]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.45, 1.7, ["0.5", "0.7", "1", "1.5"]),
        (0.88, 1.33, ["0.9", "1", "1.1", "1.2", "1.3"]),
        (0.0099, 120.0, [r"$\mathrm{10^{-2}}$", "0.1", "1", "10", "100"]),
    ],
)
def test_losses_within_a_decade_have_plain_numbers(ax, low, high, expected):
    frame = pd.DataFrame({"model": ["2b_tc"] * 2, "label": "a", "num_train": [100, 1000]})
    frame = frame.assign(val_loss=[high, low], val_loss_std=0.0)
    fits = pd.DataFrame({"x": ["num_train"], "model": ["none"], "law": ["power"]})
    fits["converged"] = True
    loss_scaling(frame, fits, ax, law="power", legend=False)
    ax.set_ylim(low, high)
    ax.figure.canvas.draw()
    drawn = [tick.label1.get_text() for tick in ax.yaxis.get_major_ticks()]
    assert drawn == expected
