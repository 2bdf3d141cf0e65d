"""Compress database entries to one file of records."""

from optimetal.database.compress import compress
from optimetal.workflow import logged

if __name__ == "__main__":
    with logged(snakemake.log[0]):
        compress(
            snakemake.params.folder,
            snakemake.output.records,
            snakemake.output.quarantine,
            snakemake.params.max_bad_share,
            snakemake.threads,
        )
