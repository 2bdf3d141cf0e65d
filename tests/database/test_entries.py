"""Decoding of database entries, against pymatgen's own reading of the same file."""

import gc
import json

import numpy as np
import pytest
from monty.serialization import loadfn

from optimetal.database.entries import (
    AB_INITIO,
    SURROGATE,
    EntryError,
    entry_folders,
    read_entry,
)


def test_a_record_is_what_pymatgen_reads(database):
    for path in sorted(database.glob("*/*.json")):
        record, reference = read_entry(path), loadfn(path)
        structure, data = reference.structure, reference.data
        assert record.mat_id == data["mat_id"]
        assert record.composition == structure.composition.reduced_formula
        assert record.source == AB_INITIO
        np.testing.assert_allclose(record.lattice, structure.lattice.matrix, rtol=1e-6)
        np.testing.assert_allclose(record.positions, structure.cart_coords, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(record.atomic_numbers, structure.atomic_numbers)
        assert record.drude_frequency == pytest.approx(np.sqrt(np.mean(data["drude_freq"] ** 2)))
        eps = (data["eps_inter_re"] + 1j * data["eps_inter_im"])[:, 1:].mean(axis=1)
        np.testing.assert_allclose(record.eps_inter, eps, rtol=1e-6, atol=1e-6)
        assert record.eps_inter.dtype == np.complex64
        assert record.e_above_hull == 0.02


def change(path, edit):
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def drop_spectrum(content):
    del content["data"]["eps_inter_im"]


def shorten_spectrum(content):
    content["data"]["eps_inter_re"]["data"].pop()


def spoil_spectrum(content):
    content["data"]["eps_inter_re"]["data"][7][2] = float("nan")


def shift_grid(content):
    for row in content["data"]["eps_inter_im"]["data"]:
        row[0] += 0.005


def remove_atoms(content):
    content["structure"]["sites"] = []


def mix_site(content):
    content["structure"]["sites"][0]["species"][0]["occu"] = 0.5


def two_drude_frequencies(content):
    content["data"]["drude_freq"] = [1.0, 2.0]


def text_lattice(content):
    content["structure"]["lattice"]["matrix"] = "cubic"


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (drop_spectrum, "missing key"),
        (shorten_spectrum, "wrong shape"),
        (spoil_spectrum, "not finite"),
        (shift_grid, "energy grid"),
        (remove_atoms, "no atoms"),
        (mix_site, "disordered"),
        (two_drude_frequencies, "wrong shape"),
        (text_lattice, "malformed"),
    ],
)
def test_a_faulty_record_has_a_reason(writer, tmp_path, edit, reason):
    make, write = writer
    path = write(tmp_path, make("agm000000001", ["Cu", "Au"]))
    change(path, edit)
    with pytest.raises(EntryError) as caught:
        read_entry(path)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("content", "reason"),
    [("{'half", "unreadable"), ("", "unreadable"), ("[1, 2]", "malformed")],
)
def test_a_faulty_file_has_a_reason(tmp_path, content, reason):
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(EntryError, match=reason):
        read_entry(path)


def test_surrogate_entries_are_told_apart(writer, tmp_path):
    make, write = writer
    path = write(tmp_path, make("tbs1-1-000001", ["Cu"]))
    change(path, lambda content: content["data"].update(is_dft=False))
    assert read_entry(path).source == SURROGATE


def test_entries_are_listed_by_folder_and_name(database):
    folders = entry_folders(database)
    assert [folder.name for folder in folders] == [f"database_nsite_{n}_part_1" for n in (1, 2)]
    for folder, files in folders.items():
        assert [file.name for file in files] == sorted(path.name for path in folder.iterdir())
        for file in files:
            stat = (folder / file.name).stat()
            assert (file.size, file.modified) == (stat.st_size, stat.st_mtime_ns)


def test_unfinished_files_are_no_entries(tmp_path):
    folder = tmp_path / "database_nsite_1_part_1"
    folder.mkdir()
    for name in ("a.json", ".b.json", "c.json.part", "d.txt"):
        (folder / name).touch()
    (tmp_path / "database.json").touch()
    assert [file.name for file in entry_folders(tmp_path)[folder]] == ["a.json"]


def test_decoding_sets_off_at_most_one_search_for_garbage(database):
    (path, *_) = database.glob("*/*.json")
    read_entry(path)
    gc.collect()
    searches = []
    gc.callbacks.append(lambda phase, info: searches.append(phase))
    try:
        for _ in range(5):
            read_entry(path)
    finally:
        gc.callbacks.pop()
    assert searches.count("start") <= 5  # one per entry, afterwards; without the pause hundreds
    assert gc.isenabled()


def test_an_empty_folder_is_named(tmp_path):
    (tmp_path / "database_nsite_1_part_1").mkdir()
    with pytest.raises(FileNotFoundError, match="database_"):
        entry_folders(tmp_path)
