"""Settings that a study varies."""

import re

import pytest

from optimetal.config.architecture import OptiMetal2B, OptiMetal3B, TransformerLayers
from optimetal.config.training import TrainingSettings
from optimetal.config.variation import (
    Network,
    _initials_of,
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


def combination(num_basis=64, steps=2):
    return {
        "architecture.node_embedding": {"type": "atom", "embedding_dim": 256},
        "architecture.edge_embedding": {"type": "bessel", "num_basis": num_basis},
        "architecture.message_passing": {"type": "gatv2", "heads": 8, "hidden_multiplier": 4},
        POOLING: {"type": "set2set", "processing_steps": steps},
        "training.weight_decay": 6e-6,
    }


def test_long_names_are_shortened_to_types_and_initials():
    assert named(combination()) == "bessel.nb64_gatv2.h8.hm4_atom.ed256_set2set.ps2_wd6e-06"
    assert named(combination(steps=3)) == "bessel.nb64_gatv2.h8.hm4_atom.ed256_set2set_wd6e-06"
    assert named(dict(reversed(combination().items()))) == named(combination())


def test_a_type_that_two_settings_may_have_keeps_its_place():
    own = Network(OptiMetal3B(hidden_dim=16), TrainingSettings())
    layers = {"type": "gatv2", "heads": 16, "hidden_multiplier": 2}
    choice = {
        "architecture.edge_message_passing": layers,
        "architecture.node_message_passing": {**layers, "heads": 2},
        "architecture.edge_embedding.envelope_exponent": None,
        "architecture.pooling": {"type": "scalar_attention"},
    }
    name = variant(with_choice(own, choice), own, choice)
    assert name == "ee.eenone_emp.gatv2.h16.hm2_nmp.gatv2.h2.hm2_scalar_attention"


def test_keys_of_equal_initials_are_written_out():
    paths = [f"training.{key}" for key in TrainingSettings.model_fields if key != "learning_rate"]
    paths += [f"architecture.{key}" for key in OptiMetal2B.model_fields if key != "type"]
    shorts = [_initials_of(OWN, path) for path in paths]
    assert len(set(shorts)) == len(paths)
    assert {"wd", "mp", "patience", "pooling"} < set(shorts)


def test_still_longer_names_become_types_and_a_hash():
    def many(epochs):
        return combination() | {
            "training.warmup_epochs": 3,
            "training.drude_weight": 0.125,
            "training.epochs": epochs,
            "training.schedule": {"type": "cosine", "period": 100},
            "architecture.cutoff": 4.0,
        }

    assert re.fullmatch("bessel-gatv2-atom-set2set-cosine-[0-9a-f]{8}", named(many(90)))
    assert named(many(90)) != named(many(91))


def test_sections_in_words():
    assert in_words(OWN.architecture.message_passing) == (
        "transformer, heads 2, hidden_multiplier 6, num_layers 2"
    )
    assert in_words(3) == 3
