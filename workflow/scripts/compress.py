"""Compress database entries to one file of records."""

import shutil
from pathlib import Path

from optimetal.database.compress import compress
from optimetal.workflow import logged


def main(
    folder: str, records: str, quarantine: Path, copy: str, max_bad_share: float, jobs: int
) -> None:
    compress(folder, records, quarantine, max_bad_share, jobs)
    shutil.copyfile(quarantine, copy)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main(
            snakemake.params.folder,
            snakemake.output.records,
            # beside the log: Snakemake deletes the outputs of a rule that has failed
            Path(snakemake.log[0]).with_name("quarantine.csv"),
            snakemake.output.quarantine,
            snakemake.params.max_bad_share,
            snakemake.threads,
        )
