"""Files are written whole or not at all."""

import errno
import logging
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from optimetal.files import locked, whole_file, write_text


def test_a_file_appears_when_it_is_complete(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with whole_file(path) as temporary:
        temporary.write_text("content")
        assert not path.exists()
    assert path.read_text() == "content"
    assert list(path.parent.iterdir()) == [path]


def test_an_error_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), whole_file(path) as temporary:
        temporary.write_text("new")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


NO_ROOM = os.strerror(errno.ENOSPC)


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (OSError(errno.ENOSPC, NO_ROOM), errno.ENOSPC),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), errno.EDQUOT),
        (RuntimeError(f"writing failed: {NO_ROOM} (os error 28)"), errno.ENOSPC),
    ],
)
def test_a_full_disk_names_the_file(tmp_path, error, number):
    path = tmp_path / "a.csv"
    message = rf"{os.strerror(number)}: free some and start again.*: '{path}'"
    with pytest.raises(OSError, match=message) as caught, whole_file(path) as temporary:
        temporary.touch()
        raise error
    assert caught.value.errno == number
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_names_the_file_even_at_its_last_moment(tmp_path, monkeypatch):
    def fail(descriptor):
        raise OSError(errno.ENOSPC, NO_ROOM)

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=rf"start again.*'{tmp_path}/a\.txt'"):
        write_text(tmp_path / "a.txt", "x")


def test_the_file_that_did_not_fit_is_named_not_the_one_around_it(tmp_path):
    with (
        pytest.raises(OSError, match="inner"),
        whole_file(tmp_path / "outer"),
        whole_file(tmp_path / "inner"),
        open("/dev/full", "wb", buffering=0) as full,
    ):
        full.write(b"x")


@pytest.mark.parametrize("error", [OSError(errno.EIO, "bad"), ValueError("bad")])
def test_other_errors_stay_what_they_are(tmp_path, error):
    with pytest.raises(type(error)) as caught, whole_file(tmp_path / "a"):
        raise error
    assert caught.value is error


HOLD = """
import sys
from optimetal.files import locked

with locked(sys.argv[1]):
    print("inside", flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_free_again_when_the_process_in_it_is_killed(tmp_path, caplog):
    def enter():
        with caplog.at_level(logging.INFO), locked(tmp_path):
            return True

    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with (
        ThreadPoolExecutor(1) as pool,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process,
    ):
        assert process.stdout.readline() == b"inside\n"
        entered = pool.submit(enter)
        while not caplog.messages and not entered.done():
            time.sleep(0.01)
        assert not entered.done()
        process.kill()
        assert entered.result(timeout=60)
    assert caplog.messages == [f"{tmp_path}: another process is at work there, waiting for its end"]
    with locked(tmp_path):
        assert len(caplog.messages) == 1
