"""From studies to trainings: each training is declared once, whatever number of studies asks for it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product

from optimetal.config.architecture import Architecture, OptiMate
from optimetal.config.project import ModelSettings, Project, ScalingSettings, StudySettings
from optimetal.config.run import Run


@dataclass(frozen=True)
class Plan:
    """What a project asks for: trainings, and the ensembles that are tested."""

    project: Project

    @cached_property
    def members(self) -> dict[str, dict[str, Run]]:
        """Study -> its trainings by name."""
        return {
            study: {run.name: run for run in study_runs(self.project, study)}
            for study in self.project.studies
        }

    @cached_property
    def runs(self) -> dict[str, Run]:
        """Every training once, by name."""
        return {name: run for runs in self.members.values() for name, run in runs.items()}

    @cached_property
    def studies(self) -> dict[str, list[str]]:
        """Study -> names of its trainings."""
        return {study: list(runs) for study, runs in self.members.items()}

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

    def learning_rates(self) -> list[str]:
        """Studies that vary the exponent of the learning-rate rule."""
        return [name for name, study in self.studies.items() if study.learning_rate_exponents]


def study_runs(project: Project, name: str) -> Iterator[Run]:
    """Trainings of one study."""
    study = project.studies[name]
    for model, num_train, width, exponent, seed in product(
        study.models,
        study.num_train,
        study.widths or (None,),
        study.learning_rate_exponents or (None,),
        study.seeds,
    ):
        yield _run(project, model, num_train, width, exponent, seed)


def _run(
    project: Project,
    model: str,
    num_train: int,
    width: int | None,
    exponent: float | None,
    seed: int,
) -> Run:
    settings = project.models[model]
    architecture = at_width(settings.architecture, width)
    exponent = settings.learning_rate_exponent if exponent is None else exponent
    training = project.training_of(model)
    if exponent:
        rate = training.learning_rate * _size_ratio(settings, architecture) ** exponent
        training = training.model_copy(update={"learning_rate": rate})
    return Run(
        model=model, architecture=architecture, training=training, num_train=num_train, seed=seed
    )


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
