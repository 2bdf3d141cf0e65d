"""Two ways to the same result, measured in turn, so that a change of the machine's speed meets both."""

import gc
import multiprocessing
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Comparison:
    """The plain path against ours."""

    what: str
    """For the table."""
    crystals: int
    """So many are worked on in one call."""
    plain: Callable[[], Any]
    ours: Callable[[], Any]
    same: Callable[[Any, Any], None]
    """Raises if the two results differ by more than rounding."""
    repeats: int = 5


def compare(comparison: Comparison) -> dict[str, Any]:
    """Medians over neighbouring runs of both.

    Returns:
        ``plain_ms`` and ``ours_ms`` per crystal, ``ratio``, and the operations of all matrix products per crystal,
        ``plain_mflop`` and ``ours_mflop`` (millions of additions and multiplications).
    """
    plain, plain_flop = _counted(comparison.plain)
    ours, ours_flop = _counted(comparison.ours)
    comparison.same(plain, ours)
    del plain, ours
    times = [
        (seconds(comparison.plain), seconds(comparison.ours)) for _ in range(comparison.repeats)
    ]
    plain_times, our_times = zip(*times, strict=True)
    return {
        "what": comparison.what,
        "plain_ms": 1e3 * median(plain_times) / comparison.crystals,
        "ours_ms": 1e3 * median(our_times) / comparison.crystals,
        "ratio": median(plain / ours for plain, ours in times),
        "plain_mflop": plain_flop / 1e6 / comparison.crystals,
        "ours_mflop": ours_flop / 1e6 / comparison.crystals,
    }


def _counted(function: Callable[[], Any]) -> tuple[Any, int]:
    with FlopCounterMode(display=False) as counter:
        result = function()
    return result, counter.get_total_flops()


def seconds(function: Callable[[], Any]) -> float:
    """How long one call takes, s; without what was left to clean up before it."""
    gc.collect()
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def peak_megabytes(prepare: Callable[..., Callable[[], Any]], *arguments: Any) -> float:
    """By how much a call raises the peak memory of a fresh process, MB.

    Args:
        prepare: Function of a module that returns the call; what it needs itself is not counted.
        arguments: Its arguments.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak, (prepare, arguments))


def _peak(prepare: Callable[..., Callable[[], Any]], arguments: tuple) -> float:
    call = prepare(*arguments)
    before = _highest()
    call()
    return _highest() - before


def _highest() -> float:
    """Largest resident set of this process so far, MB; getrusage would count its parent's too."""
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"VmHWM:\s*(\d+) kB", status)[0]) / 1024
