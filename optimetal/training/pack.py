"""Several trainings in one job: networks that are small beside their device share it, and what was loaded for them.

Each training is a process of its own and as it would be alone. The processes are copies of one that has imported
everything, so a training starts in a moment, and on a GPU they read one copy of the data.
"""

import logging
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import import_module
from multiprocessing import connection, get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import torch

from optimetal.config.run import Run
from optimetal.graphs.packed import load
from optimetal.training.devices import place, resolve_device
from optimetal.training.folder import RunFolder
from optimetal.training.interruption import EXIT_CODE, StopRequest
from optimetal.training.status import read_json
from optimetal.workers import begin_worker, start_server

if TYPE_CHECKING:
    from optimetal.training.train import Graphs

log = logging.getLogger(__name__)

INTERVAL: Final = 0.5
"""Time between two looks at whether a signal has come, s."""

TRAINING: Final = "optimetal.training.train"
"""Imported, which takes seconds, once and where it is needed: by the process whose copies train."""


class Data(NamedTuple):
    """What all trainings of a pack learn from."""

    train: "Graphs"
    val: "Graphs"


def train_pack(
    runs: Mapping[str, Run],
    train_graphs: str | Path,
    val_graphs: str | Path,
    folder: str | Path,
    *,
    at_once: int = 1,
    threads: int = 1,
) -> int:
    """Do several trainings, each ahead of its own job (see :func:`~optimetal.training.train.train`).

    A training that fails does not keep the others from being done; its own job reports that.

    Args:
        runs: Name -> training.
        train_graphs: File of the whole training set.
        val_graphs: File of the whole validation set.
        folder: Folder of all runs.
        at_once: How many trainings go on at the same time.
        threads: Of each.

    Returns:
        Exit code: 0; :data:`~optimetal.training.interruption.EXIT_CODE` if a signal asked to stop, then all that were
        going on have saved their states; 1 if a training was killed, so that another attempt may help.
    """
    start_server([__name__, TRAINING])
    sharing = min(at_once, len(runs))
    data = {
        device: on_device(train_graphs, val_graphs, device)
        for device in {run.training.device for run in runs.values()}
    }
    starts = {
        name: partial(start, run, data[run.training.device], Path(folder, name), threads, sharing)
        for name, run in runs.items()
    }
    with StopRequest() as stop:
        ends = [ending(Path(folder), name, code) for name, code in finished(starts, at_once, stop)]
    if stop.received:
        log.warning("stopped by %s: start again to go on", stop.received)
        return EXIT_CODE
    return int("killed" in ends)


def ending(folder: Path, name: str, code: int) -> str:
    """How a training ended, which is logged: done, diverged, interrupted, failed or killed.

    Args:
        folder: Of all runs.
        name: Of the training.
        code: Exit code of its process.
    """
    files = RunFolder(folder / name)
    status = {"state": "running", "reason": "", **read_json(files.status)}
    state = "killed" if status["state"] == "running" or code < 0 else status["state"]
    level = logging.INFO if state in ("done", "diverged", "interrupted") else logging.ERROR
    log.log(level, "%s: %s %s (see %s)", name, state, status["reason"], files.log)
    return state


def finished(
    starts: Mapping[str, Callable[[], BaseProcess]], at_once: int, stop: StopRequest
) -> Iterator[tuple[str, int]]:
    """Name and exit code of each process when it ends; none begins once a signal asks to stop, which all are told."""
    waiting, active, told = deque(starts), {}, False
    while active or (waiting and not stop.received):
        while waiting and len(active) < at_once and not stop.received:
            name = waiting.popleft()
            active[name] = starts[name]()
        if stop.received and not told:
            told = True
            for process in active.values():
                process.terminate()
        connection.wait([process.sentinel for process in active.values()], INTERVAL)
        for name in [name for name, process in active.items() if not process.is_alive()]:
            yield name, active.pop(name).exitcode


def on_device(train_graphs: str | Path, val_graphs: str | Path, device: str) -> Data:
    """The data on the GPU, for all trainings together; on the CPU, files, which processes share as they are."""
    home = resolve_device(device)
    if home.type == "cpu":
        return Data(train_graphs, val_graphs)
    return Data(place(load(train_graphs), home), place(load(val_graphs), home))


def start(run: Run, data: Data, folder: Path, threads: int, sharing: int) -> BaseProcess:
    """Begin a training."""
    process = get_context("forkserver").Process(
        target=_train, args=(run, data, folder, threads, sharing), name=run.name
    )
    process.start()
    return process


def _train(run: Run, data: Data, folder: Path, threads: int, sharing: int) -> None:
    """One training in its process; its errors are in its log."""
    launch = import_module(TRAINING).launch
    begin_worker()
    torch.set_num_threads(threads)
    try:
        code = launch(run, *data, folder, ahead=True, sharing=sharing)
    except Exception:
        code = 1
    sys.exit(code)
