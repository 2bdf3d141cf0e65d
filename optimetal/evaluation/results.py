"""What a test of networks found, in memory and on disk."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from optimetal.files import whole_file, write_text

ENSEMBLE: Final = "ensemble"
"""Name of the mean of all members in tables."""

FORMAT: Final = "optimetal-predictions-1"


@dataclass(frozen=True)
class Evaluation:
    """What an ensemble predicts for a set of crystals, and how good that is."""

    predictions: dict[str, NDArray]
    """Mean over the members: target name -> (num_materials, ...)."""
    spread: dict[str, NDArray]
    """Standard deviation over the members."""
    targets: dict[str, NDArray]
    """The true values."""
    materials: pd.DataFrame
    """Metrics, one row per member (seed, or "ensemble") and material."""
    summary: dict[str, Any]
    """Mean, median and standard deviation of the metrics of each member and of the ensemble."""


def save_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """Write ``metrics.json``, ``materials.parquet`` and ``predictions.h5``.

    The last holds mean, spread and targets, in the order of the ensemble's rows of the second.
    """
    with (
        whole_file(folder / "predictions.h5") as temporary,
        h5py.File(temporary, "w", libver="latest") as file,
    ):
        file.attrs.update(format=FORMAT, source=evaluation.summary["source"])
        for group, arrays in (
            ("mean", evaluation.predictions),
            ("spread", evaluation.spread),
            ("target", evaluation.targets),
        ):
            for name, values in arrays.items():
                file.create_dataset(f"{group}/{name}", data=values)
    with whole_file(folder / "materials.parquet") as temporary:
        evaluation.materials.to_parquet(temporary, index=False)
    write_text(folder / "metrics.json", json.dumps(evaluation.summary, indent=2))


def read_predictions(path: str | Path) -> tuple[dict[str, NDArray], dict[str, NDArray], str]:
    """Mean predictions and targets of a file of :func:`save_evaluation`, and their source.

    Raises:
        ValueError: If it is no such file.
    """
    file: Any
    with h5py.File(path, "r") as file:
        found = file.attrs.get("format", "none")
        if found != FORMAT:
            raise ValueError(f"Expected predictions of format {FORMAT!r}, {path} has {found!r}.")
        mean, target = (
            {name: np.asarray(values) for name, values in file[group].items()}
            for group in ("mean", "target")
        )
        return mean, target, str(file.attrs["source"])
