"""Where and in which precision networks run, and where their data lie."""

import resource
from dataclasses import fields, replace
from typing import Final

import torch
from torch import Tensor

from optimetal.graphs.batch import GraphBatch
from optimetal.graphs.packed import PackedGraphs

DTYPE: Final = {"fp32": torch.float32, "bf16": torch.float32, "fp64": torch.float64}
"""Precision -> type of weights and data (bf16 is used inside the layers only, by autocast)."""

DATA_SHARE: Final = 0.5
"""Share of a GPU's free memory that data may take; the rest is for the network and its gradients."""


def resolve_device(device: str) -> torch.device:
    """The device to use; "auto" is the GPU when there is one.

    Raises:
        ValueError: If a GPU is asked for where there is none.
    """
    gpu = torch.cuda.is_available()
    if device == "auto":
        return torch.device("cuda" if gpu else "cpu")
    if device.startswith("cuda") and not gpu:
        raise ValueError(
            f"Expected a GPU for `device: {device}`, but PyTorch sees none here: take auto or cpu, or a machine with a "
            "GPU and a PyTorch built for it."
        )
    return torch.device(device)


def resolve_precision(precision: str, device: torch.device) -> str:
    """The precision to use; "auto" is bf16 on GPUs that have it and fp32 elsewhere."""
    if precision != "auto":
        return precision
    return "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"


def device_name(device: torch.device) -> str:
    """Name of the processor, for tables."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def peak_memory(device: torch.device) -> float:
    """Most memory used so far, MB: of the GPU by tensors, or of this process (resident set)."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6  # Linux counts in KiB


def place(graphs: PackedGraphs, device: torch.device) -> PackedGraphs:
    """The graphs on the device where they fit (see :data:`DATA_SHARE`), else where they are."""
    return graphs.to(device) if _fits(graphs, device) else graphs


def _fits(graphs: PackedGraphs, device: torch.device) -> bool:
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    parts = (graphs.columns, graphs.offsets, graphs.targets)
    return sum(v.nbytes for part in parts for v in part.values()) <= DATA_SHARE * free


def gather(graphs: PackedGraphs, crystals: Tensor, device: torch.device) -> GraphBatch:
    """A batch on the device, gathered where the graphs lie.

    Args:
        graphs: As :func:`place` left them.
        crystals: (B,) int64 positions.
        device: Where the network is.
    """
    home = graphs.offsets["node"].device
    batch = graphs.batch(crystals.to(home))
    return batch if home.type == device.type else _pinned(batch).to(device)


def _pinned(batch: GraphBatch) -> GraphBatch:
    """The batch in memory that a GPU copies from without a detour."""
    tensors = {f.name: getattr(batch, f.name) for f in fields(batch)}
    pinned = {name: v.pin_memory() for name, v in tensors.items() if isinstance(v, Tensor)}
    targets = {name: v.pin_memory() for name, v in batch.targets.items()}
    return replace(batch, **pinned, targets=targets)
