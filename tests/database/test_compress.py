"""A folder of entries becomes one file; bad entries are quarantined."""

import shutil

import pandas as pd
import pytest

from optimetal.database.compress import compress
from optimetal.database.store import CrystalStore


def run(folder, out, max_bad_share=0.0, jobs=1):
    compress(folder, out / "records.h5", out / "quarantine.csv", max_bad_share, jobs)
    return out / "records.h5", pd.read_csv(out / "quarantine.csv")


def test_all_entries_are_compressed(database, tmp_path):
    records, quarantine = run(database, tmp_path)
    with CrystalStore(records) as store:
        assert store.mat_ids == [f"agm{n:09d}" for n in range(12)]
    assert quarantine.empty


def test_same_bytes_whatever_the_workers(database, tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one, _ = run(database, tmp_path / "one")
    two, _ = run(database, tmp_path / "two", jobs=2)
    assert one.read_bytes() == two.read_bytes()


@pytest.fixture
def spoiled(database, tmp_path):
    folder = shutil.copytree(database, tmp_path / "database")
    next(iter(folder.glob("*/agm000000003.json"))).write_text("{")
    return folder


def test_bad_entries_are_quarantined(spoiled, tmp_path):
    records, quarantine = run(spoiled, tmp_path, max_bad_share=0.1)
    with CrystalStore(records) as store:
        assert len(store) == 11
    assert quarantine["reason"].tolist() == ["unreadable"]
    assert quarantine["file"].str.endswith("agm000000003.json").all()


def test_too_many_bad_entries_end_the_run_but_are_listed(spoiled, tmp_path):
    with pytest.raises(ValueError, match="max_bad_share"):
        run(spoiled, tmp_path, max_bad_share=0.05)
    assert not (tmp_path / "records.h5").exists()
    assert len(pd.read_csv(tmp_path / "quarantine.csv")) == 1
