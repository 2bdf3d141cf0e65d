"""Settings of one study: which trainings it asks for."""

from math import prod
from typing import Any, Literal

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    field_validator,
    model_validator,
)

from optimetal.config.base import Settings
from optimetal.config.search import SearchSettings
from optimetal.config.variation import SEARCHED, combinations, key_of, paths


class StudySettings(Settings):
    """Trainings to run: every model at every size, with every combination of the varied settings and every seed."""

    label: str | None = Field(
        default=None, description="Name in figures and tables; none: the key, in words."
    )
    models: tuple[str, ...] = Field(min_length=1, description="Keys of `models`.")
    num_train: tuple[PositiveInt, ...] = Field(min_length=1, description="Training crystals, D.")
    widths: tuple[PositiveInt, ...] = Field(
        default=(), description="Hidden widths h; none: the width of the architecture."
    )
    vary: dict[str, tuple[Any, ...]] = Field(
        default_factory=dict,
        description="Settings to vary: path, such as `architecture.message_passing.num_layers` or "
        "`training.weight_decay`, -> values. All combinations are trained. A value may be a whole section, "
        "which replaces the model's; a list in it stands for each of its values. Paths with commas between them take "
        "the same value.",
    )
    alongside: dict[str, dict[str, tuple[Any, ...]]] = Field(
        default_factory=dict,
        description="Model -> path -> values that go with the combinations of `vary`, one for each in their order.",
    )
    best_of: dict[str, PositiveInt] = Field(
        default_factory=dict,
        description="Study -> how many of its best combinations (mean loss over the seeds) are taken over; those of "
        "several studies are combined in all ways. The trainings are known when these studies are done.",
    )
    search: SearchSettings | None = Field(
        default=None,
        description="Finds learning rate and weight decay for every model, size and combination before it is trained; "
        "none: they are those of the model. Studies that share a network share its search, so theirs must be equal.",
    )
    learning_rate_exponents: tuple[NonNegativeFloat, ...] = Field(
        default=(),
        description="gamma of the learning-rate rule, for `widths` that include the reference width; none: the model's "
        "own.",
    )
    learning_rate_from: str | None = Field(
        default=None,
        description="Study whose best learning rates give the gamma of this one's models, in place of "
        "`models.<name>.learning_rate_exponent`.",
    )
    seeds: tuple[NonNegativeInt, ...] = Field(
        default=(1, 42, 137), min_length=1, description="Seed of weights and order of crystals."
    )
    fit: Literal["num_train", "num_params", "grid"] | None = Field(
        default=None,
        description="Axis along which scaling laws are fitted to this study; grid: both. Each combination of varied "
        "settings has a law of its own, except over N where it is they that change N (no `widths`).",
    )

    @field_validator("models", "num_train", "widths", "learning_rate_exponents", "seeds")
    @classmethod
    def _each_once(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        if repeated := sorted({value for value in values if values.count(value) > 1}):
            raise ValueError(f"expected each value once, got {repeated} several times")
        return values

    @field_validator("vary")
    @classmethod
    def _values_differ(cls, vary: dict[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
        for key, values in vary.items():
            given = [key_of(choice) for choice in combinations({key: values})]
            if not given:
                raise ValueError(f"`{key}` needs values")
            if repeated := sorted({value for value in given if given.count(value) > 1}):
                raise ValueError(
                    f"expected each value of `{key}` once, got {repeated} several times"
                )
        varied = [path for key in vary for path in paths(key)]
        if repeated := sorted({path for path in varied if varied.count(path) > 1}):
            raise ValueError(f"expected each setting once, got {repeated} several times")
        return vary

    @model_validator(mode="after")
    def _as_many_alongside(self) -> "StudySettings":
        number = len(combinations(self.vary))
        for model, settings in self.alongside.items():
            if model not in self.models:
                raise ValueError(
                    f"`alongside`: {model!r} is not among `models` {list(self.models)}"
                )
            for path, values in settings.items():
                if len(values) != number:
                    raise ValueError(
                        f"`alongside.{model}.{path}` needs one value for each of the {number} combinations of `vary`, "
                        f"got {len(values)}"
                    )
        return self

    @model_validator(mode="after")
    def _grid_has_one_surface(self) -> "StudySettings":
        if self.fit == "grid" and self.vary and self.widths:
            raise ValueError("`fit: grid` takes N from `widths` or from `vary`, not from both")
        return self

    @model_validator(mode="after")
    def _searched_settings_are_free(self) -> "StudySettings":
        chosen = {*self.varied, *(path for values in self.alongside.values() for path in values)}
        if self.search and (twice := sorted(chosen & set(SEARCHED))):
            raise ValueError(f"`search` finds {twice}, so they cannot be given as well")
        if self.learning_rate_from and self.learning_rate_exponents:
            raise ValueError("give `learning_rate_from` or `learning_rate_exponents`, not both")
        if self.search and (self.learning_rate_from or self.learning_rate_exponents):
            raise ValueError(
                "`search` finds the learning rate of every width, so it goes with neither `learning_rate_from` nor "
                "`learning_rate_exponents`"
            )
        return self

    @property
    def varied(self) -> list[str]:
        """Paths of the settings in ``vary``."""
        return [path for key in self.vary for path in paths(key)]

    @property
    def axes(self) -> list[str]:
        """One path of each key of ``vary``."""
        return [paths(key)[0] for key in self.vary]

    @property
    def num_combinations(self) -> int:
        """Combinations of settings that are trained, those taken over included; fewer if some of these are equal."""
        return len(combinations(self.vary)) * prod(self.best_of.values())

    @property
    def num_networks(self) -> int:
        """Models at all sizes with all combinations of settings and exponents, as many at most."""
        sizes = (
            self.models,
            self.num_train,
            self.widths or (None,),
            self.learning_rate_exponents or (None,),
        )
        return prod(map(len, sizes)) * self.num_combinations

    @property
    def follows(self) -> list[str]:
        """Studies whose results decide the trainings of this one."""
        return [*self.best_of, *filter(None, [self.learning_rate_from])]

    @property
    def is_known(self) -> bool:
        """Whether the trainings are known before anything is trained."""
        return not self.follows and self.search is None

    def choices(self, model: str) -> list[dict[str, Any]]:
        """Every combination of the varied settings, path -> value, for one model."""
        beside = self.alongside.get(model, {})
        return [
            choice | {path: values[number] for path, values in beside.items()}
            for number, choice in enumerate(combinations(self.vary))
        ]
