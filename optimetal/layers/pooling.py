"""From the atoms to one vector per crystal; an atom class counts as often as it has atoms."""

import torch
from torch import Tensor, nn

from optimetal.config import architecture as settings
from optimetal.layers.mlp import MLP
from optimetal.layers.rows import Rows, sum_rows, take_rows, weighted_softmax


class MeanPooling(nn.Module):
    """Mean over the atoms."""

    def forward(self, x: Tensor, rows: Rows) -> Tensor:
        """(num_nodes, d) atoms to (B, d) crystals."""
        return sum_rows(x * rows.share_of_graph[:, None], rows.graph, rows.num_graphs)


class ScalarAttentionPooling(nn.Module):
    """Weighted mean over the atoms, the weights a softmax of one learned number per atom."""

    def __init__(self, channels: int) -> None:
        """Atoms have ``channels`` features."""
        super().__init__()
        self.gate_mlp = MLP(channels, channels, 1, num_hidden=0)

    def forward(self, x: Tensor, rows: Rows) -> Tensor:
        """(num_nodes, channels) atoms to (B, channels) crystals."""
        return _attend(self.gate_mlp(x), x, rows)


class VectorAttentionPooling(nn.Module):
    """Weighted mean over the atoms with weights of its own for every channel."""

    def __init__(self, channels: int) -> None:
        """Atoms have ``channels`` features."""
        super().__init__()
        self.mlp = MLP(channels, channels, channels, num_hidden=0)

    def forward(self, x: Tensor, rows: Rows) -> Tensor:
        """(num_nodes, channels) atoms to (B, channels) crystals."""
        return _attend(self.mlp(x), x, rows)


class Set2Set(nn.Module):
    """Attention whose query an LSTM refines step by step (Vinyals et al., arXiv 1511.06391)."""

    def __init__(self, channels: int, processing_steps: int) -> None:
        """Atoms have ``channels`` features."""
        super().__init__()
        self.processing_steps = processing_steps
        self.lstm = nn.LSTM(2 * channels, channels)

    def forward(self, x: Tensor, rows: Rows) -> Tensor:
        """(num_nodes, channels) atoms to (B, 2 channels): last query and what it found."""
        query_and_found = x.new_zeros(rows.num_graphs, self.lstm.input_size)
        state = None  # the LSTM starts from zeros
        for _ in range(self.processing_steps):
            query, state = self.lstm(query_and_found[None], state)
            logits = (x * take_rows(query[0], rows.graph)).sum(1, keepdim=True)
            query_and_found = torch.cat([query[0], _attend(logits, x, rows)], dim=1)
        return query_and_found


class Set2SetPooling(nn.Module):
    """Set2Set and a linear map back to the width of the atoms."""

    def __init__(self, channels: int, processing_steps: int) -> None:
        """Atoms have ``channels`` features."""
        super().__init__()
        self.pooling = Set2Set(channels, processing_steps)
        self.proj = nn.Linear(2 * channels, channels)

    def forward(self, x: Tensor, rows: Rows) -> Tensor:
        """(num_nodes, channels) atoms to (B, channels) crystals."""
        return self.proj(self.pooling(x, rows))


def _attend(logits: Tensor, x: Tensor, rows: Rows) -> Tensor:
    """(B, d) mean of the atoms, weighted by the softmax of the logits (num_nodes, 1 or d)."""
    attention = weighted_softmax(logits, rows.population, rows.graph, rows.num_graphs)
    return sum_rows(attention * x, rows.graph, rows.num_graphs)


def pooling(config: settings.Pooling, channels: int) -> nn.Module:
    """The pooling that the settings name, for atoms of ``channels`` features."""
    match config:
        case settings.MeanPooling():
            return MeanPooling()
        case settings.ScalarAttentionPooling():
            return ScalarAttentionPooling(channels)
        case settings.VectorAttentionPooling():
            return VectorAttentionPooling(channels)
        case settings.Set2SetPooling():
            return Set2SetPooling(channels, config.processing_steps)
