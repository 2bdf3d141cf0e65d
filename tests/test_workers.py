"""Work shared among processes."""

import os
import signal
import subprocess
import sys
import time
from itertools import count, islice
from math import sqrt

import pytest

from optimetal.workers import AHEAD, process_map


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_come_in_order(jobs):
    with process_map(jobs, []) as map_numbers:
        assert list(map_numbers(sqrt, range(50))) == [sqrt(n) for n in range(50)]
        assert list(map_numbers(abs, [-3, -2])) == [3, 2]


def test_pieces_are_taken_when_they_are_needed():
    taken = count()
    with process_map(2, []) as map_numbers:
        results = map_numbers(sqrt, ((next(taken), 4)[1] for _ in count()))
        assert list(islice(results, 3)) == [2, 2, 2]
    assert next(taken) == 3 + 2 * AHEAD - 1


def test_a_single_worker_may_be_a_process_of_its_own():
    with process_map(1, []) as map_here, process_map(1, [], apart=True) as map_apart:
        (here,), (apart,) = map_here(os.getenv, ["PATH"]), map_apart(os.getenv, ["PATH"])
        assert here == apart
        assert list(map_here(_process, [0])) == [os.getpid()]
        assert list(map_apart(eval, ["__import__('os').getpid()"])) != [os.getpid()]


def _process(_):
    return os.getpid()


def test_workers_have_one_thread_and_the_caller_keeps_his(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with process_map(2, []) as map_names:
        assert list(map_names(os.getenv, ["OMP_NUM_THREADS", "MKL_NUM_THREADS"])) == ["1", "1"]
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in os.environ


def test_an_error_in_a_worker_is_raised_here():
    with process_map(2, []) as map_numbers:
        results = map_numbers(sqrt, [4, -1, 9])
        assert next(results) == 2
        with pytest.raises(ValueError, match="math domain error"):
            next(results)


def test_a_killed_worker_is_an_error_that_says_so():
    kill = "__import__('os').kill(__import__('os').getpid(), 9)"
    with process_map(2, []) as map_code, pytest.raises(RuntimeError, match="memory ran out"):
        list(map_code(eval, ["1", kill, "2"]))


BUSY = """
import os, time
from optimetal.workers import process_map

with process_map(2, []) as map_code:
    results = map_code(eval, ["__import__('os').getpid()"] * 8 + ["__import__('time').sleep(60)"] * 8)
    workers = {next(results) for _ in range(8)}
    print(*workers, flush=True)
    list(results)
"""


@pytest.fixture
def busy():
    """A process with workers at work, and the numbers of those."""
    process = subprocess.Popen(
        [sys.executable, "-c", BUSY],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    workers = [int(number) for number in process.stdout.readline().split()]
    assert workers
    yield process, workers
    if not _vanish(process.pid, patience=0):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_an_interrupt_ends_all_processes_with_one_message(busy):
    process, _ = busy
    os.killpg(process.pid, signal.SIGINT)
    _, messages = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGINT
    assert messages.count("Traceback") == 1, messages
    assert _vanish(process.pid)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_workers_do_not_survive_their_parent(busy, number):
    process, workers = busy
    assert all(_is_alive(worker) for worker in workers)
    process.send_signal(number)
    process.wait()
    assert _vanish(process.pid)


def _is_alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def _vanish(group, patience=20.0):
    """Whether no process of a group is left, after some seconds at most."""
    deadline = time.monotonic() + patience
    while True:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
