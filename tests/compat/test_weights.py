"""Published weights in our networks."""

import pytest
import torch
from torch.testing import assert_close

from optimetal.compat import load_published


def test_loads_weights_without_touching_the_random_generator(two_body, weights):
    state = torch.get_rng_state()
    network = load_published(
        two_body, {k: v.double() if v.is_floating_point() else v for k, v in weights.items()}
    )
    assert torch.equal(torch.get_rng_state(), state)
    assert not network.training
    assert_close(network.trunk.node_mlp.lins[0].weight.data, weights["node_mlp.lins.0.weight"])
    assert_close(
        network.heads["drude_frequency"].mlp.lins[1].bias.data, weights["drude_mlp.lins.1.bias"]
    )
    network.trunk.node_mlp.lins[0].weight.data.zero_()
    assert weights["node_mlp.lins.0.weight"].any()  # it was copied
    assert all(p.requires_grad for p in network.parameters())


def test_weights_that_do_not_fit_are_named(two_body, weights):
    weights["spectra_mlp.lins.0.bias"] = [0.0]
    weights["spectra_mlp.lins.5.weight"] = torch.zeros(1)
    weights["node_mlp.lins.0.bias"] = torch.zeros(3)
    del weights["pooling.proj.bias"]
    with pytest.raises(ValueError, match="do not fit the architecture") as error:
        load_published(two_body, weights)
    for fault in (
        "node_mlp.lins.0.bias has shape (3,) instead of (8,)",
        "pooling.proj.bias is missing, expected shape (8,)",
        "spectra_mlp.lins.0.bias is no tensor but of type list",
        "spectra_mlp.lins.5.weight belongs to no layer, the closest is spectra_mlp.lins.",
    ):
        assert fault in str(error.value)


def test_long_lists_of_faults_are_cut(two_body):
    with pytest.raises(ValueError, match=r"is missing.*; and more$"):
        load_published(two_body, {})


def test_the_network_knows_its_architecture(two_body, weights):
    assert load_published(two_body, weights).architecture.cutoff == 5.0
