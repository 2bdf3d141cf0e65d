"""Reading of the published measurements, on invented files of their form."""

import json
from typing import Any

import pytest

from optimetal.scaling.fits import in_study, points
from optimetal.scaling.published import RUN_COLUMNS, SEEDS, read_published_runs

COUNTS = {16: 1000, 256: 8000}


def entries(num_params: int, **extra: Any) -> list[dict[str, Any]]:
    return [
        {
            "seed": str(seed),
            "num_parameter": num_params,
            "val_loss": 1.0 + seed / 1000,
            "eps_loss": 0.7,
            "drude_loss": 0.3,
            **extra,
        }
        for seed in SEEDS
    ]


def sizes() -> dict[str, Any]:
    return {str(size): entries(8000) for size in (5000, 2500)}


def widths(**extra: Any) -> dict[str, Any]:
    return {str(width): entries(count, **extra) for width, count in COUNTS.items()}


@pytest.fixture
def folder(tmp_path):
    contents = {
        "scaling_results": {
            "data": {
                "optimate": sizes(),
                "2b": {"variant1": sizes(), "variant2": sizes()},
                "3b": sizes(),
            },
            "parameter": {"2b": {"variant1": widths(), "variant2": widths()}, "3b": widths()},
        },
        "scaling_grid_results": {
            model: {"2500": widths(), "5000": widths()} for model in ("2b", "3b")
        },
        "transformer_scaling_results": {
            "0.000": widths(lr=6e-4),
            "1.000": {"16": entries(1000, lr=4.8e-3), "256": entries(8000, lr=6e-4)},
        },
    }
    contents |= {
        "other/mlp_addnorm_results": {
            kind: {str(layers): entries(100 * layers, lr=1e-3) for layers in (2, 1)}
            for kind in ("residual", "no_residual")
        },
        "other/spectra_dim_results": {
            "256": {str(multiplier): entries(100 * multiplier, lr=6e-4) for multiplier in (1, 4)}
        },
    }
    (tmp_path / "other").mkdir()
    for name, content in contents.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    return tmp_path


def test_every_run_is_a_row(folder):
    runs = read_published_runs(folder)
    assert list(runs.columns) == list(RUN_COLUMNS)
    assert runs["run"].is_unique
    counts = runs["studies"].str[0].value_counts().to_dict()
    assert counts == {
        "data_scaling": 4 * 2 * 3,
        "parameter_scaling": 3 * 2 * 3,
        "grid": 2 * 2 * 2 * 3,
        "learning_rate_scaling": 2 * 2 * 3,
        "residual_block": 2 * 2 * 3,
        "spectra_width": 2 * 3,
    }
    assert runs["seed"].isin(SEEDS).all()


def test_studies_are_ready_to_be_fitted(folder):
    runs = read_published_runs(folder)
    measured = points(in_study(runs, "data_scaling"), "num_train")
    assert set(measured["label"]) == {
        *("OptiMate", "OptiMetal2B (CGC)", "OptiMetal2B (TC)", "OptiMetal3B (TC)")
    }
    assert (measured["num_seeds"] == 3).all()
    assert measured["val_loss"].iloc[0] == pytest.approx(1.06)
    points(in_study(runs, "parameter_scaling"), "num_params")
    points(in_study(runs, "grid"), "grid")


def test_learning_rates_follow_the_rule_of_the_study(folder):
    runs = in_study(read_published_runs(folder), "parameter_scaling")
    lr = runs.drop_duplicates(["model", "width"]).set_index(["model", "width"])["lr"]
    assert lr["2b_cgc"].tolist() == [1e-3, 1e-3]
    assert lr["2b_tc", 16] == pytest.approx(6e-4 * 8)
    assert lr["3b_tc", 256] == pytest.approx(4e-4)


def test_studies_of_architectures_say_what_they_vary(folder):
    runs = read_published_runs(folder)
    layers = in_study(runs, "residual_block").groupby("label")["num_layers"].unique()
    assert {label: sorted(values) for label, values in layers.items()} == {
        "MP only": [1, 2],
        "MP with MLP + add & norm": [1, 2],
    }
    spectra = in_study(runs, "spectra_width")
    assert sorted(set(spectra["spectra_dim"])) == [256, 1024]
    assert set(spectra["lr"]) == {6e-4}
    assert runs["num_layers"].notna().sum() == 12


@pytest.mark.parametrize(
    ("file", "keys", "point"),
    [
        ("scaling_results", ["data", "3b", "2500"], "data_scaling/3b_tc/data2500_width256"),
        ("scaling_grid_results", ["3b", "5000", "16"], "grid/3b_tc/data5000_width16"),
        (
            "transformer_scaling_results",
            ["1.000", "16"],
            "learning_rate_scaling/2b_tc/data20000_width16_exponent1.000",
        ),
        (
            "other/mlp_addnorm_results",
            ["residual", "2"],
            "residual_block/2b_gat/data20000_width256_layers2",
        ),
        (
            "other/spectra_dim_results",
            ["256", "4"],
            "spectra_width/2b_tc/data20000_width256_spectra1024",
        ),
    ],
)
def test_missing_seed_is_named(folder, file, keys, point):
    path = folder / f"{file}.json"
    content = json.loads(path.read_text())
    found = content
    for key in keys:
        found = found[key]
    found.pop()
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=f"expected the seeds 1, 42, 137 in {point}, got 1, 42: "):
        read_published_runs(folder)


def test_an_entry_without_a_seed_is_named(folder):
    path = folder / "other/spectra_dim_results.json"
    content = json.loads(path.read_text())
    del content["256"]["4"][1]["seed"]
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="_spectra1024, got 1, none, 137"):
        read_published_runs(folder)


def test_missing_file_is_named(folder):
    (folder / "transformer_scaling_results.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"transformer_scaling_results\.json"):
        read_published_runs(folder)
