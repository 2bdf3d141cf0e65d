"""One table of all trainings: every later step reads only this. And how those are doing that are not done yet."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pandas as pd

from optimetal.processes import has_ended
from optimetal.training.folder import RunFolder
from optimetal.training.status import ENDED, SECONDS_BETWEEN_SIGNS, read_json

STATE_COLUMNS: Final = (
    *("run", "state", "reason", "epoch", "epochs", "train_loss", "val_loss", "lr", "recoveries"),
    *("seconds_per_epoch", "seconds", "host", "pid", "started", "updated"),
)
"""Of the list of trainings."""

OUTCOME_COLUMNS: Final = (
    *("run", "model", "num_train", "width", "num_params", "seed", "lr", "epochs", "val_loss"),
    *("val_eps", "val_drude", "train_loss", "best_epoch", "recoveries", "seconds"),
    *("seconds_per_epoch", "gpu_hours", "peak_memory_mb", "device", "processes", "precision"),
    *("source", "crystals", "version", "commit"),
)
"""Of the outcome of a training, ``metrics.json``."""

SILENCE: Final = timedelta(seconds=5 * SECONDS_BETWEEN_SIGNS)
"""A training that has given no sign of life for so long is not trusted to run."""

_COUNTS: Final = (
    *("num_train", "width", "num_params", "seed", "epoch", "epochs", "best_epoch", "recoveries"),
    *("processes", "pid"),
)
_DONE: Final = {"state": "done", "reason": ""}


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
        One row per training, sorted by name: the contents of its ``metrics.json``, with ``state`` (done, or diverged
        with infinite losses) and ``reason``; ``label``, and ``studies``, the list of the studies it belongs to.

    Raises:
        ValueError: If a file is damaged, or surrogate and ab initio trainings would be mixed.
    """
    runs = pd.DataFrame([_outcome(Path(file)) for file in metrics_files])
    sources = sorted(set(runs["source"]))
    if len(sources) > 1:
        raise ValueError(f"Trainings of one table must rest on one kind of data, got {sources}.")
    return _described(runs, studies, labels)


def all_runs(
    folder: str | Path,
    studies: Mapping[str, Iterable[str]] | None = None,
    labels: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """The same table at any time, with all trainings that have started.

    Args:
        folder: Usually ``results/runs``.
        studies: As for :func:`collect_runs`; trainings of no study are left out. None: all are taken.
        labels: As for :func:`collect_runs`; a model without has its own name.

    Returns:
        As :func:`collect_runs`, with ``state`` and ``reason`` of :func:`list_runs`. Of a training that is not done,
        ``epochs`` are those so far; its losses are missing, as those of the last epoch are no outcome.
    """
    wanted = None if studies is None else {run for names in studies.values() for run in names}
    rows = [
        _row(name, files)
        for name, files in _folders(Path(folder))
        if wanted is None or name in wanted
    ]
    runs = pd.DataFrame(rows, columns=[*OUTCOME_COLUMNS, *_DONE])
    return _described(_with_counts(runs), studies or {}, labels or {})


def list_runs(folder: str | Path, *, outcomes: bool = True) -> pd.DataFrame:
    """How all trainings below a folder are doing, from what each says of itself.

    Args:
        folder: Usually ``results/runs``.
        outcomes: Whether a training that is done leaves an outcome; the trials of a search leave none.

    Returns:
        One row per training that has started, sorted by name, with :data:`STATE_COLUMNS`. ``state`` is "running",
        "interrupted" (starting it again goes on), "failed" or "diverged" (see ``reason``), "done", "killed" (it says
        that it runs, but its process is gone; known for this machine only), "silent" (it says that it runs, but has
        given no sign of life for :data:`SILENCE`) or "unknown" (its files are missing or damaged). ``epoch`` counts
        the epochs done; losses and learning rate are those of the last one noted, or the best ones of a training that
        is done, of which ``seconds`` is the whole time; ``updated`` is its last sign of life. Unknown values are
        missing.
    """
    rows = [{"run": name, **_state(files, outcomes)} for name, files in _folders(Path(folder))]
    runs = pd.DataFrame(rows, columns=list(STATE_COLUMNS))
    counts = [name for name in _COUNTS if name in runs]
    return runs.astype(dict.fromkeys(counts, "Int64")).sort_values("run", ignore_index=True)


def _folders(root: Path) -> Iterator[tuple[str, RunFolder]]:
    """Name and folder of each training that has started."""
    for path, folders, files in os.walk(root):
        if not {"status.json", "metrics.json"}.isdisjoint(files):
            folders.clear()
            yield str(Path(path).relative_to(root)), RunFolder(Path(path))


def _state(files: RunFolder, outcomes: bool = True) -> dict[str, Any]:
    """What a training says of itself; its outcome outweighs its status."""
    status = {"state": "unknown", "reason": "", **read_json(files.status)}
    if status["state"] == "running":
        return status | _present(status)
    if not outcomes or status["state"] not in (*ENDED, "unknown"):
        return status
    metrics = _metrics(files)
    if not metrics:
        lost = "its outcome" if status["state"] in ENDED else files.status.name
        reason = f"{lost} is missing or damaged: start it again"
        return status | {"state": "unknown", "reason": reason}
    epochs = {"epoch": metrics.get("epochs"), "epochs": status.get("epochs", metrics.get("epochs"))}
    known = {name: metrics[name] for name in STATE_COLUMNS if name in metrics}
    return status | _DONE | known | epochs


def _present(status: Mapping[str, Any]) -> dict[str, str]:
    """State and reason of a training that was running when it wrote its status."""
    if has_ended(status):
        return {"state": "killed", "reason": f"process {status.get('pid')} is gone"}
    silent = datetime.now().astimezone() - _time(status.get("updated"))
    if silent > SILENCE:
        return {"state": "silent", "reason": f"no sign of life since {status.get('updated')}"}
    return {}


def _time(text: Any) -> datetime:
    """A moment; long ago where it cannot be read."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except (TypeError, ValueError):
        return datetime.fromtimestamp(0).astimezone()


def _row(name: str, files: RunFolder) -> dict[str, Any]:
    """A training's row of the table."""
    state = _state(files)
    shown = {key: state[key] for key in _DONE}
    if state["state"] in ENDED:
        return {"run": name} | _metrics(files) | shown
    begun = {key: state.get(key) for key in ("model", "num_train", "width", "seed", "recoveries")}
    so_far = {"lr": state.get("learning_rate"), "epochs": state.get("epoch")}
    return {"run": name, **begun, **so_far, **shown}


def _metrics(files: RunFolder) -> dict[str, Any]:
    """The outcome, the newer one where another one waits for its job.

    They are looked at in the order in which :func:`~optimetal.training.folder.take_over` moves them.
    """
    waiting, final = _dated(files.ready.metrics), _dated(files.metrics)
    return max(waiting, final, key=lambda dated: dated[0])[1]


def _dated(file: Path) -> tuple[float, dict[str, Any]]:
    """When a file was written, and what it says."""
    try:
        return file.stat().st_mtime, read_json(file)
    except OSError:
        return 0.0, {}


def _outcome(file: Path) -> dict[str, Any]:
    try:
        outcome = json.loads(file.read_text())
        return outcome | {key: outcome.get(key, value) for key, value in _DONE.items()}
    except ValueError as error:
        raise ValueError(
            f"Expected the outcome of a training in {file}, got something else ({error}): delete this folder and start "
            "again."
        ) from error


def _described(
    runs: pd.DataFrame, studies: Mapping[str, Iterable[str]], labels: Mapping[str, str]
) -> pd.DataFrame:
    """Sorted by name, with label and studies."""
    runs = runs.sort_values("run", ignore_index=True)
    members = {study: set(names) for study, names in studies.items()}
    runs["label"] = [labels.get(model, model) for model in runs["model"]]
    runs["studies"] = [
        [study for study, names in members.items() if run in names] for run in runs["run"]
    ]
    return runs


def _with_counts(runs: pd.DataFrame) -> pd.DataFrame:
    """Whole numbers as such, of the type that allows missing ones only where some are."""
    counts = [name for name in _COUNTS if name in runs]
    whole = set(runs[counts].dropna(axis="columns"))
    return runs.astype({name: "int64" if name in whole else "Int64" for name in counts})
