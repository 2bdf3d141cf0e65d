"""Settings that a study varies: which there are, every combination of them, and their names.

A setting is known by its path, such as ``architecture.message_passing.num_layers``. Its values are numbers, text, or
whole sections, which replace the model's own.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from itertools import product
from typing import Any, Final, NamedTuple, get_args

from pydantic import BaseModel, TypeAdapter

from optimetal.config.architecture import Architecture
from optimetal.config.training import TrainingSettings

Choice = Mapping[str, Any]
"""Path of a setting -> its value."""

LEARNING_RATE: Final = "training.learning_rate"
WEIGHT_DECAY: Final = "training.weight_decay"
SEARCHED: Final = (LEARNING_RATE, WEIGHT_DECAY)
"""What a search finds."""

_INSTEAD: Final = {
    "architecture.hidden_dim": "use `widths`, which keep the ratio of the spectrum head",
    "architecture.type": "declare another model",
}
_LONGEST_NAME: Final = 120
"""Longer names of variants are shortened: file names end at 255 characters."""
_LONGEST_SHORT_NAME: Final = 80
"""Longer ones than this still are cut to types and a hash."""

_ARCHITECTURE: Final = TypeAdapter(Architecture)


class Network(NamedTuple):
    """What decides a training, apart from data and seed."""

    architecture: Architecture
    training: TrainingSettings


def combinations(vary: Mapping[str, Iterable[Any]]) -> list[dict[str, Any]]:
    """Every combination of the values of some settings.

    Args:
        vary: Path -> values. A key of several paths with commas between them gives these the same value. In a section,
            a list stands for each of its values: ``{type: atom, embedding_dim: [16, 32]}`` are two sections.
    """
    values = [list(sections(values)) for values in vary.values()]
    return [
        {path: value for key, value in zip(vary, chosen, strict=True) for path in paths(key)}
        for chosen in product(*values)
    ]


def paths(key: str) -> list[str]:
    """Paths of a key of ``vary``."""
    return [path.strip() for path in key.split(",")]


def sections(values: Iterable[Any]) -> Iterator[Any]:
    """The values, with every section that holds lists as all sections that it stands for."""
    for value in values:
        if not isinstance(value, Mapping):
            yield value
            continue
        entries = [v if isinstance(v, list | tuple) else [v] for v in value.values()]
        for chosen in product(*entries):
            yield dict(zip(value, chosen, strict=True))


def with_choice(network: Network, choice: Choice) -> Network:
    """The network with some settings replaced.

    Raises:
        ValueError: If there is no such setting (the likely one is named), or it does not take the value.
    """
    if not choice:
        return network
    content = {
        "architecture": network.architecture.model_dump(),
        "training": network.training.model_dump(),
    }
    for path, value in choice.items():
        _place(content, path, value)
    return Network(
        _ARCHITECTURE.validate_python(content["architecture"]),
        TrainingSettings.model_validate(content["training"]),
    )


def setting(network: Any, path: str) -> Any:
    """Value of a setting, or None where the network has none of this path.

    Args:
        network: Anything with ``architecture`` and ``training``.
        path: Path of the setting.
    """
    value = network
    for key in path.split("."):
        value = getattr(value, key, None)
    return value


def variant(network: Network, own: Network, varied: Iterable[str]) -> str:
    """Name of what differs from the model's own settings; "" where nothing does.

    It depends on the differences alone, so other studies never change it. The learning rate is left out, since the
    name of every training has it. A long name, as of combinations, has types in place of settings and initials in place
    of words, such as "bessel.nb64_gatv2.h8.hm4_set2set.ps2"; where that is long, too, types and a hash.

    Args:
        network: With the varied settings.
        own: Without.
        varied: Paths of the varied settings.
    """
    different = {
        path: setting(network, path)
        for path in sorted(set(varied) - {LEARNING_RATE})
        if setting(network, path) != setting(own, path)
    }
    name = "_".join(path.partition(".")[2] + _named(value) for path, value in different.items())
    if len(name) <= _LONGEST_NAME:
        return name
    short = "_".join(_short(network, path, value) for path, value in different.items())
    if len(short) <= _LONGEST_SHORT_NAME:
        return short
    kinds = [value.type for value in different.values() if hasattr(value, "type")]
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return "-".join([*dict.fromkeys(kinds), digest])


def in_words(value: Any) -> Any:
    """A value for tables: sections as text such as "gatv2, heads 4, hidden_multiplier 2"."""
    if not isinstance(value, BaseModel):
        return value
    entries = value.model_dump(exclude={"type"})
    details = [f"{key} {_text(entry)}" for key, entry in entries.items()]
    return ", ".join([str(getattr(value, "type", "")), *details])


def as_choice(network: Any, varied: Iterable[str]) -> dict[str, Any]:
    """Values of some settings as plain content, which :func:`with_choice` takes."""
    values = {path: setting(network, path) for path in varied}
    return {
        path: value.model_dump(mode="json") if isinstance(value, BaseModel) else value
        for path, value in values.items()
    }


def key_of(choice: Choice) -> str:
    """Text that equal choices share."""
    return json.dumps(choice, sort_keys=True)


def hidden_multiplier(choice: Choice) -> int | None:
    """Hidden multiplier in a choice of settings, as a value or within a section; None where there is none."""
    for path, value in choice.items():
        if path.endswith(".hidden_multiplier"):
            return value
        if isinstance(value, Mapping) and "hidden_multiplier" in value:
            return value["hidden_multiplier"]
    return None


def _place(content: dict[str, Any], path: str, value: Any) -> None:
    if path in _INSTEAD:
        raise ValueError(f"`{path}` cannot be varied: {_INSTEAD[path]}")
    *parents, last = path.split(".")
    section: Any = content
    for key in parents:
        section = section.get(key) if isinstance(section, Mapping) else None
    if not parents or not isinstance(section, Mapping) or last not in section:
        known = get_close_matches(path, list(_known(content)), 1, cutoff=0.0)
        raise ValueError(f"unknown setting `{path}`; did you mean `{known[0]}`?")
    section[last] = value  # pyright: ignore[reportIndexIssue]  (of the dump, a dictionary)


def _known(content: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Paths of all settings."""
    for key, value in content.items():
        if above:
            yield above + key
        if isinstance(value, Mapping):
            yield from _known(value, f"{above}{key}.")


def _named(value: Any) -> str:
    if not isinstance(value, BaseModel):
        return _text(value)
    entries = value.model_dump(exclude={"type"}, exclude_defaults=True)
    return "".join(
        [
            f".{getattr(value, 'type', '')}",
            *(f".{key}{_text(entry)}" for key, entry in entries.items()),
        ]
    )


def _short(network: Network, path: str, value: Any) -> str:
    """The same in few letters; different settings or values never share them."""
    if not isinstance(value, BaseModel):
        return _initials_of(network, path) + _text(value)
    kind = getattr(value, "type", "")
    known_by_type = _places_for(kind, network.architecture) == 1
    details = [
        _initials(key, type(value).model_fields) + _text(entry)
        for key, entry in value.model_dump(exclude={"type"}, exclude_defaults=True).items()
    ]
    place = "" if known_by_type else _initials_of(network, path)
    return ".".join(filter(None, [place, kind, *details]))


def _initials_of(network: Network, path: str) -> str:
    """The keys of a path after the first, each as its initials."""
    part, *keys = path.split(".")
    section: Any = getattr(network, part)
    beside = [key for settings in network for key in type(settings).model_fields]
    words = []
    for key in keys:
        words.append(_initials(key, beside))
        section = getattr(section, key)
        beside = list(type(section).model_fields) if isinstance(section, BaseModel) else []
    return ".".join(words)


def _initials(key: str, beside: Iterable[str]) -> str:
    """Initials of the words of a key, or all of it where another key beside it has the same."""
    initials = ["".join(word[0] for word in name.split("_")) for name in (key, *beside)]
    return initials[0] if initials.count(initials[0]) == 2 else key  # its own, twice


def _places_for(kind: str, architecture: BaseModel) -> int:
    """How many keys of an architecture may hold a section of this type."""
    sections = [
        [getattr(section, "model_fields", {}) for section in get_args(field.annotation)]
        for field in type(architecture).model_fields.values()
    ]
    return sum(
        any("type" in fields and fields["type"].default == kind for fields in possible)
        for possible in sections
    )


def _text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
