"""Compute the embedded surrogate database."""

import json
from pathlib import Path

from optimetal.config.surrogate import SurrogateSettings
from optimetal.database.surrogate import write_database
from optimetal.files import write_text
from optimetal.workflow import logged


def main(complete: str, settings: dict, jobs: int) -> None:
    write_database(Path(complete).parent, SurrogateSettings.model_validate(settings), jobs)
    write_text(complete, json.dumps(settings, indent=2))


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main(snakemake.output.complete, snakemake.params.settings, snakemake.threads)
