"""Hours of the published study, which are known of whole studies only."""

import re
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from optimetal.cost.published import (
    ALL_GPU_HOURS,
    GPU_HOURS,
    Rate,
    published_rates,
    with_gpu_hours,
)
from optimetal.scaling.published import read_published_runs


def trainings(study, model, sizes, count):
    return pd.DataFrame(
        {
            "studies": [[study]] * len(sizes) * count,
            "model": model,
            "num_params": sizes * count,
            "num_train": 1000,
            "epochs": 5,
        }
    )


@pytest.fixture
def runs():
    parts = [
        trainings("learning_rate_scaling", "2b_tc", [10, 1000], 4),
        trainings("grid", "2b_tc", [10, 1000], 2),
        trainings("grid", "3b_tc", [20, 4000], 3),
        trainings("data_scaling", "2b_tc", [10**6], 7),
    ]
    return pd.concat(parts, ignore_index=True)


def test_both_limits_add_up_to_what_was_measured(runs):
    rates = published_rates(runs)
    of_grid = runs.loc[[study == ["grid"] for study in runs["studies"]]]
    hours = {model: [0.0, 0.0] for model in rates}
    for model, rate in rates.items():
        sizes = of_grid.loc[of_grid["model"] == model]
        constant = rate.seconds * 1000 * 5 / 3600 * len(sizes)
        in_proportion = constant * (sizes["num_params"] / rate.num_params).mean()
        hours[model] = [constant, in_proportion]
    for total in np.sum(list(hours.values()), axis=0):
        assert total == pytest.approx(GPU_HOURS["grid"])
    # half as many trainings as in the study that measured them
    assert hours["2b_tc"][0] == pytest.approx(GPU_HOURS["learning_rate_scaling"] / 2)


def test_any_cost_with_this_average_lies_between_the_limits():
    rate, sizes = Rate(seconds=2.0, num_params=100.0), np.array([1.0, 100.0, 900.0])
    least, most = rate.hours(sizes, np.full(3, 1800.0), epochs=1)
    assert least.tolist() == [0.01, 1.0, 1.0]
    assert most.tolist() == [1.0, 1.0, 9.0]
    for constant in (0.0, 0.7, 2.0):
        hours = (constant + (2 - constant) * sizes / 100) * 1800 / 3600
        assert ((least <= hours + 1e-12) & (hours <= most + 1e-12)).all()


def test_tables_get_both_limits_before_their_remarks():
    table = pd.DataFrame({"model": ["2b_tc", "other"], "num_params": [50.0, 50], "num_train": 36.0})
    table["remark"] = ""
    found = with_gpu_hours(table, {"2b_tc": Rate(100.0, 100.0)}, epochs=2)
    assert list(found)[-3:] == ["least_gpu_hours", "most_gpu_hours", "remark"]
    assert found.loc[0, ["least_gpu_hours", "most_gpu_hours"]].tolist() == [1.0, 2.0]
    assert found.loc[1, ["least_gpu_hours", "most_gpu_hours"]].isna().all()


def test_the_hours_are_those_of_the_published_list(parity):
    folder = parity / ".." / ".." / "published"
    if not (folder / "gpu_hours.txt").is_file():
        pytest.skip(f"no published measurements at {folder}")
    jobs = re.findall(r"(\w+)/\S+: ([\d.]+) h", (folder / "gpu_hours.txt").read_text())
    hours = Counter()
    for name, taken in jobs:
        hours[name] += float(taken)
    names = {
        "grid": "Scaling_Grid",
        "learning_rate_scaling": "Transformer_Scaling",
        "residual_block": "MLP_AddNorm",
        "combinations": "Ablation_Interaction",
        "spectra_width": "Spectra_Dim",
    }
    assert {study: hours[name] for study, name in names.items()} == pytest.approx(GPU_HOURS)
    assert (len(jobs), hours.total()) == (218, pytest.approx(ALL_GPU_HOURS))
    rates = published_rates(read_published_runs(folder))
    # three-body networks take ten times as long
    assert rates["3b_tc"].seconds / rates["2b_tc"].seconds == pytest.approx(10.4, rel=0.01)
