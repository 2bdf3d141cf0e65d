"""PyG's convolutions with edge multiplicities.

An edge of multiplicity m acts like m equal edges: a sum takes its message m times, a softmax adds
ln m to its logit. Parameters, their names and their initial values are PyG's. The forward passes
are written out: a linear map is cheaper on the nodes than on their copies at the edges.
"""

import torch
import torch.nn.functional as F
import torch_geometric.nn as pyg
from torch import Tensor

from optimetal.layers.rows import SharedRows, map_rows, sum_rows, take_rows, weighted_softmax


class _DirectForward:
    """Keeps PyG from writing code for ``propagate``, which is not used, to temporary files."""

    def _set_jittable_templates(self, raise_on_error: bool = False) -> None:
        pass


class CGConv(_DirectForward, pyg.CGConv):
    """Crystal-graph convolution with a sum (Xie and Grossman, Phys. Rev. Lett. 120, 145301)."""

    def __init__(self, channels: int) -> None:
        """Node and edge features both have ``channels`` entries."""
        super().__init__(channels, dim=channels)

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        edge_attr: Tensor | SharedRows,
        multiplicity: Tensor | None = None,
    ) -> Tensor:
        """Add the gated sum of the neighbours to each node.

        Args:
            x: (num_nodes, channels).
            edge_index: (2, num_edges) source and target.
            edge_attr: (num_edges, channels).
            multiplicity: (num_edges,) positive; None for ones.

        Returns:
            (num_nodes, channels).
        """
        weight = torch.cat([self.lin_f.weight, self.lin_s.weight])
        bias = torch.cat([self.lin_f.bias, self.lin_s.bias])
        both = linear_of_pair(weight, bias, x, edge_index.flip(0), edge_attr)
        gate, core = (half.contiguous() for half in both.chunk(2, dim=1))  # faster than strided
        message = gate.sigmoid() * F.softplus(core)  # (num_edges, channels)
        if multiplicity is not None:
            message = message * multiplicity[:, None]
        return x + sum_rows(message, edge_index[1], x.size(0))


class GATv2Conv(_DirectForward, pyg.GATv2Conv):
    """Graph attention (Brody et al., arXiv 2105.14491): concatenated heads, no self loops."""

    lin_edge: pyg.Linear

    def __init__(
        self, in_channels: int, out_channels: int, heads: int, edge_dim: int, residual: bool
    ) -> None:
        """``heads`` heads of ``out_channels`` each; ``residual`` adds a linear skip connection."""
        super().__init__(
            in_channels,
            out_channels,
            heads,
            edge_dim=edge_dim,
            add_self_loops=False,
            residual=residual,
        )

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        edge_attr: Tensor | SharedRows,
        multiplicity: Tensor | None = None,
    ) -> Tensor:
        """Attend to the neighbours.

        Args:
            x: (num_nodes, in_channels).
            edge_index: (2, num_edges) source and target.
            edge_attr: (num_edges, edge_dim).
            multiplicity: (num_edges,) positive; None for ones.

        Returns:
            (num_nodes, heads * out_channels).
        """
        heads = (-1, self.heads, self.out_channels)
        source, target = edge_index
        value = take_rows(self.lin_l(x), source)
        hidden = value + take_rows(self.lin_r(x), target) + map_rows(self.lin_edge, edge_attr)
        hidden = F.leaky_relu(hidden, self.negative_slope).view(heads)
        logits = (hidden * self.att).sum(2)  # (num_edges, heads)
        attention = weighted_softmax(logits, multiplicity, target, x.size(0))
        message = (value.view(heads) * attention[:, :, None]).flatten(1)
        out = sum_rows(message, target, x.size(0)) + self.bias
        return out if self.res is None else out + self.res(x)


class TransformerConv(_DirectForward, pyg.TransformerConv):
    """Dot-product attention and a learned gate to the skip connection (arXiv 2009.03509)."""

    lin_edge: pyg.Linear
    lin_beta: pyg.Linear

    def __init__(self, channels: int, heads: int) -> None:
        """Node and edge features both have ``channels`` entries, shared by the heads."""
        super().__init__(channels, channels // heads, heads, beta=True, edge_dim=channels)

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        edge_attr: Tensor | SharedRows,
        multiplicity: Tensor | None = None,
    ) -> Tensor:
        """Attend to the neighbours.

        Args:
            x: (num_nodes, channels).
            edge_index: (2, num_edges) source and target.
            edge_attr: (num_edges, channels).
            multiplicity: (num_edges,) positive; None for ones.

        Returns:
            (num_nodes, channels).
        """
        heads = (-1, self.heads, self.out_channels)
        source, target = edge_index
        edge = map_rows(self.lin_edge, edge_attr)
        query = take_rows(self.lin_query(x), target)
        key = take_rows(self.lin_key(x), source) + edge
        value = take_rows(self.lin_value(x), source) + edge
        logits = (query * key).view(heads).sum(2) / self.out_channels**0.5  # (num_edges, heads)
        attention = weighted_softmax(logits, multiplicity, target, x.size(0))
        message = (value.view(heads) * attention[:, :, None]).flatten(1)
        out = sum_rows(message, target, x.size(0))
        skip = self.lin_skip(x)
        gate = self.lin_beta(torch.cat([out, skip, out - skip], dim=1)).sigmoid()
        return out + gate * (skip - out)


def linear_of_pair(
    weight: Tensor, bias: Tensor, x: Tensor, index: Tensor, attr: Tensor | SharedRows
) -> Tensor:
    """Linear map of the concatenation ``[x[index[0]], x[index[1]], attr]``, without building it.

    Args:
        weight: (out, 3 channels).
        bias: (out,).
        x: (num_nodes, channels).
        index: (2, n) int64.
        attr: (n, channels).

    Returns:
        (n, out).
    """
    first, second, own = weight.chunk(3, dim=1)
    return (
        map_rows(lambda rows: F.linear(rows, own, bias), attr)
        + take_rows(F.linear(x, first), index[0])
        + take_rows(F.linear(x, second), index[1])
    )
