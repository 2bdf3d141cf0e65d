"""How far a fitted law can be trusted: bootstrap over seeds, and prediction of held-out points."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from optimetal.scaling.fits import VARIABLES, Axis, Fit, fit_points, points
from optimetal.scaling.laws import PUBLISHED_GRID_LAWS, PUBLISHED_LAWS, Law, get_law


def bootstrap_intervals(
    runs: pd.DataFrame,
    x: Axis,
    laws: Iterable[str],
    *,
    seed: int,
    num_samples: int = 200,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Intervals of the parameters of laws, by drawing the seeds of every point anew.

    Weights stay those of all seeds, as a draw may repeat a single one. With n seeds, drawn means
    scatter by sqrt((n - 1) / n) of what new trainings would: for three seeds the intervals are
    about a fifth too narrow.

    Args:
        runs: Table of the training runs of one study.
        x: "num_train", "num_params" or "grid".
        laws: Names of laws of that axis.
        seed: Seed of the draws, the same for every law.
        num_samples: Number of draws.
        confidence: Share of the draws inside the interval.

    Returns:
        One row per model, law and parameter: ``model``, ``label``, ``law``, ``parameter``,
        ``estimate`` (from all seeds), ``low``, ``high``, ``num_samples``, ``num_converged`` (draws
        that determine the law) and ``reason``. The numbers are NaN where the law does not converge
        from all seeds, and the limits also where a point has a single seed; the reason says so.

    Raises:
        ValueError: See ``fits.points``.
    """
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    measured = points(runs, x)
    tables = [
        _intervals(get_law(law), of_model, runs.loc[runs["model"] == model], x, seed, num_samples)
        for law in laws
        for model, of_model in measured.groupby("model", sort=True)
    ]
    table = pd.concat(tables, ignore_index=True)
    draws = table.pop("draws")
    limits = [np.quantile(d, tails) if len(d) else (np.nan, np.nan) for d in draws]
    table.insert(5, "low", [low for low, _ in limits])
    table.insert(6, "high", [high for _, high in limits])
    return table


def sample_fit(
    law: Law, runs: pd.DataFrame, x: Axis, *, seed: int, num_samples: int
) -> tuple[Fit, NDArray[np.float64]]:
    """A law fitted to one model, and fitted anew to draws of the seeds of every point.

    Args:
        law: A law of the axis.
        runs: Table of the training runs of one model in one study.
        x: "num_train", "num_params" or "grid".
        seed: Seed of the draws.
        num_samples: Number of draws.

    Returns:
        The fit, and the parameters (draws, k) of the draws that determine the law: none where the
        fit did not converge or a point has a single seed.

    Raises:
        ValueError: See ``fits.points``.
    """
    measured = points(runs, x)
    fit = fit_points(law, measured, x)
    if fit.converged and bool((measured["num_seeds"] > 1).all()):
        return fit, _refit_draws(fit, measured, _losses_by_point(runs, x), x, seed, num_samples)
    return fit, np.empty((0, len(fit.parameters)))


def hold_out_largest(
    runs: pd.DataFrame, x: Axis, laws: Iterable[str] | None = None
) -> pd.DataFrame:
    """Predict the loss at the largest size of each model from a law fitted to all smaller ones.

    On a grid the largest D is held out, at every N.

    Args:
        runs: Table of the training runs of one study.
        x: "num_train", "num_params" or "grid".
        laws: Names of laws of that axis; by default the published ones.

    Returns:
        One row per model, law and held-out point: ``model``, ``label``, ``law``, ``converged``,
        ``reason``, ``num_params``, ``num_train``, ``val_loss`` and ``val_loss_std`` (measured),
        ``predicted`` and ``relative_error`` (predicted / measured - 1); NaN where the law did not
        converge.

    Raises:
        ValueError: See ``fits.points``.
    """
    if laws is None:
        laws = PUBLISHED_GRID_LAWS if x == "grid" else PUBLISHED_LAWS
    measured = points(runs, x)
    return pd.concat(
        [
            _prediction(get_law(law), of_model, x)
            for law in laws
            for _, of_model in measured.groupby("model", sort=True)
        ],
        ignore_index=True,
    )


def _intervals(
    law: Law, measured: pd.DataFrame, runs: pd.DataFrame, x: Axis, seed: int, num_samples: int
) -> pd.DataFrame:
    """Draws of every parameter of one model, a list each, in the order of the law."""
    fit, draws = sample_fit(law, runs, x, seed=seed, num_samples=num_samples)
    enough = bool((measured["num_seeds"] > 1).all())
    table = pd.DataFrame({"parameter": law.names, "estimate": fit.parameters})
    table = table.assign(
        num_samples=num_samples,
        num_converged=len(draws),
        reason=fit.reason if enough else "a bootstrap needs two seeds at every point",
        draws=list(draws.T),
    )
    for column, value in (("law", law.name), ("label", measured["label"].iloc[0])):
        table.insert(0, column, value)
    table.insert(0, "model", measured["model"].iloc[0])
    return table


def _losses_by_point(runs: pd.DataFrame, x: Axis) -> list[NDArray[np.float64]]:
    """Losses of all seeds, a vector per point in the order of ``fits.points``."""
    by_seed = runs.sort_values("seed").groupby(["num_train", "num_params"], sort=True)
    return [losses.to_numpy(float) for _, losses in by_seed["val_loss"]]


def _refit_draws(
    fit: Fit,
    measured: pd.DataFrame,
    losses: list[NDArray[np.float64]],
    x: Axis,
    seed: int,
    num_samples: int,
) -> NDArray[np.float64]:
    """Parameters (draws, k) of the draws that determine the law, refitted from the estimate."""
    rng = np.random.default_rng(seed)
    law = replace(get_law(fit.law), starts=lambda x, loss: [tuple(fit.parameters)])
    means = np.column_stack(
        [rng.choice(seeds, (num_samples, len(seeds))).mean(axis=1) for seeds in losses]
    )
    refits = [fit_points(law, measured.assign(val_loss=mean), x) for mean in means]
    converged = [refit.parameters for refit in refits if refit.converged]
    return np.array(converged).reshape(-1, len(fit.parameters))


def _prediction(law: Law, measured: pd.DataFrame, x: Axis) -> pd.DataFrame:
    size = VARIABLES[x][-1]
    is_largest = measured[size] == measured[size].max()
    fit = fit_points(law, measured.loc[~is_largest], x)
    held_out = measured.loc[is_largest]
    values = held_out[list(VARIABLES[x])].to_numpy(float).T
    columns = ["model", "label", "num_params", "num_train", "val_loss", "val_loss_std"]
    table = held_out[columns].assign(predicted=fit.predict(values if x == "grid" else values[0]))
    table["relative_error"] = table["predicted"] / table["val_loss"] - 1
    for column, value in (("reason", fit.reason), ("converged", fit.converged), ("law", law.name)):
        table.insert(2, column, value)
    return table
