"""What a call costs, with all processes that it starts: time, CPU time and memory."""

import math
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

INTERVAL: Final = 0.3
"""Time between two looks at the processes, s."""


class Cost(NamedTuple):
    """What a call takes, once its modules are imported."""

    seconds: float
    """On the clock, with whatever else the machine does."""
    cpu_seconds: float
    """Of all processes together; those that it starts count from their start."""
    memory: float
    """Peak of all processes together, MB."""


def measured(function: Callable[..., Any], *arguments: Any, limit: float = math.inf) -> Cost:
    """Cost of a call in a fresh process; it is killed after ``limit`` seconds, and its CPU time not known then.

    Memory is what the system could give to others if they were gone (proportional set size).

    Raises:
        RuntimeError: If the call fails.
    """
    context = multiprocessing.get_context("spawn")
    times, tell = context.Pipe(duplex=False)
    process = context.Process(target=_call, args=(tell, function, arguments))
    start, peak, others = time.perf_counter(), 0.0, 0.0
    process.start()
    while process.is_alive():
        members = list(_with_children(process.pid))
        peak = max(peak, sum(map(_memory, members)))
        others = max(others, sum(map(_cpu_seconds, members[1:])))
        process.join(INTERVAL)
        if time.perf_counter() - start > limit:
            process.kill()
            process.join()
            return Cost(limit, math.nan, peak)
    if process.exitcode:
        raise RuntimeError(f"{function.__name__} failed with exit code {process.exitcode}")
    seconds, cpu_seconds = times.recv()
    return Cost(seconds, cpu_seconds + others, peak)


def _call(tell: Any, function: Callable[..., Any], arguments: tuple) -> None:
    """Call a function, and tell how long this process, without others, has worked at it."""
    begin, before = time.perf_counter(), time.process_time()
    function(*arguments)
    tell.send((time.perf_counter() - begin, time.process_time() - before))


def _cpu_seconds(process: int) -> float:
    """CPU time of a process and of those that it has waited for."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _with_children(process: int | None) -> Iterator[int]:
    """A process and all that descend from it."""
    if process is None:
        return
    yield process
    try:
        for thread in Path(f"/proc/{process}/task").iterdir():
            for child in (thread / "children").read_text().split():
                yield from _with_children(int(child))
    except (FileNotFoundError, ProcessLookupError):
        return  # it has ended


def _memory(process: int) -> float:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
