"""Unpack the downloaded data."""

import json
from pathlib import Path

from optimetal.database.figshare import unpack_source
from optimetal.files import write_text
from optimetal.workflow import logged


def main(complete: str, source: str) -> None:
    number = unpack_source(source, Path(complete).parent)
    write_text(complete, json.dumps({"files": number}) + "\n")


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main(snakemake.output.complete, snakemake.params.source)
