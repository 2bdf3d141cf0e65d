"""Calls of spglib, which reports failure in several ways."""

import warnings

import numpy as np
import pytest
import spglib

from optimetal.symmetry import SymmetryError, call_spglib

FCC = (2.0 * (1 - np.eye(3)), [[0, 0, 0]], [29])
COINCIDING = (4.0 * np.eye(3), [[0, 0, 0], [0, 0, 0]], [29, 29])


def test_what_is_found_is_handed_on():
    assert call_spglib(spglib.get_spacegroup, FCC, symprec=1e-3) == "Fm-3m (225)"
    cube = (4.0 * np.eye(3), [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]], [29] * 4)
    _, _, numbers = call_spglib(spglib.standardize_cell, cube, to_primitive=True, symprec=1e-3)
    assert numbers.tolist() == [29]


def test_nothing_found_is_an_error():
    with pytest.raises(SymmetryError, match=r"got none .*do atoms coincide"):
        call_spglib(spglib.get_symmetry_dataset, COINCIDING, symprec=1e-3)


def fail_with_none(cell):
    warnings.warn("failures will be exceptions", DeprecationWarning, stacklevel=1)


def test_older_versions_return_none():
    with pytest.raises(SymmetryError, match="no reason given"):
        call_spglib(fail_with_none, FCC)


def test_newer_versions_raise(monkeypatch):
    class SpglibError(Exception):
        pass

    def fail(cell):
        raise SpglibError("too short")

    monkeypatch.setattr(spglib, "SpglibError", SpglibError, raising=False)
    with pytest.raises(SymmetryError, match=r"got none \(too short\)"):
        call_spglib(fail, FCC)


def test_other_errors_pass():
    with pytest.raises(TypeError):
        call_spglib(spglib.get_spacegroup, FCC, precision=1)
