"""How well predicted spectra, Drude frequencies and colours agree with their targets.

Pure functions on arrays, vectorised over materials and worked through in chunks, so that memory
does not grow with their number. Predictions and targets are dictionaries of two arrays:
"eps_inter", (num_materials, NUM_ENERGIES, 2) real then imaginary part, and "drude_frequency",
(num_materials,) in eV.

The definitions are those of the published evaluation, its two small constants included, so that
its printed digits come out: 1e-7 is subtracted from the R² of a spectrum and added to the relative
error's denominator and to that of the R² of the Drude frequency.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
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
    drude_target = np.asarray(targets["drude_frequency"], dtype=float)
    drude_predicted = np.asarray(predictions["drude_frequency"], dtype=float)
    drude_diff = drude_predicted - drude_target
    loss_drude = _drude_loss(drude_diff, drude_loss)
    loss_eps, spectral, difference = _per_spectrum(
        predictions, targets, eps_loss, target_lab, broadening
    )
    return pd.DataFrame(
        {
            "mat_id": list(mat_ids),
            "composition": list(compositions),
            "loss": eps_weight * loss_eps + drude_weight * loss_drude,
            "loss_eps": loss_eps,
            "loss_drude": loss_drude,
            **dict(zip(SPECTRAL_METRICS, spectral.T, strict=True)),
            "drude_target": drude_target,
            "drude_predicted": drude_predicted,
            "drude_diff": drude_diff,
            "drude_rel_diff": drude_diff / (drude_target + _TINY),
            "delta_e": difference,
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
    drude_diff = np.asarray(predictions["drude_frequency"], dtype=float) - np.asarray(
        targets["drude_frequency"], dtype=float
    )
    loss_eps = [
        _eps_loss(predicted - target, eps_loss)
        for _, predicted, target in _chunks(predictions, targets)
    ]
    return eps_weight * np.concatenate(loss_eps) + drude_weight * _drude_loss(
        drude_diff, drude_loss
    )


def summarise(table: pd.DataFrame) -> dict[str, Any]:
    """Statistics over materials, ready for JSON.

    Args:
        table: Per-material table of :func:`material_metrics`.

    Returns:
        num_materials; mean, median and std (population) of each metric, where the signed Drude
        differences enter as drude_mae (eV) and drude_mape (%); drude_r2 over all materials. A
        metric undefined for some materials is averaged over the others, and a warning is logged.

    Raises:
        ValueError: If the table has no row.
    """
    if table.empty:
        raise ValueError("the table of metrics has no row: evaluate at least one material")
    values = table[["loss", "loss_eps", "loss_drude", *SPECTRAL_METRICS, "delta_e"]].assign(
        drude_mae=table["drude_diff"].abs(), drude_mape=100 * table["drude_rel_diff"].abs()
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


def _per_spectrum(
    predictions: Arrays,
    targets: Arrays,
    eps_loss: EpsLoss,
    target_lab: NDArray | None,
    broadening: float,
) -> tuple[NDArray, NDArray, NDArray]:
    """(n,) loss, (n, 6) SPECTRAL_METRICS and (n,) colour difference, in one pass."""
    losses, metrics, differences = [], [], []
    for rows, predicted, target in _chunks(predictions, targets):
        losses.append(_eps_loss(predicted - target, eps_loss))
        metrics.append(_spectral_metrics(predicted, target))
        lab = material_lab(_complex(predicted), predictions["drude_frequency"][rows], broadening)
        if target_lab is None:
            drude = targets["drude_frequency"][rows]
            reference = material_lab(_complex(target), drude, broadening)
        else:
            reference = target_lab[rows]
        differences.append(delta_e(lab, reference))
    return np.concatenate(losses), np.concatenate(metrics), np.concatenate(differences)


def _chunks(
    predictions: Arrays, targets: Arrays
) -> Iterator[tuple[slice, NDArray[np.float64], NDArray[np.float64]]]:
    """Rows, predicted and target spectra as (chunk, 2, NUM_ENERGIES) of doubles."""
    for start in range(0, len(targets["eps_inter"]), _CHUNK):
        rows = slice(start, start + _CHUNK)
        predicted, target = (
            np.ascontiguousarray(np.swapaxes(arrays["eps_inter"][rows], 1, 2), dtype=float)
            for arrays in (predictions, targets)
        )
        yield rows, predicted, target


def _spectral_metrics(predicted: NDArray, target: NDArray) -> NDArray:
    """(n, 2, NUM_ENERGIES) twice to (n, 6): mae, r2, sc of the real, then of the imaginary part."""
    error = predicted - target
    deviation = target - target.mean(axis=-1, keepdims=True)
    residual = np.einsum("nce,nce->nc", error, error)
    spread = np.einsum("nce,nce->nc", deviation, deviation)
    np.abs(error, out=error)
    size = np.abs(target, out=deviation)
    with np.errstate(divide="ignore", invalid="ignore"):
        r2 = np.where(spread > 0, 1 - residual / spread - _TINY, np.nan)
        similarity = 1 - _trapezoid(error) / _trapezoid(size)
    similarity[~np.isfinite(similarity)] = np.nan
    return np.stack([error.mean(axis=-1), r2, similarity], axis=-1).reshape(len(error), -1)


def _trapezoid(values: NDArray) -> NDArray:
    """Integral over the last axis with unit spacing."""
    return values.sum(axis=-1) - (values[..., 0] + values[..., -1]) / 2


def _eps_loss(error: NDArray, kind: EpsLoss) -> NDArray:
    """(n, 2, NUM_ENERGIES) to (n,)."""
    if kind == "mae":
        return np.abs(error).mean(axis=(1, 2))
    if kind == "mse":
        return np.square(error).mean(axis=(1, 2))
    if kind == "imaginary_mae":
        return np.abs(error[:, 1]).mean(axis=1)
    raise ValueError(f"eps_loss must be 'mae', 'mse' or 'imaginary_mae', got {kind!r}")


def _drude_loss(error: NDArray, kind: DrudeLoss) -> NDArray:
    if kind == "mae":
        return np.abs(error)
    if kind == "mse":
        return np.square(error)
    raise ValueError(f"drude_loss must be 'mae' or 'mse', got {kind!r}")


def _complex(parts: NDArray) -> NDArray[np.complex128]:
    """(n, 2, NUM_ENERGIES) real and imaginary part to (n, NUM_ENERGIES) complex."""
    spectrum = np.empty((len(parts), parts.shape[-1]), dtype=complex)
    spectrum.real, spectrum.imag = parts[:, 0], parts[:, 1]
    return spectrum


def _check(predictions: Arrays, targets: Arrays) -> int:
    """Number of materials, after every array was found to be of the right shape and finite."""
    num_materials = len(targets["drude_frequency"])
    if num_materials == 0:
        raise ValueError("there is no material to evaluate: give at least one")
    expected = {
        "eps_inter": (num_materials, NUM_ENERGIES, 2),
        "drude_frequency": (num_materials,),
    }
    for name, arrays in (("predictions", predictions), ("targets", targets)):
        for key, shape in expected.items():
            values = arrays[key]
            if np.shape(values) != shape:
                raise ValueError(
                    f"{name}[{key!r}] must have shape {shape}, got {np.shape(values)}: "
                    "predictions and targets list the same materials in the same order"
                )
            _check_finite(f"{name}[{key!r}]", values)
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
