"""One table of all trainings: every later step reads only this. And a list of those that are not done yet."""

import json
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import pandas as pd

from optimetal.training.folder import RunFolder, is_alive
from optimetal.training.status import read_json

STATE_COLUMNS: Final = (
    *("run", "state", "epoch", "epochs", "train_loss", "val_loss", "lr", "recoveries"),
    *("reason", "host", "pid", "started", "updated"),
)


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


def list_runs(folder: str | Path) -> pd.DataFrame:
    """How all trainings below a folder are doing, from what each says of itself.

    Args:
        folder: Usually ``results/runs``.

    Returns:
        One row per training that has started, sorted by name, with :data:`STATE_COLUMNS`. ``state`` is "running",
        "interrupted" (starting it again goes on), "failed" (see ``reason``), "done", "killed" (it says that it runs,
        but its process is gone; known for this machine only) or "unknown" (nothing in its files can be read).
        ``epoch`` counts the epochs done; losses and learning rate are those of the last one noted, or the best ones of
        a training that is done; ``updated`` is when it last wrote. Unknown values are missing.
    """
    root = Path(folder)
    files = {f.parent for name in ("status.json", "metrics.json") for f in root.rglob(name)}
    rows = [{"run": str(path.relative_to(root)), **_state(RunFolder(path))} for path in files]
    runs = pd.DataFrame(rows, columns=list(STATE_COLUMNS))
    counts = ("epoch", "epochs", "recoveries", "pid")
    return runs.astype(dict.fromkeys(counts, "Int64")).sort_values("run", ignore_index=True)


def _state(files: RunFolder) -> dict[str, Any]:
    """What a training says of itself; its outcome outweighs its status."""
    status = {"state": "unknown", **read_json(files.status)}
    if status["state"] == "running" and _is_gone(status):
        status |= {"state": "killed", "reason": f"process {status['pid']} is gone"}
    metrics = read_json(files.metrics)
    if metrics and status["state"] in ("done", "unknown"):
        known = {name: metrics[name] for name in ("train_loss", "val_loss", "lr")}
        epochs, recoveries = metrics["epochs"], metrics.get("recoveries", 0)
        status |= known | {"state": "done", "epoch": epochs, "recoveries": recoveries}
        status.setdefault("epochs", epochs)
    return status


def _is_gone(status: dict[str, Any]) -> bool:
    return status["host"] == socket.gethostname() and not is_alive(status["pid"])
