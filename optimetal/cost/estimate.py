"""Trainings of a project with their hours and files, from counted work and a machine's rates."""

import heapq
import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from optimetal.config.project import Project
from optimetal.config.run import Run
from optimetal.config.studies import Findings, Plan, study_runs
from optimetal.cost.machine import Machine
from optimetal.cost.workload import Workloads
from optimetal.database.validate import PUBLISHED_SPLITS
from optimetal.graphs.packed import PackedGraphs
from optimetal.optics.grid import NUM_ENERGIES
from optimetal.training.loop import VALIDATION_BATCH

START: Final = 10.0
"""Seconds from the start of a job to its first step: Snakemake, imports, opening the graphs."""

CLASSES: Final = (1 / 6, 1.0, 4.0, 24.0)
"""Limits between short and long jobs, hours."""

ENTRY: Final = 145e3
"""Bytes of an entry of the database as JSON (surrogate; published entries have the same arrays)."""

SPECTRUM: Final = 8 * NUM_ENERGIES
"""Bytes of a complex spectrum in single precision."""

RUN: Final = 0.5e6
"""Bytes of a finished training beside its weights: history, logs, TensorBoard."""

BYTES_PER_WEIGHT: Final = 4
CHECKPOINT: Final = 2 * 4
"""A checkpoint holds weights, best weights and two moments of the optimiser; the one before it is kept."""


@dataclass(frozen=True)
class Job:
    """One training, or one search with all its trials, as a job of a queue."""

    name: str
    study: str
    """The first one that asks for it."""
    seconds: float
    num_params: int


@dataclass(frozen=True)
class StudyCost:
    """What one study asks for."""

    trainings: int
    new: int
    """Of these, trainings that no study before asks for."""
    trials: int
    """Short trainings of its searches."""
    hours: float
    """Of all its trainings and trials."""
    new_hours: float
    """Of those that no study before asks for."""
    is_known: bool
    """Whether its trainings follow from no result; otherwise they are like those of the models it starts from."""


@dataclass(frozen=True)
class Disk:
    """Bytes of what is kept."""

    database: float
    dataset: float
    graphs: float
    runs: float
    checkpoints: float
    """Of the largest networks, as many as train at a time; they go when a training ends."""

    @property
    def total(self) -> float:
        """All of it."""
        return sum(vars(self).values())


@dataclass(frozen=True)
class Sizes:
    """Crystals of each split."""

    train: int
    val: int
    test: int

    @property
    def total(self) -> int:
        """All crystals."""
        return self.train + self.val + self.test

    @classmethod
    def of(cls, project: Project) -> "Sizes":
        """As far as the settings tell; databases on disk are taken for the published one."""
        if project.database.source != "surrogate":
            return cls(**PUBLISHED_SPLITS)
        sizes = [round(r * project.database.surrogate.num_crystals) for r in project.splits.ratios]
        return cls(*sizes)


class Estimate:
    """What a project costs on a machine.

    Args:
        project: The project.
        workloads: Counted work of its networks.
        machine: How fast it works.
    """

    def __init__(self, project: Project, workloads: Workloads, machine: Machine) -> None:
        """Nothing is counted before it is asked for."""
        self.project = project
        self.plan = Plan(project)
        self.workloads = workloads
        self.machine = machine
        self.sizes = Sizes.of(project)

    def seconds(self, run: Run) -> float:
        """Seconds of all epochs of a training, validation included."""
        work = self.workloads.of(run.architecture)
        step, look = self.machine.training.seconds, self.machine.validation.seconds
        epoch = _in_batches(run.num_train, run.training.batch_size, lambda n: step(work, n))
        epoch += _in_batches(self.sizes.val, VALIDATION_BATCH, lambda n: look(work, n))
        return run.training.epochs * epoch

    @cached_property
    def jobs(self) -> list[Job]:
        """Every training once, and every search."""
        return [job for jobs in self._new_jobs.values() for job in jobs]

    @cached_property
    def _new_jobs(self) -> dict[str, list[Job]]:
        """Study -> what no study before it asks for."""
        known: set[str] = set()
        new = {}
        for study in self.project.studies:
            runs = self.trainings(study)
            fresh = [run for run in runs if run.name not in known or study in self.plan.later]
            known |= {run.name for run in runs}
            new[study] = [self._job(run.name, study, run, 1) for run in fresh]
            new[study] += [
                self._job(f"{run.network} (search)", study, run, trials)
                for run, trials in self.searches(study)
            ]
        return new

    def _job(self, name: str, study: str, run: Run, times: int) -> Job:
        num_params = self.workloads.of(run.architecture).num_params
        return Job(name, study, times * self.seconds(run), num_params)

    def all_trainings(self) -> list[Run]:
        """Trainings and trials of all studies; those of several come several times."""
        studies = self.project.studies
        trials = (run for study in studies for run, _ in self.searches(study))
        return [*(run for study in studies for run in self.trainings(study)), *trials]

    def trainings(self, study: str) -> list[Run]:
        """Trainings of a study; where they follow from results, as many of networks like the models'."""
        if study in self.plan.members:
            return list(self.plan.members[study].values())
        findings = Findings(settings=[{}] * self._combinations(study), rates=defaultdict(dict))
        return list(study_runs(self.project, study, findings))

    def searches(self, study: str) -> list[tuple[Run, int]]:
        """Searches of a study: the training of a trial, number of trials."""
        search = self.project.studies[study].search
        if search is None:
            return []
        runs = self.plan.searches(study).values()
        return [(run, search.trials) for run in runs] * self._combinations(study)

    def _combinations(self, study: str) -> int:
        """How many combinations of the best settings of other studies it takes over."""
        return math.prod(self.project.studies[study].best_of.values())

    @cached_property
    def studies(self) -> dict[str, StudyCost]:
        """Study -> cost."""
        return {study: self._study(study) for study in self.project.studies}

    def _study(self, study: str) -> StudyCost:
        runs, searches = self.trainings(study), self.searches(study)
        new = self._new_jobs[study]
        seconds = sum(map(self.seconds, runs))
        seconds += sum(trials * self.seconds(run) for run, trials in searches)
        return StudyCost(
            trainings=len(runs),
            new=len(new) - len(searches),
            trials=sum(trials for _, trials in searches),
            hours=seconds / 3600,
            new_hours=sum(job.seconds for job in new) / 3600,
            is_known=study in self.plan.members,
        )

    @property
    def hours(self) -> float:
        """Hours of the machine for all jobs, without their starts."""
        return sum(job.seconds for job in self.jobs) / 3600

    @property
    def longest(self) -> Job:
        """The job that takes longest."""
        return max(self.jobs, key=lambda job: job.seconds)

    def wall_hours(self, parallel: int) -> float:
        """Hours until all jobs are done, starts included, if so many run at a time and none waits in a queue."""
        return makespan([job.seconds + START for job in self.jobs], parallel) / 3600

    def classes(self) -> list[list[Job]]:
        """Jobs from short to long, in the classes between :data:`CLASSES`."""
        classes: list[list[Job]] = [[] for _ in range(len(CLASSES) + 1)]
        for job in self.jobs:
            classes[sum(job.seconds / 3600 >= limit for limit in CLASSES)].append(job)
        return classes

    def disk(self, parallel: int) -> Disk:
        """Bytes of all files, with so many trainings at a time."""
        networks = sorted((job.num_params for job in self.jobs), reverse=True)
        crystals = self.sizes.total
        return Disk(
            database=crystals * ENTRY,
            dataset=2 * crystals * SPECTRUM,  # all records, and those of each split
            graphs=crystals * (SPECTRUM + _bytes_per_crystal(self.workloads.sample)),
            runs=BYTES_PER_WEIGHT * sum(networks) + RUN * len(networks),
            checkpoints=CHECKPOINT * BYTES_PER_WEIGHT * sum(networks[:parallel]),
        )


def makespan(seconds: Iterable[float], parallel: int) -> float:
    """Time until all jobs are done if the longest of those left always goes to the next free place."""
    free = [0.0] * parallel
    for job in sorted(seconds, reverse=True):
        heapq.heapreplace(free, free[0] + job)
    return max(free)


def _in_batches(crystals: int, batch_size: int, seconds: Callable[[int], float]) -> float:
    full, rest = divmod(crystals, batch_size)
    return full * seconds(batch_size) + (seconds(rest) if rest else 0.0)


def _bytes_per_crystal(graphs: PackedGraphs) -> float:
    return sum(values.nbytes for values in graphs.columns.values()) / len(graphs)
