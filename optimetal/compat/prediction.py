"""Predictions for a few crystals given as plain arrays."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float

from optimetal.config.architecture import Architecture
from optimetal.graphs.neighbours import CrystalGraph, crystal_graph
from optimetal.graphs.packed import pack
from optimetal.models import CrystalNetwork

TOGETHER: Final = 16
"""Crystals per forward pass: few enough for the three-body pairs of full graphs to fit in memory."""


def predict_crystals(
    model: CrystalNetwork, crystals: Sequence[Mapping[str, Any]]
) -> tuple[Float[np.ndarray, "B num_energies 2"], Float[np.ndarray, " B"]]:
    """Interband dielectric function and Drude frequency of some crystals, from their full graphs.

    Args:
        model: A network; it is put into evaluation mode and used where it is and in its own
            precision.
        crystals: Dictionaries with ``lattice`` (3, 3), rows are vectors, Å; ``atomic_numbers`` (n,);
            ``positions`` (n, 3), Cartesian, Å. More keys do no harm. Lengths are rounded to single
            precision, as in the published data, so that shells at a cutoff are the same.

    Returns:
        (B, NUM_ENERGIES, 2) real and imaginary part, and (B,) eV.

    Raises:
        ValueError: If there is no crystal, or one lacks a key or is none; its position is named.
    """
    if not crystals:
        raise ValueError("Expected at least one crystal to predict, got none.")
    graphs = [
        _graph(number, crystal, model.architecture) for number, crystal in enumerate(crystals)
    ]
    batches = [
        _predict(model.eval(), graphs[start : start + TOGETHER])
        for start in range(0, len(graphs), TOGETHER)
    ]
    eps_inter, drude_frequency = zip(*batches, strict=True)
    return np.concatenate(eps_inter), np.concatenate(drude_frequency)


def _graph(number: int, crystal: Mapping[str, Any], architecture: Architecture) -> CrystalGraph:
    try:
        return crystal_graph(
            np.asarray(crystal["lattice"], np.float32).astype(float),
            np.asarray(crystal["atomic_numbers"]),
            np.asarray(crystal["positions"], np.float32).astype(float),
            architecture.cutoff,
            architecture.triplet_cutoff,
        )
    except KeyError as error:
        raise ValueError(
            f"crystal {number} has no {error}: expected lattice, atomic_numbers and positions, found "
            f"{', '.join(crystal) or 'nothing'}"
        ) from error
    except ValueError as error:
        raise ValueError(f"crystal {number}: {error}") from error


@torch.inference_mode()
def _predict(
    model: CrystalNetwork, graphs: Sequence[CrystalGraph]
) -> tuple[np.ndarray, np.ndarray]:
    weights = next(model.parameters())
    packed = pack(
        graphs,
        model.architecture.cutoff,
        model.architecture.triplet_cutoff,
        real_type="float64" if weights.dtype == torch.float64 else "float32",
    )
    predictions = model(packed.batch(torch.arange(len(graphs))).to(weights.device, weights.dtype))
    return tuple(predictions[name].cpu().numpy() for name in ("eps_inter", "drude_frequency"))
