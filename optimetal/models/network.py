"""The frame of every network: a trunk makes one vector per crystal, heads map it to targets."""

from collections.abc import Mapping
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from optimetal.config.architecture import Architecture
from optimetal.graphs.batch import GraphBatch
from optimetal.layers.mlp import MLP
from optimetal.tasks import Target


class TrunkOutput(NamedTuple):
    """What a trunk knows about a batch of crystals."""

    crystal: Tensor
    """(B, d) one vector per crystal."""
    nodes: Tensor
    """(num_nodes, h) one vector per node."""


class CrystalNetwork(nn.Module):
    """Maps a batch of crystal graphs to target name -> (B, *shape) predictions."""

    architecture: Architecture
    """Settings that :func:`optimetal.models.build_model` built it from."""

    def __init__(self, trunk: nn.Module, heads: Mapping[str, nn.Module]) -> None:
        """Put a trunk (`GraphBatch` to `TrunkOutput`) under heads (`TrunkOutput` to a target)."""
        super().__init__()
        self.trunk = trunk
        self.heads = nn.ModuleDict(dict(heads))

    def forward(self, batch: GraphBatch) -> dict[str, Tensor]:
        """Predict all targets."""
        output = self.trunk(batch)
        return {name: head(output) for name, head in self.heads.items()}


class Head(nn.Module):
    """MLP from the crystal's vector to one target, spectrum or number."""

    def __init__(
        self, target: Target, in_channels: int, hidden_channels: int, depth: int, activation: str
    ) -> None:
        """``depth`` hidden layers; a target that cannot be negative ends in a ReLU."""
        super().__init__()
        self.shape = target.shape
        self.non_negative = target.non_negative
        self.mlp = MLP(in_channels, hidden_channels, prod(target.shape), depth, activation)

    def forward(self, output: TrunkOutput) -> Tensor:
        """(B, *shape); the last index of a target runs fastest in the MLP's output."""
        values = self.mlp(output.crystal).view(-1, *self.shape)
        return torch.relu(values) if self.non_negative else values
