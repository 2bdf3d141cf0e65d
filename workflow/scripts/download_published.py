"""Fetch the result files of the published study."""

from pathlib import Path

from optimetal.scaling.published_files import download_published
from optimetal.workflow import logged

if __name__ == "__main__":
    with logged(snakemake.log[0]):
        download_published(
            Path(snakemake.params.folder), snakemake.params.url, snakemake.params.commit
        )
