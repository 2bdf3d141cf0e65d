"""Fits of scaling laws to the table of training runs.

Points are means over seeds, weighted by the standard deviation over seeds. The solver works on the
logarithm of every scale, from several starting points, to full convergence; the published study
took scipy's defaults from one starting point, which ``published=True`` repeats.
"""

import logging
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import curve_fit

from optimetal.scaling.laws import (
    GRID_LAWS,
    LAWS,
    PUBLISHED_GRID_LAWS,
    PUBLISHED_LAWS,
    Law,
    get_law,
)
from optimetal.scaling.selection import aicc

logger = logging.getLogger(__name__)

Array = NDArray[np.float64]
Axis = Literal["num_train", "num_params", "grid"]

VARIABLES: Final[dict[str, tuple[str, ...]]] = {
    "num_train": ("num_train",),
    "num_params": ("num_params",),
    "grid": ("num_params", "num_train"),
}
"""What each axis varies, in the order in which the laws take it."""

PARAMETERS: Final[tuple[str, ...]] = tuple(
    dict.fromkeys(name for law in (*LAWS.values(), *GRID_LAWS.values()) for name in law.names)
)
"""Parameters of all laws: in the table of fits each has a column, and one with ``_error``."""

FIT_COLUMNS: Final[tuple[str, ...]] = (
    *("x", "model", "label", "law", "converged", "reason", "num_points", "weighted"),
    *("aicc", "aicc_at_stop", "reduced_chi2"),
    *(column for name in PARAMETERS for column in (name, f"{name}_error")),
    "covariance",
)

MIN_SEEDS: Final = 3
"""Points are weighted by their standard deviation over at least so many seeds, as published; that of
two seeds is itself uncertain by 70 %, and two losses that happen to agree would decide the fit."""

# A fit is called undetermined where a scale is uncertain by more than its tenfold, or an exponent
# by more than 1; the published fits stay below 2.3 and 0.11.
_MAX_SCALE_ERROR: Final = 10.0
_MAX_EXPONENT_ERROR: Final = 1.0
# The published points need at most 60.
_MAX_EVALUATIONS: Final = 500
# What the run-off of the published power law in N needs until it stops, with room.
_PUBLISHED_MAX_EVALUATIONS: Final = 10_000


@dataclass(frozen=True, eq=False)
class Fit:
    """A law fitted to points.

    Where the fit did not converge all numbers are NaN and ``reason`` says why. A converged fit may
    carry a remark in ``reason``, such as a floor on its bound or an undefined AICc.
    """

    law: str
    converged: bool
    reason: str
    num_points: int
    weighted: bool
    """Whether the points had weights; without, all count the same."""
    parameters: Array
    """(k,), in the order of the law."""
    errors: Array
    """(k,), standard errors."""
    covariance: Array
    """(k, k)"""
    aicc: float
    """Of the residuals without weights."""
    aicc_at_stop: float
    """The same where the solver stopped, converged or not. Only the published table prints it."""
    reduced_chi2: float
    """Chi squared per degree of freedom; NaN without weights."""

    def predict(self, x: ArrayLike) -> Array:
        """Loss of the fitted law at x, (n,) or for the grid laws (2, n); NaN if not converged."""
        if not self.converged:
            return np.full(np.shape(x)[1:] if self.law in GRID_LAWS else np.shape(x), np.nan)
        return get_law(self.law).function(x, *self.parameters)


def points(runs: pd.DataFrame, x: Axis) -> pd.DataFrame:
    """Mean and standard deviation of the validation loss over the seeds.

    Args:
        runs: Table of training runs of one study: see :func:`in_study`.
        x: "num_train" for data scaling, "num_params" for parameter scaling, "grid" for both.

    Returns:
        One row per model, num_train and num_params, sorted by these, with columns ``model``,
        ``label``, ``num_train``, ``num_params``, ``val_loss`` (mean), ``val_loss_std`` (ddof 0, so
        zero for a single seed) and ``num_seeds``.

    Raises:
        ValueError: If a loss is not finite and positive, a seed occurs twice, or more varies than
            the axis says.
    """
    if x not in VARIABLES:
        raise ValueError(f"x must be one of {', '.join(VARIABLES)}, got {x!r}")
    _require_usable(runs, x)
    grouped = runs.groupby(["model", "num_train", "num_params"], sort=True)
    return grouped.agg(
        label=("label", "first"),
        val_loss=("val_loss", "mean"),
        val_loss_std=("val_loss", lambda loss: loss.std(ddof=0)),
        num_seeds=("seed", "size"),
    ).reset_index()


def in_study(runs: pd.DataFrame, study: str, states: Sequence[str] = ("done",)) -> pd.DataFrame:
    """The finished runs that belong to a study, such as "data_scaling".

    Args:
        runs: Table of training runs; all are finished where it does not tell their ``state``.
        study: Name of the study.
        states: What counts as finished; runs that are "diverged" have infinite losses.

    Raises:
        ValueError: If there is none.
    """
    finished = runs[runs["state"].isin(states)] if "state" in runs else runs
    chosen = finished.loc[[study in studies for studies in finished["studies"]]]
    if chosen.empty:
        known = sorted({name for studies in finished["studies"] for name in studies})
        raise ValueError(f"no finished run belongs to study {study!r}: the table has {known}")
    counts = chosen.select_dtypes("Int64").dropna(axis="columns")  # those of others may be missing
    return chosen.astype(dict.fromkeys(counts, "int64"))


def fit_law(
    law: Law,
    x: ArrayLike,
    loss: ArrayLike,
    sigma: ArrayLike | None = None,
    *,
    absolute_sigma: bool = False,
    published: bool = False,
) -> Fit:
    """Fit one law by weighted least squares.

    Args:
        law: One of ``LAWS`` or ``GRID_LAWS``.
        x: D or N, (n,); for grid laws (2, n), N in the first row and D in the second.
        loss: Losses (n,).
        sigma: Standard deviations (n,). Unless all are positive (one seed, or equal losses) every
            point counts the same.
        absolute_sigma: Take sigma at its value for the errors. By default they are scaled by the
            scatter about the law, as they always are without weights.
        published: Repeat the published solver: one fixed start, scales not as logarithms, default
            tolerances. A law that the published study did not try has none, and takes ours.

    Returns:
        The fit. One that fails, or does not determine the parameters, says so in ``converged``.

    Raises:
        ValueError: If shapes disagree or x or loss are not finite and positive.
    """
    x, loss, sigma = _checked(x, loss, sigma)
    num_free, num_points = len(law.parameters), len(loss)
    if num_points <= num_free:
        reason = f"{num_points} points cannot test {num_free} parameters"
        return _not_converged(law, num_points, sigma is not None, reason)
    absolute_sigma = absolute_sigma and sigma is not None
    solutions = _solutions(law, x, loss, sigma, absolute_sigma, published)
    if not solutions:
        return _not_converged(law, num_points, sigma is not None, "no minimum found")
    chi2, parameters, covariance = min(solutions, key=lambda solution: solution[0])
    errors = _standard_errors(covariance)
    residuals = loss - law.function(x, *parameters)
    criterion = aicc(float(residuals @ residuals), num_points, num_free)
    undetermined = _undetermined(law, parameters, errors, chi2)
    if undetermined:
        return _not_converged(law, num_points, sigma is not None, undetermined, criterion)
    return Fit(
        law=law.name,
        converged=True,
        reason=_remark(law, x, loss, parameters, criterion),
        num_points=num_points,
        weighted=sigma is not None,
        parameters=parameters,
        errors=errors,
        covariance=covariance,
        aicc=criterion,
        aicc_at_stop=criterion,
        reduced_chi2=chi2 / (num_points - num_free) if sigma is not None else np.nan,
    )


def fit_points(law: Law, measured: pd.DataFrame, x: Axis, *, published: bool = False) -> Fit:
    """Fit a law to the points of one model, weighted if all have ``MIN_SEEDS`` seeds or more.

    Args:
        law: A law of the axis.
        measured: Points of one model, of :func:`points`.
        x: The axis. The errors of grid fits take sigma at its value, as published.
        published: See :func:`fit_law`.
    """
    values = measured[list(VARIABLES[x])].to_numpy(float).T
    weighted = bool((measured["num_seeds"] >= MIN_SEEDS).all())
    return fit_law(
        law,
        values if x == "grid" else values[0],
        measured["val_loss"],
        measured["val_loss_std"] if weighted else None,
        absolute_sigma=x == "grid",
        published=published,
    )


def fit_runs(
    runs: pd.DataFrame,
    x: Literal["num_train", "num_params"],
    laws: Iterable[str] = PUBLISHED_LAWS,
    *,
    published: bool = False,
) -> pd.DataFrame:
    """Fit one-dimensional laws to every model of a data or parameter scaling study.

    Points are weighted by their standard deviation over the seeds if all have ``MIN_SEEDS`` or more.
    Errors are scaled by the scatter of the points about the law.

    Args:
        runs: Table of the training runs of the study.
        x: "num_train" (data scaling) or "num_params" (parameter scaling).
        laws: Names of laws.
        published: See :func:`fit_law`.

    Returns:
        Table of ``FIT_COLUMNS``, one row per model and law: each parameter is a column, beside it
        its ``_error``, NaN where the law has no such parameter or did not converge; ``covariance``
        is a list, row by row. :func:`read_fit` turns a row back into a :class:`Fit`.

    Raises:
        ValueError: See :func:`points`; also for an unknown law or axis.
    """
    if x == "grid":
        raise ValueError("x must be num_train or num_params: fit_grid takes both together")
    return _fit_table(runs, x, [_chosen(LAWS, name) for name in laws], published)


def fit_grid(
    runs: pd.DataFrame, laws: Iterable[str] = PUBLISHED_GRID_LAWS, *, published: bool = False
) -> pd.DataFrame:
    """Fit the laws over N and D to every model of a grid study.

    Errors take the standard deviation over seeds at its value, as published. Where ``reduced_chi2``
    is far above one they are too small, by its square root.

    Args:
        runs: Table of the training runs of the grid.
        laws: Names of grid laws.
        published: See :func:`fit_law`.

    Returns:
        Table as of :func:`fit_runs`, with ``x`` "grid".
    """
    return _fit_table(runs, "grid", [_chosen(GRID_LAWS, name) for name in laws], published)


def read_fit(row: pd.Series) -> Fit:
    """The fit of one row of the table of :func:`fit_runs` or :func:`fit_grid`."""
    values: dict[str, Any] = row.to_dict()
    names = get_law(values["law"]).names
    return Fit(
        law=values["law"],
        converged=bool(values["converged"]),
        reason=values["reason"],
        num_points=int(values["num_points"]),
        weighted=bool(values["weighted"]),
        parameters=np.array([values[name] for name in names], float),
        errors=np.array([values[f"{name}_error"] for name in names], float),
        covariance=np.array(values["covariance"], float).reshape(len(names), len(names)),
        aicc=float(values["aicc"]),
        aicc_at_stop=float(values["aicc_at_stop"]),
        reduced_chi2=float(values["reduced_chi2"]),
    )


def _require_usable(runs: pd.DataFrame, x: Axis) -> None:
    loss = runs["val_loss"].to_numpy(float)
    bad = runs.loc[~(np.isfinite(loss) & (loss > 0)), "run"].tolist()
    if bad:
        raise ValueError(
            f"val_loss must be finite and positive, but is not in {bad}: drop or repeat these runs"
        )
    twice = runs.loc[runs.duplicated(["model", "num_train", "num_params", "seed"]), "run"].tolist()
    if twice:
        raise ValueError(
            f"the same seed occurs twice at one point, for instance in {twice[0]!r}: "
            "give the runs of one study only"
        )
    for fixed in {"num_train", "num_params"} - set(VARIABLES[x]):
        for model, values in runs.groupby("model")[fixed].unique().items():
            if len(values) > 1:
                raise ValueError(
                    f"{fixed} must be fixed in a scaling over {x}, but {model!r} has "
                    f"{sorted(values)}: give the runs of one study only"
                )


def _checked(
    x: ArrayLike, loss: ArrayLike, sigma: ArrayLike | None
) -> tuple[Array, Array, Array | None]:
    x, loss = np.asarray(x, float), np.asarray(loss, float)
    if loss.ndim != 1 or x.shape not in (loss.shape, (2, *loss.shape)):
        raise ValueError(f"x must be (n,) or (2, n) for n losses, got {x.shape=} and {loss.shape=}")
    for name, values in (("x", x), ("loss", loss)):
        if not (np.isfinite(values) & (values > 0)).all():
            raise ValueError(f"{name} must be finite and positive, got {values}: drop such points")
    if sigma is None:
        return x, loss, None
    sigma = np.asarray(sigma, float)
    if sigma.shape != loss.shape:
        raise ValueError(f"expected one sigma per loss, got {sigma.shape=} and {loss.shape=}")
    return x, loss, sigma if (np.isfinite(sigma) & (sigma > 0)).all() else None


def _solutions(
    law: Law,
    x: Array,
    loss: Array,
    sigma: Array | None,
    absolute_sigma: bool,
    published: bool,
) -> list[tuple[float, Array, Array]]:
    """Chi squared, parameters and covariance of every start that led to a minimum."""
    solve, starts = _solve_logarithmic, law.starts
    first = law.published_start
    if published and first is not None:
        solve, starts = _solve_published, lambda x, loss: [first(x, loss)]
    solutions = []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # a covariance that cannot be had is judged afterwards
        for start in starts(x, loss):
            try:
                parameters, covariance = solve(law, x, loss, sigma, absolute_sigma, start)
            except (RuntimeError, ValueError) as error:
                logger.debug("%s from %s: %s", law.name, start, error)
                continue
            weighted = (loss - law.function(x, *parameters)) / (1.0 if sigma is None else sigma)
            solutions.append((float(weighted @ weighted), parameters, covariance))
    return [solution for solution in solutions if np.isfinite(solution[0])]


def _solve_logarithmic(
    law: Law,
    x: Array,
    loss: Array,
    sigma: Array | None,
    absolute_sigma: bool,
    start: Sequence[float],
) -> tuple[Array, Array]:
    """Minimum over the logarithms of the scales; the covariance is carried over to the scales."""
    is_scale = np.array([parameter.is_scale for parameter in law.parameters])

    def physical(internal: Array) -> Array:
        return np.where(is_scale, np.exp(internal), internal)

    begin = np.array(start, float)
    begin[is_scale] = np.log(begin[is_scale])
    internal, covariance = curve_fit(
        lambda x, *internal: law.function(x, *physical(np.array(internal))),
        x,
        loss,
        p0=begin,
        sigma=sigma,
        absolute_sigma=absolute_sigma,
        bounds=([parameter.lower for parameter in law.parameters], np.inf),
        method="trf",
        jac="3-point",
        x_scale="jac",
        **dict.fromkeys(("ftol", "xtol", "gtol"), 1e-13),
        max_nfev=_MAX_EVALUATIONS,
    )
    parameters = physical(internal)
    derivative = np.where(is_scale, parameters, 1.0)
    return parameters, covariance * np.outer(derivative, derivative)


def _solve_published(
    law: Law,
    x: Array,
    loss: Array,
    sigma: Array | None,
    absolute_sigma: bool,
    start: Sequence[float],
) -> tuple[Array, Array]:
    # a floor is the only bounded parameter of the published study; scipy changes its solver for it
    lower = [p.lower if p.name == "loss_floor" else -np.inf for p in law.parameters]
    bounds = (lower, np.inf) if law.name == "power_floor" else (-np.inf, np.inf)
    return curve_fit(
        law.function,
        x,
        loss,
        p0=start,
        sigma=sigma,
        absolute_sigma=absolute_sigma,
        bounds=bounds,
        maxfev=_PUBLISHED_MAX_EVALUATIONS,
    )


def _standard_errors(covariance: Array) -> Array:
    with np.errstate(invalid="ignore"):
        return np.sqrt(np.diag(covariance))


def _undetermined(law: Law, parameters: Array, errors: Array, chi2: float) -> str:
    """Why the points do not determine the parameters; empty if they do."""
    if not (np.isfinite(parameters).all() and np.isfinite(errors).all()):
        return "unstable: no finite parameters and errors"
    for declared, value, error in zip(law.parameters, parameters, errors, strict=True):
        limit = _MAX_EXPONENT_ERROR
        if declared.is_scale:
            limit = _MAX_SCALE_ERROR * value
        elif not declared.name.startswith(("alpha", "c")):
            limit = np.inf
        if error > limit or (error == 0 and chi2 > 0):
            return f"unstable: {declared.name} = {value:.3g} with error {error:.3g}"
    # a loss that does not fall has no x0: its linear error is blind to that
    if law.names[0] == "alpha" and abs(parameters[0]) < errors[0]:
        return f"unstable: alpha = {parameters[0]:.3g} is zero within its error {errors[0]:.3g}"
    return ""


def _remark(law: Law, x: Array, loss: Array, parameters: Array, criterion: float) -> str:
    values = dict(zip(law.names, parameters, strict=True))
    remarks = [
        f"{declared.name} on its bound {declared.lower:g}"
        for declared in law.parameters
        if values[declared.name] - declared.lower < 1e-6 * loss.min()
    ]
    for name in (name for name in law.names if "break" in name):
        measured = x[-1] if name == "d_break" else x
        if not measured.min() <= values[name] <= measured.max():
            remarks.append(f"{name} outside the measured range")
    if np.isnan(criterion):
        needed = len(parameters) + 2
        remarks.append(f"AICc needs at least {needed} points, has {len(loss)}")
    return "; ".join(remarks)


def _not_converged(
    law: Law, num_points: int, weighted: bool, reason: str, aicc_at_stop: float = np.nan
) -> Fit:
    size = len(law.parameters)
    logger.info("%s not fitted: %s", law.label, reason)
    return Fit(
        law=law.name,
        converged=False,
        reason=reason,
        num_points=num_points,
        weighted=weighted,
        parameters=np.full(size, np.nan),
        errors=np.full(size, np.nan),
        covariance=np.full((size, size), np.nan),
        aicc=np.nan,
        aicc_at_stop=aicc_at_stop,
        reduced_chi2=np.nan,
    )


def _chosen(laws: dict[str, Law], name: str) -> Law:
    if name not in laws:
        raise ValueError(f"no law {name!r} for this axis: choose from {', '.join(laws)}")
    return laws[name]


def _fit_table(runs: pd.DataFrame, x: Axis, laws: Sequence[Law], published: bool) -> pd.DataFrame:
    rows = []
    for model, measured in points(runs, x).groupby("model", sort=True):
        for law in laws:
            fit = fit_points(law, measured, x, published=published)
            rows.append({"x": x, "model": model, "label": measured["label"].iloc[0], **_row(fit)})
    table = pd.DataFrame(rows, columns=list(FIT_COLUMNS))
    numbers = [column for name in PARAMETERS for column in (name, f"{name}_error")]
    return table.astype(dict.fromkeys(numbers, float))


def _row(fit: Fit) -> dict[str, Any]:
    names = get_law(fit.law).names
    return {
        "law": fit.law,
        "converged": fit.converged,
        "reason": fit.reason,
        "num_points": fit.num_points,
        "weighted": fit.weighted,
        "aicc": fit.aicc,
        "aicc_at_stop": fit.aicc_at_stop,
        "reduced_chi2": fit.reduced_chi2,
        **dict(zip(names, fit.parameters, strict=True)),
        **{f"{name}_error": error for name, error in zip(names, fit.errors, strict=True)},
        "covariance": fit.covariance.ravel().tolist(),
    }
