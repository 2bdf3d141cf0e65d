"""Files of the surrogate database: format, labels, and what happens to interrupted runs."""

import json
import logging
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
from monty.json import MontyDecoder, MontyEncoder
from pymatgen.entries.computed_entries import ComputedStructureEntry

from optimetal.config.surrogate import SurrogateSettings
from optimetal.database.entries import SURROGATE, read_entry
from optimetal.database.surrogate import (
    ConvergenceError,
    generate_crystals,
    optical_response,
    records,
    write_database,
)
from optimetal.optics.grid import ENERGY, NUM_ENERGIES

SETTINGS = SurrogateSettings(num_crystals=6, elements=("Al", "Cu", "Na", "Mg"), seed=5)


def write(folder, settings=SETTINGS, jobs=1):
    write_database(folder, settings, jobs=jobs, progress=False)


def entry_files(folder):
    return sorted(folder.glob("database_*/*.json"), key=lambda path: path.name)


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("surrogate")
    write(path)
    return path


@pytest.fixture
def in_this_process(monkeypatch):
    """Compute without worker processes, so that tests can change what a worker does."""

    @contextmanager
    def process_map(jobs, preload, apart):
        yield map

    monkeypatch.setattr(records, "process_map", process_map)


@pytest.fixture
def quick_response(monkeypatch, in_this_process):
    """A made-up spectrum instead of a calculation; counts the calls."""
    calls = []

    def respond(lattice, atomic_numbers, positions):
        calls.append(len(atomic_numbers))
        return SimpleNamespace(
            eps_inter=np.full(NUM_ENERGIES, 1.0 + 2.0j), drude_frequency=float(len(calls))
        )

    monkeypatch.setattr(records, "optical_response", respond)
    return calls


def test_entries_are_computed_structure_entries(folder):
    crystals = generate_crystals(SETTINGS)
    files = entry_files(folder)
    assert len(files) == len(crystals)
    for path, crystal in zip(files, crystals, strict=True):
        entry = json.loads(path.read_text(), cls=MontyDecoder)
        assert isinstance(entry, ComputedStructureEntry)
        assert path.parent.name == f"database_nsite_{len(entry.structure)}_part_1"
        assert path.stem == entry.data["mat_id"] == f"tbs1-5-{crystal.index:06d}"
        np.testing.assert_allclose(entry.structure.lattice.matrix, crystal.lattice, atol=1e-12)
        np.testing.assert_allclose(entry.structure.cart_coords, crystal.positions, atol=1e-9)
        assert list(entry.structure.atomic_numbers) == crystal.atomic_numbers.tolist()
        response = optical_response(crystal.lattice, crystal.atomic_numbers, crystal.positions)
        for key, spectrum in (
            ("eps_inter_re", response.eps_inter.real),
            ("eps_inter_im", response.eps_inter.imag),
        ):
            array = entry.data[key]
            assert array.shape == (NUM_ENERGIES, 4)
            np.testing.assert_allclose(array[:, 0], ENERGY, atol=1e-12)
            np.testing.assert_allclose(array[:, 1:].T, [spectrum] * 3, atol=5.1e-7)
        drude = np.asarray(entry.data["drude_freq"])
        assert drude.shape == (3,)
        assert np.sqrt(np.mean(drude**2)) == pytest.approx(response.drude_frequency, abs=1e-6)


def test_serialisation_is_that_of_monty(folder):
    """Our faster way to write arrays gives what pymatgen and monty would have written."""
    path = entry_files(folder)[0]
    entry = json.loads(path.read_text(), cls=MontyDecoder)
    expected = json.loads(json.dumps(entry, cls=MontyEncoder))
    expected.pop("@version", None)  # of pymatgen, which the entry itself does not write
    assert json.loads(path.read_text()) == expected


def test_entries_are_labelled(folder):
    for path in entry_files(folder):
        data = json.loads(path.read_text())["data"]
        assert data["is_dft"] is False
        assert data["source"] == "tight-binding surrogate"
        assert data["model_version"] == "tb-surrogate-v1"
        assert data["seed"] == 5
        assert data["units"]["drude_freq"] == "eV"
        assert data["e_above_hull"] == data["synthetic_stability_score"] >= 0
        assert "no convex hull" in data["note_on_e_above_hull"].lower()
        assert "not ab initio" in data["notice"]
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["is_dft"] is False
    assert manifest["settings"] == SETTINGS.model_dump(mode="json")
    assert "say nothing about the DFT database" in manifest["notice"]


def test_the_reader_of_the_project_knows_the_source(folder):
    record = read_entry(entry_files(folder)[0])
    assert record.source == SURROGATE
    assert record.eps_inter.shape == (NUM_ENERGIES,)


def test_files_are_small_and_rounded(folder):
    for path in entry_files(folder):
        assert path.stat().st_size < 250_000
        data = json.loads(path.read_text())["data"]
        real = np.array(data["eps_inter_re"]["data"])
        np.testing.assert_array_equal(real, real.round(6))


def test_same_bytes_for_any_number_of_workers(folder, tmp_path):
    write(tmp_path, jobs=2)
    assert contents(tmp_path) == contents(folder)


def test_an_interrupted_run_continues(folder, tmp_path, in_this_process):
    write(tmp_path)
    files = entry_files(tmp_path)
    kept, lost, half = files[0], files[1], files[2]
    lost.unlink()
    half.rename(half.with_suffix(".unfinished"))
    kept.write_text("finished before")
    write(tmp_path)
    assert kept.read_text() == "finished before"
    expected, got = contents(folder), contents(tmp_path)
    assert got.keys() == expected.keys()
    for path in (lost, half):
        assert read_entry(path).mat_id == path.stem


def test_more_crystals_extend_and_fewer_reduce_a_database(tmp_path, quick_response):
    write(tmp_path)
    assert len(quick_response) == 6
    write(tmp_path, SETTINGS.model_copy(update={"num_crystals": 10}))
    assert len(quick_response) == 10
    write(tmp_path, SETTINGS.model_copy(update={"num_crystals": 4}))
    assert len(quick_response) == 10
    assert len(entry_files(tmp_path)) == 4


@pytest.mark.parametrize(
    "change", [{"elements": ("Al", "Cu", "Na", "Zn")}, {"prototypes": ("CsCl", "Cu")}, {"seed": 6}]
)
def test_files_of_other_settings_are_not_taken(tmp_path, quick_response, change, caplog):
    write(tmp_path)
    with caplog.at_level(logging.WARNING):
        write(tmp_path, SETTINGS.model_copy(update=change))
    assert "6 files of other settings removed" in caplog.text
    assert len(quick_response) == 12
    assert len(entry_files(tmp_path)) == 6


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"settings": 3}'])
def test_files_without_a_valid_manifest_are_not_taken(tmp_path, quick_response, damage):
    write(tmp_path)
    (tmp_path / "manifest.json").write_text(damage)
    write(tmp_path)
    assert len(quick_response) == 12


def test_a_folder_of_another_database_is_refused(tmp_path):
    other = tmp_path / "database_nsite_1_part_1" / "agm000000001.json"
    other.parent.mkdir()
    other.write_text("{}")
    with pytest.raises(ValueError, match=r"got 1 others such as agm000000001\.json"):
        write(tmp_path)
    assert other.exists()


def test_a_crystal_that_does_not_converge_is_replaced(
    tmp_path, monkeypatch, quick_response, caplog
):
    """Crystals 2 and 6 fail: 6, the first replacement, is itself replaced by 7."""
    stream = generate_crystals(SETTINGS.model_copy(update={"num_crystals": 8}))
    failing = [stream[2].lattice, stream[6].lattice]
    respond = records.optical_response

    def sometimes(lattice, atomic_numbers, positions):
        if any(np.array_equal(lattice, bad) for bad in failing):
            raise ConvergenceError("charges slosh")
        return respond(lattice, atomic_numbers, positions)

    monkeypatch.setattr(records, "optical_response", sometimes)
    with caplog.at_level(logging.INFO):
        write(tmp_path)
    assert [path.stem[-1] for path in entry_files(tmp_path)] == list("013457")
    assert "tbs1-5-000002 left out: charges slosh" in caplog.text
    assert "2 rejected" in caplog.text


def test_an_error_in_a_worker_is_not_hidden(tmp_path, monkeypatch, in_this_process):
    def fail(*crystal):
        raise ZeroDivisionError("bug")

    monkeypatch.setattr(records, "optical_response", fail)
    with pytest.raises(ZeroDivisionError, match="bug"):
        write(tmp_path)
    assert not list(tmp_path.glob("database_*/*"))
