"""Architectures and weights of the published code, under our names."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import torch
from pydantic import TypeAdapter
from torch import Tensor

from optimetal.config.architecture import Architecture
from optimetal.models import CrystalNetwork, build_model

Section = Mapping[str, Any]
_REQUIRED: Final = object()

# type -> key -> published default; a key that is accepted and has no effect is in _IGNORED
_NODE_EMBEDDINGS: Final = {"atom": {"embedding_dim": _REQUIRED}, "group_period": {}}
_ENVELOPE: Final = {"apply_envelope": False, "envelope_exp": 4}
_EDGE_EMBEDDINGS: Final = {
    "gaussian": {"num_basis": _REQUIRED, "basis_width": 2.0, **_ENVELOPE},
    "bessel": {"num_basis": _REQUIRED, "trainable": False, **_ENVELOPE},
}
_CONVOLUTIONS: Final = {
    "cgconv": {"hidden_multiplier": 4},
    "gatv2": {"heads": _REQUIRED, "hidden_multiplier": 4},
    "transformer": {"heads": _REQUIRED, "hidden_multiplier": 4},
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
_ARCHITECTURES: Final = {
    "optimate": {},
    "optimetal_2b": {
        **_SHARED,
        "edge_embedding_dict": {**_GAUSSIANS, "apply_envelope": True},
        "message_passing_dict": {**_ATTENTION, "num_layers": 2},
    },
    "optimetal_2b_no_residual": {
        **_SHARED,
        "edge_embedding_dict": _REQUIRED,
        "message_passing_dict": _REQUIRED,
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


def architecture_from_published(architecture: Section) -> Architecture:
    """Our settings for a published architecture.

    Args:
        architecture: The section ``architecture`` of a published configuration. Keys that it leaves
            out take their published defaults, which differ from ours.

    Raises:
        ValueError: If a key or type is unknown, a key without default is missing or a value is out
            of range.
    """
    kind, given = _read_typed("architecture", architecture, _ARCHITECTURES)
    return TypeAdapter(Architecture).validate_python({"type": kind, **_translate(kind, given)})


def _translate(kind: str, given: dict[str, Any]) -> dict[str, Any]:
    if kind == "optimate":
        return {}
    node_type, node = _read_typed(
        "node_embedding_dict", given["node_embedding_dict"], _NODE_EMBEDDINGS
    )
    pooling_type, pooling = _read_typed("pooling_dict", given["pooling_dict"], _POOLINGS)
    return {
        "node_embedding": {"type": node_type, **node},
        "edge_embedding": _edge_embedding(given["edge_embedding_dict"]),
        "pooling": {"type": pooling_type, **pooling},
        "hidden_dim": given["hidden_dim"],
        "spectra_dim": given["spectra_dim"],
        "depth": given["depth"],
        "activation": re.sub("[-_ ]", "", given["activation"]).lower(),
        "cutoff": given["twobody_cutoff"],
        **_interaction(kind, given),
    }


def _edge_embedding(given: Section) -> dict[str, Any]:
    kind, values = _read_typed("edge_embedding_dict", given, _EDGE_EMBEDDINGS)
    exponent = values.pop("envelope_exp")
    return {
        "type": kind,
        "envelope_exponent": exponent if values.pop("apply_envelope") else None,
        **values,
    }


def _interaction(kind: str, given: dict[str, Any]) -> dict[str, Any]:
    if kind == "optimetal_3b":
        return _triplet_block(given)
    if kind == "optimetal_2b":
        section = _convolution("message_passing_dict", given, num_layers=_REQUIRED)
    else:  # was never validated: only two keys have an effect, others do no harm
        known = {"num_layers": _REQUIRED, "heads": _REQUIRED}
        read = {k: v for k, v in given["message_passing_dict"].items() if k in known}
        section = _read("message_passing_dict", read, known)
    return {"message_passing": section}


def _triplet_block(given: dict[str, Any]) -> dict[str, Any]:
    names = ("num_layers", "edge_graph_mp_dict", "node_graph_mp_dict")
    known: Section = {name: _REQUIRED for name in names}
    block = _read("triplet_block_dict", given["triplet_block_dict"], known)
    angle = _read("angle_embedding_dict", given["angle_embedding_dict"], {"l_max": _REQUIRED})
    return {
        "angle_embedding": angle,
        "num_layers": block["num_layers"],
        "edge_message_passing": _convolution("edge_graph_mp_dict", block),
        "node_message_passing": _convolution("node_graph_mp_dict", block),
    }


def _convolution(name: str, sections: Section, **more: object) -> dict[str, Any]:
    known = {kind: {**keys, **more} for kind, keys in _CONVOLUTIONS.items()}
    kind, values = _read_typed(name, sections[name], known)
    return {"type": kind, **values}


def _read_typed(
    name: str, given: Section, known: Mapping[str, Section]
) -> tuple[str, dict[str, Any]]:
    """Type of a section, and its values with the defaults of that type."""
    kind = str(given.get("type"))
    if kind not in known:
        raise ValueError(
            f"unknown type {kind!r} in published `{name}`: known are {', '.join(known)}"
        )
    values = {key: value for key, value in given.items() if key != "type"}
    return kind, _read(name, values, known[kind])


def _read(name: str, given: Section, known: Section) -> dict[str, Any]:
    """Values of a section, with the defaults where it gives none."""
    ignored = _IGNORED.get(name, set())
    unknown = given.keys() - known.keys() - ignored
    if unknown:
        raise ValueError(
            f"unknown key {_listed(unknown)} in published `{name}`: known are {_listed(known)}"
        )
    values = {**known, **{key: value for key, value in given.items() if key in known}}
    missing = [key for key, value in values.items() if value is _REQUIRED]
    if missing:
        raise ValueError(f"missing key {_listed(missing)} in published `{name}`")
    return values


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names)) or "none"


_ANGLE_CONSTANT: Final = re.compile(r"angle_embedding\.c[0-4]")
"""Prefactors of the spherical harmonics, stored with published weights; ours are computed."""


def load_published(architecture: Section, state_dict: Mapping[str, Tensor]) -> CrystalNetwork:
    """Network with published weights.

    Args:
        architecture: The section ``architecture`` of the published configuration.
        state_dict: Published parameter and buffer names -> values, of any floating-point type.

    Returns:
        The network in single precision, in evaluation mode.

    Raises:
        ValueError: If the architecture is not known, or a tensor is missing, superfluous or of
            another shape.
    """
    with torch.device("meta"):  # no initial weights: they would be thrown away
        network = build_model(architecture_from_published(architecture))
    ours = {_published_name(name, architecture["type"]): name for name in network.state_dict()}
    given = {k: v for k, v in state_dict.items() if not _ANGLE_CONSTANT.fullmatch(k)}
    expected = {theirs: network.state_dict()[name] for theirs, name in ours.items()}
    _compare(given, expected)
    network.load_state_dict(
        {ours[k]: v.detach().to(expected[k].dtype, copy=True) for k, v in given.items()},
        assign=True,
    )
    return network.eval()


def _published_name(name: str, kind: str) -> str:
    """Published name of one of our parameters or buffers."""
    part, _, rest = name.partition(".")
    if part == "trunk":
        return rest
    spectrum = "mlp_eps_imag" if kind == "optimate" else "spectra_mlp"
    target, _, rest = rest.partition(".mlp.")
    return f"{({'eps_inter': spectrum, 'drude_frequency': 'drude_mlp'})[target]}.{rest}"


def _compare(given: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    faults = [f"{name} is missing" for name in expected.keys() - given.keys()] + [
        f"{name} belongs to no layer" for name in given.keys() - expected.keys()
    ]
    for name in given.keys() & expected.keys():
        if given[name].shape != expected[name].shape:
            faults.append(
                f"{name} has shape {tuple(given[name].shape)} instead of "
                f"{tuple(expected[name].shape)}"
            )
    if faults:
        raise ValueError(
            "the weights do not fit the architecture; are both of the same run? "
            + "; ".join(sorted(faults))
        )
