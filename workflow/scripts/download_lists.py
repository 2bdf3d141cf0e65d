"""Fetch the lists of identifiers of the published splits."""

from pathlib import Path

from optimetal.scaling.published_files import LISTS, download_published
from optimetal.workflow import logged

if __name__ == "__main__":
    with logged(snakemake.log[0]):
        download_published(
            Path(snakemake.params.folder),
            snakemake.params.url,
            snakemake.params.commit,
            files=LISTS,
            section="splits",
        )
