"""Short trainings of narrow networks: a job each, or all in one job."""

import multiprocessing
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pandas as pd

from benchmarks.networks import published_architecture
from benchmarks.timing import Comparison
from optimetal.config.run import Run
from optimetal.config.training import TrainingSettings
from optimetal.training.folder import RunFolder
from optimetal.training.pack import train_pack

NUM_TRAIN: Final = (64, 128, 256, 512)
SEEDS: Final = (1, 42)
EPOCHS: Final = 20
WIDTH: Final = 16
AT_ONCE_ON_GPU: Final = 8


def comparisons(folder: Path, device: str) -> Iterator[tuple[str, Comparison]]:
    """Name and measurement."""
    runs = {run.name: run for run in short_trainings(device)}
    gpu = device == "cuda"
    jobs = 1 if gpu else len(os.sched_getaffinity(0))
    together = AT_ONCE_ON_GPU if gpu else jobs
    yield (
        "pack_of_8_w16",
        Comparison(
            f"8 trainings, 2B CGC, width {WIDTH}, {EPOCHS} epochs of {NUM_TRAIN[0]} to {NUM_TRAIN[-1]} crystals: a job "
            f"each, {jobs} at a time, or one job, {together} at a time; per training",
            len(runs),
            lambda: one_by_one(folder, runs, jobs),
            lambda: together_in_one(folder, runs, together),
            same_histories,
            2,
        ),
    )


def short_trainings(device: str) -> Iterator[Run]:
    """Seeds and sizes of a study of narrow networks."""
    for num_train in NUM_TRAIN:
        for seed in SEEDS:
            yield Run(
                model="2b_cgc",
                architecture=published_architecture("2b_cgc", WIDTH),
                training=TrainingSettings(epochs=EPOCHS, batch_size=32, device=device),
                num_train=num_train,
                seed=seed,
            )


def one_by_one(folder: Path, runs: dict[str, Run], jobs: int) -> list[pd.DataFrame]:
    """Histories of trainings with a job each, some at a time."""
    target = _empty(folder / "alone")
    graphs = str(folder / "ours.h5")

    def job(name: str) -> pd.DataFrame:
        config = target / f"{name}.json"
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(runs[name].model_dump_json())
        program = [sys.executable, "-m", "optimetal.training", str(config), graphs, graphs]
        subprocess.run([*program, str(target / name)], check=True, capture_output=True)
        return pd.read_csv(RunFolder(target / name).history)

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(job, runs))


def together_in_one(folder: Path, runs: dict[str, Run], at_once: int) -> list[pd.DataFrame]:
    """Histories of the same trainings in one job."""
    target = _empty(folder / "together")
    graphs = folder / "ours.h5"
    process = multiprocessing.get_context("spawn").Process(
        target=train_pack, args=(runs, graphs, graphs, target), kwargs={"at_once": at_once}
    )
    process.start()
    process.join()
    return [pd.read_csv(RunFolder(target / name).ready.history) for name in runs]


def same_histories(alone: list[pd.DataFrame], together: list[pd.DataFrame]) -> None:
    """Bit for bit, but for the seconds."""
    for one, other in zip(alone, together, strict=True):
        pd.testing.assert_frame_equal(
            one.drop(columns="seconds"), other.drop(columns="seconds"), check_exact=True
        )


def _empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder
