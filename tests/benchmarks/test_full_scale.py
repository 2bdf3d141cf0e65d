"""The invented database has the published format and proportions; its steps can be measured."""

import time

import numpy as np
import pytest
from monty.serialization import loadfn

from benchmarks.crystals import crystals_of_published_sizes
from benchmarks.full_scale import Piece, measured, scaled_counts, write_piece
from optimetal.database.entries import AB_INITIO, read_entry
from optimetal.database.validate import PUBLISHED_FOLDERS


def test_the_whole_has_the_published_counts():
    assert scaled_counts(201_361) == PUBLISHED_FOLDERS
    assert sum(scaled_counts(2000).values()) == pytest.approx(2000, abs=20)


def test_entries_are_those_that_pymatgen_reads_and_as_large_as_the_published(tmp_path):
    crystals = list(crystals_of_published_sizes(3, seed=0))
    write_piece(Piece(tmp_path, crystals, np.array([7, 1001811])))
    for name in ("agm000000007", "agm001001811"):
        path = tmp_path / f"{name}.json"
        record, reference = read_entry(path), loadfn(path)
        assert record.mat_id == reference.data["mat_id"] == name
        assert record.source == AB_INITIO
        assert record.composition == reference.structure.composition.reduced_formula
        assert 330_000 < path.stat().st_size < 430_000  # published: 394,549 bytes, for example


def test_a_step_is_measured_with_its_memory():
    seconds, memory = measured(time.sleep, 0.5)
    assert seconds > 0.5
    assert memory > 5
    with pytest.raises(RuntimeError, match="exit code 1"):
        measured(time.sleep, -1)
