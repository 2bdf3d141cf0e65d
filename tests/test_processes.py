"""Processes that still run, and others."""

import os
import signal
import subprocess
import sys

import pytest

from optimetal import processes
from optimetal.processes import has_ended, this_process

TELL = "from optimetal.processes import this_process; print(this_process(), flush=True); input()"


@pytest.fixture
def other():
    """A process, and what it says of itself."""
    child = subprocess.Popen(
        [sys.executable, "-c", TELL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with child:
        yield child, eval(child.stdout.readline())
        child.kill()


def test_this_process_runs():
    own = this_process()
    assert own["pid"] == os.getpid()
    assert not has_ended(own)


def test_another_process_runs_until_it_is_killed_though_nobody_asks(other):
    child, told = other
    assert not has_ended(told)
    child.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie
    assert has_ended(told)
    child.wait()
    assert has_ended(told)


def test_an_id_that_another_process_has_now_does_not_count(other):
    _, told = other
    if told["begun"]:
        assert has_ended({**told, "begun": "1"})


def test_of_processes_elsewhere_nothing_is_known():
    gone = {**this_process(), "pid": 999999999}
    assert has_ended(gone)
    assert not has_ended({**gone, "machine": "another boot, or another container"})
    assert not has_ended({})
    assert not has_ended({"machine": gone["machine"], "pid": None})


def test_without_proc_the_id_on_the_host_decides(tmp_path, monkeypatch, other):
    monkeypatch.setattr(processes, "_BOOT", tmp_path / "missing")
    monkeypatch.setattr(processes, "_look", lambda pid: ("", ""))
    assert this_process()["machine"] == this_process()["host"]
    told = {**other[1], **{key: this_process()[key] for key in ("machine", "begun")}}
    assert not has_ended(told)
    assert has_ended({**told, "pid": 999999999})


def test_the_ids_of_someone_else(monkeypatch):
    """They may be hidden, too."""

    def refuse(pid, number):
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    own = this_process()
    assert not has_ended(own)
    monkeypatch.setattr(processes, "_look", lambda pid: ("", ""))
    assert not has_ended(own)
