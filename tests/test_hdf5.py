"""HDF5 files are written whole or not at all."""

import subprocess
import sys

import h5py
import numpy as np
import pytest

from optimetal.hdf5 import new_hdf5


def test_a_file_appears_when_it_is_complete(tmp_path):
    with new_hdf5(tmp_path / "new" / "a.h5") as file:
        file["numbers"] = np.arange(5)
        assert not (tmp_path / "new" / "a.h5").exists()
    with h5py.File(tmp_path / "new" / "a.h5") as file:
        assert file["numbers"][:].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt])
def test_an_error_leaves_what_was_there(tmp_path, error):
    path = tmp_path / "a.h5"
    path.write_text("before")
    with pytest.raises(error, match="bad"), new_hdf5(path) as file:
        file["numbers"] = np.zeros(10**5)
        raise error("bad")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_remains_of_a_killed_process_are_removed(tmp_path):
    remains = tmp_path / ".a.4242.part.h5"
    others = [tmp_path / name for name in (".ab.4242.part.h5", ".a.4242.part.csv", "a.part.h5")]
    for path in (remains, *others):
        path.touch()
    with new_hdf5(tmp_path / "a.h5"):
        assert not remains.exists()
    assert all(path.exists() for path in others)


# More than HDF5 holds back until it closes a file, and less: some disks are found to be full only then.
WRITE = """
import os, sys
import numpy as np
from optimetal.hdf5 import new_hdf5

folder, size = sys.argv[1], int(sys.argv[2])
try:
    with new_hdf5(folder + "/a.h5") as file:
        column = file.create_dataset("a", (0, 1000), "f4", maxshape=(None, 1000), chunks=(8, 1000))
        for _ in range(0, size, 32000):
            column.resize(len(column) + 8, axis=0)
            column[-8:] = np.ones((8, 1000))
except OSError as error:
    print(error, os.listdir(folder))
"""


def on_disk(options, code, tmp_path, *arguments):
    """Run Python in a name space of its own, where ``tmp_path`` is another disk."""
    script = f'mount -t tmpfs -o {options} tmpfs {tmp_path} && exec "$0" "$@"'
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    if subprocess.run(
        [*command, f"mount -t tmpfs tmpfs {tmp_path}"], capture_output=True
    ).returncode:
        pytest.skip("this system does not let users mount")
    python = [sys.executable, "-c", code, str(tmp_path), *map(str, arguments)]
    return subprocess.run([*command, script, *python], capture_output=True, text=True)


@pytest.mark.parametrize("size", [1_030_000, 3_000_000])
def test_a_full_disk_is_an_error_that_says_so(tmp_path, size):
    done = on_disk("size=1m", WRITE, tmp_path, size)
    assert done.returncode == 0, done.stderr
    assert "No space left on device: free some and start again" in done.stdout
    assert f"'{tmp_path}/a.h5' []" in done.stdout


def test_a_disk_that_cannot_be_written_is_named(tmp_path):
    done = on_disk("ro", WRITE, tmp_path, 0)
    assert done.returncode == 0, done.stderr
    assert "Read-only file system" in done.stdout
    assert str(tmp_path) in done.stdout
