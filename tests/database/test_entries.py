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


def move_atoms_together(content):
    for site in content["structure"]["sites"]:
        site["abc"] = [0.1, 0.2, 0.3]


def flatten_cell(content):
    content["structure"]["lattice"]["matrix"][2] = [3.0, 3.0, 0.0]
    content["structure"]["lattice"]["matrix"][1] = [0.0, 3.0, 0.0]
    content["structure"]["lattice"]["matrix"][0] = [3.0, 0.0, 0.0]


def put_uranium(content):
    content["structure"]["sites"][1]["species"][0]["element"] = "U"


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
        (move_atoms_together, "no graph"),
        (flatten_cell, "no graph"),
        (put_uranium, "no graph"),
    ],
)
def test_a_faulty_record_has_a_reason(writer, tmp_path, edit, reason):
    make, write = writer
    path = write(tmp_path, make("agm000000001", ["Cu", "Au"]))
    change(path, edit)
    with pytest.raises(EntryError) as caught:
        read_entry(path)
    assert caught.value.reason == reason


@pytest.mark.parametrize("mat_id", [5, "", "a\0b", "a\ud800", "a\nb"])
def test_names_that_cannot_be_stored_are_refused(writer, tmp_path, mat_id):
    make, write = writer
    path = write(tmp_path, make("agm000000001", ["Cu"]))
    change(path, lambda content: content["data"].update(mat_id=mat_id))
    with pytest.raises(EntryError, match=r"malformed: expected mat_id as printable text, got "):
        read_entry(path)


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
