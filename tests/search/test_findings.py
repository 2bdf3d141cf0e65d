"""What later studies take over from results."""

import json

import numpy as np
import pandas as pd
import pytest

from optimetal.config.architecture import OptiMetal2B
from optimetal.search.findings import best_settings, combined, exponents, read_findings

DIM, POOLING = "architecture.spectra_dim", "architecture.pooling"


def trained(run, dim, seed):
    network = OptiMetal2B(hidden_dim=4, spectra_dim=dim)
    return run.model_copy(update={"architecture": network, "seed": seed})


def test_the_best_have_the_lowest_mean_over_seeds(run):
    losses = {8: (1.0, 5.0), 16: (2.0, 2.0), 32: (2.5, 2.5)}
    runs = [
        (trained(run, dim, seed), loss)
        for dim, both in losses.items()
        for seed, loss in enumerate(both)
    ]
    assert best_settings(runs, [DIM], 2) == [{DIM: 16}, {DIM: 32}]
    with pytest.raises(ValueError, match=r"expected 4 combinations .* got 3"):
        best_settings(runs, [DIM], 4)


def test_sections_are_taken_over_whole(run):
    (choice,) = best_settings([(run, 1.0)], [POOLING], 1)
    assert choice == {POOLING: {"type": "vector_attention"}}


def test_the_best_of_several_studies_are_combined():
    assert combined([[{"a": 1}, {"a": 2}], [{"b": 3}]]) == [{"a": 1, "b": 3}, {"a": 2, "b": 3}]


def rate_study(model, gamma):
    sizes = np.array([1e5, 1e6, 1e7])
    rows = [
        {"num_params": size, "width": width, "lr": 1e-3 * (1e6 / size) ** exponent}
        for size, width in zip(sizes, (8, 16, 32), strict=True)
        for exponent in (gamma, gamma + 0.5, gamma - 0.5)
    ]
    table = pd.DataFrame(rows).assign(model=model, label=model, seed=1)
    best = 1e-3 * (1e6 / table["num_params"]) ** gamma
    return table.assign(val_loss=1 + np.log(table["lr"] / best) ** 2)


def test_the_exponent_is_that_of_the_best_rates():
    runs = pd.concat([rate_study("a", 0.8), rate_study("b", 1.2)], ignore_index=True)
    widths = {"a": 16, "b": 16}
    assert exponents(runs, widths, ["b", "a"]) == pytest.approx({"b": 1.2, "a": 0.8})
    with pytest.raises(ValueError, match=r"no learning rates of ..c"):
        exponents(runs, widths, ["c"])


def test_the_only_model_speaks_for_others():
    assert exponents(rate_study("a", 0.8), {"a": 16}, ["c"]) == pytest.approx({"c": 0.8})


def test_files_of_findings(tmp_path):
    taken_over, rates = tmp_path / "a.json", tmp_path / "b.json"
    taken_over.write_text(json.dumps({"settings": [{DIM: 8}], "exponents": {"m": 0.9}}))
    rates.write_text(json.dumps({"m/data4": {"training.learning_rate": 0.1}}))
    found = read_findings(taken_over, rates)
    assert (found.settings, found.exponents) == ([{DIM: 8}], {"m": 0.9})
    assert found.rates == {"m/data4": {"training.learning_rate": 0.1}}
    assert read_findings(None, None).settings == ({},)
