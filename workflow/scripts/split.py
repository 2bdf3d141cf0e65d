"""Split the records by composition, or by lists of identifiers."""

from pathlib import Path

from optimetal.config.project import SplitSettings
from optimetal.database.splits import SPLITS, split_records
from optimetal.workflow import logged

if __name__ == "__main__":
    with logged(snakemake.log[0]):
        settings = SplitSettings.model_validate(snakemake.params.settings)
        lists = snakemake.input.lists
        split_records(
            snakemake.input.records,
            {name: Path(snakemake.output[name]) for name in SPLITS},
            snakemake.output.table,
            settings.ratios,
            settings.seed,
            Path(lists[0]).parent if lists else None,
            snakemake.params.published,
        )
