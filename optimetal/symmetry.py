"""Symmetry as spglib finds it, whatever its version."""

import warnings
from collections.abc import Callable
from typing import Any

import spglib


class SymmetryError(ValueError):
    """A cell that spglib can make no sense of."""


def call_spglib(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What a function of spglib finds.

    Its versions report failure by None, with a deprecation at every call, or by an exception.

    Raises:
        SymmetryError: If it finds nothing, for instance because atoms coincide.
    """
    reason = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            found = function(*args, **kwargs)
        except getattr(spglib, "SpglibError", ()) as error:
            found, reason = None, error
    if found is None:
        raise SymmetryError(
            f"expected a cell that spglib finds symmetries of, got none "
            f"({reason or 'no reason given'}): do atoms coincide, or are lattice vectors parallel?"
        ) from reason
    return found
