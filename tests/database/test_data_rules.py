"""The rules from a database to the records of each split: downloaded, or from a folder."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from optimetal.database.entries import read_entry
from optimetal.database.published_h5 import write_published
from optimetal.database.store import CrystalStore

ROOT = Path(__file__).parents[2]
SPLITS = ("train", "val", "test")
RECORDS = [f"results/dataset/{split}.h5" for split in SPLITS]


SNAKEFILE = f"""
from pathlib import Path
from optimetal.config.project import read_project
PROJECT = read_project(config)
include: "{ROOT}/workflow/rules/data.smk"
"""


def snakemake(place, *arguments, **database):
    """Make the records in a folder with these settings of the section ``database``.

    By the rules for the data alone: the whole Snakefile counts the parameters of all networks.
    """
    (place / "Snakefile").write_text(SNAKEFILE)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", *RECORDS, "--directory", str(place)),
            *("--snakefile", str(place / "Snakefile"), "--cores", "1", *arguments),
            *("--configfile", str(ROOT / "config" / "test.yaml")),
            *("--config", f"database={ ({'surrogate': {}} | database) }"),
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def planned_rules(output):
    """Rules in the job table of a dry run."""
    table = re.search(r"Job stats:\njob +count\n[- ]+\n(.*?)\ntotal", output, re.DOTALL)
    return {row.split()[0] for row in table[1].splitlines()} if table else set()


def num_records(folder):
    sizes = []
    for file in RECORDS:
        with CrystalStore(folder / file) as store:
            sizes.append(len(store))
    return sum(sizes)


def test_the_whole_database_is_downloaded_and_compressed(figshare, zipped, tmp_path):
    figshare.add(31111798, zipped("database_nsite_1_part_1"))
    figshare.add(31112491, zipped("database_nsite_2_part_1"))
    figshare.faults = ["challenge"] * 2  # both addresses of a file: the rule is retried
    settings = {"source": "figshare_full", "url": figshare.url, "allow_partial": True}
    code, output = snakemake(tmp_path, **settings)
    assert code == 0, output
    assert num_records(tmp_path) == 12
    table = pd.read_csv(tmp_path / "results/dataset/inventory.csv", index_col="folder")
    assert table.loc["database_nsite_2_part_1", "expected"] == 924
    log = (tmp_path / "logs/inventory.log").read_text()
    assert "partial database: database_nsite_10_part_3 is missing" in log

    shutil.rmtree(tmp_path / "data/figshare_full/31111798")  # archives may go, but not the entries
    assert len(list(tmp_path.glob("data/figshare_full/database/*/*.json"))) == 12
    code, output = snakemake(tmp_path, "--dry-run", **settings | {"url": "http://127.0.0.1:9"})
    assert code == 0 and "Nothing to be done" in output, output


def test_the_published_splits_are_downloaded(figshare, database, tmp_path):
    records = [read_entry(path) for path in sorted(database.glob("*/*.json"), key=lambda p: p.name)]
    parts = dict(zip(SPLITS, (records[:8], records[8:10], records[10:]), strict=True))
    files = {"train.pt": b"a pickle"}
    for name, part in parts.items():
        write_published(tmp_path / "x.h5", part)
        files[f"{name}.h5"] = (tmp_path / "x.h5").read_bytes()
    figshare.add(31112554, files)
    settings = {"source": "figshare_ml", "url": figshare.url, "allow_partial": True}
    code, output = snakemake(tmp_path, **settings)
    assert code == 0, output
    for name, part in parts.items():
        with CrystalStore(tmp_path / "results/dataset" / f"{name}.h5") as store:
            assert store.mat_ids == [record.mat_id for record in part]
    assert "train.pt (its .pt files are pickles" in (tmp_path / "logs/download.log").read_text()
    assert len(figshare.downloads()) == 3
    assert not any(path.endswith("/31112554000") for path, _ in figshare.requests)  # the pickle
    code, output = snakemake(tmp_path, **settings | {"allow_partial": False})
    assert code != 0
    assert "train has 8 of 160728 entries" in output


@pytest.fixture(scope="module")
def compressed(database, tmp_path_factory):
    """Folder of a finished run on a database in the folder ``own``."""
    place = tmp_path_factory.mktemp("project")
    shutil.copytree(database, place / "own")
    code, output = snakemake(place, **OWN)
    assert code == 0, output
    assert num_records(place) == 12
    return place


OWN = {"source": "folder", "folder": "own", "expected": "any"}


def test_changed_entries_are_compressed_again(compressed):
    entry = next(compressed.glob("own/*/agm000000003.json"))
    content, before = entry.read_text(), entry.stat()
    entry.write_text(content.replace('"e_above_hull": 0.02', '"e_above_hull": 0.03'))
    assert entry.stat().st_size == before.st_size
    _, output = snakemake(compressed, "--dry-run", **OWN)
    assert planned_rules(output) == {"inventory", "compress", "split"}, output
    entry.unlink()
    _, output = snakemake(compressed, "--dry-run", **OWN)
    assert planned_rules(output) == {"inventory", "compress", "split"}, output
    entry.write_text(content)
    os.utime(entry, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_moved_database_and_milder_settings_are_no_change(compressed):
    (compressed / "own").rename(compressed / "moved")
    moved = OWN | {"folder": "moved", "allow_partial": True, "expected": "published"}
    code, output = snakemake(compressed, "--dry-run", **moved)
    assert code == 0 and "Nothing to be done" in output, output
    strict = moved | {"allow_partial": False}
    code, output = snakemake(compressed, "--dry-run", **strict)
    assert planned_rules(output) == {"inventory", "compress", "split"}, output
    (compressed / "moved").rename(compressed / "own")


def test_records_outlive_their_database(compressed):
    (compressed / "own").rename(compressed / "away")
    code, output = snakemake(compressed, "--dry-run", **OWN)
    assert code == 0 and "Nothing to be done" in output, output
    assert "check `database.folder`" in output
    (compressed / "away").rename(compressed / "own")


def test_an_own_database_must_be_called_so(database, tmp_path):
    settings = {"source": "folder", "folder": str(database)}
    code, output = snakemake(tmp_path, **settings)
    assert code != 0
    assert "database_nsite_7_part_1 is missing (7905 entries)" in output
    assert "expected: any" in output
    assert not (tmp_path / "results/dataset/records.h5").exists()


def test_a_missing_folder_is_told_when_the_run_is_planned(tmp_path):
    code, output = snakemake(tmp_path, "--dry-run", source="folder", folder="nowhere")
    assert code != 0
    assert "Expected the database in nowhere, found no folder: check `database.folder`" in output
