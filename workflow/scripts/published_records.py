"""Turn the published HDF5 files into files of records."""

from pathlib import Path

from optimetal.database.published_h5 import import_published
from optimetal.database.splits import SPLITS
from optimetal.workflow import logged

if __name__ == "__main__":
    with logged(snakemake.log[0]):
        import_published(
            snakemake.params.folder,
            {name: Path(snakemake.output[name]) for name in SPLITS},
            snakemake.output.table,
            snakemake.output.quarantine,
            snakemake.params.max_bad_share,
            snakemake.params.allow_partial,
        )
