"""OptiMate: the older network for Im ε alone (Grunert et al., Phys. Rev. Materials 8, L122201)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from optimetal.config import architecture as settings
from optimetal.graphs.batch import GraphBatch
from optimetal.layers.convolutions import GATv2Conv
from optimetal.layers.embeddings import GaussianEmbedding, GroupPeriodEmbedding
from optimetal.layers.mlp import MLP
from optimetal.layers.pooling import VectorAttentionPooling
from optimetal.layers.rows import Rows, embed_distinct
from optimetal.models.network import CrystalNetwork, Head, TrunkOutput
from optimetal.tasks import Target, Task

HEADS = 4
NODE_DIM = 48
EDGE_DIM = 56
CRYSTAL_DIM = 384
HIDDEN_DIM = 1024
DEPTH = 3


class OptiMateTrunk(nn.Module):
    """Maps a batch of crystal graphs to `TrunkOutput` of 384 features.

    1. embed elements (and an MLP) and edge lengths
    2. two graph attentions, without skip connection
    3. pooling over the atoms
    """

    def __init__(self, config: settings.OptiMate) -> None:
        """All sizes are fixed."""
        super().__init__()
        self.node_embedding = GroupPeriodEmbedding()  # 1
        self.node_mlp = MLP(self.node_embedding.embedding_dim, NODE_DIM, NODE_DIM, num_hidden=1)
        self.edge_embedding = GaussianEmbedding(config.cutoff, EDGE_DIM, 2.0, None)
        self.gat_mp_1 = GATv2Conv(NODE_DIM, NODE_DIM, HEADS, EDGE_DIM, residual=False)  # 2
        self.gat_mp_2 = GATv2Conv(
            HEADS * NODE_DIM, CRYSTAL_DIM // HEADS, HEADS, EDGE_DIM, residual=False
        )
        self.pooling = VectorAttentionPooling(CRYSTAL_DIM)  # 3

    def forward(self, batch: GraphBatch) -> TrunkOutput:
        """One vector per crystal and node."""
        nodes = Rows(batch.class_size, batch.node_graph, batch.num_graphs)
        x = self.node_mlp(self.node_embedding(batch.atomic_numbers), nodes)  # 1
        edge_attr = embed_distinct(
            batch.edge_length,
            batch.edge_multiplicity,
            lambda length, _: self.edge_embedding(length),
        )
        edges = batch.edge_index, edge_attr, batch.edge_multiplicity
        x = self.gat_mp_2(self.gat_mp_1(x, *edges), *edges)  # 2
        return TrunkOutput(self.pooling(x, nodes), x)  # 3


class ImaginarySpectrumHead(nn.Module):
    """MLP to the imaginary part of a complex spectrum; the real part is zero.

    The last leaky ReLU lets slightly negative values through.
    """

    def __init__(self, target: Target) -> None:
        """A target of shape (num_energies, 2)."""
        super().__init__()
        self.mlp = MLP(CRYSTAL_DIM, HIDDEN_DIM, target.shape[0], DEPTH)

    def forward(self, output: TrunkOutput) -> Tensor:
        """(B, num_energies, 2) real and imaginary part."""
        imaginary = F.leaky_relu(self.mlp(output.crystal))
        return torch.stack([torch.zeros_like(imaginary), imaginary], dim=2)


class ZeroHead(nn.Module):
    """Zero for a target the network does not know."""

    def __init__(self, target: Target) -> None:
        """A target of any shape."""
        super().__init__()
        self.shape = target.shape

    def forward(self, output: TrunkOutput) -> Tensor:
        """(B, *shape) zeros."""
        return output.crystal.new_zeros(len(output.crystal), *self.shape)


def _head(target: Target) -> nn.Module:
    match target.name:
        case "eps_inter":
            return ImaginarySpectrumHead(target)
        case "drude_frequency":
            return ZeroHead(target)
    return Head(target, CRYSTAL_DIM, HIDDEN_DIM, DEPTH, "relu")


def optimate(config: settings.OptiMate, task: Task) -> CrystalNetwork:
    """OptiMate for a task; of the optical one it knows Im ε only."""
    return CrystalNetwork(OptiMateTrunk(config), {target.name: _head(target) for target in task})
