"""Collect the outcomes of all trainings."""

from pathlib import Path

from optimetal.files import whole_file
from optimetal.scaling.settings import with_settings
from optimetal.tables import write_table
from optimetal.training.table import collect_runs
from optimetal.workflow import logged

if __name__ == "__main__":
    with logged(snakemake.log[0]):
        # a training that follows from results may be one that was known before
        metrics = sorted({*snakemake.input.metrics, *snakemake.input.later})
        runs = collect_runs(metrics, snakemake.params.studies, snakemake.params.labels)
        configs = [Path(file).with_name("config.json") for file in metrics]
        runs = with_settings(runs, configs, snakemake.params.varied)
        with whole_file(snakemake.output.runs) as temporary:
            runs.to_parquet(temporary, index=False)
        readable = runs.assign(studies=runs["studies"].map(" ".join))
        stem = Path(snakemake.output.html).with_suffix("")
        write_table(stem, readable, runs["source"].iloc[0])
