"""One training from its files to its files, by one process or several."""

import json
import logging
import math
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any, Final

import pandas as pd

from optimetal.config.run import Run
from optimetal.database.splits import digest
from optimetal.files import locked, whole_file, write_text
from optimetal.graphs.domain import domain_of
from optimetal.graphs.packed import PackedGraphs, load
from optimetal.models.weights import save_model
from optimetal.provenance import code_version
from optimetal.training.checkpoints import remove_checkpoints
from optimetal.training.devices import device_name
from optimetal.training.errors import Diverged
from optimetal.training.folder import RunFolder, set_ready
from optimetal.training.interruption import EXIT_CODE, SIGNALS, Interrupted
from optimetal.training.journal import own_log
from optimetal.training.loop import Trainer
from optimetal.training.status import ENDED, read_json, running
from optimetal.training.world import joined, started_as_first

log = logging.getLogger(__name__)

Graphs = str | Path | PackedGraphs
"""A file of graphs, or the graphs where they were loaded already."""

LOSSES: Final = ("val_loss", "val_eps", "val_drude", "train_loss")

HISTORY: Final = (
    *("epoch", "lr", "train_loss", "grad_norm", "val_loss", "val_eps", "val_drude"),
    *("seconds", "recoveries"),
)
"""Columns of ``history.csv``."""


def train(
    run: Run,
    train_graphs: Graphs,
    val_graphs: Graphs,
    folder: str | Path,
    *,
    ahead: bool = False,
    sharing: int = 1,
) -> None:
    """Train one run and write its folder, or go on where an earlier start was stopped.

    ``config.json`` the run; ``history.csv`` one row per epoch; ``model.safetensors`` the best weights with their model
    card, the outcome and the domain of the crystals learned from; ``metrics.json`` the outcome, written last;
    ``status.json`` how it is doing; ``training.log`` of all starts; ``faults.json`` if there were any;
    ``tensorboard/``. Checkpoints are there while the run lasts. A run that diverges has an outcome, too, with infinite
    losses. Of the processes that ``torchrun`` started together, which share the work, the first one writes.

    Args:
        run: What to train.
        train_graphs: The whole training set; the run takes its subset.
        val_graphs: The whole validation set.
        folder: Folder of the run.
        ahead: Leave the outcome ready for the run's own job (see :func:`~optimetal.training.folder.take_over`). One
            that is there already, of the same settings and data, is left as it is.
        sharing: So many trainings share the device, and its time.

    Raises:
        Interrupted: If Ctrl-C, SIGTERM or SIGUSR1 asked to stop; the next start goes on.
        Diverged: If the loss stays not finite, and no material is to blame.
        TrainingError: If a material is, or no epoch counts as best.
    """
    files, first = RunFolder(Path(folder)), started_as_first()
    with (
        locked(files.path, active=first),
        running(files.status, active=first) as status,
        own_log(files.log if first else None),
        joined(run.training.device) as world,
    ):
        status.update(**run.facts)
        if world.is_first:
            files.remove_leftovers()
        trainer = Trainer(run, opened(train_graphs), opened(val_graphs), world)
        status.update(fingerprint=trainer.fingerprint())
        done = ahead and world.is_first and is_done(trainer, files, status.before)
        if world.any(done):  # the first process alone knows, the others must not wait for it
            return
        outcome_files = files.ready if ahead else files
        if world.is_first:
            begin_outcome(run, outcome_files)
        try:
            trainer.fit(files, status)
        except Diverged as error:
            if world.is_first:
                write_outcome(trainer, outcome_files, outcome(trainer, sharing, error))
            raise
        if world.is_first:
            write_outcome(trainer, outcome_files, outcome(trainer, sharing))


def opened(graphs: Graphs) -> PackedGraphs:
    """The graphs, mapped from their file where they are not loaded yet."""
    return graphs if isinstance(graphs, PackedGraphs) else load(graphs)


def is_done(trainer: Trainer, files: RunFolder, status: Mapping[str, Any]) -> bool:
    """Whether this training was done before, with the same settings and data; if so, its outcome is ready.

    Args:
        trainer: The training.
        files: Its folder.
        status: What its last start said of itself.
    """
    run = trainer.run.model_dump(mode="json")
    if status.get("state") not in ENDED or status.get("fingerprint") != trainer.fingerprint():
        return False
    if not files.ready.has_outcome(run):
        if not files.has_outcome(run):
            return False
        set_ready(files)
    return True


def begin_outcome(run: Run, files: RunFolder) -> None:
    """Write what is known of the outcome from the beginning, and remove that of other settings or data."""
    for file in files.outcome:
        file.unlink(missing_ok=True)
    write_text(files.config, run.model_dump_json(indent=2))


def write_outcome(trainer: Trainer, files: RunFolder, metrics: dict[str, Any]) -> None:
    """Write what a finished run leaves; remove its checkpoints, and the faults of an earlier one."""
    if not trainer.progress.faults:
        files.faults.unlink(missing_ok=True)
    with whole_file(files.history) as temporary:
        pd.DataFrame(trainer.progress.history, columns=HISTORY).to_csv(temporary, index=False)
    trainer.model.load_state_dict(trainer.progress.best_weights)
    domain = domain_of(trainer.train_graphs, trainer.train_crystals)
    save_model(trainer.model, files.model, metrics | {"domain": domain})
    write_text(files.metrics, json.dumps(metrics, indent=2))
    remove_checkpoints(files.checkpoint)


def outcome(trainer: Trainer, sharing: int, diverged: Diverged | None = None) -> dict[str, Any]:
    """Result of a run: a row of the table of runs.

    Args:
        trainer: The training.
        sharing: So many trainings share the device, and its time.
        diverged: Why it ended early, with a result that is infinitely bad; none: it is done.
    """
    run, history = trainer.run, trainer.progress.history
    losses: dict[str, float] = dict.fromkeys(LOSSES, math.inf)
    if not diverged:
        lowest = min(history, key=lambda row: row["val_loss"])
        losses = {name: lowest[name] for name in LOSSES}
    times = [row["seconds"] for row in history]
    on_gpu = trainer.device.type == "cuda"
    return {
        "run": run.name,
        "model": run.model,
        "num_train": run.num_train,
        "width": run.width,
        "num_params": sum(parameter.numel() for parameter in trainer.model.parameters()),
        "seed": run.seed,
        "lr": run.training.learning_rate,
        "epochs": len(history),
        **losses,
        "best_epoch": trainer.progress.best_epoch,
        "recoveries": len(trainer.progress.faults),
        "seconds": sum(times),
        "seconds_per_epoch": median(times or [math.nan]),
        "gpu_hours": sum(times) * trainer.world.size / sharing / 3600 if on_gpu else 0.0,
        "peak_memory_mb": trainer.progress.peak_memory,
        "device": device_name(trainer.device),
        "processes": trainer.world.size,
        "precision": trainer.precision,
        "source": trainer.train_graphs.source,
        "crystals": digest(trainer.train_graphs.mat_ids[i] for i in trainer.train_crystals),
        **code_version(),
        "state": "diverged" if diverged else "done",
        "reason": str(diverged or ""),
    }


def launch(
    run: Run,
    train_graphs: Graphs,
    val_graphs: Graphs,
    folder: str | Path,
    *,
    ahead: bool = False,
    sharing: int = 1,
) -> int:
    """Train in this process, together with those that ``torchrun`` started beside it.

    Arguments as those of :func:`train`.

    Returns:
        Exit code: 0, also if the run diverged, which is its outcome and would be again; or
        :data:`~optimetal.training.interruption.EXIT_CODE` if the run was interrupted.

    Raises:
        Exception: Whatever makes the run fail.
    """
    try:
        train(run, train_graphs, val_graphs, folder, ahead=ahead, sharing=sharing)
    except Interrupted:
        return EXIT_CODE
    except Diverged as error:
        log.error("%s diverged: %s", run.name, error)
    return 0


def launch_many(
    processes: int,
    run: Run,
    train_graphs: str | Path,
    val_graphs: str | Path,
    folder: str | Path,
    threads: int = 1,
    *,
    ahead: bool = False,
) -> int:
    """Train with several processes on this machine, one per GPU, under ``torchrun``.

    Args:
        processes: How many.
        run: What to train.
        train_graphs: File of the whole training set.
        val_graphs: File of the whole validation set.
        folder: Folder of the run.
        threads: Of each process.
        ahead: As for :func:`train`.

    Returns:
        Exit code, as :func:`launch`, or another one if a process failed.
    """
    files = RunFolder(Path(folder))
    config, before = (files.ready if ahead else files).config, read_json(files.status)
    write_text(config, run.model_dump_json(indent=2))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    signals = ",".join(number.name for number in SIGNALS)
    options = [f"--nproc-per-node={processes}", f"--signals-to-handle={signals}"]
    program = ["-m", "optimetal.training", f"--threads={threads}", *["--ahead"] * ahead]
    data = [str(path) for path in (config, train_graphs, val_graphs, files.path)]
    child = subprocess.Popen([*torchrun, *options, *program, *data])

    def pass_on(number: int, _: object) -> None:
        if (
            number != signal.SIGINT
        ):  # Ctrl-C has reached it already, and a second one ends it at once
            child.send_signal(number)

    for number in SIGNALS:
        signal.signal(number, pass_on)
    code = child.wait()
    status = read_json(files.status)
    if code and status != before and status.get("state") == "interrupted":
        return EXIT_CODE  # torchrun has exit codes of its own
    return code
