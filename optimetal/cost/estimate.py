"""Trainings of a project with their hours and files, from counted work and a machine's rates."""

import heapq
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from optimetal.config.project import Project
from optimetal.config.run import Run
from optimetal.config.studies import Findings, Plan, study_runs
from optimetal.cost.machine import Machine
from optimetal.cost.workload import Workloads
from optimetal.database.figshare import UNPACKED_RATIO
from optimetal.database.validate import PUBLISHED_SPLITS
from optimetal.graphs.packed import PackedGraphs
from optimetal.optics.grid import NUM_ENERGIES
from optimetal.training.loop import VALIDATION_BATCH

START: Final = 10.0
"""Seconds from the start of a job to its first step: Snakemake, imports, opening the graphs."""

CLASSES: Final = (1 / 6, 1.0, 4.0, 24.0)
"""Limits between short and long jobs, hours."""

ENTRY: Final = 145e3
"""Bytes of an entry of the surrogate database as JSON."""

PUBLISHED_ENTRY: Final = 394e3
"""Bytes of a published one, mean of eight between 387 and 399 kB: they hold more spectra than are used."""

PUBLISHED_RECORD: Final = 20e3
"""Bytes of a crystal in the published data for learning: its spectrum, and eight datasets of HDF5."""

DATABASE: Final = {
    "surrogate": (0.0, ENTRY),
    "folder": (0.0, 0.0),  # it is there already
    "figshare_full": (PUBLISHED_ENTRY / UNPACKED_RATIO, PUBLISHED_ENTRY),
    "figshare_ml": (PUBLISHED_RECORD, PUBLISHED_RECORD),
}
"""Source -> bytes per crystal of what is downloaded, and of what is unpacked or written."""

SPECTRUM: Final = 8 * NUM_ENERGIES
"""Bytes of a complex spectrum in single precision."""

RUN: Final = 0.5e6
"""Bytes of a finished training beside its weights: history, logs, TensorBoard."""

BYTES_PER_WEIGHT: Final = 4
CHECKPOINT: Final = 2 * 4
"""A checkpoint holds weights, best weights and two moments of the optimiser; the one before it is kept."""


@dataclass(frozen=True)
class Part:
    """One training, or one search with all its trials."""

    run: Run
    """Of a search: a trial."""
    trials: int
    """0 for a training."""
    seconds: float
    num_params: int

    @property
    def name(self) -> str:
        """As in the folder of results."""
        return f"{self.run.network} (search)" if self.trials else self.run.name


@dataclass(frozen=True)
class Job:
    """What a queue sees: a training, a search, or several trainings in a pack."""

    name: str
    parts: tuple[Part, ...]
    seconds: float
    """Until all of it is done."""
    places: int
    """Cores or GPUs that it takes."""

    @property
    def hours(self) -> float:
        """Of the device, for all its parts."""
        return sum(part.seconds for part in self.parts) / 3600


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

    archives: float
    """As downloaded; they may be removed once they are unpacked."""
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
    def parts(self) -> list[Part]:
        """Every training once, and every search."""
        return [part for parts in self._new_parts.values() for part in parts]

    @cached_property
    def _new_parts(self) -> dict[str, list[Part]]:
        """Study -> what no study before it asks for."""
        known: set[str] = set()
        new = {}
        for study in self.project.studies:
            runs = self.trainings(study)
            fresh = [run for run in runs if run.name not in known or study in self.plan.later]
            known |= {run.name for run in runs}
            new[study] = [self._part(run) for run in fresh]
            new[study] += [self._part(run, trials) for run, trials in self.searches(study)]
        return new

    def _part(self, run: Run, trials: int = 0) -> Part:
        num_params = self.workloads.of(run.architecture).num_params
        return Part(run, trials, max(1, trials) * self.seconds(run), num_params)

    @cached_property
    def jobs(self) -> list[Job]:
        """All parts, packed as the workflow does: trainings that are known beforehand together, others by study."""
        groups: dict[str, list[Part]] = {"known": []}
        for study, parts in self._new_parts.items():
            group = study if study in self.plan.later else "known"
            groups.setdefault(group, []).extend(part for part in parts if not part.trials)
        jobs = [job for group, parts in groups.items() for job in self._packed(group, parts)]
        return [*jobs, *(self._job([part]) for part in self.parts if part.trials)]

    def _packed(self, group: str, parts: Sequence[Part]) -> Iterator[Job]:
        """Jobs of some trainings; later ones may have the same names, so numbers tell them apart."""
        packs = self.plan.packs(group, {str(number): part.run for number, part in enumerate(parts)})
        for name, pack in packs.items():
            yield self._job([parts[int(number)] for number in pack], name)
        if not packs:
            yield from (self._job([part]) for part in parts)

    def _job(self, parts: Sequence[Part], name: str = "") -> Job:
        """A job; processes that share a GPU are taken to gain nothing by that."""
        packing, on_cpu = self.project.packing, self.machine.kind == "cpu"
        at_once = min(packing.at_once, len(parts)) if packing and on_cpu else 1
        seconds = makespan(((part.seconds, 1) for part in parts), at_once)
        return Job(parts[0].name if len(parts) == 1 else name, tuple(parts), seconds, at_once)

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
        new = self._new_parts[study]
        seconds = sum(map(self.seconds, runs))
        seconds += sum(trials * self.seconds(run) for run, trials in searches)
        return StudyCost(
            trainings=len(runs),
            new=len(new) - len(searches),
            trials=sum(trials for _, trials in searches),
            hours=seconds / 3600,
            new_hours=sum(part.seconds for part in new) / 3600,
            is_known=study in self.plan.members,
        )

    @property
    def hours(self) -> float:
        """Hours of the machine for all jobs, without their starts."""
        return sum(part.seconds for part in self.parts) / 3600

    @property
    def longest(self) -> Job:
        """The job that takes longest."""
        return max(self.jobs, key=lambda job: job.seconds)

    def wall_hours(self, parallel: int) -> float:
        """Hours until all jobs are done on so many cores or GPUs, starts included, if none waits in a queue."""
        return makespan([(job.seconds + START, job.places) for job in self.jobs], parallel) / 3600

    def classes(self) -> list[list[Job]]:
        """Jobs from short to long, in the classes between :data:`CLASSES`."""
        classes: list[list[Job]] = [[] for _ in range(len(CLASSES) + 1)]
        for job in self.jobs:
            classes[sum(job.seconds / 3600 >= limit for limit in CLASSES)].append(job)
        return classes

    def disk(self, parallel: int) -> Disk:
        """Bytes of all files, with so many trainings at a time."""
        networks = sorted((part.num_params for part in self.parts), reverse=True)
        crystals = self.sizes.total
        archives, database = DATABASE[self.project.database.source]
        return Disk(
            archives=crystals * archives,
            database=crystals * database,
            dataset=2 * crystals * SPECTRUM,  # all records, and those of each split
            graphs=crystals * (SPECTRUM + _bytes_per_crystal(self.workloads.sample)),
            runs=BYTES_PER_WEIGHT * sum(networks) + RUN * len(networks),
            checkpoints=CHECKPOINT * BYTES_PER_WEIGHT * sum(networks[:parallel]),
        )


def makespan(jobs: Iterable[tuple[float, int]], parallel: int) -> float:
    """Time until all jobs are done if the longest of those left always goes to the places that are free first.

    Args:
        jobs: Seconds, and the places that a job takes.
        parallel: Places; a job that wants more takes all.
    """
    free = [0.0] * parallel
    for seconds, places in sorted(jobs, reverse=True):
        taken = [heapq.heappop(free) for _ in range(min(places, parallel))]
        for _ in taken:
            heapq.heappush(free, taken[-1] + seconds)
    return max(free)


def _in_batches(crystals: int, batch_size: int, seconds: Callable[[int], float]) -> float:
    full, rest = divmod(crystals, batch_size)
    return full * seconds(batch_size) + (seconds(rest) if rest else 0.0)


def _bytes_per_crystal(graphs: PackedGraphs) -> float:
    return sum(values.nbytes for values in graphs.columns.values()) / len(graphs)
