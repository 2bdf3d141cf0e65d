"""Model cards."""

import pytest
import torch
from safetensors.torch import save_file

from optimetal.cards import complete_card, read_card
from optimetal.config.architecture import OptiMetal2B
from optimetal.models import build_model
from optimetal.models.weights import load_model, save_model


def test_a_card_is_completed_in_a_copy(tmp_path):
    model = build_model(OptiMetal2B(hidden_dim=8))
    old, new = tmp_path / "old.safetensors", tmp_path / "new.safetensors"
    save_model(model, old, {"seed": 1, "label": "old"})
    complete_card(old, new, {"label": "new", "test": {"loss": 2.0}})
    assert read_card(old) == {"seed": 1, "label": "old"}
    assert read_card(new) == {"seed": 1, "label": "new", "test": {"loss": 2.0}}
    torch.testing.assert_close(load_model(new)[0].state_dict(), model.state_dict())


def test_other_files_have_no_card(tmp_path):
    with pytest.raises(FileNotFoundError, match="found no file"):
        read_card(tmp_path / "absent.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    with pytest.raises(ValueError, match="not written by this library"):
        read_card(tmp_path / "foreign.safetensors")
