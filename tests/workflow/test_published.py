"""Tables and figures of the published study, made by the workflow from its result files."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]


FLOORS = {"2b_tc": 0.151, "3b_tc": 0.296}
"""Of the Hoffmann form."""


def snakemake(working_folder, *arguments, **published):
    """Run paper_figures with these settings of the section ``published``."""
    settings = [f"published={published}", "scaling={'bootstrap_samples': 10}"]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "paper_figures"),
            *(
                "--snakefile",
                str(ROOT / "workflow" / "Snakefile"),
                "--directory",
                str(working_folder),
            ),
            *("--configfile", str(ROOT / "config" / "published.yaml"), "--cores", "2"),
            *("--config", *settings, *arguments),
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def files(parity):
    folder = parity / ".." / ".." / "published"
    if not folder.is_dir():
        pytest.skip(f"no published measurements at {folder}")
    return folder.resolve()


@pytest.fixture(scope="module")
def made(files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    code, output = snakemake(folder, folder=str(files))
    assert code == 0, output
    return folder / "results" / "published"


def test_every_figure_is_there_as_pdf_and_png(made):
    pictures = sorted((made / "figures").rglob("*.png"))
    assert len(pictures) == 2 * 3 + 4 + 1 + 4 + 11
    for picture in pictures:
        assert picture.stat().st_size > 5_000, picture
        assert picture.with_suffix(".pdf").read_bytes().startswith(b"%PDF"), picture


def test_every_table_names_its_source(made):
    tables = sorted((made / "tables").rglob("*.csv"))
    assert len(tables) == 50 + 3
    for table in tables:
        assert table.read_text().startswith("# ab initio (published)"), table
        if table.name != "runs.csv":
            assert "ab initio (published)" in table.with_suffix(".tex").read_text(), table
            assert table.with_suffix(".html").is_file(), table


def test_all_published_trainings_are_in_the_table(made):
    runs = pd.read_parquet(made / "runs.parquet")
    assert len(runs) == 84 + 63 + 294 + 231 + 48 + 12
    assert set(runs["source"]) == {"ab initio (published)"}


def test_tables_have_the_published_digits_and_better_ones_beside_them(made):
    printed = (made / "tables/grid/published/hoffmann.tex").read_text()
    assert r"$0.77 \pm 0.01$ & $0.13 \pm 0.01$ & $0.61 \pm 0.02$" in printed
    assert "& 0 & -285.21" in printed
    assert "$0.296(12)$" in (made / "tables/grid/hoffmann.tex").read_text()


def test_uncertainties_and_predictions_stand_beside_every_fit(made):
    for study in ("data_scaling", "parameter_scaling", "grid"):
        folder = made / "tables" / study
        intervals = pd.read_csv(folder / "uncertainty.csv", comment="#")
        found = intervals["estimate"].notna()
        assert (intervals.loc[found, "low"] <= intervals.loc[found, "high"]).all()
        assert intervals.loc[~found, "reason"].notna().all()
        assert set(intervals.loc[~found, "law"]) == (set() if study == "grid" else {"bnsl"})
        predictions = pd.read_csv(folder / "hold_out.csv", comment="#")
        assert predictions["relative_error"].isna().eq(~predictions["converged"]).all()
        weights = pd.read_csv(folder / "weights.csv", comment="#", index_col=0)
        assert weights.sum().to_numpy() == pytest.approx(1)
    data = pd.read_csv(made / "tables/data_scaling/hold_out.csv", comment="#")
    error = data.set_index(["law", "model"])["relative_error"]
    assert abs(error["broken", "3b_tc"]) < 0.02 < 0.09 < error["power", "3b_tc"]


def test_a_plan_follows_from_the_grid(made):
    targets = pd.read_csv(made / "tables/grid/loss_targets.csv", comment="#")
    below = (targets["law"] == "hoffmann") & (targets["loss"] < targets["model"].map(FLOORS))
    assert below.any()
    assert np.isinf(targets.loc[below, "compute"]).all()
    assert targets.loc[below, "remark"].str.startswith("not reachable: the fitted floor is").all()
    assert np.isfinite(targets.loc[~below, ["num_train", "width", "compute"]]).all(axis=None)


def test_budgets_far_outside_the_grid_are_not_answered(made):
    budgets = pd.read_csv(made / "tables/grid/budgets.csv", comment="#")
    refused = budgets["remark"].str.startswith("not answered", na=False)
    assert set(refused) == {True, False}
    assert budgets.loc[refused, ["loss", "num_train", "width"]].isna().all(axis=None)
    answered = budgets[~refused].set_index(["model", "law"])
    assert (answered["loss_low"] <= answered["loss"]).all()
    assert (answered["loss"] <= answered["loss_high"]).all()
    for _, of_fit in answered.groupby(level=[0, 1]):
        assert of_fit["compute"].is_monotonic_increasing
        assert of_fit["loss"].is_monotonic_decreasing


def test_a_missing_seed_stops_the_run_and_is_named(files, tmp_path):
    copy = tmp_path / "files"
    shutil.copytree(files, copy, ignore=shutil.ignore_patterns("*.txt*"))
    copy.chmod(0o755)
    file = copy / "transformer_scaling_results.json"
    content = json.loads(file.read_text())
    content["1.000"]["64"].pop()
    file.chmod(0o644)
    file.write_text(json.dumps(content))
    code, output = snakemake(tmp_path, folder=str(copy))
    assert code != 0
    assert "expected the seeds 1, 42, 137 in learning_rate_scaling/2b_tc" in output
    assert "width64_exponent1.000" in output


def test_a_missing_file_stops_the_run_and_is_named(tmp_path):
    code, output = snakemake(tmp_path, folder=str(tmp_path / "nowhere"))
    assert code != 0
    assert "nowhere/scaling_results.json" in output


def test_without_a_folder_they_are_downloaded_and_errors_say_from_where(tmp_path):
    url = "http://127.0.0.1:9"
    code, output = snakemake(tmp_path, url=url)
    assert code != 0
    assert f"cannot download {url}/fe1b44a72ef7c4d9ea6b684f46202e160737dd1b/research/" in output


def test_a_misspelt_key_stops_the_run_and_is_named(tmp_path):
    code, output = snakemake(tmp_path, foldr="x")
    assert code != 0
    assert "published.foldr: unknown key" in output
