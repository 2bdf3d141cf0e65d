"""Metrics against hand-made cases and a plain loop over materials."""

import json
import logging

import numpy as np
import pandas as pd
import pytest
import torch

from optimetal.evaluation.metrics import (
    SPECTRAL_METRICS,
    ensemble,
    material_losses,
    material_metrics,
    summarise,
)
from optimetal.optics.color import delta_e, lab_color
from optimetal.optics.drude import total_dielectric
from optimetal.optics.grid import ENERGY, NUM_ENERGIES


def arrays(num: int, seed: int, noise: float = 0.0) -> dict[str, np.ndarray]:
    """Materials with one absorption line each; noise makes them predictions."""
    spectra, disturb = np.random.default_rng(1), np.random.default_rng(seed)
    centre, height = spectra.uniform(1, 6, (num, 1)), spectra.uniform(5, 40, (num, 1))
    line = 1 + height / (centre**2 - ENERGY**2 - 0.8j * ENERGY)
    eps = np.stack([line.real, line.imag], axis=-1)
    drude = spectra.uniform(1, 10, num)
    return {
        "eps_inter": (eps + noise * disturb.normal(size=eps.shape)).astype(np.float32),
        "drude_frequency": (drude + noise * disturb.normal(size=num)).astype(np.float32),
    }


TARGETS = arrays(70, 0)
PREDICTIONS = arrays(70, 5, noise=0.3)


def test_a_perfect_prediction():
    table = material_metrics(TARGETS, TARGETS)
    assert (table[["loss", "eps_real_mae", "eps_imag_mae", "drude_diff", "delta_e"]] == 0).all(
        axis=None
    )
    assert (table[["eps_real_sc", "eps_imag_sc"]] == 1).all(axis=None)
    np.testing.assert_allclose(table[["eps_real_r2", "eps_imag_r2"]], 1 - 1e-7, rtol=1e-15)


def test_a_constant_shift_of_the_real_part():
    shifted = {**TARGETS, "eps_inter": TARGETS["eps_inter"] + np.float32([0.5, 0])}
    table = material_metrics(shifted, TARGETS)
    np.testing.assert_allclose(table["eps_real_mae"], 0.5, rtol=1e-6)
    np.testing.assert_allclose(table["loss"], 0.25, rtol=1e-6)
    assert (table["eps_imag_mae"] == 0).all()
    real = TARGETS["eps_inter"][..., 0].astype(float)
    expected = 1 - 0.25 / real.var(axis=1) - 1e-7
    np.testing.assert_allclose(table["eps_real_r2"], expected, rtol=1e-6, atol=1e-8)


def test_predicting_zero_has_no_similarity_and_predicting_the_mean_no_r2():
    zero = {**TARGETS, "eps_inter": np.zeros_like(TARGETS["eps_inter"])}
    np.testing.assert_allclose(
        material_metrics(zero, TARGETS)[["eps_real_sc", "eps_imag_sc"]], 0, atol=1e-12
    )
    mean = {**TARGETS, "eps_inter": np.empty_like(TARGETS["eps_inter"])}
    mean["eps_inter"][:] = TARGETS["eps_inter"].mean(axis=1, keepdims=True)
    np.testing.assert_allclose(
        material_metrics(mean, TARGETS)[["eps_real_r2", "eps_imag_r2"]], 0, atol=1e-5
    )


def test_chunks_equal_a_loop_over_materials():
    table = material_metrics(PREDICTIONS, TARGETS)
    for n in (0, 31, 32, 69):  # either side of a chunk's border, and the ends
        predicted, target = (a["eps_inter"][n].astype(float) for a in (PREDICTIONS, TARGETS))
        for part, name in enumerate(("real", "imag")):
            error = np.abs(predicted[:, part] - target[:, part])
            similarity = 1 - np.trapezoid(error) / np.trapezoid(np.abs(target[:, part]))
            r2 = 1 - (error**2).sum() / (target[:, part].var() * NUM_ENERGIES) - 1e-7
            assert table.loc[n, f"eps_{name}_mae"] == pytest.approx(error.mean(), rel=1e-12)
            assert table.loc[n, f"eps_{name}_sc"] == pytest.approx(similarity, rel=1e-12)
            assert table.loc[n, f"eps_{name}_r2"] == pytest.approx(r2, rel=1e-12)
        labs = [
            lab_color(total_dielectric(eps[:, 0] + 1j * eps[:, 1], float(a["drude_frequency"][n])))
            for eps, a in ((predicted, PREDICTIONS), (target, TARGETS))
        ]
        assert table.loc[n, "delta_e"] == pytest.approx(delta_e(*labs), rel=1e-9)


@pytest.mark.parametrize("eps_loss", ["mae", "mse", "imaginary_mae"])
@pytest.mark.parametrize("drude_loss", ["mae", "mse"])
def test_losses_of_materials_average_to_the_loss_of_the_set(eps_loss, drude_loss):
    settings = {
        "eps_loss": eps_loss,
        "drude_loss": drude_loss,
        "eps_weight": 0.7,
        "drude_weight": 1.3,
    }
    error = PREDICTIONS["eps_inter"].astype(float) - TARGETS["eps_inter"]
    drude = PREDICTIONS["drude_frequency"].astype(float) - TARGETS["drude_frequency"]
    size = {
        "mae": np.abs(error).mean(),
        "mse": (error**2).mean(),
        "imaginary_mae": np.abs(error[..., 1]).mean(),
    }[eps_loss]
    expected = 0.7 * size + 1.3 * (
        np.abs(drude).mean() if drude_loss == "mae" else (drude**2).mean()
    )
    losses = material_losses(PREDICTIONS, TARGETS, **settings)
    assert losses.mean() == pytest.approx(expected)
    np.testing.assert_array_equal(
        losses, material_metrics(PREDICTIONS, TARGETS, **settings)["loss"]
    )


def test_table_names_the_materials_and_keeps_the_sign_of_the_drude_error():
    table = material_metrics(
        PREDICTIONS,
        TARGETS,
        mat_ids=[f"agm{n}" for n in range(70)],
        compositions=["Cu"] * 70,
    )
    assert list(table.columns[:3]) == ["mat_id", "composition", "loss"]
    assert set(SPECTRAL_METRICS) <= set(table.columns)
    assert table.loc[3, "mat_id"] == "agm3"
    assert (table["drude_diff"] < 0).any() and (table["drude_diff"] > 0).any()
    np.testing.assert_allclose(
        table["drude_diff"], table["drude_predicted"] - table["drude_target"]
    )


@pytest.mark.parametrize("num_materials", [1, 70])
def test_threads_change_nothing(num_materials):
    before = torch.get_num_threads()
    predictions, targets = (
        {k: v[:num_materials] for k, v in a.items()} for a in (PREDICTIONS, TARGETS)
    )
    tables = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            tables.append(material_metrics(predictions, targets))
    finally:
        torch.set_num_threads(before)
    assert len(tables[0]) == num_materials
    pd.testing.assert_frame_equal(*tables, check_exact=True)


def test_arrays_of_other_types_and_orders_are_understood_and_left_alone():
    """Doubles, with the energies last in memory, as a network that keeps parts apart returns them."""
    doubles = {
        "eps_inter": np.ascontiguousarray(PREDICTIONS["eps_inter"].astype(float).swapaxes(1, 2)),
        "drude_frequency": PREDICTIONS["drude_frequency"].astype(float),
    }
    given = {**doubles, "eps_inter": doubles["eps_inter"].swapaxes(1, 2)}
    table = material_metrics(given, TARGETS)
    expected = material_metrics(PREDICTIONS, TARGETS)
    pd.testing.assert_frame_equal(table, expected, rtol=1e-12, check_exact=False)
    np.testing.assert_array_equal(given["eps_inter"], PREDICTIONS["eps_inter"])
    whole = {**TARGETS, "eps_inter": np.rint(TARGETS["eps_inter"]).astype(int)}
    floats = {**whole, "eps_inter": whole["eps_inter"].astype(float)}
    pd.testing.assert_frame_equal(
        material_metrics(whole, TARGETS), material_metrics(floats, TARGETS), check_exact=True
    )


def test_given_target_colours_are_used():
    elsewhere = np.zeros((70, 3))
    table = material_metrics(TARGETS, TARGETS, target_lab=elsewhere)
    assert (table["delta_e"] > 10).all()


def test_summary_of_drude_errors():
    targets = {k: v[:4].copy() for k, v in TARGETS.items()}
    targets["drude_frequency"] = np.array([2.0, 4.0, 6.0, 8.0])
    predictions = {**targets, "drude_frequency": np.array([1.0, 4.0, 6.0, 10.0])}
    summary = summarise(material_metrics(predictions, targets))
    assert summary["num_materials"] == 4
    assert summary["mean"]["drude_mae"] == 0.75
    signed = (predictions["drude_frequency"] - targets["drude_frequency"]).astype(float)
    assert summary["mean"]["drude_diff"] == pytest.approx(signed.mean())
    assert summary["std"]["drude_diff"] == pytest.approx(signed.std())
    relative = signed / targets["drude_frequency"]
    assert summary["median"]["drude_rel_diff"] == pytest.approx(np.median(relative), rel=1e-6)
    assert summary["median"]["drude_mae"] == 0.5
    assert summary["std"]["drude_mae"] == pytest.approx(np.std([1, 0, 0, 2]))
    assert summary["mean"]["drude_mape"] == pytest.approx(100 * (0.5 + 0.25) / 4, rel=1e-6)
    assert summary["drude_r2"] == pytest.approx(1 - 5 / 20)
    json.dumps(summary, allow_nan=False)


def test_undefined_metrics_are_left_out_with_a_warning(caplog):
    targets = {k: v[:3].copy() for k, v in TARGETS.items()}
    targets["eps_inter"][1, :, 1] = 0  # no absorption at all: R2 and SC have no scale
    table = material_metrics({k: v[:3] for k, v in PREDICTIONS.items()}, targets)
    assert table["eps_imag_r2"].isna().tolist() == [False, True, False]
    assert table["eps_imag_sc"].isna().tolist() == [False, True, False]
    with caplog.at_level(logging.WARNING):
        summary = summarise(table)
    assert "undefined" in caplog.text
    assert summary["mean"]["eps_imag_sc"] == pytest.approx(table["eps_imag_sc"][[0, 2]].mean())
    only = summarise(table.iloc[[1]])
    assert only["mean"]["eps_imag_r2"] is None
    json.dumps(only, allow_nan=False)


def test_ensemble_is_mean_and_spread_over_the_models():
    models = [arrays(5, seed, noise=0.2) for seed in (1, 2, 3)]
    mean, spread = ensemble(models)
    for key in ("eps_inter", "drude_frequency"):
        stack = np.stack([model[key] for model in models]).astype(float)
        np.testing.assert_allclose(mean[key], stack.mean(axis=0), atol=1e-5)
        np.testing.assert_allclose(spread[key], stack.std(axis=0), atol=1e-5)
        assert mean[key].dtype == np.float32
    alone, none = ensemble(models[:1])
    np.testing.assert_array_equal(alone["eps_inter"], models[0]["eps_inter"])
    assert not none["eps_inter"].any()


def test_bad_input_is_refused():
    short = {k: v[:3] for k, v in TARGETS.items()}
    broken = {k: v.copy() for k, v in TARGETS.items()}
    broken["eps_inter"][[7, 9], 100, [0, 1]] = np.inf
    metal = {**TARGETS, "drude_frequency": np.where(np.arange(70) == 3, np.nan, 5.0)}
    with pytest.raises(ValueError, match="same materials in the same order"):
        material_metrics(short, TARGETS)
    named = [
        (broken, TARGETS, r"predictions\['eps_inter'\] .* 2 materials .* first at index 7"),
        (TARGETS, broken, r"targets\['eps_inter'\] .* 2 materials .* first at index 7"),
        (broken, broken, "first at index 7"),
        (TARGETS, metal, r"targets\['drude_frequency'\] .* 1 materials .* first at index 3"),
    ]
    for predictions, targets, message in named:
        with pytest.raises(ValueError, match=message):
            material_metrics(predictions, targets)
    with pytest.raises(ValueError, match="mat_ids must have 70 entries, got 2"):
        material_metrics(TARGETS, TARGETS, mat_ids=["a", "b"])
    with pytest.raises(ValueError, match="eps_loss must be"):
        material_losses(TARGETS, TARGETS, eps_loss="huber")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="drude_loss must be"):
        material_losses(TARGETS, TARGETS, drude_loss="huber")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no material"):
        material_losses(
            {k: v[:0] for k, v in TARGETS.items()}, {k: v[:0] for k, v in TARGETS.items()}
        )
    with pytest.raises(ValueError, match="no row"):
        summarise(material_metrics(TARGETS, TARGETS).iloc[:0])
    with pytest.raises(ValueError, match="at least one model"):
        ensemble([])
    with pytest.raises(ValueError, match="from model 1"):
        ensemble([TARGETS, short])
