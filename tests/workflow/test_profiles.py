"""The profile for Slurm: what it asks for each rule, without a Slurm."""

import re
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


def profile(**edited):
    """The profile with some of its variables edited, as Snakemake reads it."""
    text = (PROFILE / "config.yaml").read_text()
    for name, value in edited.items():
        text, number = re.subn(rf"^(  {name}:) \S+", rf"\1 {value}", text, flags=re.MULTILINE)
        assert number == 1, name
    return yte.process_yaml(text, require_use_yte=True)


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
    pack, training = resources["train_pack"], resources["train"]
    assert {**pack, "mem_mb": None} == {**training, "mem_mb": None}
    assert pack["gpu_model"] == "'a100'"
    # the processors are those of the rule, one for each training at a time
    assert "train_pack" not in profile()["set-threads"]


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
        train_minutes=600,
        accounting="false",
    )
    assert content["default-resources"]["slurm_account"] == "'p123'"
    for rule in ("train", "search", "evaluate"):
        resources = content["set-resources"][rule]
        assert (resources["gpu"], resources["gpu_model"]) == (1, "'a100'")
        assert resources["slurm_partition"] == "fast"
    assert content["set-resources"]["train"]["runtime"] == 600
    assert content["slurm-status-command"] == "squeue"
    assert profile()["slurm-status-command"] == "sacct"


def test_snakemake_asks_for_them(tmp_path):
    """A dry run takes the profile and shows what each job would ask for."""
    pytest.importorskip("snakemake_executor_plugin_slurm")
    done = subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "snakemake",
                "--snakefile",
                str(ROOT / "workflow" / "Snakefile"),
            ),
            *("--directory", str(tmp_path), "--configfile", str(ROOT / "config" / "test.yaml")),
            *("--workflow-profile", str(PROFILE), "--dry-run", "--quiet", "host"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    asked = dict(
        re.findall(r"^rule (\w+):\n(?:    .*\n)*?    resources: (.*)", output, re.MULTILINE)
    )
    assert {"slurm_partition=gpu", "gpu=1", "mem_mb=8000", "runtime=1440"} <= words(asked["train"])
    assert "slurm_extra=--signal=TERM@300" in words(asked["train"])
    assert {"slurm_partition=cpu", "mem_mb=16000", "runtime=240"} <= words(asked["compress"])
    assert not any(word.startswith("gpu=") for word in words(asked["compress"]))
    threads = dict(
        re.findall(r"^rule (\w+):\n(?:    .*\n)*?    threads: (\d+)", output, re.MULTILINE)
    )
    assert threads["compress"] == "16"


def words(resources):
    return set(resources.split(", "))
