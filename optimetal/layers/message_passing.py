"""Message-passing layers: a convolution, a residual MLP and a norm; and stacks of them."""

from torch import Tensor, nn

from optimetal.config import architecture as settings
from optimetal.layers.convolutions import CGConv, GATv2Conv, TransformerConv
from optimetal.layers.mlp import MLP
from optimetal.layers.norms import LayerNorm
from optimetal.layers.rows import Rows, SharedRows


class MessagePassingLayer(nn.Module):
    """Maps node features to node features of the same width.

    1. convolution along the edges, which has its own skip connection
    2. ``x + MLP(x)`` with one hidden layer
    3. graph-wise layer norm
    """

    def __init__(self, config: settings.Convolution, hidden_dim: int, activation: str) -> None:
        """Node and edge features have ``hidden_dim`` entries."""
        super().__init__()
        self.conv = convolution(config, hidden_dim)  # 1
        self.mlp = MLP(  # 2
            hidden_dim, config.hidden_multiplier * hidden_dim, hidden_dim, 1, activation
        )
        self.norm = LayerNorm(hidden_dim)  # 3

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        edge_attr: Tensor | SharedRows,
        multiplicity: Tensor,
        rows: Rows,
    ) -> Tensor:
        """Update the nodes.

        Args:
            x: (num_nodes, hidden_dim).
            edge_index: (2, num_edges) source and target.
            edge_attr: (num_edges, hidden_dim).
            multiplicity: (num_edges,) equal edges arriving at one target.
            rows: Crystal and population of the nodes.

        Returns:
            (num_nodes, hidden_dim).
        """
        x = self.conv(x, edge_index, edge_attr, multiplicity)  # 1
        x = x + self.mlp(x, rows)  # 2
        return self.norm(x, rows)  # 3


class MessagePassingBlock(nn.Module):
    """Several message-passing layers in a row, all with the same edge features."""

    def __init__(
        self, config: settings.Convolution, hidden_dim: int, activation: str, num_layers: int = 1
    ) -> None:
        """``num_layers`` layers of one kind."""
        super().__init__()
        self.layers = nn.ModuleList(
            MessagePassingLayer(config, hidden_dim, activation) for _ in range(num_layers)
        )

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        edge_attr: Tensor | SharedRows,
        multiplicity: Tensor,
        rows: Rows,
    ) -> Tensor:
        """Update the nodes; arguments as those of one layer."""
        for layer in self.layers:
            x = layer(x, edge_index, edge_attr, multiplicity, rows)
        return x


class PlainAttentionBlock(nn.ModuleList):
    """GATv2 layers in a row with nothing in between; only their linear skip connections remain."""

    def __init__(self, config: settings.PlainGATv2Layers, hidden_dim: int) -> None:
        """Node and edge features have ``hidden_dim`` entries."""
        super().__init__(convolution(config, hidden_dim) for _ in range(config.num_layers))

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        edge_attr: Tensor | SharedRows,
        multiplicity: Tensor,
        rows: Rows,
    ) -> Tensor:
        """Update the nodes; arguments as those of `MessagePassingLayer`, the populations unused."""
        for layer in self:
            x = layer(x, edge_index, edge_attr, multiplicity)
        return x


def convolution(
    config: settings.Convolution | settings.PlainGATv2Layers, hidden_dim: int
) -> nn.Module:
    """The convolution that the settings name; all features have ``hidden_dim`` entries."""
    match config:
        case settings.CGConv():
            return CGConv(hidden_dim)
        case settings.GATv2() | settings.PlainGATv2Layers():
            head_dim = hidden_dim // config.heads
            return GATv2Conv(hidden_dim, head_dim, config.heads, hidden_dim, residual=True)
        case settings.Transformer():
            return TransformerConv(hidden_dim, config.heads)
