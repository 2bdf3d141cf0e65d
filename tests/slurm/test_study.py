"""The smallest whole study on a real Slurm, with the profile as a user would edit it: from the database to its checks,
with packs, searches and a test, one pack stopped as at its time limit and another one killed and requeued on the way.

``make test-slurm`` installs Slurm where that is possible and runs this; see ``local_slurm.py``.
"""

import re
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml

from optimetal.config.project import read_project
from optimetal.config.studies import Plan
from tests.slurm.local_slurm import local_slurm, missing_programs

ROOT = Path(__file__).parents[2]
PROFILE = ROOT / "workflow" / "profiles" / "slurm" / "config.yaml"
PATIENCE = 1200  # seconds; a quiet machine needs nine minutes, for most of which Snakemake waits to look again
EPOCHS = 100
STUDIES = ("data_scaling", "node_embedding")
STOPPED, REQUEUED = "known/000", "known/001"

if missing := missing_programs():
    pytest.skip(f"Slurm is not installed here: no {', '.join(missing)}", allow_module_level=True)
pytest.importorskip("snakemake_executor_plugin_slurm")


def configuration():
    """Two studies of config/test.yaml, one with packs and a test, one with searches; long trainings can be caught."""
    config = yaml.safe_load((ROOT / "config" / "test.yaml").read_text())
    config["studies"] = {study: config["studies"][study] for study in STUDIES}
    del config["ablation"]
    config["models"]["3b_tc"]["training"] = {"epochs": EPOCHS}
    return config


def long_training(pack):
    """The training of a pack that is caught."""
    plan = Plan(read_project(configuration()))
    return next(name for name in plan.packs("known", plan.runs)[pack] if name.startswith("3b_tc"))


def start(folder, environment, output):
    """Snakemake on the project, working in another folder, with the profile for a cluster without accounting."""
    (folder / "study.yaml").write_text(yaml.safe_dump(configuration()))
    profile = PROFILE.read_text()
    assert profile.count("accounting: true") == 1
    (folder / "config.yaml").write_text(profile.replace("accounting: true", "accounting: false"))
    command = [
        *(sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "workflow" / "Snakefile")),
        *("--directory", str(folder), "--configfile", str(folder / "study.yaml")),
        *("--workflow-profile", str(folder)),
        # the processors of this machine, and looks at the queue 3, 16, 39 s ... after the last job that ended well
        *("--cores", "2", "--slurm-init-seconds-before-status-checks", "3"),
    ]
    return subprocess.Popen(command, stdout=output, stderr=output, env=environment, cwd=folder)


class Queue:
    """Slurm's queue."""

    def __init__(self, environment):
        self.environment = environment

    def call(self, *command, **variables):
        environment = {**self.environment, **variables}
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True
        ).stdout

    def jobs(self):
        """A row per job, finished ones too, in the order of submission."""
        rows = self.call("squeue", "-h", "-t", "all", "-S", "i", "-o", "%i|%T|%P|%k").splitlines()
        columns = ["id", "state", "partition", "comment"]
        jobs = pd.DataFrame([row.split("|") for row in rows], columns=columns)
        details = {
            re.search(r"JobId=(\d+)", line)[1]: line
            for line in self.call("scontrol", "show", "jobs", "-o").splitlines()
        }
        return jobs.assign(details=jobs.id.map(details))

    def of(self, pack):
        """The jobs of a pack."""
        jobs = self.jobs()
        return jobs[jobs.comment == f"rule_train_pack_wildcards_{pack.replace('/', '_')}"]

    def running(self, pack):
        """Id of the running job of a pack."""
        jobs = self.of(pack)
        return jobs[jobs.state == "RUNNING"].id.item()


def log_of(folder, pack):
    """Log of the training of a pack that is caught."""
    log = folder / "results" / "runs" / long_training(pack) / "training.log"
    return log.read_text() if log.exists() else ""


def wait_for(condition, process, output):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, output.read_text()
        assert time.monotonic() < deadline, output.read_text()
        time.sleep(0.2)


def interrupt_both(folder, queue, process, output):
    """Stop one pack as before its time limit, and put the other one back into the queue."""
    left = {
        STOPPED: lambda job: queue.call("scancel", "--signal=TERM", job),
        REQUEUED: lambda job: queue.call("scontrol", "requeue", job),
    }

    def caught():
        return [pack for pack in left if "epoch 2:" in log_of(folder, pack)]

    while left:
        wait_for(caught, process, output)
        for pack in caught():
            left.pop(pack)(queue.running(pack))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Folder of the finished study, and the queue."""
    folder = tmp_path_factory.mktemp("study")
    output = folder / "snakemake.log"
    with local_slurm() as environment, open(output, "w") as log:
        queue = Queue(environment | {"OMP_NUM_THREADS": "1"})
        process = start(folder, queue.environment, log)
        try:
            interrupt_both(folder, queue, process, output)
            assert process.wait(PATIENCE) == 0, output.read_text()
        finally:
            process.kill()
        yield folder, queue


@pytest.fixture(scope="module")
def jobs(study):
    """All jobs of the study."""
    jobs = study[1].jobs()
    return jobs[jobs.comment.str.startswith("rule_")]


def test_the_study_ends_with_its_checks(study):
    results = study[0] / "results"
    assert (results / "checks_passed.txt").exists()
    runs = pd.read_parquet(results / "runs.parquet")
    assert set(runs["state"]) == {"done"}
    assert {study for studies in runs["studies"] for study in studies} == set(STUDIES)
    assert len(runs) == len(list(results.glob("runs/*/*/metrics.json"))) >= 8 + 1
    assert (results / "tables" / "evaluation.csv").exists()
    assert len(list(results.glob("searches/**/best.json"))) == 2


@pytest.mark.parametrize("pack", [STOPPED, REQUEUED])
def test_interrupted_trainings_went_on(study, pack):
    folder, _ = study
    (epoch,) = re.findall(r"continuing from epoch (\d+)", log_of(folder, pack))
    assert int(epoch) >= 3
    history = pd.read_csv(folder / "results" / "runs" / long_training(pack) / "history.csv")
    assert list(history["epoch"]) == list(range(EPOCHS))


def test_the_stopped_pack_saved_its_state_and_got_a_job_with_more_of_everything(study):
    folder, queue = study
    assert "stopped by SIGTERM; the state is saved" in log_of(folder, STOPPED)
    first, second = queue.of(STOPPED).itertuples()
    assert (first.state, second.state) == ("FAILED", "COMPLETED")
    assert "TimeLimit=12:00:00" in first.details and "TimeLimit=1-00:00:00" in second.details
    memory = [int(re.search(r"mem=(\d+)M", job.details)[1]) for job in (first, second)]
    assert memory == [12_000, 24_000]


def test_the_requeued_pack_kept_its_job(study):
    (job,) = study[1].of(REQUEUED).itertuples()
    assert job.state == "COMPLETED"
    assert "Restarts=1" in job.details


def test_all_that_takes_time_is_a_job_of_its_own_and_the_rest_in_groups(jobs):
    rules = set(jobs.comment.str.extract(r"rule_(\w+?)(?:_wildcards.*)?$")[0])
    alone = {"surrogate_database", "compress", "split", "graphs", "train_pack", "search"}
    assert alone | {"searched_rates", "evaluate"} <= rules
    assert jobs.comment.str.startswith("rule_figures_").any()  # the name of the group
    assert not jobs.comment.str.startswith("rule_train_wildcards").any()  # packs did them
    assert set(jobs.state) == {"COMPLETED", "FAILED"}
    assert (jobs.state == "FAILED").sum() == 1


@pytest.mark.parametrize("rule", ["train_pack", "search", "evaluate"])
def test_what_trains_asks_for_a_gpu(jobs, rule):
    asking = jobs[jobs.comment.str.startswith(f"rule_{rule}_wildcards")]
    assert set(asking.partition) == {"gpu"}
    assert asking.details.str.contains(r"gres[:/]gpu[:=]1").all()
    others = jobs[jobs.partition == "cpu"]
    assert not others.details.str.contains("gres").any()


def test_the_documented_format_shows_rule_and_run(study):
    text = (ROOT / "docs" / "cluster.md").read_text()
    shown = re.search(r'^export SQUEUE_FORMAT="(.*)"', text, re.MULTILINE)[1]
    lines = study[1].call("squeue", "--me", "-t", "all", SQUEUE_FORMAT=shown).splitlines()
    assert any(line.endswith("rule_train_pack_wildcards_known_000") for line in lines), lines
