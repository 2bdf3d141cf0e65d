"""The workflow, run as a user would: config/test.yaml from the database to the report."""

import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

import pandas as pd
import pytest
import yaml

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config" / "test.yaml"


def command(folder, *arguments, config=CONFIG):
    """Snakemake on the project's Snakefile, working in another folder."""
    return [
        *(sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "workflow" / "Snakefile")),
        *("--directory", str(folder), "--configfile", str(config), "--cores", "2"),
        *arguments,
    ]


def snakemake(folder, *arguments, config=CONFIG):
    """Run it to the end and return its exit code and output."""
    done = subprocess.run(
        command(folder, *arguments, config=config),
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def planned_rules(output):
    """Rules and numbers of jobs in the job table of a dry run."""
    table = re.search(r"Job stats:\njob +count\n[- ]+\n(.*?)\ntotal", output, re.DOTALL)
    if table is None:
        return {}
    return {name: int(count) for name, count in (row.split() for row in table[1].splitlines())}


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """A run that was interrupted in the middle of its trainings: folder, and what was finished."""
    folder = tmp_path_factory.mktemp("study")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with open(folder / "first.log", "w") as log:
        process = subprocess.Popen(
            command(folder), stdout=log, stderr=log, env=environment, start_new_session=True
        )
        deadline = time.monotonic() + 300
        while len(list(folder.glob("results/runs/*/*/metrics.json"))) < 4:
            assert process.poll() is None, (folder / "first.log").read_text()
            assert time.monotonic() < deadline, (folder / "first.log").read_text()
            time.sleep(0.2)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    written = {p: p.stat().st_mtime_ns for p in folder.glob("results/runs/*/*/metrics.json")}
    # of the last two to be taken over, one on each core, Snakemake may not have noted that they are finished
    finished = {p: written[p] for p in sorted(written, key=lambda p: p.stat().st_ctime_ns)[:-2]}
    entries = {p: p.stat().st_mtime_ns for p in folder.glob("results/database/database_*/*.json")}
    return folder, finished, entries


@pytest.fixture(scope="module")
def study(interrupted):
    """The same run, started again and finished."""
    folder, _, _ = interrupted
    code, output = snakemake(folder, "--unlock")
    assert code == 0, output
    code, output = snakemake(folder)
    assert code == 0, output
    return folder


def test_an_interrupted_study_goes_on(interrupted, study):
    _, finished, entries = interrupted
    for path, time_of_writing in {**finished, **entries}.items():
        assert path.stat().st_mtime_ns == time_of_writing, f"{path} was made again"


def test_every_training_is_in_the_table(study):
    runs = pd.read_parquet(study / "results/runs.parquet")
    assert len(runs) == len(list(study.glob("results/runs/*/*/metrics.json")))
    assert runs["run"].is_unique
    assert set(runs["source"]) == {"surrogate, not ab initio"}
    members = {s: sum(s in of for of in runs["studies"]) for s in yaml_studies()}
    assert members == {
        "data_scaling": 8,
        "parameter_scaling": 4,
        "grid": 8,
        "node_embedding": 2,
        "combinations": 1,
        "learning_rate_scaling": 3,
        "fitted_rate": 1,
    }


def test_later_studies_use_what_earlier_ones_found(study):
    runs = pd.read_parquet(study / "results/runs.parquet")

    def of(name):
        return runs[[name in studies for studies in runs["studies"]]]

    best = of("node_embedding").sort_values("val_loss").iloc[0]
    (combined,) = of("combinations").to_dict("records")
    assert combined["architecture.node_embedding"] == best["architecture.node_embedding"]
    assert combined["architecture.pooling"] == "mean"
    assert set(of("node_embedding")["lr"]) <= {1e-3, 3e-3}
    for trials in (study / "results/searches").rglob("trials.csv"):
        table = pd.read_csv(trials)
        best_rate = json.loads((trials.parent / "best.json").read_text())["training.learning_rate"]
        assert table.loc[table["val_loss"].idxmin(), "learning_rate"] == best_rate
    rates = of("learning_rate_scaling")
    best_rate = rates[rates["width"] == 4].sort_values("val_loss")["lr"].iloc[0]
    assert of("fitted_rate")["lr"].tolist() == pytest.approx([best_rate], rel=1e-3)


def test_a_job_on_a_cluster_knows_what_earlier_studies_found(study):
    """Snakemake starts itself again inside a job, for one rule, and there no checkpoint is known to be done."""
    code, output = snakemake(
        study,
        *("--mode", "remote", "--nolock", "--force", "--dry-run", "--allowed-rules", "train_pack"),
        *("--target-jobs", "train_pack:pack=node_embedding/000"),
    )
    assert code == 0, output
    assert planned_rules(output) == {"train_pack": 1}


def yaml_studies():
    return yaml.safe_load(CONFIG.read_text())["studies"]


def test_every_figure_exists_twice_and_every_table_too(study):
    pictures = sorted((study / "results/figures").rglob("*.png"))
    assert len(pictures) == 7 + 7 + 1 + 4 + 2 * 3 + 2 + 1 + 2 + 3 + 4
    for picture in pictures:
        assert picture.stat().st_size > 5_000, picture
        assert picture.with_suffix(".pdf").read_bytes().startswith(b"%PDF"), picture
    for table in (study / "results/tables").rglob("*.tex"):
        assert "surrogate, not ab initio" in table.read_text(), table
        assert table.with_suffix(".csv").read_text().startswith("# surrogate, not ab initio")


def test_the_plan_answers_what_the_configuration_asks(study):
    tables = study / "results/tables/grid"
    assert set(pd.read_csv(tables / "loss_targets.csv", comment="#")["loss"]) == {2.5}
    budgets = pd.read_csv(tables / "budgets.csv", comment="#")
    assert set(budgets.get("hours", budgets.get("compute"))) == {0.01, 0.1}


def test_the_cost_of_everything_is_in_one_table(study):
    cost = pd.read_csv(study / "results/tables/cost.csv", comment="#")
    runs = pd.read_parquet(study / "results/runs.parquet")
    trials = [pd.read_csv(file) for file in (study / "results/searches").rglob("trials.csv")]
    *studies, whole = cost.to_dict("records")
    assert len(studies) == len(yaml_studies())
    assert whole["new"] == whole["trainings"] == len(runs)
    assert whole["trials"] == sum(map(len, trials)) > 0
    seconds = runs["seconds"].sum() + sum(table["seconds"].sum() for table in trials)
    assert 3600 * whole["hours"] == pytest.approx(seconds)
    assert sum(row["hours"] for row in studies) == pytest.approx(whole["hours"])


def test_metrics_name_the_surrogate(study):
    (file,) = (study / "results/evaluation").rglob("metrics.json")
    metrics = json.loads(file.read_text())
    assert metrics["source"] == "surrogate, not ab initio"
    assert set(metrics) == {"source", "1", "2", "ensemble"}
    for run in (study / "results/runs").rglob("metrics.json"):
        assert json.loads(run.read_text())["source"] == "surrogate, not ab initio"


def test_the_tested_model_is_found_and_predicts(study):
    optimetal = Path(sys.executable).parent / "optimetal"
    crystals = str(ROOT / "examples" / "NiAl.cif")
    done = subprocess.run(
        [optimetal, "predict", crystals, "--device", "cpu"],
        cwd=study,
        capture_output=True,
        text=True,
        env={k: v for k, v in os.environ.items() if k != "OPTIMETAL_MODELS"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "NiAl" in done.stdout
    assert "OptiMetal2B (TC) (2 members" in done.stdout
    assert "surrogate, not ab initio" in " ".join(done.stdout.split())


def test_all_checks_are_passed(study):
    assert ": 0 failures" in (study / "results/checks_passed.txt").read_text()
    findings = pd.read_csv(study / "results/checks.csv", comment="#")
    assert len(set(findings["check"])) == 11
    assert set(findings["severity"]) <= {"ok", "note"}


def test_a_failed_check_stops_the_run_after_its_table_is_made(study, tmp_path):
    folder = shutil.copytree(study, tmp_path / "copy")
    history = min(folder.glob("results/runs/*/*/history.csv"))
    pd.read_csv(history).assign(grad_norm=math.inf).to_csv(history, index=False)
    code, output = snakemake(folder, "results/checks_passed.txt")
    assert code != 0
    run = "/".join(history.parts[-3:-1])
    assert "11 checks: 1 failures" in output
    assert f"found not finite in epoch 0 {run}" in output
    findings = pd.read_csv(folder / "results/checks.csv", comment="#")
    assert findings.loc[0, ["check", "severity", "runs"]].tolist() == ["gradients", "failure", run]
    assert not (folder / "results/checks_passed.txt").exists()


def test_a_second_run_does_nothing(study):
    code, output = snakemake(study)
    assert code == 0
    assert "Nothing to be done" in output


def test_a_plot_setting_repeats_plots_only(study):
    code, output = snakemake(study, "--dry-run", "--config", "plots={'seed': 5}")
    assert code == 0, output
    assert set(planned_rules(output)) == {"evaluation_figures", "configuration", "all"}


def test_a_training_setting_repeats_trainings_but_not_the_data(study):
    code, output = snakemake(study, "--dry-run", "--config", "training={'weight_decay': 0.1}")
    assert code == 0, output
    planned = planned_rules(output)
    assert planned["train"] == 13  # and those that follow from results, once these are there
    assert planned["search"] == 2
    assert not {"surrogate_database", "compress", "split", "graphs"} & set(planned)


def test_packed_trainings_are_handed_over(study):
    assert not list((study / "results").rglob("*.ready"))
    states = [json.loads(file.read_text()) for file in study.glob("results/runs/*/*/status.json")]
    assert {state["state"] for state in states} == {"done"}


def test_a_training_that_is_gone_is_done_again_with_its_pack_and_no_other(study, tmp_path):
    folder = shutil.copytree(study, tmp_path / "copy")
    shutil.rmtree(folder / "results/packs", ignore_errors=True)  # marks that the kill has left
    gone = min(folder.glob("results/runs/*/*/metrics.json"))
    gone.unlink()
    code, output = snakemake(folder, "--dry-run", str(gone.relative_to(folder)))
    assert code == 0, output
    assert planned_rules(output) == {"train_pack": 1, "train": 1}


def test_the_folder_itself_has_the_same_default(tmp_path):
    code, expected = snakemake(tmp_path, "--dry-run")
    assert code == 0, expected
    arguments = command(tmp_path, "--dry-run")
    arguments[arguments.index(str(ROOT / "workflow" / "Snakefile"))] = str(ROOT / "Snakefile")
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    planned = planned_rules(done.stdout + done.stderr)
    assert planned.pop("everything") == 1
    assert planned == {k: v for k, v in planned_rules(expected).items() if k != "all"}


def test_without_packing_each_training_is_a_job(tmp_path):
    settings = yaml.safe_load(CONFIG.read_text())
    del settings["packing"]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings))
    code, output = snakemake(tmp_path, "--dry-run", config=tmp_path / "config.yaml")
    assert code == 0, output
    assert "train_pack" not in planned_rules(output)


def test_the_report_is_one_file_with_all_figures(study):
    code, output = snakemake(study, "--report", "results/report.html")
    assert code == 0, output
    report = (study / "results/report.html").read_text()
    assert "surrogate, not ab initio" in report
    for name in ("scaling.png", "quartiles.png", "learning_curves.png", "runs.csv"):
        assert name in report, name
    for category in ("Configuration", "Data", "Trainings", "Scaling laws", "Checks"):
        assert f"showCategory('{quote(category)}')" in report, category  # its guide
    assert "System Message" not in report  # of a caption that is no valid reStructuredText


def test_a_misspelt_key_stops_the_run_and_is_named(tmp_path):
    code, output = snakemake(tmp_path, "--dry-run", "--config", "trainign={'epochs': 3}")
    assert code != 0
    assert "trainign: unknown key; did you mean 'training'?" in output


def test_a_bad_value_stops_the_run_and_is_named(tmp_path):
    code, output = snakemake(tmp_path, "--dry-run", "--config", "training={'epochs': -3}")
    assert code != 0
    assert "training.epochs: Input should be greater than 0, got" in output


def test_a_missing_database_is_named(tmp_path):
    database = "database={'source': 'folder', 'folder': 'nowhere', 'surrogate': {}}"
    code, output = snakemake(tmp_path, "--config", database, "--until", "compress")
    assert code != 0
    assert "check `database.folder`" in output


def test_the_published_study_is_planned(tmp_path):
    code, output = snakemake(tmp_path, "--dry-run", config=ROOT / "config" / "paper.yaml")
    assert code == 0, output
    planned = planned_rules(output)
    assert planned["train"] == 591  # and those of the search for architectures, once it has begun
    assert planned["search"] == 134
    assert planned["download_lists"] == 1
    assert "surrogate_database" not in planned
    # what each study asks for; the second number is that of its searches
    assert re.search(r"^grid +294 +-$", output, re.MULTILINE)
    assert re.search(r"^combinations +24 +8$", output, re.MULTILINE)


def test_contradicting_searches_are_refused_before_anything_is_done(tmp_path):
    settings = yaml.safe_load(CONFIG.read_text())
    other = settings["studies"]["node_embedding"]
    settings["studies"]["again"] = other | {"search": other["search"] | {"trials": 3}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings))
    code, output = snakemake(tmp_path, "--dry-run", config=tmp_path / "config.yaml")
    assert code != 0
    assert "`studies.again` and `studies.node_embedding` both search" in output


def test_a_study_that_varies_the_multiplier_has_its_figure(tmp_path):
    figure = "results/figures/ablation/message_passing_multiplier.png"
    code, output = snakemake(tmp_path, "-n", figure, config=ROOT / "config" / "config.yaml")
    assert code == 0, output
    assert planned_rules(output)["ablation_figures"] == 1


def test_lint_finds_nothing_but_the_missing_environments():
    """One environment runs all rules, so no rule names one; nothing else may be found."""
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--lint", "--configfile", str(CONFIG)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    found = set(re.findall(r"^    \* (.*?):?$", done.stdout + done.stderr, re.MULTILINE))
    assert found == {"Specify a conda environment or container for each rule."}
