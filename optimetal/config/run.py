"""One training, as the workflow hands it to a job."""

from pydantic import NonNegativeInt, PositiveInt

from optimetal.config.architecture import Architecture
from optimetal.config.base import Settings
from optimetal.config.training import TrainingSettings


class Run(Settings):
    """Everything that decides one training, apart from the data themselves."""

    model: str
    architecture: Architecture
    training: TrainingSettings
    num_train: PositiveInt
    seed: NonNegativeInt
    variant: str = ""
    """What a study varied, as a name; "" for the model's own settings."""

    @property
    def width(self) -> int:
        """Hidden width h of the network; 0 for architectures of fixed size."""
        return getattr(self.architecture, "hidden_dim", 0)

    @property
    def network(self) -> str:
        """Name without learning rate and seed."""
        width = f"_width{self.width}" if self.width else ""
        variant = f"_{self.variant}" if self.variant else ""
        return f"{self.model}/data{self.num_train}{width}{variant}"

    @property
    def ensemble(self) -> str:
        """Name without the seed: runs that differ in nothing else form an ensemble."""
        return f"{self.network}_lr{self.training.learning_rate:.4g}"

    @property
    def name(self) -> str:
        """Path below results/runs: equal settings of one model give equal names."""
        return f"{self.ensemble}_seed{self.seed}"

    @property
    def facts(self) -> dict[str, str | int | float]:
        """What it says of itself while it lasts."""
        sizes = {"num_train": self.num_train, "width": self.width, "seed": self.seed}
        return {"model": self.model, **sizes, "learning_rate": self.training.learning_rate}
