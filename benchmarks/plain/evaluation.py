"""Predictions and metrics, one crystal after the other."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch_geometric.loader import DataLoader

from benchmarks.plain.color import lab_color
from benchmarks.plain.graphs import FOLLOW, CrystalData
from optimetal.evaluation.metrics import Arrays, DrudeLoss, EpsLoss
from optimetal.optics.drude import total_dielectric

TINY = 1e-7
"""Published constant that keeps denominators from zero."""


@torch.no_grad()
def predict(
    network: nn.Module, crystals: list[CrystalData], batch_size: int
) -> dict[str, np.ndarray]:
    """Target name -> (num_crystals, ...) predictions; the network stays in evaluation mode."""
    network.eval()
    device = next(network.parameters()).device
    batches = [
        network(batch.to(device)) for batch in DataLoader(crystals, batch_size, follow_batch=FOLLOW)
    ]
    return {name: torch.cat([b[name] for b in batches]).cpu().numpy() for name in batches[0]}


def material_metrics(
    predictions: Arrays,
    targets: Arrays,
    mat_ids: Sequence[str],
    compositions: Sequence[str],
    eps_loss: EpsLoss = "mae",
    drude_loss: DrudeLoss = "mae",
    eps_weight: float = 1.0,
    drude_weight: float = 1.0,
) -> pd.DataFrame:
    """The table of :func:`optimetal.evaluation.metrics.material_metrics`, which explains all arguments.

    The colour of a target is taken from ``targets["lab"]`` (num_materials, 3).
    """
    rows = []
    for n, (mat_id, composition) in enumerate(zip(mat_ids, compositions, strict=True)):
        predicted, target = ({k: v[n] for k, v in a.items()} for a in (predictions, targets))
        losses = {
            "loss_eps": _loss(predicted["eps_inter"], target["eps_inter"], eps_loss),
            "loss_drude": _loss(
                predicted["drude_frequency"], target["drude_frequency"], drude_loss
            ),
        }
        loss = eps_weight * losses["loss_eps"] + drude_weight * losses["loss_drude"]
        names = {"mat_id": mat_id, "composition": composition, "loss": loss, **losses}
        rows.append(names | one_material(predicted, target))
    return pd.DataFrame(rows)


def one_material(
    predicted: Mapping[str, np.ndarray], target: Mapping[str, np.ndarray]
) -> dict[str, float]:
    """Metrics of one material.

    Args:
        predicted: ``eps_inter`` (NUM_ENERGIES, 2) and ``drude_frequency`` ().
        target: The same, and ``lab`` (3,).
    """
    metrics = {}
    for part, name in enumerate(("real", "imag")):
        spectra = predicted["eps_inter"][:, part], target["eps_inter"][:, part]
        metrics |= {f"eps_{name}_{k}": v for k, v in _compare(*spectra).items()}
    drude, drude_target = float(predicted["drude_frequency"]), float(target["drude_frequency"])
    eps_inter = np.asarray(predicted["eps_inter"], float) @ [1, 1j]
    lab = lab_color(total_dielectric(eps_inter, drude))
    return {
        **metrics,
        "drude_target": drude_target,
        "drude_predicted": drude,
        "drude_diff": drude - drude_target,
        "drude_rel_diff": (drude - drude_target) / (drude_target + TINY),
        "delta_e": float(np.linalg.norm(lab - target["lab"])),
    }


def _compare(predicted: np.ndarray, target: np.ndarray) -> dict[str, float]:
    """MAE, R² and similarity of one real spectrum."""
    predicted, target = predicted.astype(float), target.astype(float)
    error = np.abs(predicted - target)
    spread = np.square(target - target.mean()).sum()
    size = np.trapezoid(np.abs(target))
    return {
        "mae": float(error.mean()),
        "r2": float(1 - np.square(error).sum() / spread - TINY) if spread else np.nan,
        "sc": float(1 - np.trapezoid(error) / size) if size else np.nan,
    }


def _loss(predicted: Any, target: Any, kind: EpsLoss) -> float:
    error = np.asarray(predicted, float) - np.asarray(target, float)
    if kind == "mse":
        return float(np.square(error).mean())
    return float(np.abs(error[:, 1] if kind == "imaginary_mae" else error).mean())
