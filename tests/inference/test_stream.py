"""Many files through the networks: order, faults, processes, memory."""

import os
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.vasp import Poscar

from optimetal.inference import predict as predict_module
from optimetal.inference import stream
from optimetal.inference.predict import predict
from optimetal.inference.stream import Candidate, predict_files, prepare_files
from optimetal.inference.structures import StructureFile, find_files


@pytest.fixture
def folder(tmp_path):
    """Crystals 0 to 8 of growing size as POSCARs, and two files that are none."""
    folder = tmp_path / "crystals"
    folder.mkdir()
    for number in range(9):
        lattice = Lattice.cubic(3 + number / 10)
        Poscar(Structure(lattice, ["Cu", "Au"], [[0] * 3, [0.5] * 3])).write_file(
            folder / f"{number}.vasp"
        )
    (folder / "3x.vasp").write_text("nothing")
    (folder / "9.cif").write_text("nothing")
    return folder


NAMES = ["0", "1", "2", "3", "3x", "4", "5", "6", "7", "8", "9"]


def sizes(outcomes):
    """Length of the cell of each crystal, None where it was skipped."""
    return [o.prediction and round(o.prediction.structure.lattice.a, 3) for o in outcomes]


EXPECTED = [3.0, 3.1, 3.2, 3.3, None, 3.4, 3.5, 3.6, 3.7, 3.8, None]


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_outcomes_come_in_order_with_the_bad_among_the_good(ensemble, folder, batch_size):
    outcomes = list(predict_files(ensemble, find_files([folder]), batch_size=batch_size))
    assert [outcome.name for outcome in outcomes] == NAMES
    assert sizes(outcomes) == EXPECTED
    for outcome in outcomes:
        assert bool(outcome.error) == (outcome.prediction is None)
        assert outcome.file.startswith(str(folder))
        if outcome.prediction:
            assert outcome.prediction.name == outcome.name


def test_predictions_are_those_of_the_library(ensemble, folder):
    outcome = next(predict_files(ensemble, find_files([folder])))
    structure = Structure.from_file(folder / "0.vasp")
    expected = predict(structure, ensemble, names="0")
    np.testing.assert_allclose(
        outcome.prediction.eps_inter, expected.eps_inter, rtol=1e-5, atol=1e-5
    )
    assert outcome.prediction.drude_frequency == pytest.approx(expected.drude_frequency, rel=1e-5)
    assert outcome.prediction.warnings == expected.warnings


@pytest.mark.parametrize("option", ["reduce", "passive"])
def test_options_reach_the_networks(ensemble, tmp_path, copper, option):
    Poscar(copper).write_file(tmp_path / "POSCAR")
    files = find_files([tmp_path])
    (given,) = predict_files(ensemble, files, **{option: option == "passive"})
    (other,) = predict_files(ensemble, files, **{option: option != "passive"})
    if option == "reduce":
        assert (len(given.prediction.structure), len(other.prediction.structure)) == (4, 1)
    else:
        assert given.prediction.members_eps_inter.imag.min() >= 0
        assert other.prediction.members_eps_inter.imag.min() < 0


def test_equal_names_are_told_apart(ensemble, folder):
    files = [
        StructureFile(str(folder / f"{number}.vasp"), name)
        for number, name in enumerate(["Cu", "Cu-2", "Cu", "Cu", "Cu-2"])
    ]
    outcomes = list(predict_files(ensemble, files))
    names = [outcome.name for outcome in outcomes]
    assert names == ["Cu", "Cu-2", "Cu-3", "Cu-4", "Cu-2-2"]
    assert [outcome.prediction.name for outcome in outcomes] == names


def test_processes_change_nothing_and_a_crash_costs_one_file(ensemble, folder, monkeypatch):
    """A process that dies over a file is replaced; the others' crystals are the same as without."""
    files = find_files([folder])
    alone = list(prepare_files([f for f in files if f.name != "5"], ensemble.settings))
    monkeypatch.setattr(stream, "_prepare_share", dying_share)
    together = list(prepare_files(files, ensemble.settings, jobs=2))
    assert [c.name for c in together] == NAMES
    crashed = together.pop(NAMES.index("5"))
    assert "ended with code 7" in crashed.error
    for one, other in zip(alone, together, strict=True):
        assert (one.name, one.file, one.error) == (other.name, other.file, other.error)
        assert (one.prepared is None) == (other.prepared is None)
        if one.prepared:
            np.testing.assert_array_equal(
                one.prepared.graph.edge_length, other.prepared.graph.edge_length
            )
            assert one.prepared.structure == other.prepared.structure


def prepare_or_die(structure, name, settings):
    if name == "5":
        os._exit(7)
    from optimetal.inference.preparation import prepare

    return prepare(structure, name, settings)


def dying_share(files, settings, sender):
    """What a process runs, with the trap set in it."""
    stream.prepare = prepare_or_die
    stream._prepare_share(files, settings, sender)


def test_leaving_early_ends_the_processes(ensemble, folder):
    candidates = prepare_files(find_files([folder]), ensemble.settings, jobs=2)
    assert next(candidates).name == "0"
    before = active()
    candidates.close()
    assert before == 2
    assert active() == 0


def active():
    import multiprocessing

    return len(multiprocessing.active_children())


def test_a_process_waits_when_it_is_far_ahead(ensemble, folder, monkeypatch):
    """Its queue holds AHEAD crystals; the rest stays in files."""
    monkeypatch.setattr(stream, "AHEAD", 2)
    reader = stream._Reader(find_files([folder]), ensemble.settings)
    with reader:
        candidates = list(reader.next_file())
        assert [c.name for c in candidates] == ["0"]
        assert reader.ready.qsize() <= 2
    assert not reader.thread.is_alive()


def test_memory_does_not_grow_with_the_number_of_crystals(ensemble, folder):
    few, many = (peak(ensemble, find_files([folder]) * times) for times in (4, 16))
    assert many < 1.2 * few


def peak(ensemble, files):
    list(predict_files(ensemble, files[:4]))
    tracemalloc.start()
    for _ in predict_files(ensemble, files, batch_size=8):
        pass
    _, highest = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return highest


def test_a_batch_that_fails_is_tried_crystal_by_crystal(ensemble, folder, monkeypatch):
    """As when the memory of a device is too small for one of them."""

    def predict_prepared(ensemble, prepared, **options):
        if any(each.name == "2" for each in prepared):
            raise RuntimeError("out of memory")
        return real(ensemble, prepared, **options)

    real = predict_module.predict_prepared
    monkeypatch.setattr(predict_module, "predict_prepared", predict_prepared)
    outcomes = list(predict_files(ensemble, find_files([folder])))
    assert [o.name for o in outcomes if o.error] == ["2", "3x", "9"]
    assert outcomes[2].error == "RuntimeError: out of memory"
    assert len(outcomes) == len(NAMES)


def test_what_the_networks_do_not_know_is_skipped_with_the_reason(ensemble, tmp_path):
    """Elements beyond Bi, and whatever else `prepare` refuses."""
    Poscar(Structure(Lattice.cubic(5), ["U"], [[0, 0, 0]])).write_file(tmp_path / "POSCAR")
    (outcome,) = predict_files(ensemble, find_files([tmp_path]))
    assert "the structure holds U" in outcome.error


def test_doubts_of_the_reader_come_first_among_the_warnings(ensemble, folder, monkeypatch):
    read = stream.read_file
    monkeypatch.setattr(
        stream, "read_file", lambda file: (replace(s, doubts=("odd",)) for s in read(file))
    )
    first: Candidate = next(prepare_files(find_files([folder]), ensemble.settings))
    assert first.prepared is not None
    assert first.prepared.warnings[0] == "odd"


@pytest.mark.parametrize("option", ["jobs", "batch_size"])
def test_counts_must_be_positive(ensemble, option):
    with pytest.raises(ValueError, match=f"{option} must be at least 1, got 0"):
        predict_files(ensemble, [], **{option: 0})


def test_no_files_no_outcomes(ensemble):
    assert list(predict_files(ensemble, [])) == []


def test_processes_that_cannot_start_end_the_run(ensemble, folder, monkeypatch):
    """Otherwise every file would cost a start in vain."""
    monkeypatch.setattr(stream, "_prepare_share", exit_at_once)
    with pytest.raises(ChildProcessError, match="code 5 before they began: read with one job"):
        list(prepare_files(find_files([folder]), ensemble.settings, jobs=2))


def exit_at_once(files, settings, sender):
    os._exit(5)
