"""Train one network."""

from pathlib import Path

import torch

from optimetal.config.run import Run
from optimetal.graphs.packed import load
from optimetal.training.loop import train
from optimetal.workflow import logged


def main(run: Run, train_graphs: str, val_graphs: str, folder: Path, threads: int) -> None:
    torch.set_num_threads(threads)
    train(run, load(train_graphs), load(val_graphs), folder)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main(
            Run.model_validate(snakemake.params.run),
            snakemake.input.train,
            snakemake.input.val,
            Path(snakemake.output.metrics).parent,
            snakemake.threads,
        )
