"""``optimetal plan``: what a study will cost."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import torch
from rich.table import Table
from tqdm import tqdm

from optimetal.cli.project import study_project
from optimetal.cli.terminal import console, duration, number, plain_table
from optimetal.config.project import Project
from optimetal.cost.calibrate import calibrate
from optimetal.cost.estimate import CLASSES, START, Disk, Estimate, Job
from optimetal.cost.machine import (
    SHIPPED,
    Machine,
    find_machine,
    keep_machine,
    known_machines,
    machine_name,
)
from optimetal.cost.workload import Workloads, sample_crystals
from optimetal.training.devices import resolve_device

THREADS: Final = 1
"""Of a training on the CPU, as in the rule `train`."""

_CLASSES: Final = ("up to 10 min", "10 min to 1 h", "1 h to 4 h", "4 h to 1 day", "more than 1 day")


def run(
    config: Path, jobs: int | None, measure: bool, machine_part: str | None, as_json: bool
) -> None:
    """Estimate and print.

    Raises:
        ValueError: If the configuration is none of a study, or the machine is unknown.
        OSError: If the configuration cannot be read.
    """
    torch.set_num_threads(THREADS)
    project = study_project(config)
    workloads = Workloads(sample_crystals(project))
    machine, is_measured = _machine(project, workloads, measure, machine_part)
    estimate = Estimate(project, workloads, machine)
    jobs = jobs or os.cpu_count() or 1
    _count(estimate)
    if as_json:
        console().print(json.dumps(_report(estimate, jobs, is_measured), indent=2), soft_wrap=True)
    else:
        _print(estimate, jobs, is_measured)


def _machine(
    project: Project, workloads: Workloads, measure: bool, part: str | None
) -> tuple[Machine, bool]:
    """The machine to plan for, and whether it was ever measured."""
    if measure:
        machine = calibrate(project, workloads)
        file = keep_machine(machine)
        console(stderr=True).print(f"Measured {machine.device}, kept in {file}.")
        return machine, True
    if part is not None:
        return find_machine(part), True
    name = machine_name(resolve_device(project.training.device))
    machines = known_machines()
    return machines.get(name, SHIPPED), name in machines


def _count(estimate: Estimate) -> None:
    """Count the work of all networks, which may take a while."""
    runs = estimate.all_trainings()
    for run in tqdm(runs, desc="counting", unit="training", disable=None, leave=False):
        estimate.workloads.of(run.architecture)


def _report(estimate: Estimate, parallel: int, is_measured: bool) -> dict[str, Any]:
    """Everything that the tables show, in hours and bytes."""
    disk = estimate.disk(parallel)
    limits = [*CLASSES, None]
    return {
        "machine": estimate.machine.model_dump() | {"is_measured": is_measured},
        "studies": {name: asdict(cost) for name, cost in estimate.studies.items()},
        "num_jobs": len(estimate.jobs),
        "num_trainings": sum(not part.trials for part in estimate.parts),
        "hours": estimate.hours,
        "parallel_jobs": parallel,
        "wall_hours": estimate.wall_hours(parallel),
        "longest_job": {
            "name": estimate.longest.name,
            "hours": estimate.longest.seconds / 3600,
        },
        "queue": [
            {"up_to_hours": limit, "jobs": len(jobs), "hours": _hours(jobs)}
            for limit, jobs in zip(limits, estimate.classes(), strict=True)
        ],
        "disk_bytes": asdict(disk) | {"total": disk.total},
    }


def _print(estimate: Estimate, parallel: int, is_measured: bool) -> None:
    out, unit = console(), _unit(estimate.machine)
    table = plain_table()
    for title in ("Study", "Trainings", "New", "Trials", unit):
        table.add_column(title, justify="left" if title == "Study" else "right")
    for name, cost in estimate.studies.items():
        mark = "" if cost.is_known else " *"
        counts = (cost.trainings, cost.new, cost.trials)
        table.add_row(name + mark, *map(_count_text, counts), number(cost.new_hours))
    out.print(table)
    out.print()
    queue = plain_table()
    for title in ("Length of job", "Jobs", unit):
        queue.add_column(title, justify="left" if title.startswith("Length") else "right")
    for title, jobs in zip(_CLASSES, estimate.classes(), strict=True):
        if jobs:
            queue.add_row(title, f"{len(jobs):,}", number(_hours(jobs)))
    out.print(queue)
    out.print()
    out.print(_facts(estimate, parallel, unit))
    for note in _notes(estimate, is_measured):
        out.print(note)


def _facts(estimate: Estimate, parallel: int, unit: str) -> Table:
    disk, longest = estimate.disk(parallel), estimate.longest
    places = f"{parallel} {_place(estimate.machine)}{'s' * (parallel > 1)}"
    facts = {
        f"{unit} in all": f"{number(estimate.hours)}, {len(estimate.jobs):,} jobs",
        f"Until all are done, on {places}": duration(3600 * estimate.wall_hours(parallel)),
        "Longest job": f"{duration(longest.seconds)}, {_job_name(longest)}",
        "Disk": f"{_size(disk.total)}: {_parts(disk)}",
    }
    table = plain_table()
    table.show_header = False
    table.add_column()
    table.add_column(overflow="fold")
    for what, value in facts.items():
        table.add_row(what, value)
    return table


def _job_name(job: Job) -> str:
    return job.name if len(job.parts) == 1 else f"{len(job.parts)} trainings of {job.name}"


def _notes(estimate: Estimate, is_measured: bool) -> Iterator[str]:
    machine = estimate.machine
    yield ""
    yield (
        "Trainings alone: neither the data nor waiting in a queue. New: what no study above asks for; the hours are "
        f"theirs. Each job takes about {START:.0f} s to start, which counts in the time until all are done."
    )
    if packing := estimate.project.packing:
        turns = ", as if those that share a GPU took turns" if machine.kind == "gpu" else ""
        yield f"Jobs of up to {packing.trainings} trainings, {packing.at_once} at a time (`packing`){turns}."
    if not all(cost.is_known for cost in estimate.studies.values()):
        yield "* Follows from results; counted with the networks that its models start from."
    if is_measured:
        yield f"Measured on {machine.device} ({machine.measured}), steps within {machine.spread:.0%}."
    else:
        yield (
            f"Not measured on this device: these are the hours of {machine.device} ({machine.measured}). A GPU is many "
            "times faster. Measure yours with --calibrate, on the machine that trains."
        )


def _unit(machine: Machine) -> str:
    return "GPU-hours" if machine.kind == "gpu" else "Core-hours"


def _place(machine: Machine) -> str:
    return "GPU" if machine.kind == "gpu" else "core"


def _hours(jobs: Sequence[Job]) -> float:
    return sum(job.hours for job in jobs)


def _count_text(count: int) -> str:
    return f"{count:,}" if count else ""


def _size(num_bytes: float) -> str:
    return f"{number(num_bytes / 1e9)} GB" if num_bytes >= 1e9 else f"{number(num_bytes / 1e6)} MB"


def _parts(disk: Disk) -> str:
    return ", ".join(f"{name} {_size(size)}" for name, size in asdict(disk).items() if size)
