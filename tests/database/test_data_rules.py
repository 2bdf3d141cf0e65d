"""The rules from a database to the records of each split: downloaded, or from a folder."""

import gzip
import os
import re
import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd
import pytest

from optimetal.config.repository import COMMIT
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


WHOLE = """
from optimetal.database import published_h5
published_h5.PUBLISHED_SPLITS = {"train": 8, "val": 2, "test": 2}
"""
"""Lets a plan, though not what it runs, take twelve crystals for all."""


def snakemake(place, *arguments, snakefile=SNAKEFILE, splits=None, **database):
    """Make the records in a folder with these settings of the sections ``splits`` and ``database``.

    By the rules for the data alone: the whole Snakefile counts the parameters of all networks.
    """
    (place / "Snakefile").write_text(snakefile)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", *RECORDS, "--directory", str(place)),
            *("--snakefile", str(place / "Snakefile"), "--cores", "1", *arguments),
            *("--configfile", str(ROOT / "config" / "test.yaml")),
            *("--config", f"database={ ({'surrogate': {}} | database) }"),
            *([f"splits={splits}"] if splits else []),
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
    log = (tmp_path / "logs/split.log").read_text()
    assert re.search("not the published splits: train has [0-9]+ crystals instead of 160728", log)

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
    assert pd.read_csv(tmp_path / "results/dataset/quarantine.csv").empty
    assert (tmp_path / "logs/quarantine.csv").exists()  # stays if the rule fails
    assert len(figshare.downloads()) == 3
    assert not any(path.endswith("/31112554000") for path, _ in figshare.requests)  # the pickle
    strict = settings | {"allow_partial": False}
    _, output = snakemake(tmp_path, "--dry-run", snakefile=WHOLE + SNAKEFILE, **strict)
    assert "Nothing to be done" in output, output
    code, output = snakemake(tmp_path, **strict)
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
    assert "published" not in (place / "logs/split.log").read_text()
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


def write_lists(folder, lists):
    folder.mkdir()
    for name, listed in zip(SPLITS, lists, strict=True):
        (folder / f"{name}.txt").write_text("\n".join(listed))


def test_own_lists_decide_who_is_where(compressed):
    names = [f"agm{n:09d}" for n in range(12)]
    write_lists(compressed / "lists", (names[3:], names[2:3], names[:2]))
    splits = {"method": "published", "folder": "lists"}
    code, output = snakemake(compressed, splits=splits, **OWN)
    assert code == 0, output
    table = pd.read_csv(compressed / "results/dataset/splits.csv")
    assert table["mat_id"].tolist() == [*names[3:], names[2], *names[:2]]
    assert table["split"].tolist() == ["train"] * 9 + ["val"] + ["test"] * 2
    unused = splits | {"ratios": [0.5, 0.3, 0.2], "seed": 3, "url": "http://127.0.0.1:9"}
    _, output = snakemake(compressed, "--dry-run", splits=unused, **OWN)
    assert "Nothing to be done" in output, output
    (compressed / "lists/val.txt").write_text("agm000000001")
    (compressed / "lists/test.txt").write_text("agm000000000\nagm000000002")
    _, output = snakemake(compressed, "--dry-run", splits=splits, **OWN)
    assert planned_rules(output) == {"split"}, output
    shutil.move(compressed / "lists/val.txt", compressed / "val.txt")
    code, output = snakemake(compressed, "--dry-run", "--forcerun", "split", splits=splits, **OWN)
    assert code != 0 and "lists/val.txt" in output, output


def test_lists_are_downloaded_only_where_they_are_wanted(database, tmp_path):
    _, output = snakemake(tmp_path, "--dry-run", splits={"method": "published"}, source="surrogate")
    assert planned_rules(output) >= {"download_lists", "split"}, output
    published = {"source": "figshare_ml", "url": "http://127.0.0.1:9"}
    for splits, settings in (({"method": "published"}, published), (None, {"source": "surrogate"})):
        _, output = snakemake(tmp_path, "--dry-run", splits=splits, **settings)
        assert planned_rules(output) and "download_lists" not in planned_rules(output), output


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass


@pytest.fixture
def repository(parity, tmp_path):
    """Address of a server on this machine with the published lists, and the lists."""
    given = parity.parents[1] / "published" / "data_splits"
    if not given.is_dir():
        pytest.skip(f"no published lists in {given}")
    folder = tmp_path / "server" / COMMIT / "research" / "data_splits"
    folder.mkdir(parents=True)
    lists = {name: gzip.decompress((given / f"{name}.txt.gz").read_bytes()) for name in SPLITS}
    for name, content in lists.items():
        (folder / f"{name}.txt").write_bytes(content)
    handler = partial(Quiet, directory=str(tmp_path / "server"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", lists
        server.shutdown()
        thread.join()


def test_published_lists_are_downloaded_and_followed(repository, writer, tmp_path):
    url, lists = repository
    make, write = writer
    chosen = {name: content.decode().split()[5:11:2] for name, content in lists.items()}
    for mat_id in (*chosen["train"], *chosen["val"], *chosen["test"]):
        write(tmp_path / "own", make(mat_id, ["Cu"]))
    splits = {"method": "published", "url": url}
    code, output = snakemake(tmp_path, splits=splits, **OWN)
    assert code == 0, output
    for name in SPLITS:
        with CrystalStore(tmp_path / f"results/dataset/{name}.h5") as store:
            assert store.mat_ids == chosen[name]
        assert (tmp_path / f"data/published_splits/{name}.txt").read_bytes() == lists[name]
    log = (tmp_path / "logs/split.log").read_text()
    assert "160725 of the 160728 materials of train are missing" in log
    shutil.rmtree(tmp_path / "data")
    elsewhere = splits | {"url": "http://127.0.0.1:9"}
    _, output = snakemake(tmp_path, "--dry-run", splits=elsewhere, **OWN)
    assert "Nothing to be done" in output, output
