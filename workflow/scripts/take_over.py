"""What a study takes over from others: their best settings, or the exponent of the learning-rate rule."""

import json
from pathlib import Path

import pandas as pd

from optimetal.config.run import Run
from optimetal.files import write_text
from optimetal.search.findings import best_settings, combined, exponents
from optimetal.workflow import logged


def outcomes(files: list[str]) -> list[tuple[Run, dict]]:
    """Trainings with their outcomes."""
    return [
        (
            Run.model_validate_json(Path(file).with_name("config.json").read_text()),
            json.loads(Path(file).read_text()),
        )
        for file in files
    ]


def main(best_of: dict, rates: dict | None, files: dict[str, list[str]]) -> dict:
    found = {}
    if best_of:
        found["settings"] = combined(
            best_settings(
                [(run, metrics["val_loss"]) for run, metrics in outcomes(files[study])], **how
            )
            for study, how in best_of.items()
        )
    if rates:
        metrics = [outcome for _, outcome in outcomes(files[rates["study"]])]
        runs = pd.DataFrame(metrics).assign(label=lambda table: table["model"])
        found["exponents"] = exponents(runs, rates["reference_widths"], rates["models"])
    return found


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        files = {study: list(snakemake.input[study]) for study in snakemake.params.follows}
        found = main(snakemake.params.best_of, snakemake.params.rates, files)
        write_text(snakemake.output.findings, json.dumps(found, indent=2))
