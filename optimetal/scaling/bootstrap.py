"""How far a fitted law can be trusted: bootstrap over seeds, and prediction of a held-out point."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from optimetal.scaling.fits import Fit, fit_law, points
from optimetal.scaling.laws import LAWS, Law, get_law

Axis = Literal["num_train", "num_params"]


def bootstrap_intervals(
    runs: pd.DataFrame,
    x: Axis,
    law: str,
    *,
    seed: int,
    num_samples: int = 1000,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Intervals of the parameters of a law, by drawing the seeds of every point anew.

    Weights stay those of all seeds, as a draw may repeat a single one. With n seeds, drawn means
    scatter by sqrt((n - 1) / n) of what new trainings would: for three seeds the intervals are
    about a fifth too narrow.

    Args:
        runs: Table of the training runs of one study.
        x: "num_train" or "num_params".
        law: Name of a one-dimensional law.
        seed: Seed of the draws.
        num_samples: Number of draws.
        confidence: Share of the draws inside the interval.

    Returns:
        One row per model and parameter: ``model``, ``label``, ``law``, ``parameter``, ``estimate``
        (from all seeds), ``low``, ``high`` and ``num_converged`` (draws that determine the law).
        Where the law does not converge from all seeds, the numbers are NaN.

    Raises:
        ValueError: If a point has fewer than two seeds; see also ``fits.points``.
    """
    rng = np.random.default_rng(seed)
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    tables = []
    for model, measured in points(runs, x).groupby("model", sort=True):
        if (measured["num_seeds"] < 2).to_numpy().any():
            raise ValueError(f"a bootstrap needs two seeds at every point, {model!r} has one")
        fit = _fit(get_law(law), measured, x)
        losses = _losses_by_point(runs.loc[runs["model"] == model], x)
        draws = _refit_draws(fit, measured, x, losses, rng, num_samples)
        low = high = np.full(len(fit.parameters), np.nan)
        if len(draws):
            low, high = np.quantile(draws, tails, axis=0)
        table = pd.DataFrame({"parameter": get_law(law).names, "estimate": fit.parameters})
        table = table.assign(low=low, high=high, num_converged=len(draws))
        for column, value in (("law", law), ("label", measured["label"].iloc[0]), ("model", model)):
            table.insert(0, column, value)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def hold_out_largest(
    runs: pd.DataFrame, x: Axis, laws: Iterable[str] = tuple(LAWS)
) -> pd.DataFrame:
    """Predict the loss at the largest x of each model from a law fitted to all the others.

    Args:
        runs: Table of the training runs of one study.
        x: "num_train" or "num_params".
        laws: Names of one-dimensional laws.

    Returns:
        One row per model and law: ``model``, ``label``, ``law``, ``converged``, ``reason``, the
        largest x under its own name, ``val_loss`` and ``val_loss_std`` (measured), ``predicted``
        and ``relative_error`` (predicted / measured - 1); NaN where the law did not converge.

    Raises:
        ValueError: See ``fits.points``.
    """
    rows = []
    for model, measured in points(runs, x).groupby("model", sort=True):
        measured = measured.sort_values(x)
        largest = measured.iloc[-1]
        for law in laws:
            fit = _fit(get_law(law), measured.iloc[:-1], x)
            predicted = float(fit.predict(largest[x]))
            rows.append(
                {
                    "model": model,
                    "label": largest["label"],
                    "law": law,
                    "converged": fit.converged,
                    "reason": fit.reason,
                    x: largest[x],
                    "val_loss": largest["val_loss"],
                    "val_loss_std": largest["val_loss_std"],
                    "predicted": predicted,
                    "relative_error": predicted / largest["val_loss"] - 1,
                }
            )
    return pd.DataFrame(rows)


def _fit(law: Law, measured: pd.DataFrame, x: Axis) -> Fit:
    return fit_law(law, measured[x], measured["val_loss"], measured["val_loss_std"])


def _losses_by_point(runs: pd.DataFrame, x: Axis) -> list[NDArray[np.float64]]:
    """Losses of all seeds, a vector per point in the order of x."""
    by_seed = runs.sort_values([x, "seed"])
    return [losses.to_numpy(float) for _, losses in by_seed.groupby(x)["val_loss"]]


def _refit_draws(
    fit: Fit,
    measured: pd.DataFrame,
    x: Axis,
    losses: list[NDArray[np.float64]],
    rng: np.random.Generator,
    num_samples: int,
) -> NDArray[np.float64]:
    """Parameters (draws, k) of the draws that determine the law, refitted from the estimate."""
    if not fit.converged:
        return np.empty((0, len(fit.parameters)))
    law = replace(get_law(fit.law), starts=lambda x, loss: [tuple(fit.parameters)])
    measured = measured.sort_values(x)
    means = np.column_stack(
        [rng.choice(seeds, (num_samples, len(seeds))).mean(axis=1) for seeds in losses]
    )
    refits = [_fit(law, measured.assign(val_loss=mean), x) for mean in means]
    return np.array([refit.parameters for refit in refits if refit.converged])
