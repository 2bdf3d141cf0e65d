"""Check the results of all trainings and the data they rest on: a table of findings."""

from pathlib import Path

import pandas as pd

from optimetal.checks import check_study, findings_table
from optimetal.config.run import Run
from optimetal.files import write_text
from optimetal.graphs.packed import load
from optimetal.tables import to_csv, to_html
from optimetal.training.status import ENDED
from optimetal.workflow import logged

RUNS_SHOWN = 2


def by_run(files: list[str], name: str) -> dict[str, Path]:
    """Name of each training -> its file of this name."""
    paths = [path for path in map(Path, files) if path.name == name]
    return {"/".join(path.parts[-3:-1]): path for path in paths}


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        runs = pd.read_parquet(snakemake.input.runs)
        runs = runs[runs["state"].isin(ENDED)]
        files = [*snakemake.input.trainings, *snakemake.input.later]
        configs, histories = by_run(files, "config.json"), by_run(files, "history.csv")
        findings = check_study(
            {name: Run.model_validate_json(file.read_text()) for name, file in configs.items()},
            runs,
            {name: pd.read_csv(file) for name, file in histories.items()},
            pd.read_csv(snakemake.input.splits),
            {Path(file).stem: load(file).mat_ids for file in snakemake.input.graphs},
            snakemake.params.exploratory,
            snakemake.params.published_data,
        )
        note = runs["source"].iloc[0]
        write_text(snakemake.output.csv, to_csv(findings_table(findings), note))
        write_text(snakemake.output.html, to_html(findings_table(findings, RUNS_SHOWN), note))
