# Records -> crystal graphs with the targets to learn.


rule graphs:
    input:
        records="<results>/dataset/{split}.h5",
    output:
        graphs="<results>/graphs/{split}.h5",
    log:
        "<logs>/graphs_{split}.log",
    benchmark:
        "<benchmarks>/graphs_{split}.tsv"
    # by far the largest split; the others are done side by side
    threads: lambda wildcards: (workflow.cores or 1) if wildcards.split == "train" else 1
    resources:
        mem_mb=8000,
        runtime=120,
    params:
        settings=PROJECT.graphs.model_dump(mode="json"),
    script:
        "../scripts/graphs.py"
