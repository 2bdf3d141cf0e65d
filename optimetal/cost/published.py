"""What the published study cost, from the run times of its jobs (``research/gpu_hours`` of the authors' repository).

Which training a job did is not noted, so times are known of whole studies only: of one with a single model, and of one
with two.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from optimetal.scaling.fits import in_study

Array = NDArray[np.float64]

GPU_HOURS: Final = {
    "grid": 3225.37,
    "learning_rate_scaling": 195.73,
    "residual_block": 98.10,
    "combinations": 43.96,
    "spectra_width": 10.80,
}
"""Of the studies whose jobs are told apart from others, searches and their trials included."""

ALL_GPU_HOURS: Final = 8098.64
"""Of all 218 jobs: with 868.03 of data and parameter scaling, and 3656.65 of the searches for single layers."""

_TWO_BODY: Final = "2b_tc"
_THREE_BODY: Final = "3b_tc"


@dataclass(frozen=True)
class Rate:
    """Time of one model for a crystal in an epoch, averaged over the widths of a study."""

    seconds: float
    num_params: float
    """Mean over the same."""

    def hours(self, num_params: Array, num_train: Array, epochs: float) -> tuple[Array, Array]:
        """Least and most hours of trainings.

        They hold for every time t_0 + c N with this average: the limits are a constant time and c N.
        """
        mean = self.seconds * num_train * epochs / 3600
        growth = num_params / self.num_params
        return mean * np.minimum(growth, 1), mean * np.maximum(growth, 1)


def published_rates(runs: pd.DataFrame) -> dict[str, Rate]:
    """Rates of the models of the grid.

    Args:
        runs: Table of all published trainings.

    Returns:
        Model -> rate. That of the two-body network is from the study of learning rates, which trained nothing else;
        the other one from what the two-body networks leave of the grid.
    """
    two, three = (_of(runs, "grid", model) for model in (_TWO_BODY, _THREE_BODY))
    two_body = _rate(
        _of(runs, "learning_rate_scaling", _TWO_BODY), GPU_HOURS["learning_rate_scaling"]
    )
    left = GPU_HOURS["grid"] - two_body.seconds * _crystals(two).sum() / 3600
    return {_TWO_BODY: two_body, _THREE_BODY: _rate(three, left)}


def with_gpu_hours(table: pd.DataFrame, rates: dict[str, Rate], epochs: float) -> pd.DataFrame:
    """Add ``least_gpu_hours`` and ``most_gpu_hours`` to a table of what to train, before its remarks.

    Args:
        table: With ``model``, ``num_params`` and ``num_train``; models without a rate get NaN.
        rates: Model -> rate.
        epochs: Of a training.
    """
    limits = pd.DataFrame(np.nan, table.index, ["least_gpu_hours", "most_gpu_hours"])
    for model, rate in rates.items():
        rows = (table["model"] == model).to_numpy(bool)
        num_params, num_train = table.loc[rows, ["num_params", "num_train"]].to_numpy(float).T
        limits.loc[rows] = np.column_stack(rate.hours(num_params, num_train, epochs))
    return pd.concat([table.drop(columns="remark"), limits, table["remark"]], axis="columns")


def _of(runs: pd.DataFrame, study: str, model: str) -> pd.DataFrame:
    return in_study(runs.loc[runs["model"] == model], study)


def _rate(runs: pd.DataFrame, hours: float) -> Rate:
    seen, num_params = _crystals(runs), runs["num_params"].to_numpy(float)
    return Rate(3600 * hours / seen.sum(), float(np.average(num_params, weights=seen)))


def _crystals(runs: pd.DataFrame) -> Array:
    """Crystals that a training sees in all its epochs."""
    return runs["num_train"].to_numpy(float) * runs["epochs"].to_numpy(float)
