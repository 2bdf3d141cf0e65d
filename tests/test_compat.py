import copy

import pytest
import torch
from torch.testing import assert_close

from optimetal.compat import architecture_from_published, load_published
from optimetal.config import architecture as settings
from optimetal.models import build_model

TWO_BODY = {
    "type": "optimetal_2b",
    "node_embedding_dict": {"type": "atom", "embedding_dim": 5, "num_elements": 100},
    "edge_embedding_dict": {"type": "bessel", "num_basis": 6, "trainable": True},
    "message_passing_dict": {"type": "gatv2", "num_layers": 1, "heads": 2, "activation": "relu"},
    "pooling_dict": {"type": "set2set"},
    "hidden_dim": 8,
    "spectra_dim": 9,
    "depth": 1,
    "activation": "leaky_relu",
    "twobody_cutoff": 5.0,
}


def edited(**changes):
    architecture = copy.deepcopy(TWO_BODY)
    for key, value in changes.items():
        if isinstance(value, dict):
            architecture[key].update(value)
        else:
            architecture[key] = value
    return architecture


def test_published_keys_become_ours():
    assert architecture_from_published(TWO_BODY) == settings.OptiMetal2B(
        node_embedding=settings.AtomEmbedding(embedding_dim=5),
        edge_embedding=settings.BesselEmbedding(
            num_basis=6, trainable=True, envelope_exponent=None
        ),
        message_passing=settings.GATv2Layers(num_layers=1, heads=2, hidden_multiplier=4),
        pooling=settings.Set2SetPooling(processing_steps=3),
        hidden_dim=8,
        spectra_dim=9,
        depth=1,
        activation="leakyrelu",
        cutoff=5.0,
    )


@pytest.mark.parametrize(
    ("given", "exponent"),
    [
        ({"apply_envelope": True}, 4),
        ({"apply_envelope": True, "envelope_exp": 6}, 6),
        ({"apply_envelope": False, "envelope_exp": 6}, None),
    ],
)
def test_envelope(given, exponent):
    embedding = architecture_from_published(edited(edge_embedding_dict=given)).edge_embedding
    assert embedding.envelope_exponent == exponent


def test_published_defaults_of_what_is_left_out():
    two_body = architecture_from_published({"type": "optimetal_2b"})
    assert two_body.node_embedding == settings.AtomEmbedding(embedding_dim=64)
    assert two_body.edge_embedding == settings.GaussianEmbedding(
        num_basis=64, basis_width=2.0, envelope_exponent=4
    )
    assert two_body.message_passing == settings.TransformerLayers(heads=4, hidden_multiplier=4)
    assert two_body.spectra_dim == 2048
    three_body = architecture_from_published({"type": "optimetal_3b"})
    assert three_body.edge_embedding.envelope_exponent is None
    assert three_body.node_message_passing == settings.Transformer(heads=4, hidden_multiplier=4)
    assert three_body.angle_embedding.l_max == 3
    assert architecture_from_published({"type": "optimate"}) == settings.OptiMate()


def test_layers_within_a_triplet_layer_are_always_one():
    attention = {"type": "transformer", "heads": 2, "num_layers": 5, "activation": "relu"}
    block = {"num_layers": 3, "edge_graph_mp_dict": attention, "node_graph_mp_dict": attention}
    network = architecture_from_published({"type": "optimetal_3b", "triplet_block_dict": block})
    assert network.num_layers == 3
    assert network.edge_message_passing == settings.Transformer(heads=2, hidden_multiplier=4)


def test_unvalidated_section_of_the_plain_network_may_hold_anything():
    plain = edited(
        type="optimetal_2b_no_residual", message_passing_dict={"hidden_multiplier": 4, "note": 1}
    )
    expected = settings.PlainGATv2Layers(num_layers=1, heads=2)
    assert architecture_from_published(plain).message_passing == expected


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"type": "cgcnn"}, r"unknown type 'cgcnn' in published `architecture`.*optimetal_3b"),
        ({"hidden": 3}, r"unknown key `hidden` in published `architecture`.*`hidden_dim`"),
        ({"pooling_dict": {"type": "max"}}, r"unknown type 'max' in published `pooling_dict`"),
        (
            {"edge_embedding_dict": {"basis_width": 2.0}},
            r"unknown key `basis_width` in published `edge_embedding_dict`: known are.*`trainable`",
        ),
        ({"node_embedding_dict": {"type": "atom", "embedding_dim": 0}}, "embedding_dim"),
        ({"activation": "sine"}, "activation"),
    ],
)
def test_unknown_keys_and_types_are_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        architecture_from_published(edited(**wrong))


def test_missing_key_is_named():
    with pytest.raises(ValueError, match="missing key `heads` in published `message_passing_dict`"):
        architecture_from_published(
            edited() | {"message_passing_dict": {"type": "gatv2", "num_layers": 2}}
        )


@pytest.fixture
def published():
    """Weights of a fresh network under their published names."""
    network = build_model(architecture_from_published(TWO_BODY))
    heads = {"heads.eps_inter.mlp.": "spectra_mlp.", "heads.drude_frequency.mlp.": "drude_mlp."}
    state = {}
    for name, values in network.state_dict().items():
        for ours, theirs in {"trunk.": "", **heads}.items():
            if name.startswith(ours):
                state[theirs + name.removeprefix(ours)] = values
    return state


def test_loads_weights_without_touching_the_random_generator(published):
    state = torch.get_rng_state()
    network = load_published(
        TWO_BODY, {k: v.double() if v.is_floating_point() else v for k, v in published.items()}
    )
    assert torch.equal(torch.get_rng_state(), state)
    assert not network.training
    assert_close(network.trunk.node_mlp.lins[0].weight.data, published["node_mlp.lins.0.weight"])
    assert_close(
        network.heads["drude_frequency"].mlp.lins[1].bias.data, published["drude_mlp.lins.1.bias"]
    )
    network.trunk.node_mlp.lins[0].weight.data.zero_()
    assert published["node_mlp.lins.0.weight"].any()  # it was copied
    assert all(p.requires_grad for p in network.parameters())


def test_weights_that_do_not_fit_are_named(published):
    published["spectra_mlp.lins.5.weight"] = torch.zeros(1)
    published["node_mlp.lins.0.bias"] = torch.zeros(3)
    del published["pooling.proj.bias"]
    with pytest.raises(ValueError, match="do not fit the architecture") as error:
        load_published(TWO_BODY, published)
    for fault in (
        "node_mlp.lins.0.bias has shape (3,) instead of (8,)",
        "pooling.proj.bias is missing",
        "spectra_mlp.lins.5.weight belongs to no layer",
    ):
        assert fault in str(error.value)
