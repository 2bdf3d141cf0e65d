"""The folder of one training: names of its files, what killed processes left in it, an outcome that waits there."""

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

from optimetal.processes import is_alive
from optimetal.training.status import read_json

READY: Final = ".ready"
"""Ends the names of the outcome of a training that was done ahead of its own job."""


@dataclass(frozen=True)
class RunFolder:
    """Where a training keeps what."""

    path: Path
    suffix: str = ""
    """Of the names of the files of the outcome."""

    @property
    def ready(self) -> Self:
        """The same folder with the outcome that waits for its own job, see :func:`take_over`."""
        return replace(self, suffix=READY)

    @property
    def config(self) -> Path:
        """The run: architecture, settings, number of crystals, seed."""
        return self.path / f"config.json{self.suffix}"

    @property
    def history(self) -> Path:
        """One row per epoch."""
        return self.path / f"history.csv{self.suffix}"

    @property
    def model(self) -> Path:
        """The best weights with their model card."""
        return self.path / f"model.safetensors{self.suffix}"

    @property
    def metrics(self) -> Path:
        """The outcome, written last."""
        return self.path / f"metrics.json{self.suffix}"

    @property
    def outcome(self) -> tuple[Path, ...]:
        """The files that a finished training leaves for others; the last one is written last."""
        return self.config, self.history, self.model, self.metrics

    def has_outcome(self, run: Mapping[str, Any]) -> bool:
        """Whether the outcome of this run is there, as far as settings tell.

        Args:
            run: As in ``config.json``.
        """
        return all(file.is_file() for file in self.outcome) and read_json(self.config) == run

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


def set_ready(folder: RunFolder) -> None:
    """Let the outcome wait for its job, which finds the other one removed when it begins."""
    for file, waiting in zip(folder.outcome, folder.ready.outcome, strict=True):
        _same_file(file, waiting)


def take_over(folder: RunFolder, run: Mapping[str, Any]) -> bool:
    """Make the outcome that was ready the one of the folder.

    Args:
        folder: Of the run.
        run: As in ``config.json``.

    Returns:
        Whether there was one, of this run.
    """
    if not folder.ready.has_outcome(run):
        return False
    for file, waiting in zip(folder.outcome, folder.ready.outcome, strict=True):
        _same_file(waiting, file)
    for waiting in folder.ready.outcome:  # not before: whoever is killed here begins again
        waiting.unlink()
    return True


def _same_file(source: Path, target: Path) -> None:
    """A second name of a file; a copy where the file system has no links."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
