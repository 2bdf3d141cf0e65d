"""Published checkpoints: weights and configuration in one file of ``torch.save``."""

import json
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch

from optimetal.compat.torch_file import StoredTensor, read_torch_file
from optimetal.compat.weights import load_published
from optimetal.config.architecture import Architecture
from optimetal.models import CrystalNetwork

_PRECISIONS: Final = {None: "fp32", torch.float32: "fp32", torch.bfloat16: "bf16"}
_LONGEST_CONFIGURATION: Final = 100_000
"""Characters of JSON; published configurations have about 1500."""


def load_published_checkpoint(
    path: str | Path,
) -> tuple[CrystalNetwork, Architecture, dict[str, Any]]:
    """Network of a published checkpoint (``best_model.pt``).

    Args:
        path: The file. Only tensors, plain containers and the one class of its configuration are
            read from it (see :func:`optimetal.compat.torch_file.read_torch_file`).

    Returns:
        The network in single precision and evaluation mode, its architecture, and a model card with
        epoch, precision, seed, number of training crystals and the published configuration (without
        ``trial_dir``, a path on its authors' machine).

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no published checkpoint or holds a class that is not allowed, if its
            configuration is not known, or its weights do not fit it.
    """
    content = read_torch_file(path)
    try:
        weights = _tensors(_part(content, "model_state_dict"))
        config = _plain(_part(content, "config_dict"))
        network = load_published(_part(config, "architecture"), weights)
        card = _card(content, config)
    except ValueError as error:
        raise ValueError(f"{path} is no usable published checkpoint: {error}") from error
    return network, network.architecture, card


def _part(content: Any, key: str) -> Mapping[str, Any]:
    if not isinstance(content, Mapping):
        raise ValueError(f"expected a dictionary with `{key}`, got {type(content).__name__}")
    if not isinstance(content.get(key), Mapping):
        found = ", ".join(f"`{name}`" for name in content) or "nothing"
        raise ValueError(f"expected a dictionary under `{key}`, found {found}")
    return content[key]


def _tensors(weights: Mapping[str, Any]) -> dict[str, Any]:
    tensors = {}
    for name, value in weights.items():
        try:
            tensors[name] = value.tensor() if isinstance(value, StoredTensor) else value
        except ValueError as error:
            raise ValueError(f"`{name}` in `model_state_dict`: {error}") from error
    return tensors


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration as JSON knows it; a small pickle can hold an endless one."""
    text = ""
    try:
        for part in json.JSONEncoder().iterencode(config):
            text += part
            if len(text) > _LONGEST_CONFIGURATION:
                raise ValueError("it is too long")
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"expected a plain configuration in `config_dict`: {error}") from error
    return json.loads(text)


def _card(content: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    epoch, precision = content.get("epoch"), content.get("precision")
    if not isinstance(epoch, int):
        raise ValueError(f"expected a number under `epoch`, got {reprlib.repr(epoch)}")
    if not isinstance(precision, torch.dtype | None) or precision not in _PRECISIONS:
        raise ValueError(
            f"unknown `precision` {reprlib.repr(precision)}: known are torch.float32, torch.bfloat16 "
            "and None"
        )
    return {
        "origin": "published checkpoint",
        "epoch": epoch,
        "precision": _PRECISIONS[precision],
        "seed": config.get("seed"),
        "num_train": config.get("num_train_data"),
        "config": {key: value for key, value in config.items() if key != "trial_dir"},
    }
