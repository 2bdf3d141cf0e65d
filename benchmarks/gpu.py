"""Epochs of the published networks in bf16, narrow and wide: how long, how busy the GPU is, and how much memory."""

import gc
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median
from typing import Any, Final

import torch
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile

from benchmarks.networks import BATCH, published_architecture
from benchmarks.timing import seconds
from optimetal.config.run import Run
from optimetal.config.training import TrainingSettings
from optimetal.graphs import packed
from optimetal.graphs.packed import PackedGraphs
from optimetal.training.devices import peak_memory
from optimetal.training.loop import Trainer

WIDTHS: Final = (16, 64, 256, 1024)
MODELS: Final = ("2b_cgc", "2b_tc", "3b_tc")
PUBLISHED_TRAINING_SET: Final = 160_728
"""Crystals in an epoch of the published study's largest trainings."""
EPOCHS: Final = 5
"""So many are timed."""


def epochs(folder: Path, device: str, only: re.Pattern) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and result of each network whose name matches.

    Args:
        folder: Holds ``ours.h5``.
        device: Where the networks are trained.
        only: What to measure.
    """
    graphs = packed.load(folder / "ours.h5")
    for width in WIDTHS:
        for model in MODELS:
            name = f"epoch_{model}_w{width}"
            if only.search(name):
                yield name, measure(trainer(graphs, model, width, device))
                gc.collect()  # the network is not to be counted in the memory of the next


def trainer(graphs: PackedGraphs, model: str, width: int, device: str) -> Trainer:
    """Training of one network on all crystals, in bf16."""
    settings = TrainingSettings(
        batch_size=BATCH, device=device, learning_rate=1e-4, precision="bf16"
    )
    run = Run(
        model=model,
        architecture=published_architecture(model, width),
        training=settings,
        num_train=len(graphs),
        seed=1,
    )
    return Trainer(run, graphs, graphs)


def measure(trainer: Trainer) -> dict[str, float]:
    """Time, utilisation and memory of epochs without validation.

    Returns:
        ``seconds_per_epoch`` of the published training set, in proportion to the crystals at hand; ``utilisation``, the
        share of the time in which the device computes, from 0 to 1; ``peak_memory_mb`` without the crystals.
    """
    on_gpu = trainer.device.type == "cuda"

    def epoch() -> None:
        trainer.train_epoch()
        if on_gpu:
            torch.cuda.synchronize(trainer.device)

    epoch()  # the first one allocates memory and chooses kernels
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(trainer.device)
    duration = median(seconds(epoch) for _ in range(EPOCHS))
    memory = peak_memory(trainer.device) - _megabytes(trainer.train_graphs, trainer.val_graphs)
    activity = ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU
    with profile(activities=[activity]) as profiled:
        epoch()
    busy = busy_seconds(profiled.events() or (), trainer.device.type)
    return {
        "seconds_per_epoch": duration * PUBLISHED_TRAINING_SET / trainer.run.num_train,
        # computing takes as long with the profiler as without it, all else takes longer
        "utilisation": min(busy / duration, 1.0),
        "peak_memory_mb": memory,
    }


def busy_seconds(events: Iterable[FunctionEvent], device: str) -> float:
    """Time in which a device does something, whatever it does at once.

    Args:
        events: Of a profiler.
        device: Kind of device, as ``cuda``.
    """
    spans = sorted(
        (event.time_range.start, event.time_range.end)
        for event in events
        if event.device_type.name == device.upper() and not event.is_user_annotation
    )
    total, reached = 0.0, float("-inf")
    for start, end in spans:
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total / 1e6


def _megabytes(*graphs: PackedGraphs) -> float:
    parts = [part for g in graphs for part in (g.columns, g.offsets, g.targets)]
    return sum(values.nbytes for part in parts for values in part.values()) / 1e6
