"""Calls are measured with all that they start."""

import time

import pytest

from benchmarks import costs
from benchmarks.costs import measured

WORKERS = """
from multiprocessing import get_context
with get_context("forkserver").Pool(2) as pool:
    pool.map(sum, 2 * [range(40_000_000)])
"""


def test_a_step_is_measured_with_its_memory():
    cost = measured(time.sleep, 0.5)
    assert cost.seconds > 0.5 > cost.cpu_seconds
    assert cost.memory > 5
    with pytest.raises(RuntimeError, match="exit code 1"):
        measured(time.sleep, -1)


def test_cpu_time_is_that_of_all_processes(monkeypatch):
    monkeypatch.setattr(costs, "INTERVAL", 0.02)
    alone = measured(sum, range(40_000_000)).cpu_seconds
    assert measured(exec, WORKERS).cpu_seconds > 1.5 * alone > 0


def test_a_step_can_be_ended():
    assert measured(time.sleep, 60, limit=0.1).seconds < 10
