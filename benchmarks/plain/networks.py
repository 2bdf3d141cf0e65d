"""The published networks, made of PyTorch Geometric's own layers.

Every network is a trunk, from a batch of crystals to one vector each, and a head per target. Numbers in the code are
the steps that the docstring of the class counts. Messages flow from row 0 to row 1 of ``edge_index`` and
``triplet_index``. An MLP has a batch norm after each hidden layer.
"""

from collections.abc import Mapping
from math import prod
from typing import Any

import torch
import torch.nn.functional as F
import torch_geometric.nn as pyg
from torch import Tensor, nn
from torch_geometric.utils import scatter, softmax

from benchmarks.plain.graphs import CrystalData
from optimetal.config import architecture as settings
from optimetal.config.architecture import Architecture
from optimetal.graphs.neighbours import COSINE_LIMIT
from optimetal.layers.embeddings import (
    AngleEmbedding,
    GaussianEmbedding,
    GroupPeriodEmbedding,
    edge_embedding,
    node_embedding,
)
from optimetal.tasks import OPTICS, Target, Task

TwoBody = settings.OptiMetal2B | settings.OptiMetal2BNoResidual
OptiMetal = TwoBody | settings.OptiMetal3B


class PlainNetwork(nn.Module):
    """Maps a batch of crystals to target name -> (B, *shape) predictions."""

    def __init__(self, trunk: nn.Module, heads: Mapping[str, nn.Module]) -> None:
        """Put heads on a trunk."""
        super().__init__()
        self.trunk = trunk
        self.heads = nn.ModuleDict(dict(heads))

    def forward(self, batch: CrystalData) -> dict[str, Tensor]:
        """Predict all targets."""
        crystal = self.trunk(batch)
        return {name: head(crystal) for name, head in self.heads.items()}


def plain_network(architecture: Architecture, task: Task = OPTICS) -> PlainNetwork:
    """Network with fresh weights whose names are those of :func:`optimetal.models.build_model`."""
    match architecture:
        case settings.OptiMate():
            heads = {target.name: optimate_head(target) for target in task}
            return PlainNetwork(OptiMateTrunk(architecture), heads)
        case settings.OptiMetal3B():
            trunk = OptiMetal3BTrunk(architecture)
        case _:
            trunk = OptiMetal2BTrunk(architecture)
    return PlainNetwork(trunk, {target.name: head(target, architecture) for target in task})


def mlp(
    in_channels: int, hidden: int, out_channels: int, num_hidden: int, activation: str = "relu"
) -> pyg.MLP:
    """Linear, batch norm and activation in each hidden layer, the last layer plain."""
    return pyg.MLP([in_channels, *[hidden] * num_hidden, out_channels], act=activation)


def edge_vectors(batch: CrystalData) -> Tensor:
    """(num_edges, 3) from each source to the image of its target, Å."""
    source, target = batch.edge_index
    lattice = batch.lattice[batch.edge_index_batch]
    shift = torch.einsum("ei,eij->ej", batch.cell_shift, lattice)
    return shift + batch.positions[target] - batch.positions[source]


def cosines(vector: Tensor, length: Tensor, triplet_index: Tensor) -> Tensor:
    """(num_triplets,) cosine of the angle between the two edges of each pair."""
    first, second = triplet_index
    product = (vector[first] * vector[second]).sum(1)
    return (product / (length[first] * length[second])).clamp(-COSINE_LIMIT, COSINE_LIMIT)


# Message passing


def convolution(
    config: settings.Convolution | settings.PlainGATv2Layers, width: int
) -> pyg.MessagePassing:
    """The convolution that the settings name, as PyG has it; each has its own skip connection."""
    match config:
        case settings.CGConv():
            return pyg.CGConv(width, dim=width)
        case settings.GATv2() | settings.PlainGATv2Layers():
            return pyg.GATv2Conv(
                width,
                width // config.heads,
                config.heads,
                edge_dim=width,
                add_self_loops=False,
                residual=True,
            )
        case settings.Transformer():
            head_width = width // config.heads
            return pyg.TransformerConv(width, head_width, config.heads, beta=True, edge_dim=width)


class MessagePassingLayer(nn.Module):
    """Maps node features to node features.

    1. convolution
    2. ``x + MLP(x)`` with one hidden layer
    3. layer norm over all nodes and channels of a crystal
    """

    def __init__(self, config: settings.Convolution, width: int, activation: str) -> None:
        """Node and edge features have ``width`` entries."""
        super().__init__()
        self.conv = convolution(config, width)  # 1
        self.mlp = mlp(width, config.hidden_multiplier * width, width, 1, activation)  # 2
        self.norm = pyg.LayerNorm(width)  # 3

    def forward(self, x: Tensor, index: Tensor, attr: Tensor, graph: Tensor) -> Tensor:
        """Update the nodes ``x``, of the crystals ``graph``, along ``index`` with features ``attr``."""
        x = self.conv(x, index, attr)  # 1
        x = x + self.mlp(x)  # 2
        return self.norm(x, graph)  # 3


class MessagePassingBlock(nn.Module):
    """Several message-passing layers with the same edge features."""

    def __init__(
        self, config: settings.Convolution, width: int, activation: str, num_layers: int = 1
    ) -> None:
        """``num_layers`` layers of one kind."""
        super().__init__()
        self.layers = nn.ModuleList(
            MessagePassingLayer(config, width, activation) for _ in range(num_layers)
        )

    def forward(self, x: Tensor, index: Tensor, attr: Tensor, graph: Tensor) -> Tensor:
        """As one layer."""
        for layer in self.layers:
            x = layer(x, index, attr, graph)
        return x


class PlainAttentionBlock(nn.ModuleList):
    """GATv2 convolutions with nothing in between."""

    def __init__(self, config: settings.PlainGATv2Layers, width: int) -> None:
        """Node and edge features have ``width`` entries."""
        super().__init__(convolution(config, width) for _ in range(config.num_layers))

    def forward(self, x: Tensor, index: Tensor, attr: Tensor, graph: Tensor) -> Tensor:
        """As one layer of the other networks; nothing here looks at whole crystals."""
        for conv in self:
            x = conv(x, index, attr)
        return x


class TripletLayer(nn.Module):
    """Updates atoms, edges and angles.

    1. edges, from themselves and their two atoms
    2. angles, from themselves and their two edges
    3. message passing on the line graph: edges are nodes, three-body pairs are edges
    4. message passing on the atom graph
    """

    def __init__(self, config: settings.OptiMetal3B) -> None:
        """All features have ``hidden_dim`` entries."""
        super().__init__()
        width, activation = config.hidden_dim, config.activation
        self.node_edge_mlp = mlp(3 * width, width, width, num_hidden=0)  # 1
        self.edge_norm = pyg.LayerNorm(width)
        self.edge_angle_mlp = mlp(3 * width, width, width, num_hidden=0)  # 2
        self.angle_norm = pyg.LayerNorm(width)
        self.edge_graph_mp = MessagePassingBlock(  # 3
            config.edge_message_passing, width, activation
        )
        self.node_graph_mp = MessagePassingBlock(  # 4
            config.node_message_passing, width, activation
        )

    def forward(
        self, batch: CrystalData, x: Tensor, edge: Tensor, angle: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """New features of atoms, edges and angles."""
        i, j = batch.edge_index
        edge = edge + self.node_edge_mlp(torch.cat([x[i], x[j], edge], dim=1))  # 1
        edge = self.edge_norm(edge, batch.edge_index_batch)
        i, j = batch.triplet_index
        angle = angle + self.edge_angle_mlp(torch.cat([edge[i], edge[j], angle], dim=1))  # 2
        angle = self.angle_norm(angle, batch.triplet_index_batch)
        edge = self.edge_graph_mp(edge, batch.triplet_index, angle, batch.edge_index_batch)  # 3
        x = self.node_graph_mp(x, batch.edge_index, edge, batch.batch)  # 4
        return x, edge, angle


class TripletBlock(nn.Module):
    """Several triplet layers in a row."""

    def __init__(self, config: settings.OptiMetal3B) -> None:
        """``num_layers`` layers."""
        super().__init__()
        self.layers = nn.ModuleList(TripletLayer(config) for _ in range(config.num_layers))

    def forward(self, batch: CrystalData, x: Tensor, edge: Tensor, angle: Tensor) -> Tensor:
        """(num_nodes, hidden_dim) atoms after the last layer."""
        for layer in self.layers:
            x, edge, angle = layer(batch, x, edge, angle)
        return x


# Pooling, all from (num_nodes, channels) and the crystal of each node to (B, channels)


class VectorAttentionPooling(nn.Module):
    """Weighted mean with a softmax over the atoms for every channel."""

    def __init__(self, channels: int) -> None:
        """Atoms have ``channels`` features."""
        super().__init__()
        self.mlp = mlp(channels, channels, channels, num_hidden=0)

    def forward(self, x: Tensor, graph: Tensor) -> Tensor:
        """Pool the atoms of each crystal."""
        return scatter(softmax(self.mlp(x), graph) * x, graph)


class Set2SetPooling(nn.Module):
    """Set2Set and a linear map back to the width of the atoms."""

    def __init__(self, channels: int, processing_steps: int) -> None:
        """Atoms have ``channels`` features."""
        super().__init__()
        self.pooling = pyg.Set2Set(channels, processing_steps)
        self.proj = nn.Linear(2 * channels, channels)

    def forward(self, x: Tensor, graph: Tensor) -> Tensor:
        """Pool the atoms of each crystal."""
        return self.proj(self.pooling(x, graph))


def pooling(config: settings.Pooling, channels: int) -> nn.Module:
    """The pooling that the settings name."""
    match config:
        case settings.MeanPooling():
            return pyg.MeanAggregation()
        case settings.ScalarAttentionPooling():
            return pyg.AttentionalAggregation(mlp(channels, channels, 1, num_hidden=0))
        case settings.VectorAttentionPooling():
            return VectorAttentionPooling(channels)
        case settings.Set2SetPooling():
            return Set2SetPooling(channels, config.processing_steps)


# Trunks


class OptiMetal2BTrunk(nn.Module):
    """Maps a batch to (B, hidden_dim), along the edges between atoms.

    1. embed elements and edge lengths, each followed by an MLP
    2. message passing
    3. pooling
    """

    def __init__(self, config: TwoBody) -> None:
        """Settings with or without the residual block after each layer."""
        super().__init__()
        width = config.hidden_dim
        self.node_embedding = node_embedding(config.node_embedding)  # 1
        self.node_mlp = embedding_mlp(self.node_embedding, config)
        self.edge_embedding = edge_embedding(config.edge_embedding, config.cutoff)
        self.edge_mlp = embedding_mlp(self.edge_embedding, config)
        if isinstance(config, settings.OptiMetal2BNoResidual):  # 2
            self.mp_block = PlainAttentionBlock(config.message_passing, width)
        else:
            layers = config.message_passing
            self.mp_block = MessagePassingBlock(layers, width, config.activation, layers.num_layers)
        self.pooling = pooling(config.pooling, width)  # 3

    def forward(self, batch: CrystalData) -> Tensor:
        """One vector per crystal."""
        x = self.node_mlp(self.node_embedding(batch.atomic_numbers))  # 1
        edge = self.edge_mlp(self.edge_embedding(edge_vectors(batch).norm(dim=1)))
        x = self.mp_block(x, batch.edge_index, edge, batch.batch)  # 2
        return self.pooling(x, batch.batch)  # 3


class OptiMetal3BTrunk(nn.Module):
    """Maps a batch to (B, hidden_dim), along edges and between edges that share an atom.

    1. embed elements, edge lengths and angles, each followed by an MLP
    2. triplet layers
    3. pooling
    """

    def __init__(self, config: settings.OptiMetal3B) -> None:
        """Settings of the network."""
        super().__init__()
        self.node_embedding = node_embedding(config.node_embedding)  # 1
        self.node_mlp = embedding_mlp(self.node_embedding, config)
        self.edge_embedding = edge_embedding(config.edge_embedding, config.cutoff)
        self.edge_mlp = embedding_mlp(self.edge_embedding, config)
        self.angle_embedding = AngleEmbedding(config.angle_embedding.l_max)
        self.angle_mlp = embedding_mlp(self.angle_embedding, config)
        self.triplet_block = TripletBlock(config)  # 2
        self.pooling = pooling(config.pooling, config.hidden_dim)  # 3

    def forward(self, batch: CrystalData) -> Tensor:
        """One vector per crystal."""
        vector = edge_vectors(batch)
        length = vector.norm(dim=1)
        cosine = cosines(vector, length, batch.triplet_index)
        x = self.node_mlp(self.node_embedding(batch.atomic_numbers))  # 1
        edge = self.edge_mlp(self.edge_embedding(length))
        angle = self.angle_mlp(self.angle_embedding(cosine))
        x = self.triplet_block(batch, x, edge, angle)  # 2
        return self.pooling(x, batch.batch)  # 3


class OptiMateTrunk(nn.Module):
    """Maps a batch to (B, 384).

    1. embed elements, followed by an MLP, and edge lengths
    2. two graph attentions of four heads, without skip connection
    3. pooling
    """

    def __init__(self, config: settings.OptiMate) -> None:
        """All sizes are fixed."""
        super().__init__()
        self.node_embedding = GroupPeriodEmbedding()  # 1
        self.node_mlp = mlp(24, 48, 48, num_hidden=1)
        self.edge_embedding = GaussianEmbedding(config.cutoff, 56, 2.0, None)
        self.gat_mp_1 = pyg.GATv2Conv(48, 48, 4, edge_dim=56, add_self_loops=False)  # 2
        self.gat_mp_2 = pyg.GATv2Conv(192, 96, 4, edge_dim=56, add_self_loops=False)
        self.pooling = VectorAttentionPooling(384)  # 3

    def forward(self, batch: CrystalData) -> Tensor:
        """One vector per crystal."""
        x = self.node_mlp(self.node_embedding(batch.atomic_numbers))  # 1
        edge = self.edge_embedding(edge_vectors(batch).norm(dim=1))
        x = self.gat_mp_2(self.gat_mp_1(x, batch.edge_index, edge), batch.edge_index, edge)  # 2
        return self.pooling(x, batch.batch)  # 3


def embedding_mlp(embedding: Any, config: OptiMetal) -> pyg.MLP:
    """MLP from an embedding to the width of the network."""
    width = config.hidden_dim
    return mlp(embedding.embedding_dim, width, width, config.depth, config.activation)


# Heads


class Head(nn.Module):
    """MLP from the crystal's vector to one target."""

    def __init__(self, target: Target, layers: pyg.MLP) -> None:
        """A target that cannot be negative ends in a ReLU."""
        super().__init__()
        self.target = target
        self.mlp = layers

    def forward(self, crystal: Tensor) -> Tensor:
        """(B, *shape)."""
        values = self.mlp(crystal).view(-1, *self.target.shape)
        return values.relu() if self.target.non_negative else values


def head(target: Target, config: OptiMetal) -> Head:
    """Head for a spectrum (hidden width ``spectra_dim``) or a number (``hidden_dim``)."""
    hidden = config.spectra_dim if target.shape else config.hidden_dim
    sizes = config.hidden_dim, hidden, prod(target.shape)
    return Head(target, mlp(*sizes, config.depth, config.activation))


class ImaginarySpectrumHead(nn.Module):
    """MLP to the imaginary part of a complex spectrum; the real part is zero."""

    def __init__(self, target: Target) -> None:
        """A target of shape (num_energies, 2)."""
        super().__init__()
        self.mlp = mlp(384, 1024, target.shape[0], num_hidden=3)

    def forward(self, crystal: Tensor) -> Tensor:
        """(B, num_energies, 2)."""
        imaginary = F.leaky_relu(self.mlp(crystal))
        return torch.stack([torch.zeros_like(imaginary), imaginary], dim=2)


class ZeroHead(nn.Module):
    """Zero for a target that OptiMate does not know."""

    def __init__(self, target: Target) -> None:
        """A target of any shape."""
        super().__init__()
        self.shape = target.shape

    def forward(self, crystal: Tensor) -> Tensor:
        """(B, *shape) zeros."""
        return crystal.new_zeros(len(crystal), *self.shape)


def optimate_head(target: Target) -> nn.Module:
    """OptiMate's head for one target."""
    match target.name:
        case "eps_inter":
            return ImaginarySpectrumHead(target)
        case "drude_frequency":
            return ZeroHead(target)
    return Head(target, mlp(384, 1024, prod(target.shape), num_hidden=3))
