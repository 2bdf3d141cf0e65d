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
    resources:
        mem_mb=8000,
        runtime=120,
    params:
        settings=PROJECT.graphs.model_dump(mode="json"),
    script:
        "../scripts/graphs.py"
