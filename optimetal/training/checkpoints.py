"""State of a training on disk, so that a killed run continues where it was."""

import logging
import warnings
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from optimetal.files import whole_file

log = logging.getLogger(__name__)


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a state of tensors and plain containers, whole or not at all."""
    with whole_file(path) as temporary:
        torch.save(state, temporary)


def load_checkpoint(path: Path, fingerprint: str) -> dict[str, Any] | None:
    """State of an earlier, interrupted run with the same settings and data; none where there is none.

    A checkpoint of other settings, or one that cannot be read, is reported and not used. Only tensors and plain
    containers are ever unpickled.
    """
    if not path.is_file():
        return None
    try:
        with warnings.catch_warnings():  # torch warns of foreign pickles, which are refused anyway
            warnings.simplefilter("ignore")
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, UnpicklingError, EOFError, ValueError) as error:
        log.warning("%s cannot be read (%s): starting over", path, error)
        return None
    if state.get("fingerprint") != fingerprint:
        log.warning("%s belongs to other settings or data: starting over", path)
        return None
    return state
