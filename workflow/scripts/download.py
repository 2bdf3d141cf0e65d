"""Download the published data from figshare."""

import json
from pathlib import Path

from optimetal.database.figshare import download
from optimetal.files import write_text
from optimetal.workflow import logged


def main(complete: str, source: str, url: str, jobs: int) -> None:
    files = download(source, Path(complete).parent, url, jobs)
    sizes = {f"{file.parent.name}/{file.name}": file.stat().st_size for file in files}
    write_text(complete, json.dumps(sizes, indent=2) + "\n")


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main(
            snakemake.output.complete,
            snakemake.params.source,
            snakemake.params.url,
            snakemake.threads,
        )
