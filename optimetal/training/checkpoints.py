"""State of a training on disk, so that a killed run continues where it was."""

import logging
import os
import warnings
import zipfile
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from optimetal.files import whole_file

log = logging.getLogger(__name__)


def previous(path: Path) -> Path:
    """Where the checkpoint before the last one is kept."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a state of tensors and plain containers, whole or not at all; the one before it is kept."""
    with whole_file(path) as temporary:
        with temporary.open("wb") as file:  # given a path, torch does not tell that a disk is full
            torch.save(state, file)
        if path.exists():
            os.replace(path, previous(path))


def load_checkpoint(path: Path, fingerprint: str) -> dict[str, Any] | None:
    """State of an earlier, interrupted run with the same settings and data; none where there is none.

    A checkpoint of other settings, or one that is damaged, is reported, and the one before it is tried. Only
    tensors and plain containers are ever unpickled.
    """
    files = [file for file in (path, previous(path)) if file.is_file()]
    for file in files:
        try:
            state = _read(file)
        except (OSError, RuntimeError, UnpicklingError, EOFError, ValueError) as error:
            log.warning("%s cannot be read (%s)", file, error)
            continue
        if state.get("fingerprint") == fingerprint:
            return state
        log.warning("%s belongs to other settings or data", file)
    if files:
        log.warning("no checkpoint in %s can be used: starting over", path.parent)
    return None


def remove_checkpoints(path: Path) -> None:
    """Remove the last checkpoint and the one before."""
    path.unlink(missing_ok=True)
    previous(path).unlink(missing_ok=True)


def _read(file: Path) -> dict[str, Any]:
    """State in a file, after a look at the checksums inside, which torch itself does not compare."""
    try:
        with zipfile.ZipFile(file) as archive:
            damaged = archive.testzip()
    except zipfile.BadZipFile as error:
        raise ValueError(str(error)) from error
    if damaged:
        raise ValueError(f"{damaged} in it is damaged")
    with warnings.catch_warnings():  # torch warns of foreign pickles, which are refused anyway
        warnings.simplefilter("ignore")
        return torch.load(file, map_location="cpu", weights_only=True)
