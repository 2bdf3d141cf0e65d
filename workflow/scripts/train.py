"""Train one network, unless that was done ahead. Exit code 75: interrupted by a signal, its state is saved."""

import sys
from pathlib import Path
from typing import Any

from optimetal.training.folder import RunFolder, take_over
from optimetal.workflow import logged


def main(
    settings: dict[str, Any],
    train_graphs: str,
    val_graphs: str,
    folder: Path,
    threads: int,
    processes: int,
) -> int:
    import torch  # takes seconds, which a training that was done ahead does not need

    from optimetal.config.run import Run
    from optimetal.training.train import launch, launch_many

    run = Run.model_validate(settings)
    if processes > 1:
        return launch_many(processes, run, train_graphs, val_graphs, folder, threads)
    torch.set_num_threads(threads)
    return launch(run, train_graphs, val_graphs, folder)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        settings, folder = snakemake.params.run, Path(snakemake.output.metrics).parent
        if snakemake.input.get("pack") and take_over(RunFolder(folder), settings):
            sys.exit()
        code = main(
            settings,
            snakemake.input.train,
            snakemake.input.val,
            folder,
            snakemake.threads,
            snakemake.resources.get("gpu", 1),
        )
    sys.exit(code)
