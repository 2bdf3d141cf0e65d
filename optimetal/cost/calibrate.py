"""Short timed training steps on the device at hand."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import date
from functools import partial
from typing import Final

import torch
from torch import Tensor
from tqdm import tqdm

from optimetal.config.architecture import Architecture
from optimetal.config.project import Project
from optimetal.config.run import Run
from optimetal.config.studies import at_width
from optimetal.cost.machine import Machine, Timing, fitted_rates, machine_name
from optimetal.cost.workload import SAMPLE, Workloads
from optimetal.training.devices import resolve_device
from optimetal.training.loop import Trainer

log = logging.getLogger(__name__)

WIDTHS: Final = (16, 128, 512)
"""Each model is measured at these, its own width and any larger one that is the widest of its studies: rates fitted to
narrow networks say nothing about wide ones, which take longest."""

BATCHES: Final = (SAMPLE, 32, 8)
"""Crystals per step, beside the batch of the training; of wide networks a core does only few in a short time."""

REPEATS: Final = 3
"""Timed steps of each size, of which the least disturbed counts; one more comes first to warm up."""

LONG: Final = 2.0
"""Steps that would take more seconds are left to the fitted rates."""

Clock = Callable[[], float]
"""Seconds from some point in time on."""


def calibrate(project: Project, workloads: Workloads, clock: Clock | None = None) -> Machine:
    """Measure how fast the device at hand trains the models of a project, at several widths and batches.

    Args:
        project: The project.
        workloads: Counted work, and the crystals to train on.
        clock: Tells seconds; none: the one on the wall for a GPU, and for the CPU that of this process alone, which
            others do not disturb.
    """
    device = resolve_device(project.training.device)
    clock = clock or (time.process_time if device.type == "cpu" else time.perf_counter)
    training: list[Timing] = []
    validation: list[Timing] = []
    runs = sorted(_runs(project), key=lambda run: workloads.of(run.architecture).operations)
    for run in tqdm(runs, desc="calibrating", unit="network", disable=None, leave=False):
        steps, looks = _timed(run, workloads, training, clock)
        training += steps
        validation += looks
    rates, spread = fitted_rates(training)
    return Machine(
        device=machine_name(device),
        kind="gpu" if device.type == "cuda" else "cpu",
        training=rates,
        validation=fitted_rates(validation)[0],
        spread=spread,
        measured=f"{date.today()}, torch {torch.__version__}",
    )


def _runs(project: Project) -> Iterator[Run]:
    """One training of each model at each width."""
    for name, model in project.models.items():
        for architecture in _widths(model.architecture, [*WIDTHS, *_wider(project, name)]):
            yield Run(
                model=name,
                architecture=architecture,
                training=project.training_of(name),
                num_train=SAMPLE,
                seed=1,
            )


def _wider(project: Project, model: str) -> list[int]:
    """The widest network of a model, if it is wider than all of :data:`WIDTHS`."""
    studies = (study for study in project.studies.values() if model in study.models)
    return sorted(w for study in studies for w in study.widths if w > max(WIDTHS))[-1:]


def _widths(architecture: Architecture, widths: Sequence[int]) -> list[Architecture]:
    """An architecture at its own width and others, as far as its heads divide them."""
    found = [architecture]
    for width in widths:
        with suppress(ValueError):
            found.append(at_width(architecture, width))
    return [one for number, one in enumerate(found) if one not in found[:number]]


def _timed(
    run: Run, workloads: Workloads, known: Sequence[Timing], clock: Clock
) -> tuple[list[Timing], list[Timing]]:
    """Training steps and looks at the validation set, small ones first until they take long."""
    graphs, work = workloads.sample, workloads.of(run.architecture)
    trainer = Trainer(run.model_copy(update={"num_train": len(graphs)}), graphs, graphs)
    steps, looks = [], []
    sizes = {min(size, len(graphs)) for size in (run.training.batch_size, *BATCHES)}
    for size in sorted(sizes):
        if _is_long(work.operations * size, [*known, *steps]):
            log.info("%s: %d crystals per step are left to the fitted rates", run.network, size)
            break
        for timings, call in ((steps, _step), (looks, _look)):
            timed = partial(call, trainer, torch.arange(size))
            timings.append(Timing(work, size, _seconds(timed, clock)))
        log.info("%s: %.3g s per step of %d crystals", run.network, steps[-1].seconds, size)
    return steps, looks


def _step(trainer: Trainer, crystals: Tensor) -> None:
    trainer.model.train()
    trainer.train_step(crystals)


@torch.no_grad()
def _look(trainer: Trainer, crystals: Tensor) -> None:
    trainer.model.eval()
    loss, _ = trainer.loss(trainer.model, trainer.val_graphs, crystals)
    loss.item()


def _is_long(operations: float, known: Sequence[Timing]) -> bool:
    """Whether a step of so many operations takes long, if time grows with them from the longest known step on."""
    if not known:
        return False
    longest = max(known, key=lambda timing: timing.seconds)
    growth = operations / (longest.work.operations * longest.crystals)
    return longest.seconds * growth > LONG


def _seconds(call: Callable[[], object], clock: Clock) -> float:
    """Least of some calls; each ends with a number on the host, so the device has finished."""
    call()
    taken = []
    for _ in range(REPEATS):
        start = clock()
        call()
        taken.append(clock() - start)
    return min(taken)
