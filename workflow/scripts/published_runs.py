"""The published measurements in the form of our own trainings, and the architecture search."""

from pathlib import Path

from optimetal.files import whole_file
from optimetal.scaling.ablation import read_published_ablation
from optimetal.scaling.published import read_published_runs
from optimetal.tables import write_table
from optimetal.workflow import logged

if __name__ == "__main__":
    with logged(snakemake.log[0]):
        folder = Path(snakemake.params.folder)
        runs = read_published_runs(folder)
        for table, file in (
            (runs, snakemake.output.runs),
            (read_published_ablation(folder), snakemake.output.ablation),
        ):
            with whole_file(file) as temporary:
                table.to_parquet(temporary, index=False)
        readable = runs.assign(studies=runs["studies"].map(" ".join))
        stem = Path(snakemake.output.html).with_suffix("")
        write_table(stem, readable, runs["source"].iloc[0])
