"""Published checkpoints of our own making."""

import os
import sys

import pytest
import torch
from torch.testing import assert_close

from optimetal.compat import (
    architecture_from_published,
    load_published,
    load_published_checkpoint,
    training_from_published,
)


def test_network_architecture_and_card(checkpoint, two_body, weights, config):
    network, architecture, card = load_published_checkpoint(checkpoint())
    assert architecture == architecture_from_published(two_body)
    assert not network.training
    expected = load_published(two_body, weights).state_dict()
    assert_close(network.state_dict(), expected, rtol=0, atol=0)
    assert card["config"] == {k: v for k, v in config.items() if k != "trial_dir"}
    assert training_from_published(card["config"]).learning_rate == 6e-4
    del card["config"]
    assert card == {
        "origin": "published checkpoint",
        "epoch": 493,
        "precision": "bf16",
        "seed": 137,
        "num_train": 20000,
    }


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("optimetal.utils", "ValidateConfigurationDict"),
        ("optimetal.utils.config_schema", "Config"),
    ],
)
def test_the_class_may_lie_anywhere_in_its_package(checkpoint, module, name, protocol):
    path = checkpoint(module=module, name=name, pickle_protocol=protocol)
    assert load_published_checkpoint(path)[2]["seed"] == 137


def test_nested_configurations_become_dictionaries(tmp_path, published_object, weights, config):
    """Each section an object of its own class."""

    def content(build):
        sections = {
            key: build(value) if isinstance(value, dict) else value
            for key, value in config["architecture"].items()
        }
        nested = build({**config, "architecture": build(sections)})
        return {"epoch": 1, "model_state_dict": weights, "config_dict": nested}

    path = published_object(tmp_path / "nested.pt", content)
    _, architecture, card = load_published_checkpoint(path)
    assert architecture == architecture_from_published(config["architecture"])
    assert card["config"]["architecture"] == config["architecture"]


def test_weights_of_other_precision_become_single(checkpoint, weights):
    state = {k: v.double() if v.is_floating_point() else v for k, v in weights.items()}
    network, _, card = load_published_checkpoint(
        checkpoint({"model_state_dict": state, "precision": None})
    )
    assert card["precision"] == "fp32"
    assert {p.dtype for p in network.parameters()} == {torch.float32}


class Hostile:
    def __init__(self, witness):
        self.witness = witness

    def __reduce__(self):
        return os.system, (f"touch {self.witness}",)


@pytest.mark.parametrize("key", ["epoch", "model_state_dict", "config_dict", "precision", "more"])
def test_a_hostile_checkpoint_runs_nothing(checkpoint, tmp_path, key):
    witness = tmp_path / "witness"
    path = checkpoint({key: Hostile(witness)})
    with pytest.raises(ValueError, match=r"refused `posix\.system`"):
        load_published_checkpoint(path)
    assert not witness.exists()


def test_a_class_of_the_same_name_elsewhere_is_refused(checkpoint):
    path = checkpoint(module="optimetal.utilities")
    with pytest.raises(ValueError, match=r"refused `optimetal\.utilities\.ValidateConf"):
        load_published_checkpoint(path)
    assert "optimetal.utils" not in sys.modules


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_state_dict": None}, "under `model_state_dict`, found `epoch`, `model_state_dict`"),
        ({"config_dict": 3}, "expected a dictionary under `config_dict`"),
        ({"config_dict": {"seed": 1}}, "expected a dictionary under `architecture`, found `seed`"),
        ({"config_dict": {"architecture": {"type": "cgcnn"}}}, "unknown type 'cgcnn'"),
        ({"config_dict": {"architecture": {}, "x": torch.zeros(1)}}, "type dtype is not JSON"),
        ({"config_dict": {"architecture": {}, "x": {1, 2}}}, "type set is not JSON"),
        ({"config_dict": {"architecture": {}, "x": "long" * 100_000}}, "it is too long"),
        ({"epoch": "last"}, "number under `epoch`, got 'last'"),
        ({"precision": "bf16"}, "unknown `precision` 'bf16'"),
        ({"precision": torch.float16}, r"unknown `precision` torch\.float16"),
        ({"model_state_dict": {}}, "is missing, expected shape .*; and more"),
    ],
)
def test_faulty_checkpoints_are_named(checkpoint, changes, message):
    path = checkpoint(changes)
    with pytest.raises(ValueError, match=f"best_model.pt is no usable.*({message})"):
        load_published_checkpoint(path)


def test_endless_configurations_are_refused(checkpoint):
    laughs = ["ha"]
    for _ in range(60):
        laughs = [laughs, laughs]
    endless = []
    endless.append(endless)
    for value, message in ((laughs, "too long|recursion"), (endless, "Circular")):
        path = checkpoint({"config_dict": {"architecture": {}, "x": value}})
        with pytest.raises(ValueError, match=message):
            load_published_checkpoint(path)
    with pytest.raises(ValueError, match="number under `epoch`"):
        load_published_checkpoint(checkpoint({"epoch": laughs}))


def test_missing_weight_is_named(checkpoint, weights):
    state = {k: v for k, v in weights.items() if k != "node_mlp.lins.0.bias"}
    with pytest.raises(ValueError, match=r"node_mlp\.lins\.0\.bias is missing"):
        load_published_checkpoint(checkpoint({"model_state_dict": state}))


def test_lists_are_no_checkpoints(tmp_path):
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(ValueError, match="dictionary with `model_state_dict`, got list"):
        load_published_checkpoint(tmp_path / "list.pt")
