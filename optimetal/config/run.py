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

    @property
    def width(self) -> int:
        """Hidden width h of the network; 0 for architectures of fixed size."""
        return getattr(self.architecture, "hidden_dim", 0)

    @property
    def name(self) -> str:
        """Path below results/runs: equal settings of one model give equal names."""
        width = f"_width{self.width}" if self.width else ""
        rate = f"{self.training.learning_rate:.4g}"
        return f"{self.model}/data{self.num_train}{width}_lr{rate}_seed{self.seed}"

    @property
    def ensemble(self) -> str:
        """Name without the seed: runs that differ in nothing else form an ensemble."""
        return self.name.rpartition("_seed")[0]
