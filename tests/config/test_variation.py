"""Settings that a study varies."""

import pytest

from optimetal.config.architecture import OptiMetal2B, TransformerLayers
from optimetal.config.training import TrainingSettings
from optimetal.config.variation import (
    Network,
    combinations,
    in_words,
    setting,
    variant,
    with_choice,
)

OWN = Network(OptiMetal2B(hidden_dim=16, message_passing=TransformerLayers()), TrainingSettings())
LAYERS = "architecture.message_passing.num_layers"
POOLING = "architecture.pooling"


def named(choice):
    return variant(with_choice(OWN, choice), OWN, choice)


def test_all_values_are_crossed_in_order():
    assert combinations({"a": [1, 2], "b": ["x", "y"]}) == [
        {"a": 1, "b": "x"},
        {"a": 1, "b": "y"},
        {"a": 2, "b": "x"},
        {"a": 2, "b": "y"},
    ]
    assert combinations({}) == [{}]


def test_lists_in_a_section_stand_for_several_sections():
    values = [{"type": "mean"}, {"type": "set2set", "processing_steps": [1, 2]}]
    assert [choice[POOLING] for choice in combinations({POOLING: values})] == [
        {"type": "mean"},
        {"type": "set2set", "processing_steps": 1},
        {"type": "set2set", "processing_steps": 2},
    ]


def test_paths_with_commas_take_the_same_value():
    assert combinations({"a, b": [1, 2]}) == [{"a": 1, "b": 1}, {"a": 2, "b": 2}]


def test_sections_and_numbers_replace_those_of_the_model():
    network = with_choice(
        OWN, {LAYERS: 3, POOLING: {"type": "set2set"}, "training.weight_decay": 0.1}
    )
    assert network.architecture.message_passing == TransformerLayers(num_layers=3)
    assert setting(network, POOLING).processing_steps == 3
    assert network.training.weight_decay == 0.1
    assert with_choice(OWN, {}) == OWN


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("architecture.message_passing.num_layer", f"did you mean `{LAYERS}`"),
        ("architecture.edge_message_passing.heads", "unknown setting"),
        ("training.lr", "unknown setting `training.lr`"),
        ("epochs", "unknown setting `epochs`; did you mean `training.epochs`"),
        ("architecture.hidden_dim", "use `widths`"),
        ("architecture.type", "declare another model"),
    ],
)
def test_unknown_settings_are_named(path, message):
    with pytest.raises(ValueError, match=message):
        with_choice(OWN, {path: 1})


def test_names_tell_what_differs_from_the_model():
    assert named({LAYERS: 2, POOLING: {"type": "vector_attention"}}) == ""
    assert named({LAYERS: 3, "training.weight_decay": 1e-4}) == (
        "message_passing.num_layers3_weight_decay0.0001"
    )
    assert named({POOLING: {"type": "set2set", "processing_steps": 2}}) == (
        "pooling.set2set.processing_steps2"
    )
    assert named({"architecture.edge_embedding.envelope_exponent": None}) == (
        "edge_embedding.envelope_exponentnone"
    )
    assert named({"training.learning_rate": 0.1}) == ""  # every run name has it


def test_long_names_become_types_and_a_hash():
    def long_choice(num_basis):
        return {
            "architecture.node_embedding": {"type": "atom", "embedding_dim": 256},
            "architecture.edge_embedding": {"type": "bessel", "num_basis": num_basis},
            "architecture.message_passing": {"type": "gatv2", "heads": 8, "hidden_multiplier": 4},
            POOLING: {"type": "set2set", "processing_steps": 2},
        }

    assert named(long_choice(64)).startswith("bessel-gatv2-atom-set2set-")
    assert named(long_choice(64)) != named(long_choice(128))
    assert named(long_choice(64)) == named(dict(reversed(long_choice(64).items())))


def test_sections_in_words():
    assert in_words(OWN.architecture.message_passing) == (
        "transformer, heads 2, hidden_multiplier 6, num_layers 2"
    )
    assert in_words(3) == 3
