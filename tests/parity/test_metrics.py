"""Per-material metrics and their statistics as the published evaluator gives them."""

import json

import numpy as np
import pytest

from optimetal.evaluation.metrics import material_metrics, summarise

LOSS_NAMES = {"mae": "mae", "mse": "mse", "optimate": "imaginary_mae"}


@pytest.fixture(scope="module")
def arrays(parity):
    with np.load(parity / "metrics.npz") as stored:
        return dict(stored)


@pytest.fixture(scope="module")
def published(parity):
    return json.loads((parity / "metrics.json").read_text())


@pytest.mark.parametrize("setting", ["mae", "mse_weighted", "optimate"])
def test_metrics(arrays, published, setting):
    expected = published[setting]
    table = material_metrics(
        {"eps_inter": arrays["eps_pred"], "drude_frequency": arrays["drude_pred"]},
        {"eps_inter": arrays["eps_target"], "drude_frequency": arrays["drude_target"]},
        mat_ids=[material["mat_id"] for material in expected["materials"]],
        compositions=[material["composition"] for material in expected["materials"]],
        target_lab=arrays["lab_target"],
        eps_loss=LOSS_NAMES[expected["loss_fn_eps"]],
        drude_loss=LOSS_NAMES[expected["loss_fn_drude"]],
        eps_weight=expected["eps_weight"],
        drude_weight=expected["drude_weight"],
    )
    summary = summarise(table)
    for row, material in enumerate(expected["materials"]):
        for key, value in material.items():
            if isinstance(value, str):
                continue
            assert table.loc[row, key] == pytest.approx(value, rel=1e-6, abs=1e-6), key
    for statistic in ("mean", "median", "std"):
        for key, value in expected[statistic].items():
            assert summary[statistic][key] == pytest.approx(value, rel=1e-6, abs=1e-6), key
    assert summary["drude_r2"] == pytest.approx(expected["drude_r2"], rel=1e-6)


def test_stored_target_colours_are_ours(arrays):
    targets = {"eps_inter": arrays["eps_target"], "drude_frequency": arrays["drude_target"]}
    table = material_metrics(targets, targets, target_lab=arrays["lab_target"])
    assert table["delta_e"].max() < 1e-5  # stored as float32
