"""Model cards: what a file of weights tells of its network, readable without building it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from optimetal.files import whole_file

FORMAT: Final = "optimetal-model-1"


def complete_card(path: str | Path, completed: str | Path, more: Mapping[str, Any]) -> None:
    """Copy a file of weights, with more on its model card.

    Args:
        path: File of :func:`~optimetal.models.weights.save_model`.
        completed: File to write.
        more: What was not known when the training ended, e.g. how the network did in the test.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no file of :func:`~optimetal.models.weights.save_model`.
    """
    metadata = read_metadata(path)
    card = json.loads(metadata["card"]) | dict(more)
    with whole_file(completed) as temporary:
        save_file(load_file(path), temporary, metadata | {"card": json.dumps(card)})


def read_card(path: str | Path) -> dict[str, Any]:
    """Model card of a file of weights; errors as those of :func:`read_metadata`."""
    return json.loads(read_metadata(path)["card"])


def read_metadata(path: str | Path) -> dict[str, str]:
    """Format, architecture and card of a file of weights, as they are stored.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no file of :func:`~optimetal.models.weights.save_model`.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"Expected model weights at {path}, found no file.")
    try:
        with safe_open(path, "np") as file:
            metadata = file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(f"Expected a safetensors file at {path}: {error}") from error
    if metadata.get("format") != FORMAT:
        raise ValueError(
            f"Expected weights of format {FORMAT!r}, but {path} has format {metadata.get('format')!r}: it was not "
            "written by this library."
        )
    return metadata
