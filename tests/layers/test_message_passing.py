import pytest
import torch
from torch.testing import assert_close

from optimetal.config import architecture as settings
from optimetal.layers.message_passing import (
    MessagePassingBlock,
    MessagePassingLayer,
    PlainAttentionBlock,
)
from optimetal.layers.rows import Rows

WIDTH = 8
EDGE_INDEX = torch.tensor([[0, 1, 2, 2], [1, 0, 0, 1]])
ROWS = Rows(torch.tensor([1.0, 2, 1]), torch.tensor([0, 0, 1]), 2)


@pytest.fixture
def inputs():
    torch.manual_seed(0)
    return torch.randn(3, WIDTH), EDGE_INDEX, torch.randn(4, WIDTH), torch.ones(4)


@pytest.mark.parametrize(
    "config", [settings.CGConv(), settings.GATv2(heads=2), settings.Transformer(heads=4)]
)
def test_layer_is_convolution_then_residual_mlp_then_norm(inputs, config):
    layer = MessagePassingLayer(config, WIDTH, "relu").eval()
    x = layer.conv(*inputs)
    assert_close(layer(*inputs, ROWS), layer.norm(x + layer.mlp(x, ROWS), ROWS))
    assert layer.mlp.channel_list == [WIDTH, 6 * WIDTH, WIDTH]


def test_block_repeats_the_layer(inputs):
    block = MessagePassingBlock(settings.CGConv(), WIDTH, "relu", num_layers=3).eval()
    x, *edges = inputs
    for layer in block.layers:
        x = layer(x, *edges, ROWS)
    assert len(block.layers) == 3
    assert_close(block(*inputs, ROWS), x)


def test_plain_block_has_nothing_between_its_attentions(inputs):
    block = PlainAttentionBlock(settings.PlainGATv2Layers(heads=2), WIDTH)
    x, *edges = inputs
    assert_close(block(*inputs, ROWS), block[1](block[0](x, *edges), *edges))
    assert block[0].res is not None
