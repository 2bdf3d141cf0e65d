"""How well predicted spectra, Drude frequencies and colours agree with their targets.

Pure functions on arrays, vectorised over materials and worked through in chunks, so that memory
does not grow with their number, with as many threads as torch may use; all arithmetic is in double
precision, and no result depends on the chunks or threads. Predictions and targets are dictionaries
of two arrays: "eps_inter", (num_materials, NUM_ENERGIES, 2) real then imaginary part, and
"drude_frequency", (num_materials,) in eV.

The definitions are those of the published evaluation, its two small constants included, so that
its printed digits come out: 1e-7 is subtracted from the R² of a spectrum and added to the relative
error's denominator and to that of the R² of the Drude frequency.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from optimetal.optics.color import delta_e, material_lab
from optimetal.optics.drude import BROADENING
from optimetal.optics.grid import NUM_ENERGIES

log = logging.getLogger(__name__)

Arrays = Mapping[str, NDArray]
EpsLoss = Literal["mae", "mse", "imaginary_mae"]
DrudeLoss = Literal["mae", "mse"]

SPECTRAL_METRICS: Final = tuple(
    f"eps_{part}_{metric}" for part in ("real", "imag") for metric in ("mae", "r2", "sc")
)
"""Columns of the per-material table that compare spectra: MAE, R² and similarity of either part."""

_TINY: Final = 1e-7
# 32 materials in double precision, with their temporaries, stay within a few MB: about the cache.
_CHUNK: Final = 32


class _Agreement(NamedTuple):
    """How well spectra agree, each (num_materials, 2): real and imaginary part."""

    mae: NDArray
    mse: NDArray
    r2: NDArray
    sc: NDArray


def material_metrics(
    predictions: Arrays,
    targets: Arrays,
    *,
    mat_ids: Sequence[str] | None = None,
    compositions: Sequence[str] | None = None,
    target_lab: NDArray | None = None,
    eps_loss: EpsLoss = "mae",
    drude_loss: DrudeLoss = "mae",
    eps_weight: float = 1.0,
    drude_weight: float = 1.0,
    broadening: float = BROADENING,
) -> pd.DataFrame:
    r"""Metrics of every material, one row each.

    With prediction p and target t on the energy grid, for the real and for the imaginary part:

    - ``mae``: mean of \|p - t\|;
    - ``r2``: 1 - Σ(p - t)² / Σ(t - mean t)² - 1e-7, NaN for a constant target;
    - ``sc``: similarity 1 - ∫\|p - t\| / ∫\|t\| (trapezoids), NaN for a vanishing target.

    Args:
        predictions: Predicted arrays, see the module.
        targets: Target arrays, see the module.
        mat_ids: Identifiers; numbered if not given.
        compositions: Reduced formulas; empty if not given.
        target_lab: (num_materials, 3) CIE L*a*b* of the targets; computed if not given.
        eps_loss: See :func:`material_losses`, as the next three.
        drude_loss: Loss on the Drude frequency.
        eps_weight: Weight of the loss on the dielectric function.
        drude_weight: Weight of the loss on the Drude frequency.
        broadening: Damping γ in eV of the Drude term, for the colours.

    Returns:
        Columns mat_id, composition, loss, loss_eps, loss_drude, the six of SPECTRAL_METRICS,
        drude_target, drude_predicted, drude_diff (prediction minus target; eV), drude_rel_diff
        (divided by target + 1e-7), delta_e.

    Raises:
        ValueError: If shapes disagree, values are not finite or no material is given.
    """
    num_materials = _check(predictions, targets)
    mat_ids = [str(n) for n in range(num_materials)] if mat_ids is None else mat_ids
    compositions = [""] * num_materials if compositions is None else compositions
    _check_length(num_materials, mat_ids=mat_ids, compositions=compositions)
    if target_lab is not None:
        _check_length(num_materials, target_lab=target_lab)
    agreement = _agreement(predictions, targets)
    drude_target, drude_predicted = _drude(targets), _drude(predictions)
    drude_diff = drude_predicted - drude_target
    loss_eps, loss_drude = _eps_loss(agreement, eps_loss), _drude_loss(drude_diff, drude_loss)
    spectral = np.stack([agreement.mae, agreement.r2, agreement.sc], axis=-1)
    lab = _colors(predictions, broadening)
    target_lab = _colors(targets, broadening) if target_lab is None else target_lab
    return pd.DataFrame(
        {
            "mat_id": list(mat_ids),
            "composition": list(compositions),
            "loss": eps_weight * loss_eps + drude_weight * loss_drude,
            "loss_eps": loss_eps,
            "loss_drude": loss_drude,
            **dict(zip(SPECTRAL_METRICS, spectral.reshape(num_materials, -1).T, strict=True)),
            "drude_target": drude_target,
            "drude_predicted": drude_predicted,
            "drude_diff": drude_diff,
            "drude_rel_diff": drude_diff / (drude_target + _TINY),
            "delta_e": delta_e(lab, target_lab),
        }
    )


def material_losses(
    predictions: Arrays,
    targets: Arrays,
    *,
    eps_loss: EpsLoss = "mae",
    drude_loss: DrudeLoss = "mae",
    eps_weight: float = 1.0,
    drude_weight: float = 1.0,
) -> NDArray[np.float64]:
    """Training loss of every material alone.

    The loss of the dielectric function is the mean absolute ("mae") or squared ("mse") error over
    real and imaginary parts together, or the mean absolute error of the imaginary part
    ("imaginary_mae", OptiMate); that of the Drude frequency is absolute or squared.

    Args:
        predictions: Predicted arrays, see the module.
        targets: Target arrays, see the module.
        eps_loss: Loss on the dielectric function.
        drude_loss: Loss on the Drude frequency.
        eps_weight: Weight of the former.
        drude_weight: Weight of the latter; 0 for networks without a Drude frequency.

    Returns:
        (num_materials,); their mean is the loss of the whole set.

    Raises:
        ValueError: If shapes disagree, values are not finite or a loss is unknown.
    """
    _check(predictions, targets)
    loss_eps = _eps_loss(_agreement(predictions, targets), eps_loss)
    loss_drude = _drude_loss(_drude(predictions) - _drude(targets), drude_loss)
    return eps_weight * loss_eps + drude_weight * loss_drude


def summarise(table: pd.DataFrame) -> dict[str, Any]:
    """Statistics over materials, ready for JSON.

    Args:
        table: Per-material table of :func:`material_metrics`.

    Returns:
        num_materials; mean, median and std (population) of each metric, of the Drude frequency both signed, drude_diff
        (eV) and drude_rel_diff, and absolute, drude_mae (eV) and drude_mape (%); drude_r2 over all materials. A
        metric undefined for some materials is averaged over the others, and a warning is logged.

    Raises:
        ValueError: If the table has no row.
    """
    if table.empty:
        raise ValueError("the table of metrics has no row: evaluate at least one material")
    values = table[["loss", "loss_eps", "loss_drude", *SPECTRAL_METRICS, "delta_e"]].assign(
        drude_diff=table["drude_diff"],
        drude_rel_diff=table["drude_rel_diff"],
        drude_mae=table["drude_diff"].abs(),
        drude_mape=100 * table["drude_rel_diff"].abs(),
    )
    undefined = {str(name): int(column.isna().sum()) for name, column in values.items()}
    if any(undefined.values()):
        log.warning("metrics undefined for some materials (how many): %s", undefined)
    return {
        "num_materials": len(table),
        "mean": _json_ready(values.mean()),
        "median": _json_ready(values.median()),
        "std": _json_ready(values.std(ddof=0)),
        "drude_r2": _drude_r2(table["drude_target"].to_numpy(), table["drude_diff"].to_numpy()),
    }


def ensemble(predictions: Sequence[Arrays]) -> tuple[dict[str, NDArray], dict[str, NDArray]]:
    """Mean of several models' predictions and how far they disagree.

    Args:
        predictions: One dictionary per model; same targets, shapes and order of materials.

    Returns:
        Mean and population standard deviation over the models, for every target.

    Raises:
        ValueError: If no model is given or their targets or shapes differ.
    """
    if not predictions:
        raise ValueError("an ensemble needs the predictions of at least one model, got none")
    shapes = [{key: np.shape(array) for key, array in model.items()} for model in predictions]
    for number, shape in enumerate(shapes[1:], start=1):
        if shape != shapes[0]:
            raise ValueError(
                f"all models must predict the same targets of the same materials, got "
                f"{shapes[0]} from model 0 and {shape} from model {number}"
            )
    mean, spread = {}, {}
    for key in predictions[0]:
        # One model at a time: a stack of all would not fit into memory for large test sets.
        mean[key] = sum(np.asarray(model[key]) for model in predictions) / len(predictions)
        squares = sum(np.square(model[key] - mean[key]) for model in predictions)
        spread[key] = np.sqrt(squares / len(predictions))
    return mean, spread


def _agreement(predictions: Arrays, targets: Arrays) -> _Agreement:
    """Of all materials, whose spectra must be finite."""
    spectra = predictions["eps_inter"], targets["eps_inter"]
    agreement = _Agreement(*np.concatenate(_in_threads(_compare, *spectra), axis=1))
    # A mean error is finite only if all that it was taken from is: this spares a pass over all.
    if not np.isfinite(agreement.mae).all():
        _check_finite("predictions['eps_inter']", spectra[0])
        _check_finite("targets['eps_inter']", spectra[1])
    return agreement


def _in_threads(function: Callable[..., NDArray], *columns: NDArray) -> list[NDArray]:
    """What a function returns for the rows of each thread.

    Every thread takes whole chunks: a matrix product rounds differently for another number of rows.
    """
    chunks = _chunks(len(columns[0]))
    threads = min(torch.get_num_threads(), len(chunks))
    first = [share[0].start for share in np.array_split(np.array(chunks), threads)]
    shares = [np.split(column, first[1:]) for column in columns]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(function, *shares))


def _chunks(num_materials: int) -> list[slice]:
    return [slice(start, start + _CHUNK) for start in range(0, num_materials, _CHUNK)]


def _compare(predicted: NDArray, target: NDArray) -> NDArray[np.float64]:
    """(n, NUM_ENERGIES, 2) twice to the fields of _Agreement, (fields, n, 2)."""
    # The same memory for all chunks: fresh pages would take more time than the arithmetic.
    scratch = np.empty((3, _CHUNK, 2, NUM_ENERGIES))
    chunks = [
        _compare_chunk(predicted[rows], target[rows], scratch) for rows in _chunks(len(target))
    ]
    return np.concatenate(chunks, axis=1)


@np.errstate(divide="ignore", invalid="ignore")
def _compare_chunk(predicted: NDArray, target: NDArray, scratch: NDArray) -> NDArray[np.float64]:
    error, size, deviation = scratch[:, : len(target)]  # (n, 2, NUM_ENERGIES)
    error[:], size[:] = np.swapaxes(predicted, 1, 2), np.swapaxes(target, 1, 2)
    error -= size
    np.subtract(size, size.mean(axis=-1, keepdims=True), out=deviation)
    residual, spread = np.vecdot(error, error), np.vecdot(deviation, deviation)
    error_sum, error_area = _sum_and_integral(np.abs(error, out=error))
    _, size_area = _sum_and_integral(np.abs(size, out=size))
    return np.stack(
        _Agreement(
            mae=error_sum / NUM_ENERGIES,
            mse=residual / NUM_ENERGIES,
            r2=np.where(spread > 0, 1 - residual / spread - _TINY, np.nan),
            sc=np.where(size_area > 0, 1 - error_area / size_area, np.nan),
        )
    )


def _sum_and_integral(values: NDArray) -> tuple[NDArray, NDArray]:
    """Over the last axis; the integral by trapezoids of unit spacing."""
    total = values.sum(axis=-1)
    return total, total - (values[..., 0] + values[..., -1]) / 2


def _eps_loss(agreement: _Agreement, kind: EpsLoss) -> NDArray:
    """(num_materials,)."""
    if kind == "mae":
        return agreement.mae.mean(axis=1)
    if kind == "mse":
        return agreement.mse.mean(axis=1)
    if kind == "imaginary_mae":
        return agreement.mae[:, 1]
    raise ValueError(f"eps_loss must be 'mae', 'mse' or 'imaginary_mae', got {kind!r}")


def _drude_loss(error: NDArray, kind: DrudeLoss) -> NDArray:
    if kind == "mae":
        return np.abs(error)
    if kind == "mse":
        return np.square(error)
    raise ValueError(f"drude_loss must be 'mae' or 'mse', got {kind!r}")


def _drude(arrays: Arrays) -> NDArray[np.float64]:
    return np.asarray(arrays["drude_frequency"], dtype=float)


def _colors(arrays: Arrays, broadening: float) -> NDArray[np.float64]:
    """(num_materials, 3) CIE L*a*b*."""

    def colors(eps_inter: NDArray, drude: NDArray) -> NDArray[np.float64]:
        return np.concatenate(
            [material_lab(eps_inter[rows], drude[rows], broadening) for rows in _chunks(len(drude))]
        )

    return np.concatenate(_in_threads(colors, _complex(arrays["eps_inter"]), _drude(arrays)))


def _complex(parts: NDArray) -> NDArray[np.complexfloating]:
    """(n, NUM_ENERGIES, 2) real and imaginary part as (n, NUM_ENERGIES), without a copy of floats."""
    real = np.result_type(parts, np.float32)
    return np.ascontiguousarray(parts, real).view(np.result_type(real, np.complex64))[..., 0]


def _check(predictions: Arrays, targets: Arrays) -> int:
    """Number of materials, after every array was found to be of the right shape."""
    num_materials = len(targets["drude_frequency"])
    if num_materials == 0:
        raise ValueError("there is no material to evaluate: give at least one")
    expected = {
        "eps_inter": (num_materials, NUM_ENERGIES, 2),
        "drude_frequency": (num_materials,),
    }
    for name, arrays in (("predictions", predictions), ("targets", targets)):
        for key, shape in expected.items():
            if np.shape(arrays[key]) != shape:
                raise ValueError(
                    f"{name}[{key!r}] must have shape {shape}, got {np.shape(arrays[key])}: "
                    "predictions and targets list the same materials in the same order"
                )
        _check_finite(f"{name}['drude_frequency']", arrays["drude_frequency"])
    return num_materials


def _check_finite(name: str, values: NDArray) -> None:
    # A sum over each material is NaN or infinite if one of its values is, and needs no large mask.
    bad = np.flatnonzero(~np.isfinite(values.reshape(len(values), -1).sum(axis=1)))
    if bad.size:
        raise ValueError(
            f"{name} must be finite, but {bad.size} materials have NaN or infinite values, the "
            f"first at index {bad[0]}: check the network's weights or drop these materials"
        )


def _check_length(num_materials: int, **columns: Sequence | NDArray) -> None:
    for name, column in columns.items():
        if len(column) != num_materials:
            raise ValueError(f"{name} must have {num_materials} entries, got {len(column)}")


def _drude_r2(target: NDArray, error: NDArray) -> float:
    spread = np.square(target - target.mean()).sum()
    return float(1 - np.square(error).sum() / (spread + _TINY))


def _json_ready(statistics: pd.Series) -> dict[str, float | None]:
    """NaN is no JSON: a metric that no material defines becomes None."""
    return {
        str(key): None if np.isnan(value) else float(value) for key, value in statistics.items()
    }
