"""Published weights in our networks."""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from itertools import islice
from typing import Final

import torch
from torch import Tensor

from optimetal.compat.architecture import architecture_from_published
from optimetal.compat.sections import Section
from optimetal.models import CrystalNetwork, build_model

_ANGLE_CONSTANT: Final = re.compile(r"angle_embedding\.c[0-4]")
"""Prefactors of the spherical harmonics, stored with published weights; ours are computed."""

_LISTED: Final = 8
"""Faults that a message lists; weights of another architecture have hundreds."""


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
    ours = {_published_name(name, network.architecture.type): name for name in network.state_dict()}
    given = {k: v for k, v in state_dict.items() if not _ANGLE_CONSTANT.fullmatch(str(k))}
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
    faults = list(islice(_faults(given, expected), _LISTED + 1))
    if faults:
        listed = [*faults[:_LISTED], *(["and more"] if len(faults) > _LISTED else [])]
        raise ValueError(
            "the weights do not fit the architecture; are both of the same run? "
            + "; ".join(listed)
        )


def _faults(given: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> Iterator[str]:
    for name in sorted(expected.keys() - given.keys()):
        yield f"{name} is missing, expected shape {tuple(expected[name].shape)}"
    for name in sorted(given.keys() - expected.keys(), key=str):
        close = get_close_matches(str(name), expected, n=1)
        yield f"{name} belongs to no layer" + (f", the closest is {close[0]}" if close else "")
    for name in sorted(given.keys() & expected.keys()):
        if not isinstance(given[name], Tensor):
            yield f"{name} is no tensor but of type {type(given[name]).__name__}"
        elif given[name].shape != expected[name].shape:
            yield (
                f"{name} has shape {tuple(given[name].shape)} instead of "
                f"{tuple(expected[name].shape)}"
            )
