"""The whole configuration of a project: what ``config/*.yaml`` may say, declared once.

Sections follow the flow of the data: database, splits, graphs, models and training, studies, evaluation, scaling laws,
figures.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Final, Literal, TypeVar

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

from optimetal.config.architecture import Architecture
from optimetal.config.base import Settings
from optimetal.config.database import DatabaseSettings
from optimetal.config.repository import URL
from optimetal.config.study import StudySettings
from optimetal.config.training import TrainingSettings
from optimetal.config.variation import Network, with_choice
from optimetal.scaling.laws import GRID_LAWS, LAWS, PUBLISHED_GRID_LAWS, PUBLISHED_LAWS

METRICS: Final = (
    "loss",
    *(f"eps_{part}_{metric}" for part in ("real", "imag") for metric in ("mae", "r2", "sc")),
    "drude_diff",
    "drude_rel_diff",
    "delta_e",
)
"""Metrics of a material that figures can show."""


Root = TypeVar("Root", bound=Settings)


class ConfigurationError(ValueError):
    """The configuration cannot be used; the message names every key at fault."""


class SplitSettings(Settings):
    """How the materials are split."""

    method: Literal["composition", "published"] = Field(
        default="composition",
        description="composition: all crystals of one formula go to the same split. published: as lists of identifiers "
        "say, of which every crystal must be in one. The published data for learning (`database.source: figshare_ml`) "
        "are split by the published lists already: nothing here has an effect.",
    )
    folder: str | None = Field(
        default=None,
        description="With method published: folder with such lists, train.txt, val.txt and test.txt (or .txt.gz), "
        "one identifier per line; none: those of the published study are downloaded and must have the known SHA-256.",
    )
    url: str = Field(
        default=URL,
        description="With method published and no folder: address of the authors' repository, or of a mirror of it.",
    )
    ratios: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = Field(
        default=(0.8, 0.1, 0.1),
        description="With method composition: shares of the unique formulas in train, val and test.",
    )
    seed: NonNegativeInt = Field(
        default=42, description="With method composition: seed of the shuffle. Published: 42."
    )

    @field_validator("ratios")
    @classmethod
    def _sum_to_one(cls, ratios: tuple[float, ...]) -> tuple[float, ...]:
        if abs(sum(ratios) - 1) > 1e-9:
            raise ValueError(f"ratios must sum to 1, got {sum(ratios):g}")
        return ratios

    @model_validator(mode="after")
    def _lists_are_used(self) -> "SplitSettings":
        if self.folder is not None and self.method != "published":
            raise ValueError(
                f"`folder` holds lists of identifiers, which `method: {self.method}` does not use: set "
                "`method: published` too"
            )
        return self


class GraphSettings(Settings):
    """Reach of the crystal graphs."""

    cutoff: PositiveFloat = Field(default=5.5, description="Longest edge, Å. Published: 5.5.")
    triplet_cutoff: PositiveFloat = Field(
        default=4.0, description="Longest edge of a three-body pair, Å. Published: 4.0."
    )
    quotient_tolerance: NonNegativeFloat = Field(
        default=1e-4,
        description="Edges (Å) and cosines that differ by less count as equal in the search for equivalent atoms; "
        "well above the noise of relaxed structures, well below what networks can see. 0: no reduction.",
    )


class ModelSettings(Settings):
    """One model of the studies: its architecture, and where its training differs from the default."""

    label: str = Field(description="Name in figures and tables.")
    architecture: Architecture = Field(description="The network.")
    training: dict[str, Any] = Field(
        default_factory=dict, description="Keys of `training` that this model overrides."
    )
    reference_width: PositiveInt | None = Field(
        default=None,
        description="Width at which the learning rate holds, for the rule lr = lr0 (N0 / N)^gamma. Published: 256.",
    )
    learning_rate_exponent: NonNegativeFloat = Field(
        default=0.0,
        description="gamma of that rule; 0: one learning rate. Published for transformers: 1.",
    )

    @model_validator(mode="after")
    def _rule_is_complete(self) -> "ModelSettings":
        if self.learning_rate_exponent and self.reference_width is None:
            raise ValueError("`learning_rate_exponent` needs a `reference_width`")
        return self


class PackingSettings(Settings):
    """How many trainings one job does: networks that are small beside their device share it, and what is loaded."""

    trainings: int = Field(ge=2, description="Trainings of a job.")
    at_once: PositiveInt = Field(
        default=1,
        description="How many of them go on at the same time, on one GPU or with one core each; the outcome of each is "
        "that of a job of its own.",
    )
    max_width: PositiveInt | None = Field(
        default=None, description="Wider networks have a job each; none: all are packed."
    )

    @model_validator(mode="after")
    def _as_many_as_there_are(self) -> "PackingSettings":
        if self.at_once > self.trainings:
            raise ValueError(
                f"`at_once` must be at most `trainings`, got {self.at_once} and {self.trainings}"
            )
        return self


class AblationSettings(Settings):
    """A search for architectures: the studies that it consists of, for its figures and its summary."""

    layers: tuple[str, ...] = Field(
        min_length=1,
        description="Studies that vary one kind of layer each, of the same first architecture.",
    )
    combinations: str | None = Field(
        default=None, description="Study of the combinations of the best of these."
    )
    three_body: str | None = Field(
        default=None,
        description="Study of the three-body network, which began with another architecture.",
    )

    @property
    def studies(self) -> list[str]:
        """All of them."""
        return [*self.layers, *filter(None, [self.combinations, self.three_body])]


class EvaluationSettings(Settings):
    """Which trained models are tested: the largest training set of a study, each seed and the ensemble."""

    study: str = Field(description="Key of `studies`.")
    models: tuple[str, ...] = Field(min_length=1, description="Keys of `models`.")
    batch_size: PositiveInt = Field(default=256, description="Crystals per forward pass.")


class ScalingSettings(Settings):
    """Scaling laws that are fitted."""

    laws: tuple[str, ...] = Field(default=PUBLISHED_LAWS, description=f"Any of {', '.join(LAWS)}.")
    grid_laws: tuple[str, ...] = Field(
        default=PUBLISHED_GRID_LAWS, description=f"Any of {', '.join(GRID_LAWS)}."
    )
    data_law: str | None = Field(
        default=None,
        description="Law drawn over D, one of `laws`; none: broken, or else the first. Published: broken.",
    )
    parameter_law: str | None = Field(
        default=None,
        description="Law drawn over N; none: power_floor, or else the first. Published: power_floor.",
    )
    published_solver: bool = Field(
        default=False,
        description="Repeat the solver of the published study (one start, scipy's defaults) instead of ours.",
    )
    bootstrap_samples: PositiveInt = Field(
        default=200, description="Draws of the seeds behind the 95 % intervals of the parameters."
    )
    bootstrap_seed: NonNegativeInt = Field(default=1, description="Seed of these draws.")
    loss_targets: tuple[PositiveFloat, ...] = Field(
        default=(),
        description="Losses to reach: with `fit: grid`, a table says which network on how many crystals is the "
        "cheapest way to each; none: 2 to 0.6 times the lowest measured loss.",
    )
    budgets: tuple[PositiveFloat, ...] = Field(
        default=(),
        description="What one training may cost, in hours of the device (without run times: N D epochs): another table "
        "says how low a loss each can reach; none: decades around the costs of the trainings.",
    )

    @model_validator(mode="after")
    def _laws_are_known(self) -> "ScalingSettings":
        known = {
            "laws": (self.laws, LAWS),
            "grid_laws": (self.grid_laws, GRID_LAWS),
            "data_law": ((self.data_law,), (*self.laws, None)),
            "parameter_law": ((self.parameter_law,), (*self.laws, None)),
        }
        for key, (names, names_known) in known.items():
            if unknown := sorted(set(names) - set(names_known)):
                raise ValueError(
                    f"`{key}`: unknown {unknown}; known: {', '.join(filter(None, names_known))}"
                )
        return self


class PlotSettings(Settings):
    """What the figures show."""

    metrics: tuple[str, ...] = Field(
        default=("loss", "eps_imag_sc", "drude_diff", "delta_e"),
        description="Metrics of the histograms and violins.",
    )
    num_random_materials: PositiveInt = Field(
        default=6, description="Materials in the figure of examples."
    )
    seed: NonNegativeInt = Field(default=1, description="Seed of the choice of example materials.")

    @field_validator("metrics")
    @classmethod
    def _metrics_are_known(cls, metrics: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := sorted(set(metrics) - set(METRICS)):
            raise ValueError(f"unknown {unknown}; known: {', '.join(METRICS)}")
        return metrics


class Project(Settings):
    """The configuration of one project."""

    pathvars: dict[str, str] = Field(
        default_factory=dict,
        description="Folders of Snakemake's path variables `<results>`, `<logs>` and `<benchmarks>` (run times).",
    )
    database: DatabaseSettings = Field(description="Where crystals and spectra come from.")
    splits: SplitSettings = Field(default=SplitSettings(), description="Train, val and test.")
    graphs: GraphSettings = Field(default=GraphSettings(), description="Reach of the graphs.")
    training: TrainingSettings = Field(
        default=TrainingSettings(), description="Training of all models, unless one says otherwise."
    )
    packing: PackingSettings | None = Field(
        default=None, description="Several trainings per job; none: each has its own."
    )
    models: dict[str, ModelSettings] = Field(min_length=1, description="Name -> model.")
    studies: dict[str, StudySettings] = Field(min_length=1, description="Name -> trainings.")
    ablation: AblationSettings | None = Field(
        default=None, description="Which studies are a search for architectures."
    )
    evaluation: EvaluationSettings = Field(description="Which trained models are tested.")
    scaling: ScalingSettings = Field(
        default=ScalingSettings(), description="Which scaling laws are fitted."
    )
    plots: PlotSettings = Field(default=PlotSettings(), description="What the figures show.")

    def training_of(self, model: str) -> TrainingSettings:
        """Training settings of a model: the defaults with its own keys."""
        return TrainingSettings.model_validate(
            {**self.training.model_dump(), **self.models[model].training}
        )

    @model_validator(mode="after")
    def _overrides_are_valid(self) -> "Project":
        for model in self.models:
            try:
                self.training_of(model)
            except ValidationError as error:
                raise ValueError(
                    f"`models.{model}.training`: {_listing(error, TrainingSettings)}"
                ) from error
        return self

    @model_validator(mode="after")
    def _varied_settings_exist(self) -> "Project":
        for name, study in self.studies.items():
            for model in set(study.models) & set(self.models):  # others are named below
                for choice in study.choices(model):
                    for path, value in choice.items():
                        self._check_setting(name, model, path, value)
        return self

    def _check_setting(self, study: str, model: str, path: str, value: Any) -> None:
        """Whether a model has a setting, and the setting this value."""
        network = Network(self.models[model].architecture, self.training_of(model))
        try:
            varied = with_choice(network, {path: value})
            self._check_reach(varied.architecture)
        except ValidationError as error:
            reasons = "; ".join(fault["msg"] for fault in error.errors(include_url=False))
            message = f"`{path}` of model {model!r} cannot be {value!r}: {reasons}"
        except ValueError as error:
            message = f"model {model!r}: {error}"
        else:
            return
        raise ValueError(f"`studies.{study}.vary`: {message}")

    @model_validator(mode="after")
    def _networks_fit_the_graphs(self) -> "Project":
        for name, model in self.models.items():
            self._check_reach(model.architecture, f"models.{name}.")
        return self

    def _check_reach(self, architecture: Architecture, above: str = "") -> None:
        """Whether a network looks as far as the graphs, which are built once, for all networks."""
        for key in ("cutoff", "triplet_cutoff"):
            ours, theirs = getattr(architecture, key), getattr(self.graphs, key)
            if ours not in (None, theirs):
                raise ValueError(
                    f"`{above}architecture.{key}` is {ours} Å, but all graphs are built with {theirs} Å "
                    f"(`graphs.{key}`)"
                )

    @model_validator(mode="after")
    def _crystals_suffice(self) -> "Project":
        if self.database.source != "surrogate" or self.splits.method == "published":
            return self  # their number is not known yet; a training that wants too many says so
        share, available = self.splits.ratios[0], self.database.surrogate.num_crystals
        for name, study in self.studies.items():
            if (most := max(study.num_train)) > share * available * 1.1:
                raise ValueError(
                    f"`studies.{name}.num_train`: {most} training crystals are wanted, but the train share "
                    f"{share:g} of {available} surrogate crystals is about {share * available:.0f}: raise "
                    "`database.surrogate.num_crystals` or ask for fewer"
                )
        return self

    def _check_followed(self, name: str, study: StudySettings) -> None:
        """Whether the studies that one follows exist, do not follow it in turn, and can tell what it wants."""
        _check_known(f"studies.{name}.best_of", study.best_of, self.studies)
        wanted = [study.learning_rate_from] if study.learning_rate_from else []
        _check_known(f"studies.{name}.learning_rate_from", wanted, self.studies)
        reached, ahead = set(), list(study.follows)
        while ahead:
            reached.add(other := ahead.pop())
            ahead += [further for further in self.studies[other].follows if further not in reached]
        if name in reached:
            raise ValueError(f"`studies.{name}` would follow from its own results")
        for other, number in study.best_of.items():
            if number > (available := self.studies[other].num_combinations):
                raise ValueError(
                    f"`studies.{name}.best_of`: the best {number} are wanted of {other!r}, which has {available} "
                    "combinations of settings"
                )
        for other in wanted:
            self._check_rates(name, study.models, self.studies[other], other)

    def _check_rates(self, name: str, models: Any, other: StudySettings, key: str) -> None:
        """Whether a study can tell the exponents of the learning rates of some models."""
        key_wanted = f"`studies.{name}.learning_rate_from`"
        if not other.learning_rate_exponents:
            raise ValueError(f"{key_wanted}: {key!r} needs `learning_rate_exponents`")
        for model in (*other.models, *models):
            if self.models[model].reference_width is None:
                raise ValueError(f"{key_wanted} needs `models.{model}.reference_width`")
        if len(other.models) > 1 and (missing := sorted(set(models) - set(other.models))):
            raise ValueError(
                f"{key_wanted}: {key!r} tells of {list(other.models)}, not of {missing}"
            )

    @model_validator(mode="after")
    def _exponents_can_be_fitted(self) -> "Project":
        for name, study in self.studies.items():
            for model in study.models if study.learning_rate_exponents else ():
                settings = self.models[model]
                own = getattr(settings.architecture, "hidden_dim", None)
                reference = settings.reference_width or own
                if reference not in study.widths or len(study.widths) < 2:
                    raise ValueError(
                        f"`studies.{name}.learning_rate_exponents` needs `widths` with {reference}, where the learning "
                        f"rate of {model!r} holds, and at least one other, got {list(study.widths)}"
                    )
        return self

    @model_validator(mode="after")
    def _references_exist(self) -> "Project":
        for name, study in self.studies.items():
            _check_known(f"studies.{name}.models", study.models, self.models)
            self._check_followed(name, study)
        if self.ablation:
            with_settings = [name for name, s in self.studies.items() if s.vary or s.best_of]
            _check_known("ablation", self.ablation.studies, with_settings)
        self._check_tested()
        return self

    def _check_tested(self) -> None:
        """Whether it is known beforehand what is tested."""
        _check_known("evaluation.study", [self.evaluation.study], self.studies)
        study = self.studies[self.evaluation.study]
        if not study.is_known:
            known = [name for name, other in self.studies.items() if other.is_known]
            reasons = [
                f"`{key}`"
                for key in ("best_of", "learning_rate_from", "search")
                if getattr(study, key)
            ]
            raise ValueError(
                f"`evaluation.study`: which trainings {self.evaluation.study!r} has follows from results "
                f"({', '.join(reasons)}), but what is tested must be known before: take one of {known}"
            )
        _check_known(
            "evaluation.models",
            self.evaluation.models,
            study.models,
        )


def _check_known(key: str, names: Any, known: Any) -> None:
    if unknown := sorted(set(names) - set(known)):
        raise ValueError(f"`{key}`: unknown {unknown}; known: {', '.join(known)}")


def read_project(config: Mapping[str, Any]) -> Project:
    """Validate a configuration.

    Raises:
        ConfigurationError: Naming every key at fault, what was expected there and what came.
    """
    return validated(Project, config)


def validated(kind: type[Root], config: Mapping[str, Any]) -> Root:
    """Read a configuration as a root of some kind; errors as those of :func:`read_project`."""
    try:
        return kind.model_validate(config)
    except ValidationError as error:
        raise ConfigurationError(
            f"The configuration has errors:\n{_listing(error, kind)}"
        ) from error


def _listing(error: ValidationError, kind: type[Settings]) -> str:
    """One line per fault: key, reason, and what came."""
    lines = []
    for fault in error.errors(include_url=False):
        key = ".".join(map(str, fault["loc"]))
        came = "" if isinstance(fault["input"], Mapping) else f", got {fault['input']!r}"
        if fault["type"] == "extra_forbidden":
            lines.append(f"  {key}: unknown key{_likely_key(str(fault['loc'][-1]), kind)}")
        elif fault["type"] == "value_error":  # one of our own: it says what came
            lines.append(
                f"  {key + ': ' if key else ''}{fault.get('ctx', {}).get('error', fault['msg'])}"
            )
        else:
            lines.append(f"  {key}: {fault['msg']}{came}")
    return "\n".join(lines)


def _likely_key(key: str, kind: type[Settings]) -> str:
    """The known key that was probably meant."""
    schema = kind.model_json_schema()
    sections = [schema, *schema["$defs"].values()]
    known = {name for section in sections for name in section.get("properties", {})}
    close = get_close_matches(key, known, 1)
    return f"; did you mean {close[0]!r}?" if close else "; see config/README.md for all keys"
