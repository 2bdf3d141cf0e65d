"""OptiMetal2B: message passing along the edges between atoms."""

from torch import Tensor, nn

from optimetal.config import architecture as settings
from optimetal.graphs.batch import GraphBatch
from optimetal.layers.embeddings import edge_embedding, node_embedding
from optimetal.layers.message_passing import MessagePassingBlock, PlainAttentionBlock
from optimetal.layers.mlp import MLP
from optimetal.layers.pooling import pooling
from optimetal.layers.rows import Rows, SharedRows, all_rows, embed_distinct
from optimetal.models.network import CrystalNetwork, Head, TrunkOutput
from optimetal.tasks import Target, Task

OptiMetal = settings.OptiMetal2B | settings.OptiMetal2BNoResidual | settings.OptiMetal3B


class OptiMetal2BTrunk(nn.Module):
    """Maps a batch of crystal graphs to `TrunkOutput` of ``hidden_dim`` features.

    1. embed elements and edge lengths, each followed by an MLP
    2. message passing along the edges
    3. pooling over the atoms
    """

    def __init__(self, config: settings.OptiMetal2B | settings.OptiMetal2BNoResidual) -> None:
        """Settings with or without the residual block after each layer."""
        super().__init__()
        self.node_embedding = node_embedding(config.node_embedding)  # 1
        self.node_mlp = embedding_mlp(self.node_embedding.embedding_dim, config)
        self.edge_embedding = edge_embedding(config.edge_embedding, config.cutoff)
        self.edge_mlp = embedding_mlp(self.edge_embedding.embedding_dim, config)
        self.mp_block = _message_passing(config)  # 2
        self.pooling = pooling(config.pooling, config.hidden_dim)  # 3

    def forward(self, batch: GraphBatch) -> TrunkOutput:
        """One vector per crystal and node."""
        nodes = Rows(batch.class_size, batch.node_graph, batch.num_graphs)
        x = first_features(  # 1
            self.node_embedding, self.node_mlp, batch.atomic_numbers, batch.class_size
        )
        edge_attr = first_features(
            self.edge_embedding, self.edge_mlp, batch.edge_length, batch.edge_population
        )
        x = self.mp_block(  # 2
            all_rows(x), batch.edge_index, edge_attr, batch.edge_multiplicity, nodes
        )
        return TrunkOutput(self.pooling(x, nodes), x)  # 3


def _message_passing(
    config: settings.OptiMetal2B | settings.OptiMetal2BNoResidual,
) -> nn.Module:
    if isinstance(config, settings.OptiMetal2BNoResidual):
        return PlainAttentionBlock(config.message_passing, config.hidden_dim)
    return MessagePassingBlock(
        config.message_passing,
        config.hidden_dim,
        config.activation,
        config.message_passing.num_layers,
    )


def embedding_mlp(embedding_dim: int, config: OptiMetal) -> MLP:
    """MLP from an embedding to the width of the network."""
    return MLP(
        embedding_dim,
        config.hidden_dim,
        config.hidden_dim,
        config.depth,
        config.activation,
    )


def first_features(
    embedding: nn.Module, mlp: MLP, values: Tensor, population: Tensor
) -> SharedRows:
    """Embedding and MLP of elements, lengths or cosines, once per distinct value.

    Args:
        embedding: (n,) values to (n, embedding_dim).
        mlp: From there to the width of the network.
        values: (num_rows,).
        population: (num_rows,) rows of the full graph that each row stands for.
    """
    return embed_distinct(
        values, population, lambda distinct, counted: mlp(embedding(distinct), counted)
    )


def make_head(target: Target, config: OptiMetal) -> Head:
    """Head for a spectrum (hidden width ``spectra_dim``) or a number (``hidden_dim``)."""
    hidden = config.spectra_dim if target.shape else config.hidden_dim
    return Head(target, config.hidden_dim, hidden, config.depth, config.activation)


def optimetal_2b(
    config: settings.OptiMetal2B | settings.OptiMetal2BNoResidual, task: Task
) -> CrystalNetwork:
    """Two-body network for a task."""
    heads = {target.name: make_head(target, config) for target in task}
    return CrystalNetwork(OptiMetal2BTrunk(config), heads)
