"""Which law fits best: the corrected Akaike information criterion and its weights."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray


def aicc(rss: float, num_points: int, num_parameters: int) -> float:
    r"""Akaike information criterion, corrected for few points (Hurvich and Tsai 1989).

    .. math:: \mathrm{AICc} = 2k + n \ln(\mathrm{RSS}/n) + \frac{2k^2 + 2k}{n - k - 1}

    Args:
        rss: Sum of the squared residuals, without weights.
        num_points: n.
        num_parameters: k, the free parameters of the law.

    Returns:
        Lower is better. NaN where the correction is undefined (n <= k + 1), minus infinity for
        residuals of exactly zero.
    """
    n, k = num_points, num_parameters
    if n - k - 1 <= 0:
        return np.nan
    if rss == 0:
        return -np.inf
    return float(2 * k + n * np.log(rss / n) + (2 * k**2 + 2 * k) / (n - k - 1))


def akaike_weights(values: ArrayLike) -> NDArray[np.float64]:
    r"""Share of evidence for each law, :math:`w_i \propto \exp(-\Delta_i / 2)`.

    Args:
        values: AICc of the laws fitted to the same points; NaN for a law without one.

    Returns:
        Weights that sum to one over the defined values; NaN where the AICc is NaN.
    """
    values = np.asarray(values, float)
    if np.isnan(values).all():
        return np.full_like(values, np.nan)
    best = np.nanmin(values)
    with np.errstate(invalid="ignore"):
        # an exact fit (minus infinity) takes everything; inf - inf would be NaN
        delta = np.where(values == best, 0.0, values - best)
    weights = np.exp(-delta / 2)
    return weights / np.nansum(weights)


def select(fits: pd.DataFrame) -> pd.DataFrame:
    """Compare the laws of each model by AICc.

    Laws that did not converge, or have too few points for an AICc, take no part.

    Args:
        fits: Table of :func:`optimetal.scaling.fits.fit_runs` or ``fit_grid``.

    Returns:
        The same rows with three more columns: ``delta_aicc`` (to the best law of the same model and
        axis), ``weight`` (Akaike weight) and ``best`` (true for one law of each model at most).
    """
    aicc_of_model = fits.groupby(["x", "model"], sort=False)["aicc"]
    delta = fits["aicc"] - aicc_of_model.transform("min")
    return fits.assign(
        delta_aicc=delta.mask(np.isneginf(fits["aicc"]), 0.0),
        weight=aicc_of_model.transform(akaike_weights),
        best=aicc_of_model.rank(method="first") == 1,
    )
