"""Weights on disk."""

import pytest
import torch
from safetensors.torch import save_file

from optimetal.cards import FORMAT
from optimetal.models import build_model
from optimetal.models.weights import load_model, save_model


def test_a_network_comes_back_with_its_card(architecture, tmp_path, random_batch):
    torch.manual_seed(0)
    model = build_model(architecture).eval()
    save_model(model, tmp_path / "m.safetensors", {"seed": 1, "source": "test"})
    loaded, same_architecture, card = load_model(tmp_path / "m.safetensors")
    assert (same_architecture, card) == (architecture, {"seed": 1, "source": "test"})
    batch = random_batch(dtype=torch.float32)
    with torch.no_grad():
        for name, values in model(batch).items():
            assert torch.equal(loaded(batch)[name], values)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="found no file"):
        load_model(tmp_path / "absent.safetensors")
    (tmp_path / "text").write_text("weights")
    with pytest.raises(ValueError, match="Expected a safetensors file"):
        load_model(tmp_path / "text")
    save_file({"a": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    with pytest.raises(ValueError, match="not written by this library"):
        load_model(tmp_path / "foreign.safetensors")


def test_weights_that_do_not_fit_are_refused(tmp_path, small_architectures):
    architecture = small_architectures["2b_cgconv"]
    metadata = {"format": FORMAT, "architecture": architecture.model_dump_json(), "card": "{}"}
    save_file({"a": torch.zeros(1)}, tmp_path / "m.safetensors", metadata)
    with pytest.raises(ValueError, match="do not fit their architecture"):
        load_model(tmp_path / "m.safetensors")
