"""Learning rate and weight decay of a network, found by short trial trainings (Optuna).

All that is known of a search lies in a journal file, to which any number of processes may append. A trial that was
killed is taken up again by whoever comes next, from its last checkpoint. The choice of a trial depends on its number
and the earlier trials only, so with one process a search that was killed ends as one that was not.
"""

import fcntl
import hashlib
import json
import logging
import math
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import optuna
import pandas as pd
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.trial import Trial, TrialState

from optimetal.config.run import Run
from optimetal.config.search import SearchSettings
from optimetal.config.variation import LEARNING_RATE, WEIGHT_DECAY
from optimetal.files import locked, write_text
from optimetal.graphs.packed import load
from optimetal.tables import to_csv
from optimetal.training.checkpoints import remove_checkpoints
from optimetal.training.errors import Diverged
from optimetal.training.folder import RunFolder
from optimetal.training.loop import Trainer
from optimetal.training.status import running

log = logging.getLogger(__name__)

COST: Final = ("epochs", "seconds", "gpu_hours")
"""What a trial took, as in the outcome of a training; nothing where its choice had been tried before."""

TRIAL_COLUMNS: Final = ("number", "state", "learning_rate", "weight_decay", "val_loss", *COST)


@dataclass(frozen=True)
class Search:
    """One search: what is trained, how it is searched, and where.

    Args:
        run: The training whose learning rate and weight decay the trials vary.
        settings: Numbers, grids and seed.
        folder: Of this search; processes that share it work on the same search.
    """

    run: Run
    settings: SearchSettings
    folder: Path

    @property
    def fingerprint(self) -> str:
        """Changes with everything that decides the trials, so that old ones are not taken for new."""
        settings = self.settings.model_dump(mode="json", exclude={"trials", "jobs"})
        content = json.dumps([self.run.model_dump(mode="json"), settings])
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def open(self) -> optuna.Study:
        """The trials so far."""
        self.folder.mkdir(parents=True, exist_ok=True)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        quarter = max(1, self.settings.epochs // 4)
        journal = self.folder / "journal.log"
        return optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(journal), JournalLock(journal))),
            pruner=optuna.pruners.MedianPruner(
                self.settings.random_trials, n_warmup_steps=quarter, interval_steps=quarter
            ),
            study_name=self.fingerprint,
            load_if_exists=True,
        )

    def trial_folder(self, number: int) -> RunFolder:
        """Folder of a trial."""
        return RunFolder(self.folder / "trials" / self.fingerprint / f"{number:03d}")


class JournalLock(JournalFileSymlinkLock):
    """Of a journal; whoever has it finds whole lines."""

    def __init__(self, journal: Path) -> None:
        """Of this journal."""
        # Optuna takes the lock from a process that was killed when it is old; it is a link, so it must lead somewhere
        super().__init__(str(journal.absolute()))
        self.journal = journal

    def acquire(self) -> bool:
        """Wait for the lock."""
        held = super().acquire()
        drop_half_line(self.journal)
        return held


def drop_half_line(journal: Path) -> None:
    """Remove a last line that was not written to its end, for want of power or of room on the disk.

    Whatever was appended to it would be unreadable, too.
    """
    content = journal.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        log.warning("%s ends in half a line, which is removed: what it told is done again", journal)
        os.truncate(journal, whole)


def work(search: Search, train_graphs: str | Path, val_graphs: str | Path) -> None:
    """Do trials until there are as many as wanted; several processes may work on one search.

    Raises:
        Interrupted: If a signal asked to stop; the next start goes on with the trial.
    """
    study = search.open()
    while True:
        with next_trial(search, study) as trial:
            if trial is None:
                return
            study.tell(trial, *evaluate(search, study, trial, train_graphs, val_graphs))
            log.info("trial %d: %s", trial.number, study.trials[trial.number].value)


@contextmanager
def next_trial(search: Search, study: optuna.Study) -> Iterator[Trial | None]:
    """A trial to do, locked against other processes while the block lasts; None: there are enough.

    First those whose process was killed, then new ones.
    """
    with locked(search.folder):
        trial, claim = _abandoned(search, study)
        if trial is None and len(study.get_trials(deepcopy=False)) < search.settings.trials:
            trial, claim = _new(search, study)
    try:
        yield trial
    finally:
        if claim is not None:
            claim.close()


def evaluate(
    search: Search,
    study: optuna.Study,
    trial: Trial,
    train_graphs: str | Path,
    val_graphs: str | Path,
) -> tuple[float | None, TrialState]:
    """Best validation loss of a trial, infinite where its loss does not stay finite, and how it ended.

    A choice that an earlier trial made is not trained again.
    """
    for earlier in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        if earlier.params == trial.params:
            note_cost(trial, 0, 0.0, 0.0)
            return earlier.value, TrialState.COMPLETE
    training = search.run.training.model_copy(update=trial.params)
    run = search.run.model_copy(update={"training": training})
    files = search.trial_folder(trial.number)
    trainer = TrialTrainer(run, load(train_graphs), load(val_graphs))
    if search.settings.prune:
        trainer.trial = trial
        trainer.reported = set(study.trials[trial.number].intermediate_values)
    value, state = None, TrialState.COMPLETE
    with running(files.status) as status:
        status.update(**run.facts)
        files.remove_leftovers()
        write_text(files.config, run.model_dump_json(indent=2))
        try:
            value = min(row["val_loss"] for row in trainer.fit(files, status).history)
        except optuna.TrialPruned:
            state = TrialState.PRUNED
        except Diverged:
            log.warning("trial %d does not stay finite", trial.number)
            value = math.inf
    note_cost(trial, *cost(trainer))
    remove_checkpoints(files.checkpoint)
    return value, state


def cost(trainer: Trainer) -> tuple[int, float, float]:
    """Epochs, seconds and GPU-hours of a trial, however it ended."""
    history = trainer.progress.history
    seconds = sum(row["seconds"] for row in history)
    return len(history), seconds, seconds / 3600 if trainer.device.type == "cuda" else 0.0


def note_cost(trial: Trial, *spent: float) -> None:
    """Keep in the journal what a trial took."""
    for name, value in zip(COST, spent, strict=True):
        trial.set_user_attr(name, value)


class TrialTrainer(Trainer):
    """A training that may be given up for what its trial reports."""

    trial: Trial | None = None
    reported: Collection[int] = ()
    """Epochs that were reported before the trial was interrupted."""

    def do_epoch(self) -> dict[str, float]:
        """One epoch.

        Raises:
            TrialPruned: If the trial is worse than the median of earlier ones.
        """
        row = super().do_epoch()
        if self.trial is not None:
            if (epoch := int(row["epoch"])) not in self.reported:
                self.trial.report(row["val_loss"], epoch)
            if self.trial.should_prune():
                raise optuna.TrialPruned
        return row


def write_result(search: Search) -> None:
    """Write ``best.json``, the best learning rate and weight decay, and ``trials.csv``.

    Raises:
        ValueError: If the loss of no trial is finite.
    """
    study = search.open()
    finished = [t for t in study.trials if t.value is not None and math.isfinite(t.value)]
    if not finished:
        raise ValueError(
            f"Expected a trial of {search.run.network} with a finite loss, got none: try smaller `learning_rates`."
        )
    best = min(finished, key=lambda trial: (trial.value, trial.number))
    found = {
        LEARNING_RATE: best.params["learning_rate"],
        WEIGHT_DECAY: best.params["weight_decay"],
    }
    write_text(search.folder / "trials.csv", to_csv(trials_table(study)))
    write_text(search.folder / "best.json", json.dumps(found, indent=2))


def trials_table(study: optuna.Study) -> pd.DataFrame:
    """One row per trial with :data:`TRIAL_COLUMNS`."""
    rows = [
        (
            *(trial.number, trial.state.name.lower(), *_chosen(trial.params), trial.value),
            *(trial.user_attrs.get(name) for name in COST),
        )
        for trial in study.trials
    ]
    return pd.DataFrame(rows, columns=list(TRIAL_COLUMNS))


def _chosen(params: dict[str, Any]) -> tuple[float, float]:
    return params["learning_rate"], params["weight_decay"]


def _new(search: Search, study: optuna.Study) -> tuple[Trial, IO[str] | None]:
    """A new trial with its choice, made with a generator of its own."""
    _set_sampler(search, study, len(study.get_trials(deepcopy=False)))
    trial = study.ask()
    claim = _claim(search, trial.number)
    _choose(search, trial)
    return trial, claim


def _abandoned(search: Search, study: optuna.Study) -> tuple[Trial | None, IO[str] | None]:
    """A trial whose process is gone."""
    for frozen in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if claim := _claim(search, frozen.number):
            _set_sampler(search, study, frozen.number)
            trial = Trial(study, frozen._trial_id)
            _choose(search, trial)  # unless it was killed before, this is the same choice
            return trial, claim
    return None, None


def _set_sampler(search: Search, study: optuna.Study, number: int) -> None:
    study.sampler = optuna.samplers.TPESampler(
        n_startup_trials=search.settings.random_trials, seed=search.settings.seed + number
    )


def _choose(search: Search, trial: Trial) -> None:
    trial.suggest_categorical("learning_rate", search.settings.learning_rates)
    trial.suggest_categorical("weight_decay", search.settings.weight_decays)


def _claim(search: Search, number: int) -> IO[str] | None:
    """Lock of a trial, held until it is closed or the process ends; None where another process holds it."""
    file = search.trial_folder(number).path / "claimed.lock"
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = file.open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        return None
    return handle
