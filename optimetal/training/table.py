"""One table of all trainings: every later step reads only this."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd


def collect_runs(
    metrics_files: Iterable[str | Path],
    studies: Mapping[str, Iterable[str]],
    labels: Mapping[str, str],
) -> pd.DataFrame:
    """Read the outcomes of finished trainings into one table.

    Args:
        metrics_files: One ``metrics.json`` per training.
        studies: Study -> names of the trainings that it asks for.
        labels: Model -> name in figures and tables.

    Returns:
        One row per training, sorted by name: the contents of its ``metrics.json``, ``label``, and ``studies``, the
        list of the studies it belongs to.

    Raises:
        ValueError: If a file is damaged, or surrogate and ab initio trainings would be mixed.
    """
    runs = pd.DataFrame([_outcome(Path(file)) for file in metrics_files])
    runs = runs.sort_values("run", ignore_index=True)
    sources = sorted(set(runs["source"]))
    if len(sources) > 1:
        raise ValueError(f"Trainings of one table must rest on one kind of data, got {sources}.")
    members = {study: set(names) for study, names in studies.items()}
    runs["label"] = [labels[model] for model in runs["model"]]
    runs["studies"] = [
        [study for study, names in members.items() if run in names] for run in runs["run"]
    ]
    return runs


def _outcome(file: Path) -> dict[str, Any]:
    try:
        return json.loads(file.read_text())
    except ValueError as error:
        raise ValueError(
            f"Expected the outcome of a training in {file}, got something else ({error}): delete this folder and start "
            "again."
        ) from error
