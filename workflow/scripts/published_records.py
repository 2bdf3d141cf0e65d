"""Turn the published HDF5 files into files of records."""

import shutil
from pathlib import Path

from optimetal.database.published_h5 import import_published
from optimetal.database.splits import SPLITS
from optimetal.workflow import logged

if __name__ == "__main__":
    with logged(snakemake.log[0]):
        # beside the log: Snakemake deletes the outputs of a rule that has failed
        quarantine = Path(snakemake.log[0]).with_name("quarantine.csv")
        import_published(
            snakemake.params.folder,
            {name: Path(snakemake.output[name]) for name in SPLITS},
            snakemake.output.table,
            quarantine,
            snakemake.params.max_bad_share,
            snakemake.params.allow_partial,
        )
        shutil.copyfile(quarantine, snakemake.output.quarantine)
