"""Settings of a training run (spec: published values are noted with each key)."""

from typing import Annotated, Final, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from optimetal.config.base import Settings

DEVICE: Final = r"^(auto|cpu|cuda(:\d+)?)$"
"""Names of devices."""


class ConstantSchedule(Settings):
    """The learning rate stays at its base value after the warm-up."""

    type: Literal["constant"] = "constant"


class CosineSchedule(Settings):
    """Half a cosine from the base rate down to ``minimum`` over ``period`` epochs."""

    type: Literal["cosine"] = "cosine"
    period: PositiveInt | None = Field(
        default=None,
        description="Epochs from the base rate to the minimum; none: all epochs after the warm-up. Published: 500, "
        "which, after 5 epochs of warm-up, ends 6 epochs before the minimum.",
    )
    minimum: NonNegativeFloat = Field(default=0.0, description="Last learning rate. Published: 0.")


class RestartSchedule(Settings):
    """Cosine annealing with warm restarts (Loshchilov and Hutter, arXiv 1608.03983)."""

    type: Literal["cosine_restarts"] = "cosine_restarts"
    period: PositiveInt = Field(description="Epochs of the first cosine.")
    period_factor: PositiveInt = Field(default=1, description="Each cosine is this much longer.")
    minimum: NonNegativeFloat = Field(
        default=0.0, description="Learning rate at the end of each cosine."
    )


class PlateauSchedule(Settings):
    """Reduce the learning rate when the validation loss no longer falls; has no warm-up."""

    type: Literal["plateau"] = "plateau"
    factor: PositiveFloat = Field(default=0.1, lt=1, description="The rate is multiplied by this.")
    patience: NonNegativeInt = Field(
        default=10, description="Epochs without a gain that are tolerated."
    )
    threshold: NonNegativeFloat = Field(
        default=1e-4,
        description="Relative gain that counts.",
    )
    minimum: NonNegativeFloat = Field(
        default=0.0, description="The rate is never reduced below this."
    )


Schedule = Annotated[
    ConstantSchedule | CosineSchedule | RestartSchedule | PlateauSchedule,
    Field(discriminator="type"),
]


class TrainingSettings(Settings):
    """How one network is trained."""

    optimizer: Literal["adam", "adamw"] = Field(
        default="adamw", description="Adam (L2 penalty) or AdamW (decoupled weight decay)."
    )
    learning_rate: PositiveFloat = Field(
        default=1e-3, description="Base rate at the end of the warm-up."
    )
    weight_decay: NonNegativeFloat = Field(
        default=0.0, description="Weight decay of the optimiser."
    )
    epochs: PositiveInt = Field(
        default=500, description="Passes over the training set. Published: 500."
    )
    batch_size: PositiveInt = Field(
        default=256,
        description="Crystals per step, of all GPUs together. Published: 256.",
    )
    warmup_epochs: NonNegativeInt = Field(
        default=5, description="Epochs of linear warm-up from 1e-7 to the base rate. Published: 5."
    )
    schedule: Schedule = Field(
        default=CosineSchedule(), description="Learning rate after the warm-up. Published: cosine."
    )
    gradient_clip: PositiveFloat = Field(
        default=100.0, description="Largest norm of the whole gradient. Published: 100."
    )
    eps_loss: Literal["mae", "mse", "imaginary_mae"] = Field(
        default="mae",
        description="Loss on the dielectric function; `imaginary_mae` looks at Im ε only and is OptiMate's.",
    )
    drude_loss: Literal["mae", "mse"] = Field(
        default="mae", description="Loss on the Drude frequency."
    )
    eps_weight: NonNegativeFloat = Field(default=1.0, description="Weight of the loss on ε.")
    drude_weight: NonNegativeFloat = Field(default=1.0, description="Weight of the loss on ω_D.")
    min_improvement: NonNegativeFloat = Field(
        default=0.0,
        description="A new best validation loss must be lower by more than this. Published: 1e-3, so that published "
        "best losses lie up to 1e-3 above the true minimum.",
    )
    best_from_epoch: NonNegativeInt = Field(
        default=0,
        description="First epoch (from 0) whose weights may be kept as best. Published: 10.",
    )
    patience: PositiveInt | None = Field(
        default=None,
        description="Stop after this many epochs without an improvement by `min_improvement`, whatever epochs may be "
        "kept as best; none: never. Published: none.",
    )
    checkpoint_every: PositiveInt = Field(
        default=10, description="Epochs between checkpoints. Published: 10."
    )
    max_recoveries: NonNegativeInt = Field(
        default=3,
        description="How often a run goes back to its best weights with half the learning rate, after a loss or "
        "gradient that is not finite, before it fails.",
    )
    precision: Literal["auto", "fp32", "bf16", "fp64"] = Field(
        default="auto",
        description="auto: bf16 autocast on GPUs that have it, fp32 elsewhere (published). fp64: for comparisons of "
        "rounding errors.",
    )
    compile: bool = Field(
        default=False,
        description="Training steps are compiled by torch.compile: worth a try on GPUs, where a training takes longer "
        "than the minute or two that this takes at its start. Needs a C++ compiler.",
    )
    device: str = Field(
        default="auto",
        pattern=DEVICE,
        description="auto: the GPU when there is one; or cpu, cuda, cuda:1.",
    )

    @model_validator(mode="after")
    def _some_epoch_can_be_best(self) -> Self:
        if self.best_from_epoch >= self.epochs:
            raise ValueError(
                f"`best_from_epoch` must be less than `epochs`, got {self.best_from_epoch} and {self.epochs}"
            )
        return self
