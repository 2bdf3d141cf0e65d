"""Weights on disk: safetensors with the architecture and the model card inside."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter
from safetensors.torch import load_file, save_file

from optimetal.cards import FORMAT, read_metadata
from optimetal.config.architecture import Architecture
from optimetal.files import whole_file
from optimetal.models import build_model
from optimetal.models.network import CrystalNetwork

_ARCHITECTURE: Final = TypeAdapter(Architecture)


def save_model(model: CrystalNetwork, path: str | Path, card: Mapping[str, Any]) -> None:
    """Write weights, architecture and model card to one file.

    Args:
        model: The network, which knows what it was built from.
        path: File to write, by convention ``*.safetensors``.
        card: What a user must know: data, metrics, version, commit; plain JSON.
    """
    metadata = {
        "format": FORMAT,
        "architecture": model.architecture.model_dump_json(),
        "card": json.dumps(card),
    }
    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    with whole_file(path) as temporary:
        save_file(state, temporary, metadata)


def load_model(path: str | Path) -> tuple[CrystalNetwork, Architecture, dict[str, Any]]:
    """Network in eval mode, its architecture and its model card.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no file of :func:`save_model`, or its weights do not fit its architecture.
    """
    metadata = read_metadata(path)
    architecture = _ARCHITECTURE.validate_json(metadata["architecture"])
    model = build_model(architecture)
    try:
        model.load_state_dict(load_file(path))
    except RuntimeError as error:
        raise ValueError(f"The weights in {path} do not fit their architecture: {error}") from error
    return model.eval(), architecture, json.loads(metadata["card"])
