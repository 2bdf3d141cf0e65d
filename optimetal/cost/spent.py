"""What a finished project has cost: hours of its trainings and of the trials of its searches, study by study."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd

from optimetal.cost.published import ALL_GPU_HOURS, GPU_HOURS

ALL: Final = "All studies"


def spent(
    runs: pd.DataFrame,
    trials: Mapping[str, pd.DataFrame],
    searches: Mapping[str, Sequence[str]],
    labels: Mapping[str, str],
) -> pd.DataFrame:
    """Add up what was spent. Whatever two studies ask for counts for the first of them, so rows add up to the last one.

    Args:
        runs: Table of all trainings, as of :func:`~optimetal.training.table.collect_runs`.
        trials: Search -> table of its trials.
        searches: Study -> its searches.
        labels: Study -> name in tables, in their order.

    Returns:
        One row per study, and one of all: ``study``, ``trainings`` that it asks for, and ``new``, those that no study
        above asks for; ``training_hours`` of these, ``trials``, ``trial_hours``, ``hours`` of both: of a device, the
        processes of a training added up; ``gpu_hours``, where several share a GPU each with its part. Where the data
        are ab initio, ``published_gpu_hours`` beside them.
    """
    rows, known = [], set()
    for study, label in labels.items():
        of_study = runs.loc[[study in of for of in runs["studies"]]]
        fresh = of_study.loc[~of_study["run"].isin(list(known))]
        names = [name for name in dict.fromkeys(searches.get(study, ())) if name not in known]
        known |= {*of_study["run"], *names}
        rows.append(_row(label, len(of_study), fresh, [trials[name] for name in names]))
    table = pd.DataFrame(rows)
    whole = {"study": ALL, **table.drop(columns="study").sum(), "trainings": len(runs)}
    table = pd.concat([table, pd.DataFrame([whole])], ignore_index=True)
    counts = ["trainings", "new", "trials"]
    table = table.astype(dict.fromkeys(counts, "int64"))
    if runs["source"].str.startswith("ab initio").all():
        table["published_gpu_hours"] = [*map(GPU_HOURS.get, labels), ALL_GPU_HOURS]
    return table


def _row(
    label: str, asked: int, runs: pd.DataFrame, trials: Sequence[pd.DataFrame]
) -> dict[str, Any]:
    training_hours = (runs["seconds"] * runs["processes"]).sum() / 3600
    trial_hours = sum(table["seconds"].sum() for table in trials) / 3600
    return {
        "study": label,
        "trainings": asked,
        "new": len(runs),
        "training_hours": training_hours,
        "trials": sum(map(len, trials)),
        "trial_hours": trial_hours,
        "hours": training_hours + trial_hours,
        "gpu_hours": sum(table["gpu_hours"].sum() for table in (runs, *trials)),
    }


def read_trials(files: Iterable[str | Path]) -> dict[str, pd.DataFrame]:
    """Tables of trials by search, which is named like the last two folders of its ``trials.csv``."""
    return {"/".join(Path(file).parts[-3:-1]): pd.read_csv(file) for file in files}
