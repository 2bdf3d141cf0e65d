# Database -> records of each split.

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


rule compress:
    input:
        complete=(
            rules.surrogate_database.output.complete
            if PROJECT.database.source == "surrogate"
            else []
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
            PROJECT.database.folder or str(Path(output.records).parents[1] / "database")
        ),
        max_bad_share=PROJECT.database.max_bad_share,
    script:
        "../scripts/compress.py"


rule split:
    input:
        records=rules.compress.output.records,
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
        settings=PROJECT.splits.model_dump(mode="json"),
    script:
        "../scripts/split.py"
