"""Settings of the searches for learning rate and weight decay."""

from typing import Final

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from optimetal.config.base import Settings

_DIGITS: Final = (1, 2, 4, 6, 8)
LEARNING_RATES: Final = tuple(
    float(f"{digit}e{power}") for power in (-5, -4, -3) for digit in _DIGITS
)
"""Published grid, 1e-5 to 8e-3."""
WEIGHT_DECAYS: Final = (
    0.0,
    *(float(f"{digit}e{power}") for power in (-6, -5, -4) for digit in _DIGITS),
    1e-3,
)
"""Published grid, 0 and 1e-6 to 1e-3."""


class SearchSettings(Settings):
    """Short trial trainings that find learning rate and weight decay (tree-structured Parzen estimator, Optuna)."""

    trials: PositiveInt = Field(
        default=25, description="Trials of one search, repeated choices included. Published: 25."
    )
    epochs: PositiveInt = Field(
        default=100,
        description="Epochs of a trial, in place of `training.epochs`; a schedule with a period is shortened in "
        "proportion, and `best_from_epoch` does not count: a trial is worth its lowest loss. Published: 100, half of "
        "the training.",
    )
    learning_rates: tuple[PositiveFloat, ...] = Field(
        default=LEARNING_RATES, min_length=1, description="Learning rates to choose from."
    )
    weight_decays: tuple[NonNegativeFloat, ...] = Field(
        default=WEIGHT_DECAYS, min_length=1, description="Weight decays to choose from."
    )
    random_trials: NonNegativeInt = Field(
        default=10,
        description="First trials, chosen at random, before the others learn from them. Published: 10.",
    )
    prune: bool = Field(
        default=False,
        description="End a trial after each quarter of its epochs if it is worse than the median of earlier ones, once "
        "the random trials are done. Published: true.",
    )
    seed: NonNegativeInt = Field(
        default=42,
        description="Seed of the choices. The trials train with the first seed of the study.",
    )
    jobs: PositiveInt = Field(
        default=1,
        description="Jobs that share the trials of one search. With one, equal searches give equal results.",
    )
