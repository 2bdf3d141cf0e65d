"""Checkpoints: whole, of the right run, and never more than data."""

import os
import pickle

import pytest
import torch

from optimetal.training.checkpoints import load_checkpoint, previous, remove_checkpoints
from optimetal.training.checkpoints import save_checkpoint as save


def state(number, fingerprint="a"):
    return {"fingerprint": fingerprint, "number": number, "weights": torch.full((2000,), 1.5)}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint.pt"


def test_the_last_two_are_kept(path):
    for number in range(3):
        save(path, state(number))
    assert load_checkpoint(path, "a")["number"] == 2
    assert load_checkpoint(previous(path), "a")["number"] == 1
    assert {file.name for file in path.parent.iterdir()} == {path.name, previous(path).name}
    remove_checkpoints(path)
    assert list(path.parent.iterdir()) == []


def truncate(path):
    path.write_bytes(path.read_bytes()[:1000])


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("spoil", [truncate, flip_a_bit, lambda path: path.write_bytes(b"")])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(path, caplog, spoil):
    save(path, state(1))
    save(path, state(2))
    spoil(path)
    assert load_checkpoint(path, "a")["number"] == 1
    assert "checkpoint.pt cannot be read" in caplog.text
    spoil(previous(path))
    assert load_checkpoint(path, "a") is None
    assert "starting over" in caplog.text


def test_a_run_killed_between_the_two_renames_goes_on(path):
    save(path, state(1))
    path.rename(previous(path))
    assert load_checkpoint(path, "a")["number"] == 1


def test_the_checkpoint_of_other_settings_is_not_used(path, caplog):
    save(path, state(1))
    assert load_checkpoint(path, "b") is None
    assert "other settings or data" in caplog.text


def test_nothing_is_said_where_there_is_nothing(path, caplog):
    assert load_checkpoint(path, "a") is None
    assert caplog.text == ""


def test_a_failed_write_leaves_both(path, monkeypatch):
    save(path, state(1))
    save(path, state(2))
    with pytest.raises((AttributeError, pickle.PicklingError)):
        save(path, {"function": lambda: None})
    assert load_checkpoint(path, "a")["number"] == 2
    assert load_checkpoint(previous(path), "a")["number"] == 1


def test_a_full_disk_is_told(path):
    path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}").symlink_to("/dev/full")
    with pytest.raises(OSError, match=rf"No space left.*start again.*{path.name}"):
        save(path, state(1))


class Malicious:
    def __reduce__(self):
        return (print, ("executed",))


@pytest.mark.parametrize("write", [lambda o, p: p.write_bytes(pickle.dumps(o)), torch.save])
def test_a_pickle_in_place_of_a_checkpoint_does_not_run(path, caplog, capsys, write):
    write(Malicious(), path)
    assert load_checkpoint(path, "a") is None
    assert "starting over" in caplog.text
    assert "executed" not in capsys.readouterr().out
