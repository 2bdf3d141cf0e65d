"""How the best learning rate falls with the number of parameters."""

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import linregress


def best_learning_rates(runs: pd.DataFrame) -> pd.DataFrame:
    """The learning rate of lowest mean validation loss for every model and size.

    A rate with a run whose loss is not finite counts as diverged and cannot be the best.

    Args:
        runs: Table of the training runs of a learning-rate study.

    Returns:
        One row per model and num_params: ``model``, ``label``, ``width``, ``num_params``, ``lr``,
        ``val_loss`` (mean over the seeds) and ``at_edge``: the best rate is the smallest or largest
        of several, so the optimum may lie outside.

    Raises:
        ValueError: If every rate of a size diverged.
    """
    means = mean_over_seeds(runs)
    by_size = means.groupby(["model", "num_params"], sort=True)["val_loss"]
    hopeless = [size for size, losses in by_size if not np.isfinite(losses).any()]
    if hopeless:
        raise ValueError(f"every learning rate diverged for (model, num_params) {hopeless}")
    sizes = means.groupby(["model", "num_params"], sort=True)["lr"].agg(["min", "max"])
    best = means.loc[by_size.idxmin()].merge(
        sizes, left_on=["model", "num_params"], right_index=True
    )
    at_edge = (best["min"] < best["max"]) & (
        (best["lr"] == best["min"]) | (best["lr"] == best["max"])
    )
    columns = ["model", "label", "width", "num_params", "lr", "val_loss"]
    return best[columns].assign(at_edge=at_edge).reset_index(drop=True)


def mean_over_seeds(runs: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard deviation (ddof 0) of the loss for every model, size and learning rate.

    Returns:
        Columns ``model``, ``label``, ``width``, ``num_params``, ``lr``, ``val_loss``,
        ``val_loss_std``; the loss is NaN where that of one seed is not finite.
    """
    finite = runs.assign(val_loss=runs["val_loss"].where(np.isfinite(runs["val_loss"])))
    keys = ["model", "label", "width", "num_params", "lr"]
    loss = finite.groupby(keys, sort=True)["val_loss"]
    return loss.agg(
        val_loss=lambda seeds: seeds.mean(skipna=False),
        val_loss_std=lambda seeds: seeds.std(ddof=0, skipna=False),
    ).reset_index()


def with_lr_exponent(runs: pd.DataFrame, reference_width: int) -> pd.DataFrame:
    r"""Add the exponent that each run scaled its learning rate with.

    The rates of the study follow :math:`\eta = \eta_0 (N_0 / N)^\gamma`, with eta_0 and N_0 of the
    reference width. There, all exponents mean the same rate, so its runs are repeated for every
    exponent of the other widths.

    Args:
        runs: Table of the training runs of a learning-rate study.
        reference_width: Width whose rate is the same for every exponent.

    Returns:
        The runs with a column ``lr_exponent``, to three decimals.

    Raises:
        ValueError: If a model has no run, or several rates, at the reference width.
    """
    return pd.concat(
        [_add_lr_exponent(group, reference_width) for _, group in runs.groupby("model", sort=True)],
        ignore_index=True,
    )


def fit_learning_rate(runs: pd.DataFrame, reference_width: int) -> pd.DataFrame:
    r"""Exponent of the best learning rate, :math:`\eta = \eta_0 (N_0 / N)^\gamma`.

    A straight line through the logarithms, without weights.

    Args:
        runs: Table of the training runs of a learning-rate study.
        reference_width: Width that N_0 belongs to.

    Returns:
        One row per model: ``model``, ``label``, ``gamma``, ``gamma_error`` (standard error, NaN for
        two sizes), ``lr0`` (of the line at N_0), ``num_params0`` and ``num_points``.

    Raises:
        ValueError: If a model has fewer than two sizes, or none of the reference width.
    """
    best = best_learning_rates(runs)
    return pd.DataFrame(
        [_fit_line(sizes, reference_width) for _, sizes in best.groupby("model", sort=True)]
    )


def _add_lr_exponent(runs: pd.DataFrame, reference_width: int) -> pd.DataFrame:
    is_reference = runs["width"] == reference_width
    reference, others = runs.loc[is_reference], runs.loc[~is_reference]
    rates = reference["lr"].unique()
    if len(rates) != 1:
        raise ValueError(
            f"{runs['model'].iloc[0]!r} must have one learning rate at the reference width "
            f"{reference_width}, got {rates.tolist()} (its widths: {sorted(set(runs['width']))})"
        )
    num_params0 = reference["num_params"].iloc[0]
    exponent = np.log(others["lr"] / rates[0]) / np.log(num_params0 / others["num_params"])
    # adding zero turns a rounded -0.0 into 0.0
    others = others.assign(lr_exponent=exponent.round(3) + 0.0)
    repeated = reference.merge(others[["lr_exponent"]].drop_duplicates(), how="cross")
    return pd.concat([others, repeated])


def _fit_line(sizes: pd.DataFrame, reference_width: int) -> dict[str, object]:
    model, num_points = sizes["model"].iloc[0], len(sizes)
    if num_points < 2:
        raise ValueError(f"a slope needs two sizes or more, {model!r} has {num_points}")
    reference = sizes.loc[sizes["width"] == reference_width, "num_params"]
    if reference.empty:
        widths = sizes["width"].tolist()
        raise ValueError(f"{model!r} has no width {reference_width}: choose one of {widths}")
    line: Any = linregress(np.log(reference.iloc[0] / sizes["num_params"]), np.log(sizes["lr"]))
    return {
        "model": model,
        "label": sizes["label"].iloc[0],
        "gamma": line.slope,
        "gamma_error": line.stderr if num_points > 2 else np.nan,
        "lr0": np.exp(line.intercept),
        "num_params0": reference.iloc[0],
        "num_points": num_points,
    }
