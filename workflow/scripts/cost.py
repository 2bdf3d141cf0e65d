"""What the studies have cost."""

from pathlib import Path

import pandas as pd

from optimetal.cost.spent import read_trials, spent
from optimetal.files import write_text
from optimetal.tables import to_latex, write_table
from optimetal.workflow import logged

if __name__ == "__main__":
    with logged(snakemake.log[0]):
        runs = pd.read_parquet(snakemake.input.runs)
        table = spent(
            runs,
            read_trials(snakemake.input.trials),
            snakemake.params.searches,
            snakemake.params.labels,
        )
        stem, note = Path(snakemake.output.html).with_suffix(""), runs["source"].iloc[0]
        write_table(stem, table, note)
        write_text(stem.with_suffix(".tex"), to_latex(table, note))
