"""Build the crystal graphs of one split."""

from optimetal.config.project import GraphSettings
from optimetal.database.store import CrystalStore
from optimetal.graphs.build import write_graphs
from optimetal.workflow import logged


def main(records: str, graphs: str, settings: GraphSettings, name: str, jobs: int) -> None:
    reach = settings.cutoff, settings.triplet_cutoff, settings.quotient_tolerance
    with CrystalStore(records) as store:
        write_graphs(graphs, store, *reach, name, jobs)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main(
            snakemake.input.records,
            snakemake.output.graphs,
            GraphSettings.model_validate(snakemake.params.settings),
            f"graphs {snakemake.wildcards.split}",
            snakemake.threads,
        )
