"""Train several networks, ahead of the job of each. Exit code 75: interrupted by a signal, their states are saved."""

import sys
from collections.abc import Mapping
from pathlib import Path

from optimetal.config.run import Run
from optimetal.training.interruption import EXIT_CODE
from optimetal.training.pack import ending, train_pack
from optimetal.training.train import launch_many
from optimetal.workflow import logged


def main(
    runs: Mapping[str, Run],
    train_graphs: str,
    val_graphs: str,
    folder: Path,
    at_once: int,
    threads: int,
    processes: int,
) -> int:
    if processes <= 1:  # none: without a GPU
        each = max(1, threads // at_once)
        return train_pack(runs, train_graphs, val_graphs, folder, at_once=at_once, threads=each)
    ends = []
    for name, run in runs.items():  # several GPUs share one training after the other
        code = launch_many(processes, run, train_graphs, val_graphs, folder / name, ahead=True)
        if code == EXIT_CODE:
            return code
        ends.append(ending(folder, name, code))
    return int("killed" in ends)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        code = main(
            {name: Run.model_validate(run) for name, run in snakemake.params.runs.items()},
            snakemake.input.train,
            snakemake.input.val,
            Path(snakemake.params.folder),
            snakemake.params.at_once,
            snakemake.threads,
            snakemake.resources.get("gpu", 1),
        )
    sys.exit(code)
