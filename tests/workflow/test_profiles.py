"""The profile for Slurm: what it asks for each rule, without a Slurm."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import yte

ROOT = Path(__file__).parents[2]
PROFILE = ROOT / "workflow" / "profiles" / "slurm"
RULES = "".join(path.read_text() for path in sorted((ROOT / "workflow" / "rules").glob("*.smk")))
NAMES = set(re.findall(r"^ *(?:rule|checkpoint) (\w+):", RULES, re.MULTILINE)) | set(
    re.findall(r"^ *use rule \w+ as (\w+) with:", RULES, re.MULTILINE)
)


ALONE = {
    "download": "needs a network: done before, on the login node",
    "download_lists": "likewise",
    "download_published": "likewise",
    "unpack": "hours of reading and writing, as the rule says",
    "inventory": "comes before anything that it could be grouped with",
    "split": "likewise",
    "surrogate_database": "likewise; its processors are set",
    "dataset_figures": "is ready long before the other figures",
    "configuration": "takes a second, where Snakemake runs",
    "checks_passed": "may fail, and would take the figures of its group with it",
    "take_over": "a checkpoint: decides what comes next",
    "searched_rates": "likewise",
    "paper_figures": "does nothing itself",
}
"""Rules that are jobs of their own with the resources that they declare, or with those of all."""


def edited(**values):
    """Text of the profile with some of the block *Your cluster* edited."""
    text = (PROFILE / "config.yaml").read_text()
    for name, value in values.items():
        text, number = re.subn(rf"^(  {name}:) \S+", rf"\1 {value}", text, flags=re.MULTILINE)
        assert number == 1, name
    return text


def profile(**values):
    """The same as Snakemake reads it."""
    return yte.process_yaml(edited(**values), require_use_yte=True)


def asked(resources, **known):
    """Resources of a rule, those that are expressions evaluated as Snakemake does."""
    return {
        name: eval(value, {"attempt": 1, "threads": 1, **known})
        if name in ("mem_mb", "runtime", "cpus_per_task")
        else value
        for name, value in resources.items()
    }


def test_every_rule_named_in_it_exists():
    content = profile()
    named = {
        rule for section in ("groups", "set-threads", "set-resources") for rule in content[section]
    }
    assert named <= NAMES


def test_every_rule_has_its_place():
    content = profile()
    places = [set(content["set-resources"]), set(content["groups"]), set(ALONE)]
    assert set.union(*places) == NAMES
    assert sum(map(len, places)) == len(NAMES)


def test_a_pack_of_trainings_asks_for_what_a_training_does():
    resources = profile(gpu_type='"a100"')["set-resources"]
    pack, training = asked(resources["train_pack"]), asked(resources["train"])
    assert pack == training
    assert pack["gpu_model"] == "'a100'"
    # the processors are those of the rule, one for each training at a time
    assert "train_pack" not in profile()["set-threads"]
    four = asked(resources["train_pack"], threads=4)
    assert (four["cpus_per_task"], four["mem_mb"]) == (4, 20_000)


def test_a_training_has_processors_and_memory_for_every_gpu():
    """Each GPU has a process of its own, with the threads of a training."""
    resources = profile(gpus=4)["set-resources"]
    training = asked(resources["train"], threads=2)
    assert (training["gpu"], training["nodes"]) == (4, 1)
    assert (training["cpus_per_task"], training["mem_mb"]) == (8, 20_000)
    pack = asked(resources["train_pack"], threads=2)
    assert (pack["gpu"], pack["cpus_per_task"], pack["mem_mb"]) == (4, 4, 20_000)
    # one process each
    assert {resources[rule]["gpu"] for rule in ("search", "share_search", "evaluate")} == {1}


def test_without_gpus_a_training_has_the_processors_of_its_threads():
    resources = profile(gpus=0, train_threads=6)
    training = asked(resources["set-resources"]["train"], threads=resources["set-threads"]["train"])
    assert (training["gpu"], training["cpus_per_task"], training["mem_mb"]) == (0, 6, 8000)


@pytest.mark.parametrize("rule", ["train", "train_pack", "search", "share_search"])
def test_every_attempt_has_more_time_and_memory(rule):
    resources = profile(train_minutes=600, longest_minutes=1500)["set-resources"][rule]
    attempts = [asked(resources, attempt=attempt) for attempt in (1, 2, 3, 4)]
    assert [attempt["runtime"] for attempt in attempts] == [600, 1200, 1500, 1500]
    assert [attempt["mem_mb"] for attempt in attempts] == [8000, 16000, 24000, 32000]


def test_rules_that_take_all_cores_are_told_how_many():
    """`workflow.cores` is the number of processors of a node, not of the job, for the Snakemake inside it."""
    blocks = re.split(r"^ *(?:rule|checkpoint) ", RULES, flags=re.MULTILINE)[1:]
    greedy = {block.partition(":")[0] for block in blocks if "workflow.cores" in block}
    assert greedy
    assert greedy <= set(profile()["set-threads"])


def test_the_variables_reach_the_jobs():
    content = profile(
        account='"p123"',
        gpu_type='"a100"',
        gpu_partition="fast",
        attempts=3,
        accounting="false",
    )
    assert content["default-resources"]["slurm_account"] == "'p123'"
    for rule in ("train", "search", "evaluate"):
        resources = content["set-resources"][rule]
        assert (resources["gpu"], resources["gpu_model"]) == (1, "'a100'")
        assert resources["slurm_partition"] == "fast"
    assert content["retries"] == 2
    assert content["slurm-status-command"] == "squeue"
    assert profile()["slurm-status-command"] == "sacct"


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """Resources and threads of each rule, from a dry run with a profile for nodes with four GPUs."""
    pytest.importorskip("snakemake_executor_plugin_slurm")
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "config.yaml").write_text(edited(gpus=4))
    program = ("-m", "snakemake", "--snakefile", str(ROOT / "workflow" / "Snakefile"))
    study = ("--directory", str(folder), "--configfile", str(ROOT / "config" / "test.yaml"))
    done = subprocess.run(
        [
            *(sys.executable, *program, *study, "--workflow-profile", str(folder)),
            *("--dry-run", "--quiet", "host"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    jobs = re.findall(r"^rule (\w+):\n((?:    .*\n)*)", output, re.MULTILINE)
    return {
        rule: (
            set(re.search(r"    resources: (.*)", lines)[1].split(", ")),
            int(re.search(r"    threads: (\d+)", lines + "    threads: 1")[1]),
        )
        for rule, lines in jobs
        if "    resources: " in lines
    }


@pytest.mark.parametrize("rule", ["train", "train_pack"])
def test_snakemake_asks_for_all_gpus_of_a_training(planned, rule):
    resources, threads = planned[rule]
    assert {"slurm_partition=gpu", "gpu=4", "nodes=1", "cpus_per_task=4"} <= resources
    assert {"mem_mb=20000", "runtime=720", "slurm_extra=--signal=TERM@300"} <= resources
    assert threads < 4  # of each process


def test_snakemake_asks_for_what_other_rules_need(planned):
    resources, threads = planned["compress"]
    assert {"slurm_partition=cpu", "mem_mb=16000", "runtime=240"} <= resources
    assert not any(word.startswith("gpu=") for word in resources)
    assert threads == 16
    resources, _ = planned["evaluate"]
    assert {"slurm_partition=gpu", "gpu=1", "mem_mb=16000", "runtime=120"} <= resources


@pytest.mark.parametrize("gpus", [0, 1])
def test_a_pack_on_one_gpu_or_none_does_its_trainings_side_by_side(gpus, monkeypatch, tmp_path):
    script = runpy.run_path(str(ROOT / "workflow" / "scripts" / "train_pack.py"))
    monkeypatch.setitem(script["main"].__globals__, "train_pack", lambda *_, **options: options)
    started = script["main"]({}, "train.h5", "val.h5", tmp_path, 2, 4, gpus)
    assert started == {"at_once": 2, "threads": 2}
