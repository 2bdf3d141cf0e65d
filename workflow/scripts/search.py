"""Find learning rate and weight decay of one network. Exit code 75: interrupted by a signal, its state is saved."""

import sys
from pathlib import Path

import torch

from optimetal.config.run import Run
from optimetal.config.search import SearchSettings
from optimetal.search.trials import Search, work, write_result
from optimetal.training.interruption import EXIT_CODE, Interrupted
from optimetal.workflow import logged


def main(search: Search, train_graphs: str, val_graphs: str, threads: int) -> int:
    torch.set_num_threads(threads)
    try:
        work(search, train_graphs, val_graphs)
    except Interrupted:
        return EXIT_CODE
    return 0


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        search = Search(
            Run.model_validate(snakemake.params.run),
            SearchSettings.model_validate(snakemake.params.settings),
            Path(snakemake.params.folder),
        )
        code = main(search, snakemake.input.train, snakemake.input.val, snakemake.threads)
        if code == 0 and hasattr(
            snakemake.output, "best"
        ):  # the others only mark that they are done
            write_result(search)
    sys.exit(code)
