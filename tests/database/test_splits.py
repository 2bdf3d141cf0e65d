"""Splits by composition or by published lists, and training subsets."""

import gzip
import hashlib
import logging

import numpy as np
import pandas as pd
import pytest

from optimetal.database import splits
from optimetal.database.compress import compress
from optimetal.database.lists import read_lists
from optimetal.database.splits import (
    SPLITS,
    published_differences,
    split_by_composition,
    split_by_lists,
    split_records,
    subset,
)
from optimetal.database.store import CrystalStore, write_records
from optimetal.scaling.published_files import RemoteFile

RATIOS = (0.8, 0.1, 0.1)


@pytest.fixture(scope="module")
def compositions():
    generator = np.random.default_rng(0)
    return [f"X{n}" for n in generator.integers(0, 100, 400)]


def test_every_material_is_in_one_split(compositions):
    members = split_by_composition(compositions, RATIOS, 42)
    together = np.concatenate(list(members.values()))
    assert sorted(together) == list(range(400))


def test_no_composition_is_in_two_splits(compositions):
    members = split_by_composition(compositions, RATIOS, 42)
    formulas = [{compositions[row] for row in rows} for rows in members.values()]
    assert sum(map(len, formulas)) == len(set.union(*formulas))
    total = len(set(compositions))
    assert [len(f) for f in formulas[:2]] == [int(0.8 * total), int(0.1 * total)]


def test_the_split_depends_on_the_formulas_alone(compositions):
    order = np.random.default_rng(1).permutation(400)
    members = split_by_composition(compositions, RATIOS, 42)
    permuted = split_by_composition([compositions[row] for row in order], RATIOS, 42)
    for name in SPLITS:
        assert set(order[permuted[name]]) == set(members[name])


def test_another_seed_gives_another_split(compositions):
    first, second = (split_by_composition(compositions, RATIOS, seed)["test"] for seed in (1, 2))
    assert set(first) != set(second)


def test_too_few_compositions_are_an_error():
    with pytest.raises(ValueError, match="too few"):
        split_by_composition(["Cu", "Au", "Ag"], RATIOS, 42)


def test_subsets_are_reproducible_and_without_repeats():
    chosen = subset(5000, 100)
    assert chosen == subset(5000, 100)
    assert len(set(chosen)) == 100
    assert subset(5000, 50) == chosen[:50]  # nested, as the sampler is the same for both sizes


def test_a_subset_cannot_exceed_the_whole():
    assert sorted(subset(10, 10)) == list(range(10))
    with pytest.raises(ValueError, match="at most 10 crystals"):
        subset(10, 11)


def test_split_files_are_sorted_by_identifier(database, tmp_path):
    compress(database, tmp_path / "records.h5", tmp_path / "quarantine.csv", 0.0)
    files = {name: tmp_path / f"{name}.h5" for name in SPLITS}
    table = tmp_path / "splits.csv"
    split_records(tmp_path / "records.h5", files, table, (0.6, 0.2, 0.2), 42)
    listed = pd.read_csv(table)
    for name, file in files.items():
        with CrystalStore(file) as store:
            assert store.mat_ids == sorted(store.mat_ids)
            assert store.mat_ids == listed.loc[listed["split"] == name, "mat_id"].tolist()
    assert len(listed) == 12


LISTS = {"train": ["a", "c", "d"], "val": ["b"], "test": ["e"]}


def test_lists_decide_who_is_where():
    members = split_by_lists(["e", "d", "c", "b", "a"], LISTS)
    rows = {name: rows.tolist() for name, rows in members.items()}
    assert rows == {"train": [1, 2, 4], "val": [3], "test": [0]}


def test_a_material_that_is_listed_may_be_missing(caplog):
    with caplog.at_level(logging.WARNING):
        members = split_by_lists(["a", "b", "e"], LISTS)
    assert members["train"].tolist() == [0]
    assert caplog.messages == ["2 of the 3 materials of train are missing"]


@pytest.mark.parametrize(
    ("mat_ids", "message"),
    [
        (["a", "x", "y"], r"got 2 others such as x: .*`splits\.folder`"),
        (["a", "b"], "None of the 1 materials listed"),
    ],
)
def test_lists_of_another_database_are_refused(mat_ids, message):
    with pytest.raises(ValueError, match=message):
        split_by_lists(mat_ids, LISTS)


def test_records_can_be_split_by_lists(database, tmp_path):
    compress(database, tmp_path / "records.h5", tmp_path / "quarantine.csv", 0.0)
    names = [f"agm{n:09d}" for n in range(12)]
    for split, listed in (("train", names[:9]), ("val", names[9:11]), ("test", names[11:])):
        (tmp_path / f"{split}.txt").write_text("\n".join(listed))
    files = {name: tmp_path / f"{name}.h5" for name in SPLITS}
    ratios = 0.8, 0.1, 0.1
    split_records(tmp_path / "records.h5", files, tmp_path / "splits.csv", ratios, 42, tmp_path)
    with CrystalStore(files["val"]) as store:
        assert store.mat_ids == names[9:11]


@pytest.fixture
def splitting(database, tmp_path, monkeypatch, caplog):
    """Function: split some of twelve crystals by composition; all of them give the published splits."""
    compress(database, tmp_path / "records.h5", tmp_path / "quarantine.csv", 0.0)
    files = {name: tmp_path / f"{name}.h5" for name in SPLITS}

    def split(rows, **options):
        caplog.clear()
        with CrystalStore(tmp_path / "records.h5") as store:
            write_records(tmp_path / "some.h5", store.records(rows))
        table, ratios = tmp_path / "splits.csv", (0.6, 0.2, 0.2)
        with caplog.at_level(logging.INFO, logger=splits.__name__):
            split_records(tmp_path / "some.h5", files, table, ratios, 42, **options)
        return pd.read_csv(table), "\n".join(caplog.messages)

    table, _ = split(range(12))
    listed = {name: table.loc[table["split"] == name, "mat_id"] for name in SPLITS}
    digests = {
        f"{name}.txt": hashlib.sha256(("\n".join(sorted(ids)) + "\n").encode()).hexdigest()
        for name, ids in listed.items()
    }
    monkeypatch.setattr(splits, "PUBLISHED_SPLITS", {n: len(ids) for n, ids in listed.items()})
    monkeypatch.setattr(splits, "LISTS", {n: RemoteFile("", d) for n, d in digests.items()})
    return split


def test_one_missing_entry_is_told_to_change_the_published_splits(splitting):
    _, told = splitting(range(12), published=True)
    assert "the published splits, crystal by crystal" in told
    table, told = splitting(range(11), published=True)
    assert published_differences(table)
    assert "not the published splits: " in told
    assert "`splits: {method: published}`" in told
    _, told = splitting(range(11))  # a database of one's own
    assert "published" not in told


def test_splits_of_the_published_sizes_may_have_other_crystals(splitting):
    table, _ = splitting(range(12))
    assert published_differences(table) == []
    moved = table.assign(split=table["split"].replace({"val": "test", "test": "val"}))
    assert {d.split(" has ")[0] for d in published_differences(moved)} == {"val", "test"}
    table.loc[table["split"] == "val", "mat_id"] += "x"
    assert published_differences(table) == ["val has other crystals"]


def test_crystals_by_lists_are_not_said_to_be_shuffled(splitting, tmp_path):
    table, _ = splitting(range(12))
    for name, rows in table.groupby("split"):
        (tmp_path / f"{name}.txt").write_text("\n".join(rows["mat_id"]))
    _, told = splitting(range(11), published=True, lists=tmp_path)
    assert "1 of the" in told and "not the published" not in told


@pytest.fixture(scope="module")
def published_lists(parity):
    folder = parity.parents[1] / "published" / "data_splits"
    if not folder.is_dir():
        pytest.skip(f"no published lists in {folder}")
    return folder


def test_published_lists_give_the_published_sizes_and_subsets(published_lists):
    lists = read_lists(published_lists)
    everything = np.random.default_rng(0).permutation(np.concatenate(list(lists.values())))
    members = split_by_lists(everything.tolist(), lists)
    assert [len(members[name]) for name in SPLITS] == [160_728, 20_179, 20_454]
    rows = [(mat_id, name) for name in SPLITS for mat_id in everything[members[name]]]
    table = pd.DataFrame(rows, columns=["mat_id", "split"])
    assert published_differences(table) == []
    assert published_differences(table[1:]) == ["train has 160727 crystals instead of 160728"]
    train = sorted(everything[members["train"]])
    assert train == lists["train"]
    for size in (2500, 5000, 10000, 20000, 40000, 80000, 160000):
        with gzip.open(published_lists / f"train_{size}.txt.gz", "rt") as file:
            assert [train[row] for row in subset(len(train), size)] == file.read().split()
