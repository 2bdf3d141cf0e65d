"""Splits by composition or by published lists, and training subsets."""

import gzip
import logging

import numpy as np
import pandas as pd
import pytest

from optimetal.database.compress import compress
from optimetal.database.lists import read_lists
from optimetal.database.splits import (
    SPLITS,
    split_by_composition,
    split_by_lists,
    split_records,
    subset,
)
from optimetal.database.store import CrystalStore

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
    train = sorted(everything[members["train"]])
    assert train == lists["train"]
    for size in (2500, 5000, 10000, 20000, 40000, 80000, 160000):
        with gzip.open(published_lists / f"train_{size}.txt.gz", "rt") as file:
            assert [train[row] for row in subset(len(train), size)] == file.read().split()
