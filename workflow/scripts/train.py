"""Train one network. Exit code 75: interrupted by a signal, its state is saved."""

import sys
from pathlib import Path

import torch

from optimetal.config.run import Run
from optimetal.training.train import launch, launch_many
from optimetal.workflow import logged


def main(
    run: Run, train_graphs: str, val_graphs: str, folder: Path, threads: int, processes: int
) -> int:
    if processes > 1:
        return launch_many(processes, run, train_graphs, val_graphs, folder, threads)
    torch.set_num_threads(threads)
    return launch(run, train_graphs, val_graphs, folder)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        code = main(
            Run.model_validate(snakemake.params.run),
            snakemake.input.train,
            snakemake.input.val,
            Path(snakemake.output.metrics).parent,
            snakemake.threads,
            snakemake.resources.get("gpu", 1),
        )
    sys.exit(code)
