"""OptiMetal3B: message passing between edges that share an atom, and between atoms."""

from torch import Tensor, nn

from optimetal.config import architecture as settings
from optimetal.graphs.batch import GraphBatch
from optimetal.layers.convolutions import linear_of_pair
from optimetal.layers.embeddings import AngleEmbedding, edge_embedding, node_embedding
from optimetal.layers.message_passing import MessagePassingBlock
from optimetal.layers.mlp import MLP
from optimetal.layers.norms import LayerNorm
from optimetal.layers.pooling import pooling
from optimetal.layers.rows import Rows, SharedRows, all_rows
from optimetal.models.network import CrystalNetwork, TrunkOutput
from optimetal.models.optimetal_2b import embedding_mlp, first_features, make_head
from optimetal.tasks import Task

Features = tuple[Tensor, Tensor | SharedRows, Tensor | SharedRows]
"""Features of atoms, edges and angles; those of edges and angles are shared before the first layer."""


class PairUpdate(MLP):
    """A linear layer on the features of two ends and of what connects them."""

    def __init__(self, channels: int) -> None:
        """All features have ``channels`` entries."""
        super().__init__(3 * channels, channels, channels, num_hidden=0)

    def forward(self, x: Tensor, index: Tensor, attr: Tensor | SharedRows) -> Tensor:
        """Change of the features of what connects: a linear map of ``[x[index[0]], x[index[1]], attr]``.

        Args:
            x: (num_ends, channels).
            index: (2, n) int64.
            attr: (n, channels).

        Returns:
            (n, channels).
        """
        weight, bias = self.lins[0].parameters()
        return linear_of_pair(weight, bias, x, index, attr)


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
        self.node_edge_mlp = PairUpdate(width)  # 1
        self.edge_norm = LayerNorm(width)
        self.edge_angle_mlp = PairUpdate(width)  # 2
        self.angle_norm = LayerNorm(width)
        self.edge_graph_mp = MessagePassingBlock(  # 3
            config.edge_message_passing, width, activation
        )
        self.node_graph_mp = MessagePassingBlock(  # 4
            config.node_message_passing, width, activation
        )

    def forward(
        self,
        batch: GraphBatch,
        rows: tuple[Rows, Rows, Rows],
        features: Features,
    ) -> Features:
        """New features of atoms, edges and angles.

        Args:
            batch: The graphs.
            rows: Crystal and population of nodes, edges and three-body pairs.
            features: (num_nodes, d), (num_edges, d) and (num_triplets, d).
        """
        nodes, edges, triplets = rows
        x, edge_attr, angle_attr = features
        edge_change = self.node_edge_mlp(x, batch.edge_index, edge_attr)  # 1
        edge_attr = self.edge_norm(all_rows(edge_attr) + edge_change, edges)
        angle_change = self.edge_angle_mlp(edge_attr, batch.triplet_index, angle_attr)  # 2
        angle_attr = self.angle_norm(all_rows(angle_attr) + angle_change, triplets)
        edge_attr = self.edge_graph_mp(  # 3
            edge_attr, batch.triplet_index, angle_attr, batch.triplet_multiplicity, edges
        )
        x = self.node_graph_mp(  # 4
            x, batch.edge_index, edge_attr, batch.edge_multiplicity, nodes
        )
        return x, edge_attr, angle_attr


class TripletBlock(nn.Module):
    """Several triplet layers in a row."""

    def __init__(self, config: settings.OptiMetal3B) -> None:
        """``num_layers`` layers."""
        super().__init__()
        self.layers = nn.ModuleList(TripletLayer(config) for _ in range(config.num_layers))

    def forward(
        self,
        batch: GraphBatch,
        rows: tuple[Rows, Rows, Rows],
        features: Features,
    ) -> Tensor:
        """(num_nodes, hidden_dim) atoms after the last layer; arguments as those of one layer."""
        for layer in self.layers:
            features = layer(batch, rows, features)
        return features[0]


class OptiMetal3BTrunk(nn.Module):
    """Maps a batch of graphs with three-body pairs to `TrunkOutput` of ``hidden_dim`` features.

    1. embed elements, edge lengths and angles, each followed by an MLP
    2. triplet layers
    3. pooling over the atoms
    """

    def __init__(self, config: settings.OptiMetal3B) -> None:
        """Settings of the network."""
        super().__init__()
        self.node_embedding = node_embedding(config.node_embedding)  # 1
        self.node_mlp = embedding_mlp(self.node_embedding.embedding_dim, config)
        self.edge_embedding = edge_embedding(config.edge_embedding, config.cutoff)
        self.edge_mlp = embedding_mlp(self.edge_embedding.embedding_dim, config)
        self.angle_embedding = AngleEmbedding(config.angle_embedding.l_max)
        self.angle_mlp = embedding_mlp(self.angle_embedding.embedding_dim, config)
        self.triplet_block = TripletBlock(config)  # 2
        self.pooling = pooling(config.pooling, config.hidden_dim)  # 3

    def forward(self, batch: GraphBatch) -> TrunkOutput:
        """One vector per crystal and node."""
        nodes = Rows(batch.class_size, batch.node_graph, batch.num_graphs)
        edges = Rows(batch.edge_population, batch.edge_graph, batch.num_graphs)
        triplets = Rows(batch.triplet_population, batch.triplet_graph, batch.num_graphs)
        x = first_features(  # 1
            self.node_embedding, self.node_mlp, batch.atomic_numbers, nodes.population
        )
        edge_attr = first_features(
            self.edge_embedding, self.edge_mlp, batch.edge_length, edges.population
        )
        angle_attr = first_features(
            self.angle_embedding, self.angle_mlp, batch.triplet_cosine, triplets.population
        )
        x = self.triplet_block(  # 2
            batch, (nodes, edges, triplets), (all_rows(x), edge_attr, angle_attr)
        )
        return TrunkOutput(self.pooling(x, nodes), x)  # 3


def optimetal_3b(config: settings.OptiMetal3B, task: Task) -> CrystalNetwork:
    """Three-body network for a task."""
    heads = {target.name: make_head(target, config) for target in task}
    return CrystalNetwork(OptiMetal3BTrunk(config), heads)
