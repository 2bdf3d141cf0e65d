"""Splits, subsets and the order of batches equal those of the published code."""

import json

import pytest
import torch
from torch.utils.data import DataLoader

from optimetal.database.splits import SPLITS, split_by_composition, subset


@pytest.fixture(scope="module")
def published(parity):
    return json.loads((parity / "split.json").read_text())


@pytest.fixture(scope="module")
def train(published):
    return sorted(published["train"])


def test_same_splits(published):
    ids = [record["mat_id"] for record in published["records"]]
    compositions = [record["composition"] for record in published["records"]]
    members = split_by_composition(compositions, tuple(published["ratios"]), published["seed"])
    for name in SPLITS:
        assert {ids[row] for row in members[name]} == set(published[name])


def test_same_subsets(published, train):
    for size, expected in published["subset_of_sorted_train"].items():
        assert [train[row] for row in subset(len(train), int(size))] == expected


@pytest.mark.parametrize("seed", [1, 42, 137])
def test_same_batches(published, train, seed):
    chosen = subset(len(train), 20)
    loader = DataLoader(chosen, 6, shuffle=True, generator=torch.Generator().manual_seed(seed))
    for expected in published["shuffled_batches_num_data_20_batch_6"][str(seed)]:
        assert [[train[row] for row in batch.tolist()] for batch in loader] == expected
