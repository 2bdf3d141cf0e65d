"""The folder of one training: names of its files, and what killed processes left in it."""

import os
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunFolder:
    """Where a training keeps what."""

    path: Path

    @property
    def config(self) -> Path:
        """The run: architecture, settings, number of crystals, seed."""
        return self.path / "config.json"

    @property
    def history(self) -> Path:
        """One row per epoch."""
        return self.path / "history.csv"

    @property
    def model(self) -> Path:
        """The best weights with their model card."""
        return self.path / "model.safetensors"

    @property
    def metrics(self) -> Path:
        """The outcome, written last."""
        return self.path / "metrics.json"

    @property
    def checkpoint(self) -> Path:
        """State to continue from; the one before it lies beside it. Both go when the run is done."""
        return self.path / "checkpoint.pt"

    @property
    def status(self) -> Path:
        """Running, interrupted, failed (why?) or done."""
        return self.path / "status.json"

    @property
    def faults(self) -> Path:
        """Batches whose loss or gradient was not finite; absent where there was none."""
        return self.path / "faults.json"

    @property
    def log(self) -> Path:
        """Log lines of all starts of the run."""
        return self.path / "training.log"

    @property
    def tensorboard(self) -> Path:
        """History for TensorBoard."""
        return self.path / "tensorboard"

    def remove_leftovers(self) -> None:
        """Remove half-written files (see :func:`optimetal.files.whole_file`) of processes that are gone."""
        for file in self.path.glob(".*.part*"):
            process = re.search(r"\.(\d+)\.part", file.name)
            if process and not is_alive(int(process[1])):
                file.unlink(missing_ok=True)


def is_alive(process: int) -> bool:
    """Whether a process of this id runs on this machine."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # someone else's
        return True
    return True
