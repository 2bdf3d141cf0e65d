"""Laws inverted, and the optimal network for a cost, against closed forms."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from optimetal.scaling.compute import (
    FURTHEST,
    CostModel,
    Planner,
    SampledFit,
    WidthLaw,
    crystals_for_loss,
    decades,
    estimate,
    fit_cost,
    fit_costs,
    fit_width,
    losses_around,
    make_planner,
    params_for_loss,
    sampled_fit,
)
from optimetal.scaling.laws import GRID_LAWS, LAWS, get_law
from optimetal.scaling.published import read_published_runs

WIDTHS = WidthLaw((61.0, 16_166.0, 4003.0))
KAPLAN = (0.3, 0.2, 0.4, 2e5, 3e4)
HOFFMANN = (0.4, 0.25, 0.5, 3e4, 1e4, 0.2)
PARAMETERS = {
    "kaplan": KAPLAN,
    "hoffmann": HOFFMANN,
    "kaplan_power": (0.3, 0.4, 2e5, 3e4),
    "hoffmann_power": (0.4, 0.5, 3e4, 1e4, 0.2),
}
LOSSES = np.array([[0.9], [0.6], [0.35]])


def exact(law: str, *parameters: float, axis="grid", draws: int = 1) -> SampledFit:
    """A law without uncertainty; with more draws, the same again and again."""
    return SampledFit(
        model="2b",
        label="2B",
        law=get_law(law),
        axis=axis,
        parameters=np.tile(np.array(parameters)[:, None], 1 + draws),
        measured={"num_params": (1e4, 1e7), "num_train": (1e3, 1e5)},
        reason="",
    )


def planner(fit: SampledFit, cost: CostModel | None = None) -> Planner:
    return Planner(fit, cost or CostModel(), WIDTHS, epochs=100)


# Laws inverted


@pytest.mark.parametrize("axis", ["num_train", "num_params"])
def test_power_laws_are_inverted_exactly(axis):
    needed = crystals_for_loss if axis == "num_train" else params_for_loss
    power = needed(exact("power", 0.3, 5e3, axis=axis), LOSSES)
    assert_allclose(power, np.repeat(5e3 * LOSSES ** (-1 / 0.3), 2, axis=1), rtol=1e-12)
    floored = needed(exact("power_floor", 0.3, 5e3, 0.3, axis=axis), LOSSES)
    assert_allclose(floored, np.repeat(5e3 * (LOSSES - 0.3) ** (-1 / 0.3), 2, axis=1), rtol=1e-12)


@pytest.mark.parametrize(
    ("law", "parameters"),
    [
        ("broken", (0.15, 0.42, 5e4)),
        ("broken_amplitude", (0.15, 0.42, 5e4, 1.3)),
        ("bnsl", (0.1, 3.0, 0.1, 0.2, 3e3, 0.2, 0.1, 3e4, 0.2)),
    ],
)
def test_other_laws_are_inverted(law, parameters):
    assert law in LAWS
    sizes = crystals_for_loss(exact(law, *parameters, axis="num_train"), LOSSES)
    assert_allclose(get_law(law).function(sizes, *parameters), np.repeat(LOSSES, 2, axis=1))


@pytest.mark.parametrize(("law", "parameters"), PARAMETERS.items())
def test_grid_laws_are_inverted_in_both_sizes(law, parameters):
    fit = exact(law, *parameters)
    crystals = crystals_for_loss(fit, LOSSES, num_params=1e9)
    assert_allclose(fit.loss(1e9, crystals), np.repeat(LOSSES, 2, axis=1))
    params = params_for_loss(fit, LOSSES, num_train=1e9)
    assert_allclose(fit.loss(params, 1e9), np.repeat(LOSSES, 2, axis=1))


def test_endless_networks_leave_the_law_of_the_data():
    alpha1, alpha2, d_break = KAPLAN[1], KAPLAN[2], KAPLAN[4]
    of_data = exact("broken", alpha1, alpha2, d_break, axis="num_train")
    endless = crystals_for_loss(exact("kaplan", *KAPLAN), LOSSES)
    assert_allclose(endless, crystals_for_loss(of_data, LOSSES))
    parameters = params_for_loss(exact("kaplan", *KAPLAN), LOSSES)
    assert_allclose(parameters, np.repeat(KAPLAN[3] * LOSSES ** (-1 / KAPLAN[0]), 2, axis=1))


def test_losses_below_the_floor_need_infinite_sizes():
    fit = exact("hoffmann", *HOFFMANN)
    assert fit.floor == HOFFMANN[-1]
    assert np.isinf(crystals_for_loss(fit, [0.2])).all()
    assert np.isfinite(crystals_for_loss(fit, [0.2001])).all()
    # the floor of a finite network is higher
    at_width = fit.loss(1e5, np.inf)
    assert np.isinf(crystals_for_loss(fit, at_width - 1e-6, num_params=1e5)).all()
    assert np.isfinite(crystals_for_loss(fit, at_width + 1e-3, num_params=1e5)).all()


# Intervals


def test_intervals_come_from_the_draws():
    samples = np.append(3.0, np.arange(1, 1001))
    assert_allclose(estimate(samples), (3, 25.5, 975), atol=0.5)


def test_infinite_draws_are_the_largest():
    samples = np.concatenate([[3.0], np.arange(1, 91), np.full(10, np.inf)])
    value, low, high = estimate(samples)
    assert (value, low, high) == (3.0, 3.0, np.inf)


def test_without_draws_there_is_no_interval():
    value, low, high = estimate([3.0])
    assert value == 3.0
    assert np.isnan([low, high]).all()
    assert np.isnan(estimate([np.nan, 1.0, 2.0])).all()


def test_draws_that_are_not_defined_are_left_out():
    assert estimate([2.0, 1.0, np.nan, 3.0]) == (2.0, 1.0, 3.0)


def test_the_interval_of_a_size_is_that_of_the_parameters(runs_of):
    runs = runs_of(lambda params, size: 9 * size**-0.3, seeds=(1, 2, 3, 4))
    fit = sampled_fit(runs, "num_train", "power", seed=0, num_samples=200)
    assert fit.parameters.shape == (2, 201)
    needed = estimate(crystals_for_loss(fit, 0.5))
    truth = (9 / 0.5) ** (1 / 0.3)
    assert needed.low < needed.value < needed.high
    assert needed.low < truth < needed.high
    closed = fit.parameters[1] * 0.5 ** (-1 / fit.parameters[0])
    assert_allclose(needed, estimate(closed))


# The optimal network for each number of crystals


def log_slope(y, x):
    return np.polyfit(np.log(x), np.log(y), 1)[0]


def test_optimal_sizes_without_break_have_the_analytic_exponents():
    # L - L0 = (Nc/N)^a + (Dc/D)^b with C ~ N D: N ~ D^(b/a), N ~ C^(b/(a+b)), L - L0 ~ C^(-ab/(a+b))
    a, b, n_scale, d_scale, floor = 0.34, 0.28, 4e2, 3e3, 0.2
    plan = planner(exact("hoffmann", a, b, b, n_scale, d_scale, floor)).frontier(
        np.geomspace(1e3, 1e9, 7).tolist()
    )
    num_train, num_params = plan["num_train"], plan["num_params"]
    expected = n_scale * (a / b) ** (1 / a) * (num_train / d_scale) ** (b / a)
    assert_allclose(num_params, expected, rtol=1e-10)
    assert_allclose(plan["compute"], 100 * num_params * num_train)
    assert log_slope(num_params, plan["compute"]) == pytest.approx(b / (a + b))
    assert log_slope(plan["loss"] - floor, plan["compute"]) == pytest.approx(-a * b / (a + b))


def test_optimal_sizes_of_the_kaplan_form_without_break():
    # [(Nc/N)^(a/b) + Dc/D]^b: optimal where (a/b) (Nc/N)^(a/b) = Dc/D
    a, b, n_scale, d_scale = 0.3, 0.4, 2e5, 3e4
    sizes = np.geomspace(1e3, 1e9, 7)
    plan = planner(exact("kaplan", a, b, b, n_scale, d_scale)).frontier(sizes.tolist())
    assert_allclose(plan["num_params"], n_scale * (a / b * sizes / d_scale) ** (b / a), rtol=1e-10)


@pytest.mark.parametrize(("law", "parameters"), PARAMETERS.items())
@pytest.mark.parametrize("cost", [CostModel(), CostModel(3e-4, 2e-10, 0.1, "cpu", "")])
def test_no_other_network_of_the_same_cost_is_better(law, parameters, cost):
    assert set(PARAMETERS) == set(GRID_LAWS)
    plan = planner(exact(law, *parameters), cost)
    for num_train in (3e3, 3e4, 3e6):
        best = plan.optimal_params(num_train)[0]
        budget = cost(best, num_train, 100)
        others = best * np.geomspace(1e-2, 1e2, 2001)
        losses = plan.fit.loss(others[:, None], budget / cost(others, 1.0, 100)[:, None])[:, 0]
        assert others[losses.argmin()] == pytest.approx(best, rel=0.01)


def test_time_that_hardly_grows_with_the_network_asks_for_larger_ones():
    fit = exact("kaplan", *KAPLAN)
    slow = CostModel(per_crystal=1e-3, per_parameter=1e-10, device="cpu")
    assert planner(fit, slow).optimal_params(1e4)[0] > 10 * planner(fit).optimal_params(1e4)[0]


@pytest.mark.parametrize(("law", "parameters"), PARAMETERS.items())
def test_the_cheapest_way_to_a_loss_is_on_the_frontier(law, parameters):
    plan = planner(exact(law, *parameters, draws=20))
    frontier = plan.frontier([1e4, 1e5, 1e6])
    back = plan.for_loss(frontier["loss"].tolist())
    for column in ("num_train", "num_params", "width", "compute"):
        assert_allclose(back[column], frontier[column], rtol=1e-6)
    assert (back["least_num_train"] < back["num_train"]).all()
    assert (back["least_num_params"] < back["num_params"]).all()


# The lowest loss for a cost


def test_the_lowest_loss_for_a_cost_has_the_analytic_form():
    # A/N^a + B/D^b with N D = C: D = G C^(a/(a+b)) with G = (b B / a A)^(1/(a+b)), N = C / D (Hoffmann et al., eq. 4)
    a, b, n_scale, d_scale, floor = 0.34, 0.28, 4e2, 3e3, 0.2
    plan = planner(exact("hoffmann", a, b, b, n_scale, d_scale, floor))
    budgets = np.array([1e10, 1e11, 1e12])
    table = plan.for_cost(budgets.tolist())
    per_epoch = budgets / 100
    ratio = (b * d_scale**b) / (a * n_scale**a)
    num_train = (ratio * per_epoch**a) ** (1 / (a + b))
    num_params = per_epoch / num_train
    assert_allclose(table["num_train"], num_train, rtol=1e-8)
    assert_allclose(table["num_params"], num_params, rtol=1e-8)
    expected = floor + (n_scale / num_params) ** a + (d_scale / num_train) ** b
    assert_allclose(table["loss"], expected, rtol=1e-10)
    assert_allclose(WIDTHS.width(num_params), table["width"], rtol=1e-8)
    assert table["compute"].tolist() == budgets.tolist()


@pytest.mark.parametrize(("law", "parameters"), PARAMETERS.items())
@pytest.mark.parametrize("cost", [CostModel(), CostModel(3e-4, 2e-10, 0.0, "cpu", "")])
def test_the_cost_of_a_frontier_gives_it_back(law, parameters, cost):
    plan = planner(exact(law, *parameters, draws=3), cost)
    frontier = plan.frontier([3e3, 3e4, 3e5])
    back = plan.for_cost(frontier[cost.quantity].tolist())
    for column in ("num_train", "num_params", "width", "loss", "loss_low", "loss_high"):
        assert_allclose(back[column], frontier[column], rtol=1e-6)
    assert back["remark"].tolist() == frontier["remark"].tolist()


def test_the_interval_of_the_loss_is_that_of_the_draws():
    fit = exact("hoffmann", *HOFFMANN, draws=40)
    fit.parameters[-1, 1:] = np.linspace(0.1, 0.3, 40)  # floors: the network for a cost is the same
    (row,) = planner(fit).for_cost([1e12]).to_dict("records")
    assert row["num_train_low"] == row["num_train"] == row["num_train_high"]
    assert row["loss_low"] - row["loss"] == pytest.approx(0.1 - 0.2, abs=0.006)
    assert row["loss_high"] - row["loss"] == pytest.approx(0.3 - 0.2, abs=0.006)


def test_the_scatter_of_run_times_widens_the_loss():
    losses = [
        planner(exact("kaplan", *KAPLAN, draws=500), CostModel(3e-4, 2e-8, scatter, "gpu", ""))
        .for_cost([1.0])
        .iloc[0]
        for scatter in (0.0, 0.5)
    ]
    assert losses[0]["loss_low"] == losses[0]["loss_high"]
    assert losses[1]["loss_low"] < 0.98 * losses[1]["loss"]
    assert losses[1]["loss_high"] > 1.02 * losses[1]["loss"]


def test_costs_far_outside_the_measured_sizes_are_not_answered():
    plan = planner(exact("hoffmann", *HOFFMANN))
    sizes = [0.9 * FURTHEST * 1e5, 1.1 * FURTHEST * 1e5, 0.9 * 1e3 / FURTHEST]
    assert (plan.optimal_params(sizes[0])[0]) < FURTHEST * 1e7
    inside, beyond, below = plan.for_cost(plan.frontier(sizes)["compute"].tolist()).to_dict(
        "records"
    )
    assert np.isfinite(inside["loss"])
    assert inside["remark"] == "num_train 9 times the largest measured"
    for row, reason in ((beyond, "num_train 11 times"), (below, "num_train 0.09 times")):
        assert np.isnan(
            [value for key, value in row.items() if key.startswith(("loss", "num"))]
        ).all()
        assert row["remark"].startswith("not answered, too far from the measured sizes")
        assert reason in row["remark"]


def test_losses_around_the_lowest_one():
    assert losses_around(0.4567) == [0.91, 0.69, 0.55, 0.46, 0.41, 0.37, 0.32, 0.27]


def test_decades_around_costs():
    assert decades([0.03, 20, 300]) == [0.01, 0.1, 1, 10, 100, 1000, 10_000]
    with pytest.raises(ValueError, match="expected positive costs, got 0"):
        decades([0.0, 1.0])


# What is said about an answer


def test_extrapolation_is_flagged():
    plan = planner(exact("hoffmann", *HOFFMANN))
    inside, beyond = plan.frontier([1e4, 1e6])["remark"]
    assert inside == ""
    assert beyond == "num_train 10 times the largest measured"
    small = replace(plan.fit, measured={"num_params": (1e9, 1e10), "num_train": (1e3, 1e5)})
    assert "times the smallest measured" in planner(small).frontier([1e4])["remark"][0]


def test_a_loss_below_the_floor_is_not_reachable():
    (row,) = planner(exact("hoffmann", *HOFFMANN)).for_loss([0.15]).to_dict("records")
    assert row["remark"] == "not reachable: the fitted floor is 0.2"
    assert np.isinf([row[name] for name in ("num_train", "num_params", "width", "compute")]).all()


def test_draws_that_do_not_reach_a_loss_are_counted():
    fit = exact("hoffmann", *HOFFMANN, draws=10)
    fit.parameters[-1, 1:4] = 0.5
    (row,) = planner(fit).for_loss([0.45]).to_dict("records")
    assert np.isfinite(row["num_train"])
    assert np.isinf(row["num_train_high"])
    assert "not reachable in 30 % of the draws" in row["remark"]


# Cost


def timed(runs: pd.DataFrame, cost: CostModel, noise: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    hours = cost(runs["num_params"], runs["num_train"], 100)
    seconds = 3600 * hours * np.exp(noise * rng.normal(size=len(runs)))
    return runs.assign(seconds=seconds, epochs=100, device="gpu", processes=1)


COST = CostModel(3e-4, 2e-8, 0.0, "gpu", "")


def test_the_cost_model_is_recovered(grid_runs):
    found = fit_cost(timed(grid_runs, COST))
    assert_allclose((found.per_crystal, found.per_parameter), (3e-4, 2e-8), rtol=1e-9)
    assert found.scatter < 1e-9
    assert (found.device, found.quantity) == ("gpu", "hours")
    assert found(1e6, 1e4, 100) == pytest.approx((3e-4 + 2e-2) * 1e6 / 3600)


def test_the_scatter_of_times_is_measured_and_told(grid_runs):
    found = fit_cost(timed(grid_runs, COST, noise=0.2))
    assert found.scatter == pytest.approx(0.2, rel=0.15)
    assert found.per_parameter == pytest.approx(2e-8, rel=0.1)
    assert "scatter by 2" in found.remark
    fit = exact("kaplan", *KAPLAN, draws=2000)
    (row,) = planner(fit, found).frontier([1e4]).to_dict("records")
    # two standard deviations of a single training
    width = np.log(row["hours_high"] / row["hours_low"])
    assert width == pytest.approx(2 * 1.96 * found.scatter, rel=0.1)


def test_processes_add_up(grid_runs):
    alone, together = (fit_cost(timed(grid_runs, COST).assign(processes=n)) for n in (1, 4))
    assert_allclose(together(1e6, 1e4, 1), 4 * alone(1e6, 1e4, 1))


def test_the_most_common_device_counts(grid_runs):
    runs = timed(grid_runs, COST)
    other = runs.head(20).assign(device="slow", seconds=1e9)
    assert fit_cost(pd.concat([runs, other])) == fit_cost(runs)


def test_without_times_cost_is_counted(grid_runs):
    cost = fit_cost(grid_runs)
    assert cost.quantity == "compute"
    assert cost(3, 5, 7) == 105
    assert cost.remark.startswith("no run times")


def test_times_that_do_not_grow_are_not_believed(grid_runs):
    runs = timed(grid_runs, COST)
    constant = runs.assign(seconds=1e3 * runs["num_train"])
    shrinking = constant.assign(seconds=constant["seconds"] / runs["num_params"])
    for cost in (fit_cost(shrinking), fit_cost(runs[runs["width"] == 16])):
        assert cost.quantity == "compute"
        assert "do not grow with N" in cost.remark


def test_all_models_have_one_kind_of_cost(grid_runs):
    times = timed(grid_runs, COST)
    shrinking = times.assign(model="3b", seconds=times["num_train"] / times["num_params"])
    assert {c.quantity for c in fit_costs(times).values()} == {"hours"}
    costs = fit_costs(pd.concat([times, shrinking]))
    assert {name: cost.quantity for name, cost in costs.items()} == dict.fromkeys(
        ("2b_tc", "3b"), "compute"
    )


# Width


def test_width_from_parameters():
    runs = pd.DataFrame({"width": [16, 32, 64, 128], "num_params": 0})
    runs["num_params"] = 4003 + 16_166 * runs["width"] + 61 * runs["width"] ** 2
    widths = fit_width(runs)
    # the published number of parameters at width 1024, far beyond the fitted ones
    assert widths.width(80_521_123) == pytest.approx(1024)
    assert_allclose(widths.width(runs["num_params"]), runs["width"])
    assert np.isinf(widths.width(np.inf))
    assert widths.width(10) == pytest.approx(0, abs=1e-3)
    line = fit_width(runs.head(2))
    assert_allclose(line.width(runs["num_params"].head(2)), [16, 32])
    assert np.isnan(fit_width(runs.head(1)).width(1e6))


# From runs to plans


def test_a_plan_from_runs_holds_the_truth(grid_runs):
    runs = grid_runs.assign(epochs=100)
    plan = make_planner(runs, "kaplan", CostModel(), seed=0, num_samples=60)
    assert plan.fit.measured["num_train"] == (100, 6400)
    true = planner(exact("kaplan", 0.3, 0.2, 0.4, 2e4, 1e3))
    frontier = plan.frontier([500, 2000])
    for row, expected in zip(
        frontier.to_dict("records"), true.frontier([500, 2000])["num_params"], strict=True
    ):
        low, high = row["num_params_low"], row["num_params_high"]
        assert low < row["num_params"] < high
        # three seeds make narrow intervals
        assert low - (high - low) < expected < high + (high - low)


def test_a_law_that_does_not_converge_has_no_plan(grid_runs):
    few = grid_runs[grid_runs["num_train"].isin([100, 200]) & grid_runs["width"].isin([4, 8])]
    plan = make_planner(few.assign(epochs=100), "kaplan", CostModel(), seed=0)
    for table in (plan.frontier([1e3]), plan.for_loss([0.5]), plan.for_cost([1e9])):
        assert table["num_params"].isna().all()
        assert table["remark"][0].startswith("law not converged: 4 points cannot test")


def test_a_single_seed_has_no_intervals(grid_runs):
    runs = grid_runs[grid_runs["seed"] == 1].assign(epochs=100)
    (row,) = make_planner(runs, "kaplan", CostModel(), seed=0).frontier([1e3]).to_dict("records")
    assert np.isfinite(row["num_params"])
    assert np.isnan([row["num_params_low"], row["num_params_high"]]).all()
    assert row["remark"].startswith("no intervals")


def test_a_plan_is_for_one_model(grid_runs):
    both = pd.concat([grid_runs, grid_runs.assign(model="3b_tc")])
    with pytest.raises(ValueError, match="one model"):
        sampled_fit(both, "grid", "kaplan", seed=0)


# The published grid


@pytest.fixture(scope="module")
def published(parity):
    folder = parity / ".." / ".." / "published"
    if not folder.is_dir():
        pytest.skip(f"no published measurements at {folder}")
    runs = read_published_runs(folder)
    return runs[[studies == ["grid"] for studies in runs["studies"]]]


@pytest.mark.parametrize("law", GRID_LAWS)
@pytest.mark.parametrize(("model", "best"), [("2b_tc", 0.151), ("3b_tc", 0.296)])
def test_the_published_grid(published, model, best, law):
    runs = published[published["model"] == model]
    plan = make_planner(runs, law, CostModel(), seed=1, num_samples=10)
    assert plan.widths.width(runs["num_params"]) == pytest.approx(runs["width"])
    if law == "hoffmann":
        assert plan.fit.floor == pytest.approx(best, abs=1e-3)
    frontier = plan.frontier([160_000])
    # narrower than the published width of 256: much cheaper for the loss of a larger network
    assert 16 < frontier["width"][0] < 128
    means = runs.groupby(["num_params", "num_train"])["val_loss"].mean()
    same_data = means.xs(160_000, level="num_train")
    assert same_data.min() < frontier["loss"][0] < same_data.max()
    needed = plan.for_loss([frontier["loss"][0]])
    assert needed["num_train"][0] == pytest.approx(160_000, rel=1e-6)
