"""Sections of a published configuration: dictionaries whose keys, types and defaults are known."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar

Section = Mapping[str, Any]
Value = TypeVar("Value")

REQUIRED: Final = object()
"""Stands for the default of a key that has none."""


def read_typed(
    name: str, given: Section, known: Mapping[str, Section], ignored: Iterable[str] = ()
) -> tuple[str, dict[str, Any]]:
    """Type of a section, and its values with the defaults of that type.

    Args:
        name: Key of the section, for messages.
        given: The section; its key ``type`` says which keys it may have.
        known: Type -> key -> default or ``REQUIRED``.
        ignored: Keys that are accepted and have no effect.

    Raises:
        ValueError: If it is no dictionary, the type or a key is unknown, or a key is missing.
    """
    _check_mapping(name, given)
    kind = str(given.get("type"))
    values = {key: value for key, value in given.items() if key != "type"}
    return kind, read(name, values, choose("type", name, kind, known), ignored)


def read(name: str, given: Section, known: Section, ignored: Iterable[str] = ()) -> dict[str, Any]:
    """Values of a section without types; arguments and errors as those of :func:`read_typed`."""
    _check_mapping(name, given)
    unknown = given.keys() - known.keys() - set(ignored)
    if unknown:
        raise ValueError(
            f"unknown key {_listed(unknown)} in published `{name}`: known are {_listed(known)}"
        )
    values = {**known, **{key: value for key, value in given.items() if key in known}}
    missing = [key for key, value in values.items() if value is REQUIRED]
    if missing:
        raise ValueError(f"missing key {_listed(missing)} in published `{name}`")
    return values


def choose(what: str, section: str, name: object, known: Mapping[str, Value]) -> Value:
    """What a published name stands for.

    Raises:
        ValueError: If the name is unknown; the message says what is known.
    """
    if not isinstance(name, str) or name not in known:
        raise ValueError(
            f"unknown {what} {name!r} in published `{section}`: known are {', '.join(known)}"
        )
    return known[name]


def _check_mapping(name: str, given: object) -> None:
    if not isinstance(given, Mapping):
        raise ValueError(f"published `{name}` must be a dictionary, got {given!r}")


def _listed(names: Iterable[object]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names, key=str)) or "none"
