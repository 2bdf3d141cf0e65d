"""Columnar storage of records."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from optimetal.database import store as store_module
from optimetal.database.entries import read_entry
from optimetal.database.store import CrystalStore, write_records


@pytest.fixture(scope="module")
def records(database):
    return [read_entry(path) for path in sorted(database.glob("*/*.json"))]


def assert_same(first, second):
    for (name, a), b in zip(asdict(first).items(), asdict(second).values(), strict=True):
        if isinstance(a, float):
            assert a == pytest.approx(b, rel=1e-6), name
        else:
            np.testing.assert_array_equal(a, b, err_msg=name)


@pytest.mark.parametrize("block", [3, 256])
def test_records_come_back_in_any_order(records, tmp_path, monkeypatch, block):
    monkeypatch.setattr(store_module, "BLOCK", block)
    assert write_records(tmp_path / "records.h5", records) == len(records)
    order = [5, 0, 3, 11, 1]
    with CrystalStore(tmp_path / "records.h5") as store:
        assert len(store) == len(records)
        for row, record in zip(order, store.records(order), strict=True):
            assert_same(record, records[row])
        np.testing.assert_array_equal(store.num_atoms, [len(r.atomic_numbers) for r in records])
        np.testing.assert_array_equal(store.eps_inter()[4], records[4].eps_inter)


def test_sources_are_not_mixed(records, tmp_path):
    mixed = [records[0], replace(records[1], source="surrogate, not ab initio")]
    with pytest.raises(ValueError, match="must come from one source"):
        write_records(tmp_path / "records.h5", mixed)
    assert list(tmp_path.iterdir()) == []


def test_no_records_are_an_error(tmp_path):
    with pytest.raises(ValueError, match="got none"):
        write_records(tmp_path / "records.h5", [])


def test_missing_and_foreign_files_are_named(tmp_path):
    import h5py

    with pytest.raises(FileNotFoundError, match="records at"):
        CrystalStore(tmp_path / "absent.h5")
    with h5py.File(tmp_path / "other.h5", "w"):
        pass
    with pytest.raises(ValueError, match="format 'optimetal-records-1'"):
        CrystalStore(tmp_path / "other.h5")
    (tmp_path / "text.h5").write_text("text")
    with pytest.raises(ValueError, match=r"HDF5 file of crystal records at .*text\.h5"):
        CrystalStore(tmp_path / "text.h5")
