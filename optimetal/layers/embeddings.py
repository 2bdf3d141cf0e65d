"""First features of atoms, edges and angles."""

import math
from typing import Final

import torch
from torch import Tensor, nn

from optimetal.config import architecture as settings
from optimetal.graphs.neighbours import MAX_ATOMIC_NUMBER

NOBLE_GASES: Final = (2, 10, 18, 36, 54, 86)
"""Last element of each period."""

_LANTHANIDES: Final = range(57, 72)
_LONG_PERIOD: Final = 18


def group_and_period(atomic_number: int) -> tuple[int, int]:
    """Column and row of an element in the periodic table.

    Args:
        atomic_number: Z, 1 to 86.

    Returns:
        Group 1..18 (lanthanides: 3) and period 1..6.
    """
    period = 1 + sum(atomic_number > last for last in NOBLE_GASES)
    if atomic_number in _LANTHANIDES:
        return 3, period
    before_next_gas = NOBLE_GASES[period - 1] - atomic_number
    since_last_gas = atomic_number - (0, *NOBLE_GASES)[period - 1]
    s_block = since_last_gas <= (1 if period == 1 else 2) and before_next_gas > 0
    return (since_last_gas if s_block else _LONG_PERIOD - before_next_gas), period


def check_elements(atomic_numbers: Tensor) -> None:
    """Refuse elements without features.

    Args:
        atomic_numbers: Z of the atoms, any shape.

    Raises:
        ValueError: If an element is not H (1) to Bi (83).
    """
    wrong = (atomic_numbers < 1) | (atomic_numbers > MAX_ATOMIC_NUMBER)
    if wrong.any():
        raise ValueError(
            f"expected elements from H (Z=1) to Bi (Z={MAX_ATOMIC_NUMBER}), "
            f"got Z={sorted(set(atomic_numbers[wrong].tolist()))}: leave such crystals out"
        )


class AtomEmbedding(nn.Module):
    """One learned vector per element."""

    def __init__(self, embedding_dim: int) -> None:
        """Vectors of ``embedding_dim`` entries."""
        super().__init__()
        self.embedding_dim = embedding_dim
        self.embeddings = nn.Embedding(MAX_ATOMIC_NUMBER, embedding_dim)

    def forward(self, atomic_numbers: Tensor) -> Tensor:
        """(num_nodes,) elements to (num_nodes, embedding_dim)."""
        return self.embeddings(_element_index(atomic_numbers))


class GroupPeriodEmbedding(nn.Module):
    """Group and period, one-hot: 18 + 6 zeros and ones."""

    table: Tensor

    def __init__(self) -> None:
        """The table follows from the periodic system; it is no part of the weights."""
        super().__init__()
        table = torch.zeros(MAX_ATOMIC_NUMBER, _LONG_PERIOD + len(NOBLE_GASES), device="cpu")
        for z in range(1, MAX_ATOMIC_NUMBER + 1):
            group, period = group_and_period(z)
            table[z - 1, group - 1] = table[z - 1, _LONG_PERIOD + period - 1] = 1
        self.embedding_dim = table.size(1)
        self.register_buffer("table", table, persistent=False)

    def forward(self, atomic_numbers: Tensor) -> Tensor:
        """(num_nodes,) elements to (num_nodes, 24)."""
        return self.table.index_select(0, _element_index(atomic_numbers))


def _element_index(atomic_numbers: Tensor) -> Tensor:
    if atomic_numbers.device.type == "cpu":  # on a GPU the check would wait for all work queued
        check_elements(atomic_numbers)
    return atomic_numbers - 1


class Envelope(nn.Module):
    r"""Polynomial that falls from 1 to 0 at the cutoff with vanishing first and second derivative.

    .. math:: u(x) = 1 - \tfrac{(p+1)(p+2)}{2} x^p + p(p+2) x^{p+1} - \tfrac{p(p+1)}{2} x^{p+2},
        \quad x = d / d_c

    for x < 1, else 0 (Gasteiger et al., DimeNet, arXiv 2003.03123, with exponent p).
    """

    def __init__(self, cutoff: float, exponent: int) -> None:
        """Cutoff d_c in Å and exponent p."""
        super().__init__()
        self.cutoff = cutoff
        self.exponent = exponent

    def forward(self, edge_length: Tensor) -> Tensor:
        """Lengths in Å to factors between 0 and 1, same shape."""
        p = self.exponent
        x = edge_length / self.cutoff
        inner = (p + 1) * (p + 2) / 2 - x * (p * (p + 2) - x * (p * (p + 1) / 2))
        return (1 - x.pow(p) * inner) * (x < 1)


class GaussianEmbedding(nn.Module):
    """Gaussians centred on an even grid from 0 to the cutoff."""

    centre: Tensor

    def __init__(
        self, cutoff: float, num_basis: int, basis_width: float, envelope_exponent: int | None
    ) -> None:
        """Cutoff in Å; standard deviation = ``basis_width`` times the spacing of the grid."""
        super().__init__()
        self.embedding_dim = num_basis
        # the published grid is that of single precision, also where the network is double
        centre = torch.linspace(0.0, cutoff, num_basis, dtype=torch.float32, device="cpu")
        self.coefficient = -0.5 / (basis_width * (centre[1] - centre[0]).item()) ** 2
        self.register_buffer("centre", centre, persistent=False)
        self.envelope = _envelope(cutoff, envelope_exponent)

    def forward(self, edge_length: Tensor) -> Tensor:
        """(num_edges,) lengths in Å to (num_edges, num_basis)."""
        distance = edge_length[:, None] - self.centre
        basis = (self.coefficient * distance.square()).exp()
        return basis if self.envelope is None else basis * self.envelope(edge_length)[:, None]


class BesselEmbedding(nn.Module):
    r"""Spherical Bessel functions of order 0 with a node at the cutoff, normalised in the sphere.

    .. math:: b_n(d) = \sqrt{2 / d_c} \, \sin(w_n d / d_c) / d, \quad w_n = n \pi
    """

    def __init__(
        self, cutoff: float, num_basis: int, trainable: bool, envelope_exponent: int | None
    ) -> None:
        """Cutoff d_c in Å; ``trainable`` makes the w_n weights to learn."""
        super().__init__()
        self.cutoff = cutoff
        self.embedding_dim = num_basis
        weights = math.pi * torch.arange(1, num_basis + 1, dtype=torch.float32)
        if trainable:
            self.bessel_weights = nn.Parameter(weights)
        else:
            self.register_buffer("bessel_weights", weights)
        self.envelope = _envelope(cutoff, envelope_exponent)

    def forward(self, edge_length: Tensor) -> Tensor:
        """(num_edges,) lengths in Å to (num_edges, num_basis)."""
        length = edge_length[:, None]
        # in the published order: a phase of many periods keeps its rounding error
        phase = self.bessel_weights * length / self.cutoff
        basis = math.sqrt(2 / self.cutoff) * phase.sin() / length
        return basis if self.envelope is None else basis * self.envelope(length)


def _envelope(cutoff: float, exponent: int | None) -> Envelope | None:
    return None if exponent is None else Envelope(cutoff, exponent)


class AngleEmbedding(nn.Module):
    r"""Real spherical harmonics with m = 0.

    .. math:: Y_l(\cos\theta) = \sqrt{(2l+1) / 4\pi} \, P_l(\cos\theta), \quad l = 0 \dots l_{max}
    """

    def __init__(self, l_max: int) -> None:
        """Highest degree l, 0 to 4."""
        super().__init__()
        self.embedding_dim = l_max + 1

    def forward(self, cosine: Tensor) -> Tensor:
        """(num_triplets,) cosines to (num_triplets, l_max + 1)."""
        legendre = [torch.ones_like(cosine), cosine]
        for n in range(1, self.embedding_dim - 1):  # Bonnet's recursion
            legendre.append(((2 * n + 1) * cosine * legendre[n] - n * legendre[n - 1]) / (n + 1))
        return torch.stack(
            [
                math.sqrt((2 * degree + 1) / (4 * math.pi)) * polynomial
                for degree, polynomial in enumerate(legendre[: self.embedding_dim])
            ],
            dim=1,
        )


def node_embedding(config: settings.NodeEmbedding) -> AtomEmbedding | GroupPeriodEmbedding:
    """The embedding of elements that the settings name."""
    match config:
        case settings.AtomEmbedding():
            return AtomEmbedding(config.embedding_dim)
        case settings.GroupPeriodEmbedding():
            return GroupPeriodEmbedding()


def edge_embedding(
    config: settings.EdgeEmbedding, cutoff: float
) -> GaussianEmbedding | BesselEmbedding:
    """The embedding of edge lengths that the settings name, cutoff in Å."""
    match config:
        case settings.GaussianEmbedding():
            return GaussianEmbedding(
                cutoff, config.num_basis, config.basis_width, config.envelope_exponent
            )
        case settings.BesselEmbedding():
            return BesselEmbedding(
                cutoff, config.num_basis, config.trainable, config.envelope_exponent
            )
