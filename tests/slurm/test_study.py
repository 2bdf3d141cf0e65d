"""A small study on a real Slurm with the profile as it is, one training stopped and another one preempted on the way.

``make test-slurm`` installs Slurm where that is possible and runs this; see ``local_slurm.py``.
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from tests.slurm.local_slurm import local_slurm, missing_programs

ROOT = Path(__file__).parents[2]
PROFILE = ROOT / "workflow" / "profiles" / "slurm"
PATIENCE = 600  # seconds; a quiet machine needs a tenth
EPOCHS = 100
CONFIG = f"""
database: {{source: surrogate, surrogate: {{num_crystals: 16, seed: 3}}, max_bad_share: 0.0}}
splits: {{ratios: [0.6, 0.2, 0.2], seed: 42}}
training: {{epochs: {EPOCHS}, batch_size: 4, warmup_epochs: 1, checkpoint_every: 1}}
models:
  2b_tc:
    label: OptiMetal2B (TC)
    architecture: {{type: optimetal_2b, hidden_dim: 8, message_passing: {{type: transformer}}}}
studies:
  data_scaling: {{models: [2b_tc], num_train: [4, 8], seeds: [1], fit: num_train}}
evaluation: {{study: data_scaling, models: [2b_tc]}}
scaling: {{laws: [power], bootstrap_samples: 2}}
"""
FITS = "results/scaling/data_scaling/fits.parquet"
GRAPHS = ("results/graphs/train.h5", "results/graphs/val.h5")

if missing := missing_programs():
    pytest.skip(f"Slurm is not installed here: no {', '.join(missing)}", allow_module_level=True)
pytest.importorskip("snakemake_executor_plugin_slurm")


def snakemake(folder, *arguments):
    """Snakemake on the project, working in another folder."""
    return [
        *(sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "workflow" / "Snakefile")),
        *("--directory", str(folder), "--configfile", str(folder / "config.yaml")),
        *arguments,
    ]


def on_slurm(folder):
    """With the profile, but for what a test cluster differs in: no accounting, and jobs of seconds."""
    return snakemake(
        folder,
        *("--workflow-profile", str(PROFILE), "--slurm-status-command", "squeue"),
        # looks come after 2, 14, 36 s ... since the last job that ended well
        *("--slurm-init-seconds-before-status-checks", "2", FITS),
    )


class Queue:
    """Slurm's queue."""

    def __init__(self, environment):
        self.environment = environment

    def call(self, *command):
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=True
        ).stdout

    def jobs(self):
        """A row per job, finished ones too."""
        rows = self.call("squeue", "-h", "-t", "all", "-o", "%i|%T|%P|%C|%k").splitlines()
        columns = ["id", "state", "partition", "cpus", "comment"]
        return pd.DataFrame([row.split("|") for row in rows], columns=columns)

    def job_of(self, name):
        """Id of the running job of a training."""
        jobs = self.jobs()
        mine = jobs[jobs.comment.str.contains(name) & (jobs.state == "RUNNING")]
        return mine.id.item()


def log_of(folder, size):
    """Log of a training."""
    found = list(folder.glob(f"results/runs/2b_tc/data{size}_*/training.log"))
    return found[0].read_text() if found else ""


def wait_for(condition, process, output):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, output.read_text()
        assert time.monotonic() < deadline, output.read_text()
        time.sleep(0.1)


def interrupt_both(folder, queue, process, output):
    """Stop one training as before its time limit, and put the other one back into the queue."""
    left = {
        4: lambda job: queue.call("scancel", "--signal=TERM", job),
        8: lambda job: queue.call("scontrol", "requeue", job),
    }
    while left:
        wait_for(lambda: any("epoch 2:" in log_of(folder, size) for size in left), process, output)
        for size in [size for size in left if "epoch 2:" in log_of(folder, size)]:
            left.pop(size)(queue.job_of(f"data{size}_"))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Folder of the finished study, and the queue's jobs."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "config.yaml").write_text(CONFIG)
    output = folder / "snakemake.log"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    # each of these would wait for a look at the queue
    subprocess.run(snakemake(folder, "--cores", "2", *GRAPHS), env=environment, check=True)
    with local_slurm() as environment, open(output, "w") as log:
        queue = Queue(environment | {"OMP_NUM_THREADS": "1"})
        process = subprocess.Popen(
            on_slurm(folder), stdout=log, stderr=log, env=queue.environment, cwd=folder
        )
        try:
            interrupt_both(folder, queue, process, output)
            assert process.wait(PATIENCE) == 0, output.read_text()
        finally:
            process.kill()
        yield folder, queue.jobs(), queue.call("scontrol", "show", "jobs", "-o")


def test_the_study_ends_in_its_tables(study):
    folder, _, _ = study
    runs = pd.read_parquet(folder / "results" / "runs.parquet")
    assert runs["num_train"].tolist() == [4, 8]
    assert runs["state"].tolist() == ["done", "done"]
    fits = pd.read_parquet(folder / FITS)
    assert fits["law"].tolist() == ["power"]


@pytest.mark.parametrize("size", [4, 8])
def test_interrupted_trainings_went_on(study, size):
    folder, _, _ = study
    log = log_of(folder, size)
    (epoch,) = re.findall(r"continuing from epoch (\d+)", log)
    assert int(epoch) >= 3
    (history,) = folder.glob(f"results/runs/2b_tc/data{size}_*/history.csv")
    assert list(pd.read_csv(history)["epoch"]) == list(range(EPOCHS))


def test_the_stopped_training_saved_its_state_first(study):
    assert "stopped by SIGTERM; the state is saved" in log_of(study[0], 4)


def test_the_requeued_training_kept_its_job(study):
    _, jobs, details = study
    of_size = jobs[jobs.comment.str.contains("data8_")]
    assert list(of_size.state) == ["COMPLETED"]
    (line,) = [line for line in details.splitlines() if f"JobId={of_size.id.item()} " in line]
    assert "Restarts=1" in line


def test_jobs_say_what_they_are_and_ask_for_what_they_need(study):
    _, jobs, details = study
    trainings = jobs[jobs.comment.str.startswith("rule_train_wildcards_2b_tc_data")]
    assert set(trainings.partition) == {"gpu"}
    lines = [line for line in details.splitlines() if "rule_train" in line]
    assert lines
    for line in lines:
        assert "gres:gpu:1" in line or "gres/gpu=1" in line, line
        assert "TimeLimit=1-00:00:00" in line
    # the table of trainings and the fits in one
    short = jobs[jobs.comment.str.contains("collect_runs")]
    assert list(short.partition) == ["cpu"]
    assert "fit_curves" in short.comment.item()
    assert len(jobs) == len(trainings) + len(short) + 1  # and the trial of the cluster itself
