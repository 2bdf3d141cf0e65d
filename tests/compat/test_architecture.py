"""Published architectures under our names."""

import copy

import pytest

from optimetal.compat import architecture_from_published
from optimetal.config import architecture as settings


@pytest.fixture
def edited(two_body):
    """Function: the two-body network with some keys changed, within its sections too."""

    def edit(**changes):
        architecture = copy.deepcopy(two_body)
        for key, value in changes.items():
            if isinstance(value, dict):
                architecture[key].update(value)
            else:
                architecture[key] = value
        return architecture

    return edit


def test_published_keys_become_ours(two_body):
    assert architecture_from_published(two_body) == settings.OptiMetal2B(
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
def test_envelope(edited, given, exponent):
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
    plain = architecture_from_published({"type": "optimetal_2b_no_residual"})
    assert plain.edge_embedding == two_body.edge_embedding
    assert plain.message_passing == settings.PlainGATv2Layers(heads=4, num_layers=2)
    three_body = architecture_from_published({"type": "optimetal_3b"})
    assert three_body.edge_embedding.envelope_exponent is None
    assert three_body.node_message_passing == settings.Transformer(heads=4, hidden_multiplier=4)
    assert three_body.angle_embedding.l_max == 3
    assert architecture_from_published({"type": "optimate"}) == settings.OptiMate()


def test_optimate_has_no_settings():
    given = {"type": "OptiMate", "twobody_cutoff": 6.0, "hidden_dim": 8}
    assert architecture_from_published(given) == settings.OptiMate()


@pytest.mark.parametrize(("cutoff", "pairs"), [(3.5, 3.5), (4, 4.0), (6.0, 4.0)])
def test_pairs_are_made_of_the_edges_there_are(cutoff, pairs):
    network = architecture_from_published({"type": "optimetal_3b", "twobody_cutoff": cutoff})
    assert (network.cutoff, network.triplet_cutoff) == (cutoff, pairs)


def test_plain_network_takes_graph_attention_only(edited):
    plain = edited(type="optimetal_2b_no_residual", message_passing_dict={"type": "transformer"})
    with pytest.raises(ValueError, match=r"unknown type 'transformer'.*known are gatv2"):
        architecture_from_published(plain)


def test_layers_within_a_triplet_layer_are_always_one():
    attention = {"type": "transformer", "heads": 2, "num_layers": 5, "activation": "relu"}
    block = {"num_layers": 3, "edge_graph_mp_dict": attention, "node_graph_mp_dict": attention}
    network = architecture_from_published({"type": "optimetal_3b", "triplet_block_dict": block})
    assert network.num_layers == 3
    assert network.edge_message_passing == settings.Transformer(heads=2, hidden_multiplier=4)


def test_unvalidated_section_of_the_plain_network_may_hold_anything(edited):
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
        ({"type": None}, r"unknown type 'none' in published `architecture`"),
        ({"pooling_dict": 3}, r"`pooling_dict` must be a dictionary, got 3"),
        ({"message_passing_dict": {"heads": 3}}, "divisible by `heads`, got 8 and 3"),
        ({"pooling_dict": {"type": "max"}}, r"unknown type 'max' in published `pooling_dict`"),
        (
            {"edge_embedding_dict": {"basis_width": 2.0}},
            r"unknown key `basis_width` in published `edge_embedding_dict`: known are.*`trainable`",
        ),
        ({"node_embedding_dict": {"type": "atom", "embedding_dim": 0}}, "embedding_dim"),
        ({"activation": "sine"}, "activation"),
    ],
)
def test_unknown_keys_and_types_are_named(edited, wrong, message):
    with pytest.raises(ValueError, match=message):
        architecture_from_published(edited(**wrong))


def test_missing_key_is_named(edited):
    with pytest.raises(ValueError, match="missing key `heads` in published `message_passing_dict`"):
        architecture_from_published(
            edited() | {"message_passing_dict": {"type": "gatv2", "num_layers": 2}}
        )


def test_what_is_no_dictionary_is_refused():
    with pytest.raises(ValueError, match="`architecture` must be a dictionary, got 'optimate'"):
        architecture_from_published("optimate")


def test_type_in_capitals_and_sections_of_none(two_body):
    """Published spellings: the type in any case, and no section for the default one."""
    loose = {**two_body, "type": "OptiMetal_2B", "pooling_dict": None}
    pooling = architecture_from_published(loose).pooling
    assert pooling == settings.VectorAttentionPooling()
