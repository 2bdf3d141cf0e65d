"""Searches: deterministic, shared, and able to go on after a kill."""

import json
import math
import multiprocessing
import signal
from pathlib import Path

import pandas as pd
import pytest
from optuna.trial import TrialState

from optimetal.config.search import LEARNING_RATES, WEIGHT_DECAYS, SearchSettings
from optimetal.config.variation import LEARNING_RATE, WEIGHT_DECAY
from optimetal.search import trials
from optimetal.search.trials import JournalLock, Search, next_trial, work, write_result
from optimetal.training.errors import Diverged
from optimetal.training.interruption import Interrupted
from optimetal.training.status import read_json


@pytest.fixture
def invented(monkeypatch):
    """Losses without training: least at 4e-4 and 1e-6; the list of choices that were evaluated."""
    seen = []

    def evaluate(search, study, trial, *graphs):
        seen.append(trial.params)
        loss = abs(math.log(trial.params["learning_rate"] / 4e-4))
        return loss + 10 * abs(trial.params["weight_decay"] - 1e-6), TrialState.COMPLETE

    monkeypatch.setattr(trials, "evaluate", evaluate)
    return seen


def search_in(folder, run, **settings):
    return Search(run, SearchSettings(**settings), folder)


def choices(search):
    return [trial.params for trial in search.open().trials]


def test_published_grids():
    assert (len(LEARNING_RATES), len(WEIGHT_DECAYS)) == (15, 17)
    assert LEARNING_RATES[:2] == (1e-5, 2e-5) and LEARNING_RATES[-1] == 8e-3
    assert WEIGHT_DECAYS[:3] == (0.0, 1e-6, 2e-6) and WEIGHT_DECAYS[-2:] == (8e-4, 1e-3)


def test_it_finds_the_neighbourhood_of_the_minimum(run, tmp_path, invented):
    search = search_in(tmp_path, run)
    work(search, "", "")
    write_result(search)
    best = json.loads((tmp_path / "best.json").read_text())
    assert 2e-4 <= best[LEARNING_RATE] <= 8e-4
    table = pd.read_csv(tmp_path / "trials.csv")
    assert len(table) == len(invented) == 25
    lowest = table.loc[table["val_loss"].idxmin()]
    assert (lowest["learning_rate"], lowest["weight_decay"]) == tuple(best.values())
    assert list(best) == [LEARNING_RATE, WEIGHT_DECAY]


def test_a_killed_search_goes_on_to_the_same_end(run, tmp_path, invented):
    whole, killed = (
        search_in(tmp_path / "a", run, trials=14),
        search_in(tmp_path / "b", run, trials=14),
    )
    work(whole, "", "")
    work(search_in(tmp_path / "b", run, trials=12), "", "")
    with next_trial(killed, killed.open()) as trial:  # its process ends before it is told
        number = trial.number
    assert number == 12
    work(killed, "", "")
    assert choices(whole) == choices(killed)
    assert {trial.state for trial in killed.open().trials} == {TrialState.COMPLETE}


@pytest.mark.parametrize("lost", [1, 25])
def test_a_search_whose_journal_was_cut_off_goes_on(run, tmp_path, invented, lost):
    """As by a full disk or a loss of power."""
    search = search_in(tmp_path, run, trials=4)
    work(search, "", "")
    whole, journal = list(invented), tmp_path / "journal.log"
    journal.write_bytes(journal.read_bytes()[:-lost])
    for _ in range(2):  # the next start reads what this one has appended
        work(search, "", "")
    assert choices(search) == whole
    assert len(invented) == 5  # the last trial was not told, so it is done again
    assert {trial.state for trial in search.open().trials} == {TrialState.COMPLETE}


def test_the_age_of_a_lock_can_be_told(tmp_path, monkeypatch):
    """Otherwise nobody could ever take it from a process that was killed."""
    monkeypatch.chdir(tmp_path)
    journal = Path("here/journal.log")
    journal.parent.mkdir()
    journal.touch()
    JournalLock(journal).acquire()
    assert Path("here/journal.log.lock").stat().st_mtime == journal.stat().st_mtime


def test_a_trial_is_done_by_one_process_at_a_time(run, tmp_path, invented):
    search = search_in(tmp_path, run, trials=2)
    with next_trial(search, search.open()) as first, next_trial(search, search.open()) as second:
        assert (first.number, second.number) == (0, 1)
        with next_trial(search, search.open()) as third:
            assert third is None
    with next_trial(search, search.open()) as again:
        assert again.number == 0


def several(folder, run):
    search = search_in(folder, run, trials=12)
    trials.evaluate = lambda search, study, trial, *graphs: (1.0, TrialState.COMPLETE)
    work(search, "", "")


def test_several_processes_share_the_trials(run, tmp_path):
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=several, args=(tmp_path, run)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    finished = search_in(tmp_path, run, trials=12).open().trials
    assert [trial.number for trial in finished] == list(range(12))
    assert {trial.state for trial in finished} == {TrialState.COMPLETE}


def test_other_settings_begin_another_search(run, tmp_path, invented):
    work(search_in(tmp_path, run, trials=3), "", "")
    more = search_in(tmp_path, run, trials=5)
    work(more, "", "")  # goes on
    other = search_in(tmp_path, run.model_copy(update={"num_train": 5}), trials=2)
    work(other, "", "")
    assert [len(choices(search)) for search in (more, other)] == [5, 2]


GRID = {"learning_rates": (1e-3, 1e-2), "weight_decays": (0.0,), "epochs": 4}


def test_trials_are_trained_and_equal_choices_once(run, graphs, tmp_path):
    search = search_in(tmp_path, run, trials=4, **GRID)
    work(search, *graphs)
    losses = {}
    for trial in search.open().trials:
        losses.setdefault(trial.params["learning_rate"], []).append(trial.value)
    assert len(losses) == 2
    assert all(len(set(values)) == 1 for values in losses.values())
    trained = list((tmp_path / "trials").rglob("config.json"))
    assert len(trained) == 2
    assert not list((tmp_path / "trials").rglob("checkpoint*"))
    write_result(search)
    table = pd.read_csv(tmp_path / "trials.csv")
    assert sorted(table["epochs"]) == [0, 0, 4, 4]
    assert (table["seconds"] > 0).tolist() == (table["epochs"] > 0).tolist()
    assert set(table["gpu_hours"]) == {0}


@pytest.fixture
def heeds_ctrl_c():
    """As from a terminal; tests in the background of a shell would ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeds_ctrl_c")
def test_a_search_stopped_by_ctrl_c_goes_on_to_the_same_end(run, graphs, tmp_path, monkeypatch):
    """Whenever it comes within a trial; what a killed process left half-written goes."""
    whole = search_in(tmp_path / "whole", run, trials=3, **GRID)
    work(whole, *graphs)
    train_step, steps = trials.TrialTrainer.train_step, []

    def interrupted_step(self, crystals):
        steps.append(crystals)
        if len(steps) in (3, 10):  # of 8 in a trial
            signal.raise_signal(signal.SIGINT)
        return train_step(self, crystals)

    monkeypatch.setattr(trials.TrialTrainer, "train_step", interrupted_step)
    stopped = search_in(tmp_path / "stopped", run, trials=3, **GRID)
    for _ in range(2):
        with pytest.raises(Interrupted, match="SIGINT"):
            work(stopped, *graphs)
        stati = {file.parent: read_json(file) for file in tmp_path.rglob("stopped/**/status.json")}
        (trial,) = [path for path, said in stati.items() if said["state"] == "interrupted"]
        (trial / ".checkpoint.999999999.part.pt").write_bytes(b"half")
    work(stopped, *graphs)
    assert len(steps) == 8 * len({str(choice) for choice in choices(whole)})
    assert choices(stopped) == choices(whole)
    ours, theirs = ([t.value for t in search.open().trials] for search in (stopped, whole))
    assert ours == theirs
    assert not list(tmp_path.rglob(".*.part*"))


def test_trials_that_diverge_are_the_worst(run, graphs, tmp_path, monkeypatch):
    def diverge(self, *arguments):
        if self.settings.learning_rate == 1e-2:
            raise Diverged("not finite")
        return fit(self, *arguments)

    fit = trials.TrialTrainer.fit
    monkeypatch.setattr(trials.TrialTrainer, "fit", diverge)
    search = search_in(tmp_path, run, trials=6, **GRID)
    work(search, *graphs)
    write_result(search)
    assert {math.isinf(trial.value) for trial in search.open().trials} == {True, False}
    assert json.loads((tmp_path / "best.json").read_text())[LEARNING_RATE] == 1e-3


def test_hopeless_searches_are_named(run, tmp_path, monkeypatch):
    monkeypatch.setattr(trials, "evaluate", lambda *_: (math.inf, TrialState.COMPLETE))
    search = search_in(tmp_path, run, trials=1)
    work(search, "", "")
    with pytest.raises(ValueError, match="a trial of small/data6_width4 with a finite loss"):
        write_result(search)


def test_bad_trials_are_given_up(run, graphs, tmp_path, monkeypatch):
    def epoch(self):
        row = do_epoch(self)
        row["val_loss"] = self.settings.learning_rate * (self.progress.epoch + 1)
        return row

    do_epoch = trials.Trainer.do_epoch
    monkeypatch.setattr(trials.Trainer, "do_epoch", epoch)
    rates = {"learning_rates": tuple(0.001 * n for n in range(1, 9)), "weight_decays": (0.0,)}
    search = search_in(tmp_path, run, trials=8, epochs=4, prune=True, random_trials=3, **rates)
    work(search, *graphs)
    states = [trial.state for trial in search.open().trials]
    assert TrialState.PRUNED in states[3:]
    assert TrialState.PRUNED not in states[:3]
    write_result(search)
    table = pd.read_csv(tmp_path / "trials.csv")
    given_up = table["state"] == "pruned"
    assert set(table.loc[given_up, "epochs"]) <= {1, 2, 3}
    assert set(table.loc[~given_up, "epochs"]) == {4, 0}
