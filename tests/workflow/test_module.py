"""The workflow as a module of another one, in a folder of its own, as snakedeploy sets it up."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

ROOT = Path(__file__).parents[2]
SNAKEFILE = ROOT / "workflow" / "Snakefile"
CONFIG = ROOT / "config" / "test.yaml"
DEPLOYED = """
configfile: "config/config.yaml"

module optimetal:
    snakefile:
        "{snakefile}"
    config:
        config

use rule * from optimetal{renamed}
"""


def snakemake(folder, *arguments, fails=False):
    """Run it in a folder and return its output."""
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--directory", folder, "--cores", "1", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert (done.returncode != 0) is fails, done.stdout + done.stderr
    return done.stdout + done.stderr


def planned_jobs(output):
    """Rules and numbers of jobs in the first table of a dry run."""
    table = re.search(r"Job stats:\njob +count\n[- ]+\n(.*?)\ntotal", output, re.DOTALL)
    assert table is not None, output
    return {name: int(count) for name, count in (row.split() for row in table[1].splitlines())}


def deploy(folder, renamed=""):
    """A folder with a configuration and a Snakefile that takes all rules from ours."""
    (folder / "workflow").mkdir()
    text = DEPLOYED.format(snakefile=SNAKEFILE, renamed=renamed)
    (folder / "workflow" / "Snakefile").write_text(text)
    (folder / "config").mkdir()
    (folder / "config" / "config.yaml").write_text(CONFIG.read_text())
    return folder


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """Jobs of the workflow itself."""
    folder = tmp_path_factory.mktemp("direct")
    arguments = ("--snakefile", SNAKEFILE, "--configfile", CONFIG, "--dry-run")
    return planned_jobs(snakemake(folder, *arguments))


def test_a_module_plans_the_same_jobs(planned, tmp_path):
    assert planned_jobs(snakemake(deploy(tmp_path), "--dry-run")) == planned


def test_its_rules_may_be_renamed(planned, tmp_path):
    folder = deploy(tmp_path, renamed=" as optimetal_*")
    renamed = {f"optimetal_{rule}": count for rule, count in planned.items()}
    assert planned_jobs(snakemake(folder, "--dry-run")) == renamed


def test_its_scripts_run_and_folders_are_those_of_its_configuration(tmp_path):
    folder = deploy(tmp_path, renamed=" as optimetal_*")
    file = folder / "config" / "config.yaml"
    config = yaml.safe_load(file.read_text()) | {"pathvars": {"results": "here", "logs": "there"}}
    file.write_text(yaml.safe_dump(config))
    snakemake(folder, "here/dataset/splits.csv", "here/configuration.html")
    splits = pd.read_csv(folder / "here" / "dataset" / "splits.csv", comment="#")
    assert set(splits["split"]) == {"train", "val", "test"}
    assert yaml.safe_load((folder / "here" / "configuration.yaml").read_text()) == config
    assert (folder / "there" / "split.log").exists()
    made = ("here/dataset/splits.csv", "here/configuration.html")
    snakemake(folder, *made, "--report", "report.html")
    assert "surrogate, not ab initio" in (folder / "report.html").read_text()


def test_a_configuration_that_is_added_to_the_default_one_is_told_from_one_that_replaces_it(
    tmp_path,
):
    folder = deploy(tmp_path)
    paper = ROOT / "config" / "paper.yaml"
    output = snakemake(folder, "--configfile", paper, "--dry-run", fails=True)
    assert "adds to config/config.yaml here; copy the file over it" in output


def test_the_catalogue_finds_what_it_looks_for():
    catalogue = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())
    assert set(catalogue["usage"]) == {
        "mandatory-flags",
        "software-stack-deployment",
        "report",
    }
    assert SNAKEFILE.is_file()
    assert (ROOT / "config" / "README.md").is_file()
