"""From studies to trainings: each training is declared once, whatever number of studies asks for it."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from typing import Any

from pydantic import ValidationError

from optimetal.config.architecture import Architecture, OptiMate
from optimetal.config.project import ConfigurationError, ModelSettings, Project, ScalingSettings
from optimetal.config.run import Run
from optimetal.config.search import SearchSettings
from optimetal.config.study import StudySettings
from optimetal.config.training import TrainingSettings
from optimetal.config.variation import (
    SEARCHED,
    Choice,
    Network,
    as_choice,
    variant,
    with_choice,
)


@dataclass(frozen=True)
class Findings:
    """What a study takes over from the results of others and from its searches."""

    settings: Sequence[Choice] = ({},)
    """Combinations of the best settings of other studies."""
    exponents: Mapping[str, float] = field(default_factory=dict)
    """Model -> gamma of the learning-rate rule."""
    rates: Mapping[str, Choice] = field(default_factory=dict)
    """Search -> learning rate and weight decay that it found."""


@dataclass(frozen=True)
class Plan:
    """What a project asks for: trainings, and the ensembles that are tested."""

    project: Project

    @cached_property
    def members(self) -> dict[str, dict[str, Run]]:
        """Study -> its trainings by name, for all studies that follow from no result."""
        return {
            name: named(study_runs(self.project, name))
            for name, study in self.project.studies.items()
            if study.is_known
        }

    @cached_property
    def runs(self) -> dict[str, Run]:
        """Every such training once, by name."""
        return named(run for runs in self.members.values() for run in runs.values())

    @cached_property
    def studies(self) -> dict[str, list[str]]:
        """Study -> names of its trainings."""
        return {study: list(runs) for study, runs in self.members.items()}

    @cached_property
    def varied(self) -> list[str]:
        """Paths of all settings that some study varies or searches, each a column of the table of trainings."""
        studies = self.project.studies.values()
        found = [*SEARCHED] if any(study.search for study in studies) else []
        return list(dict.fromkeys([*(path for study in studies for path in study.varied), *found]))

    @property
    def later(self) -> list[str]:
        """Studies whose trainings follow from results."""
        return [name for name, study in self.project.studies.items() if not study.is_known]

    def found_in(self, study: str) -> list[str]:
        """Names of the files that decide the trainings of a study."""
        own = self.project.studies[study]
        return ["taken_over"] * bool(own.follows) + ["rates"] * bool(own.search)

    def later_runs(self, study: str, findings: Findings) -> dict[str, Run]:
        """Trainings of such a study by name, once its findings are there."""
        return named(study_runs(self.project, study, findings))

    def searches(self, study: str, findings: Findings | None = None) -> dict[str, Run]:
        """Searches of a study by name, each with the training that its trials vary."""
        return study_searches(self.project, study, findings or Findings())

    @cached_property
    def known_searches(self) -> dict[str, dict[str, Run]]:
        """Study -> its searches, for all studies that search and follow from no result of others."""
        studies = self.project.studies.items()
        return {name: self.searches(name) for name, s in studies if s.search and not s.follows}

    def shared_searches(
        self, searches: Mapping[str, Mapping[str, Run]]
    ) -> dict[str, tuple[Run, SearchSettings]]:
        """Every search once, by name: the training that its trials vary, and how it is searched.

        Args:
            searches: Study -> its searches.

        Raises:
            ConfigurationError: If studies want different searches of one name.
        """
        shared: dict[str, tuple[Run, SearchSettings]] = {}
        first: dict[str, str] = {}
        for study, runs in searches.items():
            for name, run in runs.items():
                settings = self.project.studies[study].search or SearchSettings()
                other, ours = first.setdefault(name, study), (run, settings)
                if not _same_search(shared.setdefault(name, ours), ours):
                    raise ConfigurationError(
                        f"`studies.{other}` and `studies.{study}` both search the learning rate of {name}, but differ "
                        "in `search` or in the first of their `seeds`: make them equal, or declare the model once "
                        "more, under another name, for one of them."
                    )
        return shared

    def check(self) -> None:
        """Look at all that is known before results are.

        Raises:
            ConfigurationError: If a training is impossible, or trainings or searches contradict each other.
        """
        _ = self.runs
        self.shared_searches(self.known_searches)

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Study -> numbers of its trainings and searches, those included that other studies ask for, too.

        Of a study that combines the best settings of others, some of which may be equal, these are the most.
        """
        sizes = {}
        for name, study in self.project.studies.items():
            networks = study.num_networks
            trainings = len(self.members.get(name, ())) or networks * len(study.seeds)
            sizes[name] = trainings, networks if study.search else 0
        return sizes

    def packs(self, group: str, runs: Mapping[str, Run]) -> dict[str, dict[str, Run]]:
        """Jobs that do several trainings: name -> trainings by name; none without packing.

        Each job has some of the short trainings and some of the long ones, so that all take about as long.

        Args:
            group: Begins the names of the jobs.
            runs: Trainings by name.
        """
        packing = self.project.packing
        if packing is None:
            return {}
        widest = packing.max_width or math.inf
        small = [name for name, run in runs.items() if run.width <= widest]
        number = math.ceil(len(small) / packing.trainings)
        packs = [small[first::number] for first in range(number)]
        packs += [[name] for name, run in runs.items() if run.width > widest]
        return {
            f"{group}/{index:03d}": {name: runs[name] for name in pack}
            for index, pack in enumerate(packs)
        }

    def settings(self, study: str) -> list[str]:
        """Paths of the settings in which the networks of a study may differ: its own, and those it takes over."""
        own = self.project.studies[study]
        taken_over = [path for other in own.best_of for path in self.settings(other)]
        return list(dict.fromkeys([*taken_over, *own.varied]))

    def axes(self, study: str) -> list[str]:
        """The same with one path of those that take equal values."""
        own = self.project.studies[study]
        taken_over = [path for other in own.best_of for path in self.axes(other)]
        return list(dict.fromkeys([*taken_over, *own.axes]))

    def fitted_rates(self, study: str) -> dict[str, Any] | None:
        """Where the exponents of the learning rate of a study come from: study, its reference widths, our models."""
        own = self.project.studies[study]
        if own.learning_rate_from is None:
            return None
        models = self.project.studies[own.learning_rate_from].models
        widths = {model: self.project.models[model].reference_width for model in models}
        return {"study": own.learning_rate_from, "reference_widths": widths, "models": own.models}

    def start(self, study: str) -> dict[str, Any]:
        """The settings that a study varies, as its first model has them."""
        own = self.project.studies[study]
        return as_choice(self.project.models[own.models[0]], own.axes)

    def choices(self, study: str) -> list[dict[str, Any]]:
        """Values of the settings that a study itself varies, of each of its networks, as :meth:`start` has them."""
        own = self.project.studies[study]
        runs = [case_run(self.project, study, case) for case in study_cases(own, Findings())]
        return [as_choice(run, own.axes) for run in runs]

    def ensemble(self, name: str) -> list[str]:
        """Names of the trainings of an ensemble: they differ in the seed alone."""
        return [run.name for run in self.runs.values() if run.ensemble == name]

    @cached_property
    def tested(self) -> dict[str, str]:
        """Evaluated model -> its ensemble trained on the most data (and, of those, the widest)."""
        study = self.members[self.project.evaluation.study].values()
        largest = {
            model: max(
                (run for run in study if run.model == model),
                key=lambda run: (run.num_train, run.width),
            )
            for model in self.project.evaluation.models
        }
        return {model: run.ensemble for model, run in largest.items()}


@dataclass(frozen=True)
class ScalingPlan:
    """What is fitted to which study, whether it was trained here or published."""

    studies: Mapping[str, StudySettings]
    scaling: ScalingSettings

    def fitted(self, *axes: str) -> list[str]:
        """Studies to which laws are fitted along one of these axes."""
        return [name for name, study in self.studies.items() if study.fit in axes]

    def laws(self, study: str) -> list[str]:
        """Laws that are fitted to a study."""
        grid = self.studies[study].fit == "grid"
        return list(self.scaling.grid_laws if grid else self.scaling.laws)

    def drawn_law(self, study: str) -> str:
        """Law of the main figure of a study along one axis."""
        scaling = self.scaling
        over_data = self.studies[study].fit == "num_train"
        chosen = scaling.data_law if over_data else scaling.parameter_law
        usual = "broken" if over_data else "power_floor"
        return chosen or (usual if usual in scaling.laws else scaling.laws[0])

    def split_by(self, study: str) -> list[str]:
        """Settings of which each combination has a law of its own."""
        settings = self.studies[study]
        along_settings = settings.fit in ("num_params", "grid") and not settings.widths
        return [] if along_settings else settings.axes

    def size_study(self, study: str) -> str | None:
        """Study whose law L(N) says what the sizes of the networks of a study are worth by themselves.

        It varies the width of the same models with as many crystals; None where there is none, or where the study
        varies anything but numbers.
        """
        own = self.studies[study]
        varied = [value for values in own.vary.values() for value in values]
        if own.widths or not all(isinstance(value, int | float) for value in varied):
            return None
        return next(
            (
                name
                for name, other in self.studies.items()
                if other.fit == "num_params"
                and other.widths
                and not other.vary
                and set(own.models) <= set(other.models)
                and own.num_train == other.num_train
            ),
            None,
        )

    def label(self, study: str) -> str:
        """Name of a study in figures and tables."""
        return self.studies[study].label or study.replace("_", " ").capitalize()

    def with_settings(self) -> list[str]:
        """Studies that vary settings or take over those of others."""
        return [name for name, study in self.studies.items() if study.vary or study.best_of]

    def learning_rates(self) -> list[str]:
        """Studies that vary the exponent of the learning-rate rule."""
        return [name for name, study in self.studies.items() if study.learning_rate_exponents]


def named(runs: Iterable[Run]) -> dict[str, Run]:
    """Trainings by name, each once.

    Raises:
        ConfigurationError: If different trainings have one name.
    """
    by_name: dict[str, Run] = {}
    for run in runs:
        if by_name.setdefault(name := run.name, run) != run:
            raise ConfigurationError(
                f"Two different trainings would have the name {name}: values of learning rates or settings that agree "
                "in their first digits; choose others."
            )
    return by_name


@dataclass(frozen=True)
class Case:
    """One point of a study, trained with every seed."""

    model: str
    num_train: int
    width: int | None
    """None: that of the architecture."""
    exponent: float | None
    """gamma of the learning-rate rule; None: the model's own."""
    choice: Choice
    """Settings that differ from the model's."""


def study_runs(project: Project, name: str, findings: Findings | None = None) -> Iterator[Run]:
    """Trainings of one study.

    Args:
        project: The project.
        name: Of the study.
        findings: What results say; none where the study follows from none.

    Raises:
        ConfigurationError: If a combination is impossible, such as a width that heads do not divide.
    """
    study, findings = project.studies[name], findings or Findings()
    for case in study_cases(study, findings):
        run = case_run(project, name, case)
        if study.search is not None:
            found = {**case.choice, **findings.rates[run.network]}
            # of this size: the learning-rate rule has nothing to add
            run = case_run(project, name, replace(case, choice=found, exponent=0.0))
        for seed in study.seeds:
            yield run.model_copy(update={"seed": seed})


def study_searches(project: Project, name: str, findings: Findings) -> dict[str, Run]:
    """Searches of one study by name, each with the training whose learning rate and weight decay its trials vary."""
    study = project.studies[name]
    if study.search is None:
        return {}
    runs = [case_run(project, name, case) for case in study_cases(study, findings)]
    return {
        run.network: run.model_copy(
            update={"training": trial_training(run.training, study.search.epochs)}
        )
        for run in runs
    }


def _same_search(one: tuple[Run, SearchSettings], other: tuple[Run, SearchSettings]) -> bool:
    """Whether two searches try the same; how many jobs share the trials does not matter."""
    (run, settings), (other_run, other_settings) = one, other
    same_jobs = other_settings.model_copy(update={"jobs": settings.jobs})
    return run == other_run and settings == same_jobs


def study_cases(study: StudySettings, findings: Findings) -> Iterator[Case]:
    """Every model at every size with every combination of settings."""
    for model, num_train, width, exponent, taken_over in product(
        study.models,
        study.num_train,
        study.widths or (None,),
        study.learning_rate_exponents or (None,),
        findings.settings,
    ):
        gamma = findings.exponents.get(model, exponent)
        for choice in study.choices(model):
            yield Case(model, num_train, width, gamma, {**taken_over, **choice})


def case_run(project: Project, study: str, case: Case) -> Run:
    """The training of a case with the first seed of its study.

    Raises:
        ConfigurationError: If its settings do not go together.
    """
    settings = project.models[case.model]
    try:
        own = Network(at_width(settings.architecture, case.width), project.training_of(case.model))
        network = with_choice(own, case.choice)
    except ValidationError as error:
        reasons = "; ".join(fault["msg"] for fault in error.errors(include_url=False))
        raise ConfigurationError(
            f"`studies.{study}`: {case.model!r} of width {case.width} cannot have {dict(case.choice)}: {reasons}"
        ) from error
    training = network.training
    gamma = settings.learning_rate_exponent if case.exponent is None else case.exponent
    if gamma:  # N is that of the width alone: the rule says nothing about other settings
        rate = training.learning_rate * _size_ratio(settings, own.architecture) ** gamma
        training = training.model_copy(update={"learning_rate": rate})
    return Run(
        model=case.model,
        architecture=network.architecture,
        training=training,
        num_train=case.num_train,
        seed=project.studies[study].seeds[0],
        variant=variant(network, own, case.choice),
    )


def trial_training(training: TrainingSettings, epochs: int) -> TrainingSettings:
    """The training of a trial, in fewer epochs or more: a schedule with a period changes in proportion.

    A trial is worth its lowest loss, of whatever epoch.
    """
    schedule = training.schedule
    if period := getattr(schedule, "period", None):
        period = max(1, round(period * epochs / training.epochs))
        schedule = schedule.model_copy(update={"period": period})
    own = {"epochs": epochs, "schedule": schedule.model_dump(), "best_from_epoch": 0}
    return TrainingSettings.model_validate(training.model_dump() | own)


def at_width(architecture: Architecture, width: int | None) -> Architecture:
    """The architecture at another hidden width; the spectrum head keeps its ratio to the width.

    An architecture of fixed size (OptiMate) stays as it is.
    """
    if width is None or isinstance(architecture, OptiMate):
        return architecture
    ratio = architecture.spectra_dim / architecture.hidden_dim
    sizes = {"hidden_dim": width, "spectra_dim": round(ratio * width)}
    return type(architecture).model_validate({**architecture.model_dump(), **sizes})


def _size_ratio(settings: ModelSettings, architecture: Architecture) -> float:
    """N0 / N, parameters at the reference width over those of this architecture."""
    from optimetal.models import count_parameters  # imports torch, which most runs do not need

    reference = at_width(settings.architecture, settings.reference_width)
    return count_parameters(reference) / count_parameters(architecture)
