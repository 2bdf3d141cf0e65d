"""The invented database has the published format and proportions; its steps can be measured."""

import numpy as np
import pytest
from monty.serialization import loadfn

from benchmarks.crystals import crystals_of_published_sizes
from benchmarks.full_scale import Piece, reading, scaled_counts, write_piece
from optimetal.database.entries import SURROGATE, read_entry
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
        assert record.source == SURROGATE  # what is made of them says so
        assert record.composition == reference.structure.composition.reduced_formula
        assert 330_000 < path.stat().st_size < 430_000  # published: 394,549 bytes, for example


def test_ways_to_read_an_entry_are_timed(tmp_path):
    times = reading(tmp_path / "read", list(crystals_of_published_sizes(3, seed=0)), 3)
    assert [way.split(",")[0] for way in times] == [
        "ours",
        "pymatgen's Structure and the two spectra",
        "monty's loadfn",
    ]
    assert min(times.values()) > 0
