"""Weights on disk: safetensors with the architecture and the model card inside."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from optimetal.config.architecture import Architecture
from optimetal.files import whole_file
from optimetal.models import build_model
from optimetal.models.network import CrystalNetwork

FORMAT: Final = "optimetal-model-1"

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


def complete_card(path: str | Path, completed: str | Path, more: Mapping[str, Any]) -> None:
    """Copy a file of weights, with more on its model card.

    Args:
        path: File of :func:`save_model`.
        completed: File to write.
        more: What was not known when the training ended, e.g. how the network did in the test.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no file of :func:`save_model`.
    """
    metadata = _metadata(path)
    card = json.loads(metadata["card"]) | dict(more)
    with whole_file(completed) as temporary:
        save_file(load_file(path), temporary, metadata | {"card": json.dumps(card)})


def read_card(path: str | Path) -> dict[str, Any]:
    """Model card of a file of :func:`save_model`; errors as those of :func:`load_model`."""
    return json.loads(_metadata(path)["card"])


def load_model(path: str | Path) -> tuple[CrystalNetwork, Architecture, dict[str, Any]]:
    """Network in eval mode, its architecture and its model card.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no file of :func:`save_model`, or its weights do not fit its architecture.
    """
    metadata = _metadata(path)
    architecture = _ARCHITECTURE.validate_json(metadata["architecture"])
    model = build_model(architecture)
    try:
        model.load_state_dict(load_file(path))
    except RuntimeError as error:
        raise ValueError(f"The weights in {path} do not fit their architecture: {error}") from error
    return model.eval(), architecture, json.loads(metadata["card"])


def _metadata(path: str | Path) -> dict[str, str]:
    if not Path(path).is_file():
        raise FileNotFoundError(f"Expected model weights at {path}, found no file.")
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(f"Expected a safetensors file at {path}: {error}") from error
    if metadata.get("format") != FORMAT:
        raise ValueError(
            f"Expected weights of format {FORMAT!r}, but {path} has format {metadata.get('format')!r}: it was not "
            "written by this library."
        )
    return metadata
