"""A folder of entries becomes one file; bad entries are quarantined; interrupted runs go on."""

import json
import os
import shutil
import time

import numpy as np
import pandas as pd
import pytest

from optimetal.database import compress as compress_module
from optimetal.database.compress import compress
from optimetal.database.entries import read_entry
from optimetal.database.store import CrystalStore


def run(folder, out, max_bad_share=0.0, jobs=1):
    compress(folder, out / "records.h5", out / "quarantine.csv", max_bad_share, jobs)
    return out / "records.h5", pd.read_csv(out / "quarantine.csv")


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """Four and two entries of either folder."""
    monkeypatch.setattr(compress_module, "PART", 4)


@pytest.fixture
def decoded(monkeypatch):
    """Names of the files that are decoded."""
    names = []

    def read(path):
        names.append(path.name)
        return read_entry(path)

    monkeypatch.setattr(compress_module, "read_entry", read)
    return names


@pytest.fixture
def folder(database, tmp_path):
    """A copy of the database, to be spoiled."""
    return shutil.copytree(database, tmp_path / "database")


def entry(folder, number):
    return next(folder.glob(f"*/agm{number:09d}.json"))


def test_all_entries_are_compressed(database, tmp_path):
    records, quarantine = run(database, tmp_path)
    files = sorted(database.glob("*/*.json"))
    with CrystalStore(records) as store:
        assert store.mat_ids == [path.stem for path in files]
        for path, record in zip(files, store.records(range(12)), strict=True):
            np.testing.assert_array_equal(record.eps_inter, read_entry(path).eps_inter)
    assert quarantine.empty
    assert sorted(path.name for path in tmp_path.iterdir()) == ["quarantine.csv", "records.h5"]


def test_same_bytes_at_any_time_whatever_the_workers(database, tmp_path):
    one, _ = run(database, tmp_path / "one")
    time.sleep(1.1)  # HDF5 would note seconds
    two, _ = run(database, tmp_path / "two", jobs=2)
    assert one.read_bytes() == two.read_bytes()


def break_after(num_entries, monkeypatch):
    """Let decoding break down after some entries."""
    left = iter(range(num_entries))

    def read(path):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return read_entry(path)

    monkeypatch.setattr(compress_module, "read_entry", read)


def test_finished_parts_are_not_done_again(database, tmp_path, monkeypatch, decoded):
    run(database, tmp_path / "straight")
    decoded.clear()
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        break_after(7, patched)
        run(database, tmp_path)
    assert not (tmp_path / "records.h5").exists()
    run(database, tmp_path)
    assert len(decoded) == 12 - 6
    for name in ("records.h5", "quarantine.csv"):
        assert (tmp_path / name).read_bytes() == (tmp_path / "straight" / name).read_bytes()
    assert not (tmp_path / "records.parts").exists()


@pytest.mark.parametrize("change", ["time", "size", "name", "added"])
def test_parts_of_changed_entries_are_done_again(folder, tmp_path, monkeypatch, decoded, change):
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        break_after(11, patched)
        run(folder, tmp_path)
    path = entry(folder, 0)
    if change == "time":
        os.utime(path, (1, 1))
    elif change == "size":
        path.write_text(path.read_text() + " ")
    elif change == "name":
        path.rename(path.with_name("agm.json"))
    else:
        content = json.loads(path.read_text())
        content["data"]["mat_id"] = "new"
        path.with_name("a.json").write_text(json.dumps(content))
    run(folder, tmp_path)
    changed = 7 if change == "added" else 4  # one more entry shifts the others of its folder
    assert len(decoded) == changed + 2


@pytest.mark.parametrize("damage", [None, "", "{", '{"inputs": "other", "good": [], "bad": []}'])
def test_a_damaged_part_is_not_taken_for_finished(database, tmp_path, monkeypatch, damage):
    straight, _ = run(database, tmp_path / "straight")
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        break_after(7, patched)
        run(database, tmp_path)
    summary = tmp_path / "records.parts" / "database_nsite_1_part_1-000.json"
    assert summary.exists()
    if damage is None:
        summary.with_suffix(".h5").unlink()
    else:
        summary.write_text(damage)
    records, _ = run(database, tmp_path)
    assert records.read_bytes() == straight.read_bytes()


def test_bad_entries_are_quarantined(folder, tmp_path):
    entry(folder, 3).write_text("{")
    records, quarantine = run(folder, tmp_path, max_bad_share=0.1)
    with CrystalStore(records) as store:
        assert len(store) == 11
    assert quarantine["reason"].tolist() == ["unreadable"]
    assert quarantine["file"].tolist() == [str(entry(folder, 3))]


def test_files_that_are_none_and_names_that_are_no_text_are_quarantined(folder, tmp_path, caplog):
    place = entry(folder, 0).parent
    (place / "z1.json").symlink_to(place / "nowhere")
    (place / os.fsdecode(b"z2-\xff.json")).write_text("{")
    content = json.loads(entry(folder, 3).read_text())
    content["structure"]["sites"][0]["species"][0]["element"] = "\ud800"
    entry(folder, 3).write_text(json.dumps(content))
    records, quarantine = run(folder, tmp_path, max_bad_share=0.3)
    with CrystalStore(records) as store:
        assert len(store) == 11
    assert quarantine["file"].tolist() == [
        *(str(entry(folder, 3)), str(place / "z1.json")),
        str(place / r"z2-\udcff.json"),
    ]
    assert quarantine["reason"].tolist() == ["malformed", "unreadable", "unreadable"]
    assert "No such file" in quarantine["detail"][1]
    assert caplog.text.encode()  # a log holds characters only


def test_the_first_of_two_entries_with_one_name_counts(folder, tmp_path):
    path = entry(folder, 11)
    content = json.loads(path.read_text())
    content["data"]["mat_id"] = "agm000000000"
    path.write_text(json.dumps(content))
    records, quarantine = run(folder, tmp_path, max_bad_share=0.1)
    assert quarantine[["file", "reason"]].to_numpy().tolist() == [[str(path), "duplicate mat_id"]]
    with CrystalStore(records) as store:
        assert store.mat_ids.count("agm000000000") == 1
        (first,) = store.records([store.mat_ids.index("agm000000000")])
    np.testing.assert_array_equal(first.eps_inter, read_entry(entry(folder, 0)).eps_inter)


def test_a_part_may_hold_nothing_good(folder, tmp_path):
    for path in folder.glob("database_nsite_2*/*"):
        path.write_text("[]")
    records, quarantine = run(folder, tmp_path, max_bad_share=0.5)
    with CrystalStore(records) as store:
        assert len(store) == 12 - len(quarantine) == 6


def test_too_many_bad_entries_end_the_run_but_are_listed(folder, tmp_path, decoded):
    entry(folder, 3).write_text("{")
    with pytest.raises(ValueError, match="max_bad_share"):
        run(folder, tmp_path, max_bad_share=0.05)
    assert not (tmp_path / "records.h5").exists()
    assert len(pd.read_csv(tmp_path / "quarantine.csv")) == 1


def test_what_could_not_be_read_is_tried_again(folder, tmp_path, decoded):
    path = entry(folder, 3)
    good, stat = path.read_bytes(), path.stat()
    path.write_bytes(b" " * len(good))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    with pytest.raises(ValueError, match="max_bad_share"):
        run(folder, tmp_path)
    path.write_bytes(good)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    _, quarantine = run(folder, tmp_path)
    assert quarantine.empty
    assert decoded.count(path.name) == 2


@pytest.mark.parametrize("name", ["database_nsite_1_part_1", "other"])
def test_a_folder_without_entries_is_named(tmp_path, name):
    (tmp_path / "in" / name).mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match=r"database_\*/ with JSON entries in .*in, found"):
        run(tmp_path / "in", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
