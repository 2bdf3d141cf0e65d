"""Work shared among processes, its results in order.

Workers are copies of a server process (``forkserver``) that has imported the modules once: a copy starts in
milliseconds and shares their memory, where a fresh process (``spawn``) would import torch or pymatgen again; and the
server has no threads, unlike this process, a copy of which (``fork``) may hang. Every worker computes with one thread.
"""

import gc
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from multiprocessing import connection, forkserver, get_context, parent_process, resource_tracker
from typing import Any, Final

Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]
"""Python's ``map`` of one iterable."""

AHEAD: Final = 4
"""Pieces of work per worker that are handed out before their results are asked for: none waits for
work, and memory does not grow with the number of pieces."""

THREAD_VARIABLES: Final = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
"""Read by numerical libraries when they are imported."""

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGUSR1)
"""What a queue sends to all processes of a job at once, the server among them."""


@contextmanager
def process_map(jobs: int, preload: Sequence[str], *, apart: bool = False) -> Iterator[Map]:
    """Python's ``map`` in worker processes, for pieces of work of 0.1 s or more.

    Pieces and results are sent between processes, so they should be small: names of files rather
    than their content. What a worker raises is raised here. Workers end with the block; at Ctrl-C;
    and when this process is killed.

    Args:
        jobs: Worker processes; one works in this process.
        preload: Modules that the workers need; they are imported once.
        apart: Even a single worker is a process of its own. Results of BLAS depend, in the last
            digits, on its threads, which cannot be changed once it has been imported.

    Raises:
        RuntimeError: If a worker was killed.
    """
    if jobs < 2 and not apart:
        yield map
        return
    start_server(preload)
    pool = ProcessPoolExecutor(jobs, get_context("forkserver"), begin_worker)
    try:
        yield partial(_ordered_map, pool, AHEAD * jobs)
    finally:
        pool.shutdown(cancel_futures=True)  # some are left after an error or Ctrl-C only


def start_server(preload: Sequence[str]) -> None:
    """Start the server, unless it runs, with one thread for itself and all its copies.

    It outlasts a queue's request to stop, because nobody would wait for its copies without it, and ends with this
    process.
    """
    resource_tracker.ensure_running()  # started by the server, it would undo the mask
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        # the program itself too, which every copy would import otherwise
        forkserver.set_forkserver_preload(["__main__", __name__, *preload])
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _ordered_map(
    pool: ProcessPoolExecutor, ahead: int, function: Callable[[Any], Any], pieces: Iterable[Any]
) -> Iterator[Any]:
    handed_out: deque[Future] = deque()
    try:
        for piece in pieces:
            handed_out.append(pool.submit(function, piece))
            if len(handed_out) == ahead:
                yield handed_out.popleft().result()
        while handed_out:
            yield handed_out.popleft().result()
    except BrokenProcessPool as error:
        raise RuntimeError(
            "A worker process was killed from outside, most likely because the memory ran out: give the job more "
            "memory, or fewer cores, and start it again."
        ) from error


def begin_worker() -> None:
    """Let a worker end with its parent: silently at Ctrl-C, and when the parent was killed."""
    gc.freeze()  # to look for garbage among what has been imported would copy all of it
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)  # which the server does not heed
    parent = parent_process()
    assert parent is not None

    def watch() -> None:  # a worker would wait for work forever
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
