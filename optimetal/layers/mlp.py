"""Multi-layer perceptron whose hidden layers are batch-normalised with populations."""

import torch_geometric.nn as pyg
from torch import Tensor, nn

from optimetal.layers.norms import BatchNorm
from optimetal.layers.rows import Population


class MLP(pyg.MLP):
    """PyG's MLP: linear, batch norm and activation in each hidden layer, the last layer plain."""

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        out_channels: int,
        num_hidden: int,
        activation: str = "relu",
    ) -> None:
        """Linear layers ``in_channels -> hidden_channels -> ... -> out_channels``.

        Args:
            in_channels: Length of an input row.
            hidden_channels: Length of every hidden row.
            out_channels: Length of an output row.
            num_hidden: Number of hidden layers; zero makes a single linear layer.
            activation: Name of the activation, as PyG spells it.
        """
        channels = [in_channels, *[hidden_channels] * num_hidden, out_channels]
        super().__init__(channels, act=activation, norm=None)
        self.norms = nn.ModuleList(BatchNorm(hidden_channels) for _ in range(num_hidden))

    def forward(self, x: Tensor, rows: Population | None = None) -> Tensor:
        """Map every row.

        Args:
            x: (num_rows, in_channels).
            rows: Populations for the batch norms; None where each row stands for itself.

        Returns:
            (num_rows, out_channels).
        """
        for linear, norm in zip(self.lins, self.norms, strict=False):  # the last layer is plain
            x = self.act(norm(linear(x), rows))
        return self.lins[-1](x)
