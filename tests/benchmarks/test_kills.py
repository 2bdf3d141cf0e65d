"""Killed steps of the data path end as if nothing had happened: two of the kills of ``benchmarks.kills``."""

import random

import pytest

from benchmarks import kills


@pytest.fixture
def path(tmp_path, monkeypatch):
    """Steps of the data path over twenty entries, by name."""
    monkeypatch.setattr(kills, "TEMPLATES", 20)
    archives = kills.write_archives(tmp_path / "archives", 20, cores=1)
    with kills.figshare(archives) as url:
        yield {step.name: step for step in kills.steps(tmp_path, url, cores=1)}


def test_killed_steps_end_as_if_undisturbed(path):
    for name in ("download", "unpack", "compress"):
        seconds, digests = kills.undisturbed(path[name])
        assert digests
        if name != "unpack":
            moment = kills.killed(path[name], seconds, random.Random(1))
            assert moment < seconds
            assert kills.differences(path[name], digests, moment) == []
    entry, *_ = path["unpack"].place.glob("*/*.json")
    step, (_, digests) = path["unpack"], kills.undisturbed(path["unpack"])
    entry.write_text("changed")
    (differs,) = kills.differences(step, digests, 0.5)
    assert differs == f"unpack, killed after 0.500 s: {entry.relative_to(step.place)} differs"
    entry.unlink()
    assert len(kills.differences(step, digests, 0.5)) == 1
