"""Where and in which precision networks run."""

from typing import Final

import torch

DTYPE: Final = {"fp32": torch.float32, "bf16": torch.float32, "fp64": torch.float64}
"""Precision -> type of weights and data (bf16 is used inside the layers only, by autocast)."""


def resolve_device(device: str) -> torch.device:
    """The device to use; "auto" is the GPU when there is one."""
    if device != "auto":
        return torch.device(device)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def resolve_precision(precision: str, device: torch.device) -> str:
    """The precision to use; "auto" is bf16 on GPUs that have it and fp32 elsewhere."""
    if precision != "auto":
        return precision
    return "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"


def device_name(device: torch.device) -> str:
    """Name of the processor, for tables."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
