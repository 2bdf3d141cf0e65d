"""Train one network, unless that was done ahead. Exit code 75: interrupted by a signal, its state is saved."""

import os
import sys
from pathlib import Path
from typing import Any

from optimetal.training.errors import TrainingError
from optimetal.training.folder import RunFolder, take_over
from optimetal.training.status import read_json
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


def report_failure(files: RunFolder, pack: str) -> None:
    """Fail where a training failed in its pack; nothing is done where it did not."""
    status = read_json(files.status)
    if status.get("state") == "failed":
        os.utime(pack, (0, 0))  # older than its input: the next start does again what failed
        raise TrainingError(f"{status.get('reason')} (in its pack, see {files.log})")


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        settings, folder = snakemake.params.run, Path(snakemake.output.metrics).parent
        if pack := snakemake.input.get("pack"):
            if take_over(RunFolder(folder), settings):
                sys.exit()
            report_failure(RunFolder(folder), pack)
        code = main(
            settings,
            snakemake.input.train,
            snakemake.input.val,
            folder,
            snakemake.threads,
            snakemake.resources.get("gpu", 1),
        )
    sys.exit(code)
