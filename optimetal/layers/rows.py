"""Rows of a batch (atoms, edges or three-body pairs) and sums over groups of them.

In a quotient graph a row stands for several equal rows of the full graph. How many is its
*population*: it weights every statistic and every pooling. How many equal messages reach ONE
receiver is the *multiplicity*: it weights aggregation. Both are one throughout a full graph.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar, cast

import torch
from torch import Tensor
from torch_geometric.utils import softmax

F = TypeVar("F", bound=Callable)


def not_compiled(function: F) -> F:
    """A function that torch.compile leaves alone."""
    return cast(F, torch.compiler.disable(function))  # its own type forgets the arguments


@dataclass(frozen=True)
class Population:
    """How many rows of the full graphs each row of a batch stands for."""

    population: Tensor
    """(num_rows,) real, rows of the full graph that each row stands for."""

    @property
    def total(self) -> Tensor:
        """() rows of the full graph in the whole batch."""
        return self.population.sum()

    def share(self, total: Tensor) -> Tensor:
        """(num_rows, 1) share of each row in a mean over ``total`` rows, those of the batch or more."""
        return (self.population / total)[:, None]


@dataclass(frozen=True)
class Rows(Population):
    """Which crystal each row belongs to, and how many rows of the full graph it stands for."""

    graph: Tensor
    """(num_rows,) int64, crystal of each row."""
    num_graphs: int
    """Number of crystals B; some may have no row."""

    @property
    def share_of_graph(self) -> Tensor:
        """(num_rows,) share of each row in a mean over its crystal."""
        total = sum_rows(self.population, self.graph, self.num_graphs)
        return self.population / total.index_select(0, self.graph)


@dataclass(frozen=True)
class SharedRows:
    """A matrix whose equal rows are stored, and worked on, once.

    First features depend on an element, a length or a cosine alone, and few of these differ in a batch.
    """

    distinct: Tensor
    """(num_distinct, d)."""
    index: Tensor
    """(num_rows,) int64, which of them each row is."""


@not_compiled  # how many values are distinct depends on them
def embed_distinct(
    values: Tensor, population: Tensor, embed: Callable[[Tensor, Population], Tensor]
) -> SharedRows:
    """Features of some values, computed once per distinct value.

    Args:
        values: (num_rows,).
        population: (num_rows,) rows of the full graph that each row stands for.
        embed: Distinct values (num_distinct,) and their populations -> (num_distinct, d).
    """
    distinct, index = torch.unique(values, return_inverse=True)
    counted = Population(sum_rows(population, index, len(distinct)))
    return SharedRows(embed(distinct, counted), index)


def all_rows(rows: Tensor | SharedRows) -> Tensor:
    """The whole matrix, (num_rows, d)."""
    return take_rows(rows.distinct, rows.index) if isinstance(rows, SharedRows) else rows


def map_rows(function: Callable[[Tensor], Tensor], rows: Tensor | SharedRows) -> Tensor:
    """A function of each row, evaluated once per distinct row.

    Args:
        function: (n, d) -> (n, d'), row by row.
        rows: (num_rows, d).

    Returns:
        (num_rows, d').
    """
    if isinstance(rows, SharedRows):
        return take_rows(function(rows.distinct), rows.index)
    return function(rows)


def take_rows(values: Tensor, index: Tensor) -> Tensor:
    """Rows of a matrix; like ``values[index]``, with a gradient that is fast on CPUs.

    Args:
        values: (num_rows, d).
        index: (n,) int64.

    Returns:
        (n, d).
    """
    return values.gather(0, index[:, None].expand(-1, values.size(1)))


def sum_rows(values: Tensor, index: Tensor, num_groups: int) -> Tensor:
    """Sum the rows that share an index; groups without rows are zero.

    Args:
        values: (n, ...).
        index: (n,) int64 group of each row.
        num_groups: Number of groups.

    Returns:
        (num_groups, ...).
    """
    total = values.new_zeros(num_groups, *values.shape[1:])
    index = index.view(-1, *[1] * (values.dim() - 1)).expand_as(values)
    return total.scatter_add_(0, index, values)


def weighted_softmax(
    logits: Tensor, weight: Tensor | None, index: Tensor, num_groups: int
) -> Tensor:
    """Softmax over the rows that share an index, each row counting ``weight`` times.

    A row of weight m gets the sum of the m equal shares it stands for.

    Args:
        logits: (n, d).
        weight: (n,) positive; None for ones.
        index: (n,) int64 group of each row.
        num_groups: Number of groups.

    Returns:
        (n, d), summing to one over each group that has rows.
    """
    if weight is not None:
        logits = logits + weight.log()[:, None]
    return softmax(logits, index, num_nodes=num_groups)
