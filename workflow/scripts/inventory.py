"""Count the entries of the database, and make sure that it is the published one where it should be."""

from optimetal.database.validate import write_inventory
from optimetal.workflow import logged

if __name__ == "__main__":
    with logged(snakemake.log[0]):
        write_inventory(
            snakemake.params.folder,
            snakemake.output.table,
            snakemake.params.published,
            snakemake.params.allow_partial,
        )
