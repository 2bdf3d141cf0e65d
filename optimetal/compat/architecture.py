"""Published architectures, under our names."""

import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import TypeAdapter

from optimetal.compat.sections import REQUIRED, Section, read, read_typed
from optimetal.config.architecture import Architecture

# type -> key -> published default; a key that is accepted and has no effect is in _IGNORED
_NODE_EMBEDDINGS: Final = {"atom": {"embedding_dim": REQUIRED}, "group_period": {}}
_ENVELOPE: Final = {"apply_envelope": False, "envelope_exp": 4}
_EDGE_EMBEDDINGS: Final = {
    "gaussian": {"num_basis": REQUIRED, "basis_width": 2.0, **_ENVELOPE},
    "bessel": {"num_basis": REQUIRED, "trainable": False, **_ENVELOPE},
}
_CONVOLUTIONS: Final = {
    "cgconv": {"hidden_multiplier": 4},
    "gatv2": {"heads": REQUIRED, "hidden_multiplier": 4},
    "transformer": {"heads": REQUIRED, "hidden_multiplier": 4},
}
_POOLINGS: Final = {
    "mean": {},
    "scalar_attention": {},
    "vector_attention": {},
    "set2set": {"processing_steps": 3},
}
_IGNORED: Final = {
    "node_embedding_dict": {"num_elements"},  # the table always has 83 rows
    "message_passing_dict": {"activation"},  # that of the network is used
    "edge_graph_mp_dict": {"activation", "num_layers"},  # always one layer
    "node_graph_mp_dict": {"activation", "num_layers"},
    "pooling_dict": {"activation"},  # gates are linear
}
_SHARED: Final = {
    "node_embedding_dict": {"type": "atom", "embedding_dim": 64},
    "pooling_dict": {"type": "vector_attention"},
    "hidden_dim": 256,
    "spectra_dim": 2048,
    "depth": 2,
    "activation": "relu",
    "twobody_cutoff": 5.5,
}
_GAUSSIANS: Final = {"type": "gaussian", "num_basis": 64, "basis_width": 2.0}
_ATTENTION: Final = {"type": "transformer", "heads": 4}
_TWO_BODY: Final = {**_SHARED, "edge_embedding_dict": {**_GAUSSIANS, "apply_envelope": True}}
_ARCHITECTURES: Final = {
    "optimate": {},
    "optimetal_2b": {**_TWO_BODY, "message_passing_dict": {**_ATTENTION, "num_layers": 2}},
    "optimetal_2b_no_residual": {
        **_TWO_BODY,
        "message_passing_dict": {"type": "gatv2", "heads": 4, "num_layers": 2},
    },
    "optimetal_3b": {
        **_SHARED,
        "edge_embedding_dict": _GAUSSIANS,
        "angle_embedding_dict": {"l_max": 3},
        "triplet_block_dict": {
            "num_layers": 2,
            "edge_graph_mp_dict": _ATTENTION,
            "node_graph_mp_dict": _ATTENTION,
        },
    },
}
_PAIR_CUTOFF: Final = 4.0
"""Å; longest edge of a three-body pair in every published graph."""


def architecture_from_published(architecture: Section) -> Architecture:
    """Our settings for a published architecture.

    Args:
        architecture: The section ``architecture`` of a published configuration. Keys that it leaves
            out take their published defaults, which differ from ours.

    Raises:
        ValueError: If a key or type is unknown, a key without default is missing or a value is out
            of range.
    """
    if isinstance(architecture, Mapping):  # what follows names the fault where it is none
        given = {key: value for key, value in architecture.items() if value is not None}
        kind = str(architecture.get("type")).lower()
        # the published OptiMate is built from nothing but its type, whatever else is given
        architecture = {"type": kind} if kind == "optimate" else {**given, "type": kind}
    kind, values = read_typed("architecture", architecture, _ARCHITECTURES)
    return TypeAdapter(Architecture).validate_python({"type": kind, **_translate(kind, values)})


def _translate(kind: str, given: dict[str, Any]) -> dict[str, Any]:
    if kind == "optimate":
        return {}
    return {
        "node_embedding": _section("node_embedding_dict", given, _NODE_EMBEDDINGS),
        "edge_embedding": _edge_embedding(given),
        "pooling": _section("pooling_dict", given, _POOLINGS),
        "hidden_dim": given["hidden_dim"],
        "spectra_dim": given["spectra_dim"],
        "depth": given["depth"],
        "activation": re.sub("[-_ ]", "", str(given["activation"])).lower(),
        "cutoff": given["twobody_cutoff"],
        **_interaction(kind, given),
    }


def _edge_embedding(given: Section) -> dict[str, Any]:
    values = _section("edge_embedding_dict", given, _EDGE_EMBEDDINGS)
    exponent = values.pop("envelope_exp")
    enveloped = values.pop("apply_envelope")
    return {**values, "envelope_exponent": exponent if enveloped else None}


def _interaction(kind: str, given: dict[str, Any]) -> dict[str, Any]:
    if kind == "optimetal_3b":
        return _triplet_block(given)
    if kind == "optimetal_2b":
        section = _convolution("message_passing_dict", given, num_layers=REQUIRED)
    else:  # was hardly validated: only these keys have an effect, others do no harm
        section = given["message_passing_dict"]
        if isinstance(section, Mapping):
            section = {"type": "gatv2", **section}  # the only type; it may be left out
        known = {"gatv2": {"num_layers": REQUIRED, "heads": REQUIRED}}
        _, section = read_typed("message_passing_dict", section, known, ignored=section)
    return {"message_passing": section}


def _triplet_block(given: dict[str, Any]) -> dict[str, Any]:
    names = ("num_layers", "edge_graph_mp_dict", "node_graph_mp_dict")
    known: Section = {name: REQUIRED for name in names}
    block = read("triplet_block_dict", given["triplet_block_dict"], known)
    angle = read("angle_embedding_dict", given["angle_embedding_dict"], {"l_max": REQUIRED})
    return {
        "triplet_cutoff": _pair_cutoff(given["twobody_cutoff"]),
        "angle_embedding": angle,
        "num_layers": block["num_layers"],
        "edge_message_passing": _convolution("edge_graph_mp_dict", block),
        "node_message_passing": _convolution("node_graph_mp_dict", block),
    }


def _pair_cutoff(edge_cutoff: object) -> object:
    """A published cutoff for edges may be the shorter one; pairs are made of what edges there are."""
    shorter = isinstance(edge_cutoff, int | float) and edge_cutoff < _PAIR_CUTOFF
    return edge_cutoff if shorter else _PAIR_CUTOFF


def _convolution(name: str, sections: Section, **more: object) -> dict[str, Any]:
    known = {kind: {**keys, **more} for kind, keys in _CONVOLUTIONS.items()}
    return _section(name, sections, known)


def _section(name: str, sections: Section, known: Mapping[str, Section]) -> dict[str, Any]:
    kind, values = read_typed(name, sections[name], known, _IGNORED.get(name, ()))
    return {"type": kind, **values}
