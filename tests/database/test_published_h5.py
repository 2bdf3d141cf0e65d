"""The published HDF5 files: read, written, and turned into files of records."""

import re
from dataclasses import replace

import h5py
import numpy as np
import pandas as pd
import pytest

from optimetal.database import published_h5
from optimetal.database.entries import AB_INITIO, SURROGATE, BadEntry, read_entry
from optimetal.database.published_h5 import (
    import_published,
    planned_faults,
    read_published,
    write_published,
)
from optimetal.database.store import CrystalStore
from optimetal.optics.grid import NUM_ENERGIES


@pytest.fixture(scope="module")
def records(database):
    return [read_entry(path) for path in sorted(database.glob("*/*.json"), key=lambda p: p.name)]


def assert_same(first, second):
    for name, value in vars(first).items():
        if isinstance(value, float):
            assert value == pytest.approx(getattr(second, name), rel=1e-6), name
        else:
            np.testing.assert_array_equal(value, getattr(second, name), err_msg=name)
            if isinstance(value, np.ndarray):
                assert value.dtype == getattr(second, name).dtype, name


def test_records_come_back_sorted_by_name(records, tmp_path):
    write_published(tmp_path / "x.h5", records[::-1])
    back = list(read_published(tmp_path / "x.h5"))
    assert [record.mat_id for record in back] == [record.mat_id for record in records]
    for ours, theirs in zip(records, back, strict=True):
        assert_same(ours, theirs)


def test_the_layout_is_the_published_one(records, tmp_path):
    write_published(tmp_path / "x.h5", records)
    with h5py.File(tmp_path / "x.h5") as file:
        group = file[records[4].mat_id]
        kinds = {key: (data.shape, data.dtype.str[1:]) for key, data in group.items()}
        assert group["mat_id"][()] == records[4].mat_id.encode()
        assert group["composition"][()] == records[4].composition.encode()
    n = len(records[4].atomic_numbers)
    assert kinds == {
        "mat_id": ((), "O"),
        "composition": ((), "O"),
        "e_above_hull": ((), "f8"),
        "lattice": ((3, 3), "f4"),
        "atomic_number": ((n,), "u2"),
        "position": ((n, 3), "f4"),
        "drude": ((), "f4"),
        "eps": ((NUM_ENERGIES,), "c8"),
    }


def by_hand(path, names=("agm1",), **changes):
    """A file as the published ones are, written without our code."""
    content = {
        "e_above_hull": 0.5,
        "composition": "NaCl",
        "lattice": 5 * np.eye(3, dtype=np.float32),
        "atomic_number": np.array([11, 17], np.uint16),
        "position": np.array([[0, 0, 0], [1, 2, 3]], np.float32),
        "drude": np.float32(2.5),
        "eps": np.full(NUM_ENERGIES, 1 + 2j, np.complex64),
    }
    with h5py.File(path, "w") as file:
        for name in names:
            group = file.create_group(name)
            for key, value in ({"mat_id": name} | content | changes).items():
                if value is not None:
                    group.create_dataset(key, data=value)
    return path


def test_a_published_file_is_read(tmp_path):
    (record,) = read_published(by_hand(tmp_path / "x.h5"))
    assert (record.mat_id, record.composition, record.source) == ("agm1", "NaCl", AB_INITIO)
    assert (record.e_above_hull, record.drude_frequency) == (0.5, 2.5)
    assert record.atomic_numbers.tolist() == [11, 17]
    assert record.positions[1].tolist() == [1, 2, 3]
    assert (record.eps_inter == 1 + 2j).all()


def test_surrogates_keep_their_label(records, tmp_path):
    write_published(tmp_path / "x.h5", [replace(records[0], source=SURROGATE)])
    (record,) = read_published(tmp_path / "x.h5")
    assert record.source == SURROGATE


def test_sources_are_not_mixed_and_names_are_unique(records, tmp_path):
    for second, message in (
        (replace(records[1], source=SURROGATE), "one source"),
        (records[0], "got agm000000000 again"),
        (replace(records[1], mat_id="mine/1"), "name without '/'.* got 'mine/1'"),
    ):
        with pytest.raises(ValueError, match=message):
            write_published(tmp_path / "x.h5", [records[0], second])
    assert list(tmp_path.iterdir()) == []


SPOILT = np.full(NUM_ENERGIES, 1j, np.complex64)
SPOILT[7] = np.nan


@pytest.mark.parametrize(
    ("change", "reason", "detail"),
    [
        ({"eps": None}, "missing key", "eps"),
        ({"eps": SPOILT}, "not finite", "eps"),
        ({"eps": np.ones(10, np.complex64)}, "wrong shape", r"\(10,\)"),
        ({"eps": np.ones(NUM_ENERGIES)}, "malformed", "float64"),
        ({"lattice": np.ones(9, np.float32)}, "wrong shape", r"\(3, 3\)"),
        ({"position": np.ones((3, 3), np.float32)}, "wrong shape", r"position of shape \(2, 3\)"),
        ({"drude": "fast"}, "malformed", "drude"),
        ({"e_above_hull": np.nan}, "not finite", "e_above_hull"),
        ({"e_above_hull": 1e300}, "not finite", r"some above 3e\+38"),
        ({"position": np.ones((2, 3), np.float32)}, "no graph", "less than 0.001 Å"),
        ({"lattice": np.ones((3, 3), np.float32)}, "no graph", "singular lattice"),
        ({"atomic_number": np.array([11, 92], np.uint16)}, "no graph", "Bi"),
        ({"atomic_number": np.zeros(2, np.uint16)}, "malformed", "from 1 to 118"),
        ({"atomic_number": np.zeros(0, np.uint16)}, "no atoms", "atomic numbers"),
        ({"atomic_number": np.array([11.0, 17.0])}, "malformed", "float64"),
        ({"composition": 3}, "malformed", "composition as text"),
        ({"mat_id": "agm2"}, "wrong mat_id", "agm2"),
    ],
)
def test_a_faulty_group_is_named(tmp_path, change, reason, detail):
    path = by_hand(tmp_path / "x.h5", **change)
    (bad,) = read_published(path)
    assert isinstance(bad, BadEntry)
    assert (bad.file, bad.reason) == (f"{path}:/agm1", reason)
    assert re.search(detail, bad.detail)


def test_stray_datasets_and_broken_links_are_named(tmp_path):
    path = by_hand(tmp_path / "x.h5")
    with h5py.File(path, "a") as file:
        file["stray"] = 3
        file["dangling"] = h5py.SoftLink("/nowhere")
    outcomes = {
        getattr(o, "file", getattr(o, "mat_id", "")).split("/")[-1]: getattr(o, "reason", "good")
        for o in read_published(path)
    }
    assert outcomes == {"agm1": "good", "stray": "malformed", "dangling": "missing key"}


def test_a_missing_or_foreign_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"x\.h5"):
        next(read_published(tmp_path / "x.h5"))
    (tmp_path / "x.h5").write_bytes(b"pickle")
    with pytest.raises(ValueError, match=r"HDF5 file at .*x\.h5"):
        next(read_published(tmp_path / "x.h5"))


@pytest.fixture
def published(records, tmp_path):
    (tmp_path / "in").mkdir()
    for name, part in zip(("train", "val", "test"), ((0, 8), (8, 10), (10, 12)), strict=True):
        write_published(tmp_path / "in" / f"{name}.h5", records[slice(*part)])
    return tmp_path / "in"


def run(folder, max_bad_share=0.0, allow_partial=True):
    out = folder.parent / "out"
    splits = {name: out / f"{name}.h5" for name in ("train", "val", "test")}
    import_published(
        folder, splits, out / "splits.csv", out / "bad.csv", max_bad_share, allow_partial
    )
    return out


def test_the_splits_are_taken_over(published, records):
    out = run(published)
    with CrystalStore(out / "val.h5") as store:
        assert store.mat_ids == [record.mat_id for record in records[8:10]]
        for ours, theirs in zip(records[8:10], store.records([0, 1]), strict=True):
            assert_same(ours, theirs)
    table = pd.read_csv(out / "splits.csv")
    assert table["mat_id"].tolist() == [record.mat_id for record in records]
    assert table["split"].value_counts().to_dict() == {"train": 8, "val": 2, "test": 2}
    assert pd.read_csv(out / "bad.csv").empty


def test_splits_of_another_size_must_be_allowed(published, monkeypatch):
    with pytest.raises(ValueError, match=r"train has 8 of 160728[^$]*test has 2 of 20454"):
        run(published, allow_partial=False)
    monkeypatch.setattr(published_h5, "PUBLISHED_SPLITS", {"train": 8, "val": 2, "test": 2})
    run(published, allow_partial=False)


def test_a_plan_knows_what_is_not_acceptable(published, monkeypatch, tmp_path):
    assert len(planned_faults(published, allow_partial=False)) == 3
    assert planned_faults(published, allow_partial=True) == []
    assert planned_faults(tmp_path / "nowhere", allow_partial=False) == []
    monkeypatch.setattr(published_h5, "PUBLISHED_SPLITS", {"train": 8, "val": 2, "test": 1})
    assert planned_faults(published, allow_partial=True) == ["test has 2 entries, 1 too many"]
    (published / "val.h5").write_bytes(b"")
    (fault,) = planned_faults(published, allow_partial=True)
    assert "val.h5" in fault


def test_bad_groups_are_quarantined_up_to_a_share(published):
    with h5py.File(published / "train.h5", "a") as file:
        del file["agm000000003/eps"]
    with pytest.raises(ValueError, match=r"max_bad_share.*train\.h5:/agm000000003 .missing key"):
        run(published)
    out = run(published, max_bad_share=0.1)
    with CrystalStore(out / "train.h5") as store:
        assert len(store) == 7
    bad = pd.read_csv(out / "bad.csv")
    assert bad["reason"].tolist() == ["missing key"]
    assert bad["file"][0].endswith("train.h5:/agm000000003")


def test_a_composition_in_two_splits_is_told(published, records, caplog):
    run(published)
    compositions = [{r.composition for r in records[a:b]} for a, b in ((0, 8), (8, 10), (10, 12))]
    times = sum(map(len, compositions)) - len(set.union(*compositions))
    assert times > 0
    assert f"{times} times a composition is in one more split" in caplog.text


def test_a_crystal_in_two_splits_is_an_error(published, records):
    write_published(published / "test.h5", [records[0]])
    with pytest.raises(ValueError, match="got 1 twice: agm000000000"):
        run(published)


def test_a_missing_split_is_named(published):
    (published / "val.h5").unlink()
    with pytest.raises(FileNotFoundError, match=r"val\.h5"):
        run(published)
