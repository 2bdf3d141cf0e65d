# Database -> records of each split.

from optimetal.database.lists import list_files
from optimetal.database.validate import PlannedEntries

# Downloads are kept when results are removed.
DOWNLOADED = f"{PROJECT.database.download_folder}/{PROJECT.database.source}"
# Entries outside of the results; those of the surrogate are results.
ENTRIES = PlannedEntries(
    PROJECT.database.folder or f"{DOWNLOADED}/database",
    PROJECT.database.expected == "published",
    PROJECT.database.allow_partial,
)
# Whether lists of identifiers decide who is in which split.
BY_LISTS = PROJECT.splits.method == "published"
# Whether it is the published database, or a part of it.
PUBLISHED_DATA = PROJECT.database.source != "surrogate" and PROJECT.database.expected == "published"


if PROJECT.database.source == "surrogate":

    rule surrogate_database:
        output:
            # Only the mark of completion is an output: entries of an interrupted run are kept.
            complete="<results>/database/complete.json",
        log:
            "<logs>/surrogate_database.log",
        benchmark:
            "<benchmarks>/surrogate_database.tsv"
        threads: workflow.cores or 1
        resources:
            mem_mb=4000,
            runtime=60,
        params:
            settings=PROJECT.database.surrogate.model_dump(mode="json"),
        script:
            "../scripts/surrogate_database.py"


if PROJECT.database.source.startswith("figshare"):

    rule download:
        output:
            # Only the mark of completion is an output: a broken download goes on where it ended.
            complete=f"{DOWNLOADED}/downloaded.json",
        log:
            "<logs>/download.log",
        benchmark:
            "<benchmarks>/download.tsv"
        retries: 3
        threads: 4
        resources:
            mem_mb=1000,
            runtime=1440,
        params:
            source=PROJECT.database.source,
            # a function of the output, which Snakemake does not record: a mirror has the same files
            url=lambda wildcards, output: PROJECT.database.url,
        script:
            "../scripts/download.py"

    rule unpack:
        input:
            complete=rules.download.output.complete,
        output:
            complete=f"{DOWNLOADED}/unpacked.json",
        log:
            "<logs>/unpack.log",
        benchmark:
            "<benchmarks>/unpack.tsv"
        resources:
            mem_mb=1000,
            runtime=240,
        params:
            source=PROJECT.database.source,
        script:
            "../scripts/unpack.py"


if PROJECT.database.source in ("folder", "figshare_full"):

    rule inventory:
        input:
            (
                (lambda wildcards: ENTRIES.missing())
                if PROJECT.database.source == "folder"
                else rules.unpack.output.complete
            ),
        output:
            table=report(
                "<results>/dataset/inventory.csv",
                caption="../report/inventory.rst",
                category="Data",
                labels={"result": "Table: entries of the database"},
            ),
        log:
            "<logs>/inventory.log",
        resources:
            mem_mb=1000,
            runtime=30,
        params:
            # a download has its mark of completion instead
            fingerprint=lambda wildcards: (
                ENTRIES.fingerprint if PROJECT.database.source == "folder" else ""
            ),
            # so that the check is repeated when it must fail
            faults=lambda wildcards: ENTRIES.faults,
            # not recorded, see above: another place of the same entries is no reason to start over
            folder=lambda wildcards, input: ENTRIES.folder,
            published=lambda wildcards, input: ENTRIES.published,
            allow_partial=lambda wildcards, input: ENTRIES.allow_partial,
        script:
            "../scripts/inventory.py"


if PROJECT.database.source == "figshare_ml":

    from optimetal.database.published_h5 import planned_faults

    rule published_records:
        input:
            complete=rules.unpack.output.complete,
        output:
            train="<results>/dataset/train.h5",
            val="<results>/dataset/val.h5",
            test="<results>/dataset/test.h5",
            table="<results>/dataset/splits.csv",
            quarantine=report(
                "<results>/dataset/quarantine.csv",
                caption="../report/quarantine.rst",
                category="Data",
                labels={"result": "Table: entries left out"},
            ),
        log:
            "<logs>/published_records.log",
        benchmark:
            "<benchmarks>/published_records.tsv"
        resources:
            mem_mb=4000,
            runtime=240,
        params:
            # so that the check is repeated when it must fail
            faults=lambda wildcards: planned_faults(
                f"{DOWNLOADED}/dataset", PROJECT.database.allow_partial
            ),
            folder=lambda wildcards, input: str(Path(input.complete).parent / "dataset"),
            max_bad_share=PROJECT.database.max_bad_share,
            # not recorded: that less would do is no reason to start over
            allow_partial=lambda wildcards, input: PROJECT.database.allow_partial,
        script:
            "../scripts/published_records.py"

else:

    rule compress:
        input:
            complete=(
                rules.surrogate_database.output.complete
                if PROJECT.database.source == "surrogate"
                else rules.inventory.output.table
            ),
        output:
            records="<results>/dataset/records.h5",
            quarantine=report(
                "<results>/dataset/quarantine.csv",
                caption="../report/quarantine.rst",
                category="Data",
                labels={"result": "Table: entries left out"},
            ),
        log:
            "<logs>/compress.log",
        benchmark:
            "<benchmarks>/compress.tsv"
        threads: workflow.cores or 1
        resources:
            mem_mb=4000,
            runtime=240,
        params:
            folder=lambda wildcards, output: (
                str(Path(output.records).parents[1] / "database")
                if PROJECT.database.source == "surrogate"
                else ENTRIES.folder
            ),
            max_bad_share=PROJECT.database.max_bad_share,
        script:
            "../scripts/compress.py"

    if BY_LISTS and not PROJECT.splits.folder:
        from optimetal.config.repository import COMMIT
        from optimetal.scaling.published_files import LISTS

        rule download_lists:
            output:
                lists=[
                    f"{PROJECT.database.download_folder}/published_splits/{name}" for name in LISTS
                ],
            log:
                "<logs>/download_lists.log",
            retries: 2
            resources:
                runtime=30,
            params:
                commit=COMMIT,
                # not recorded: a mirror has the same files
                url=lambda wildcards, output: PROJECT.splits.url,
                folder=lambda wildcards, output: str(Path(output.lists[0]).parent),
            script:
                "../scripts/download_lists.py"

    rule split:
        input:
            records=rules.compress.output.records,
            lists=lambda wildcards: (
                []
                if not BY_LISTS
                else (
                    [str(file) for file in list_files(PROJECT.splits.folder).values()]
                    if PROJECT.splits.folder
                    else rules.download_lists.output.lists
                )
            ),
        output:
            train="<results>/dataset/train.h5",
            val="<results>/dataset/val.h5",
            test="<results>/dataset/test.h5",
            table="<results>/dataset/splits.csv",
        log:
            "<logs>/split.log",
        benchmark:
            "<benchmarks>/split.tsv"
        resources:
            mem_mb=4000,
            runtime=60,
        params:
            # only what the splits depend on
            settings=PROJECT.splits.model_dump(
                mode="json", include={"method"} if BY_LISTS else {"ratios", "seed"}
            ),
            # not recorded: it changes no more than the log
            published=lambda wildcards, input: PUBLISHED_DATA,
        script:
            "../scripts/split.py"
