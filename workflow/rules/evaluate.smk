# Test of the trained networks: each seed and the ensemble of all seeds.


rule evaluate:
    input:
        models=lambda wildcards: run_files(PLAN.ensemble(wildcards.ensemble), "model.safetensors"),
        graphs="<results>/graphs/test.h5",
        code=library("evaluation/evaluate.py", "evaluation/metrics.py"),
    output:
        metrics="<results>/evaluation/{ensemble}/metrics.json",
        materials="<results>/evaluation/{ensemble}/materials.parquet",
        predictions="<results>/evaluation/{ensemble}/predictions.h5",
    log:
        "<logs>/evaluate/{ensemble}.log",
    benchmark:
        "<benchmarks>/evaluate/{ensemble}.tsv"
    resources:
        mem_mb=16000,
        runtime=120,
    params:
        training=lambda wildcards: PLAN.runs[
            PLAN.ensemble(wildcards.ensemble)[0]
        ].training.model_dump(mode="json"),
        batch_size=PROJECT.evaluation.batch_size,
    script:
        "../scripts/evaluate.py"


rule tested_model:
    input:
        models=lambda wildcards: run_files(
            PLAN.ensemble(PLAN.tested[wildcards.model]), "model.safetensors"
        ),
        metrics=lambda wildcards: (
            f"<results>/evaluation/{PLAN.tested[wildcards.model]}/metrics.json"
        ),
        code=library("evaluation/members.py"),
    output:
        # found by `optimetal predict`; one file per seed
        folder=directory("<results>/models/{model}"),
    log:
        "<logs>/tested_model/{model}.log",
    params:
        label=lambda wildcards: PROJECT.models[wildcards.model].label,
    script:
        "../scripts/tested_model.py"


rule evaluation_summary:
    input:
        metrics=expand(
            "<results>/evaluation/{ensemble}/metrics.json",
            ensemble=PLAN.tested.values(),
        ),
        materials=expand(
            "<results>/evaluation/{ensemble}/materials.parquet",
            ensemble=PLAN.tested.values(),
        ),
        code=library("evaluation/tables.py", "evaluation/results.py", "plots/evaluation.py"),
    output:
        html=report(
            "<results>/tables/evaluation.html",
            caption="../report/evaluation_table.rst",
            category="Evaluation",
            subcategory="All models",
            labels={"result": "Table: test metrics"},
        ),
        text=multiext("<results>/tables/evaluation", ".csv", ".tex"),
        violins=report(
            "<results>/figures/evaluation/violins.png",
            caption="../report/violins.rst",
            category="Evaluation",
            subcategory="All models",
            labels={"result": "Distribution of the metrics"},
        ),
        pdf="<results>/figures/evaluation/violins.pdf",
    log:
        "<logs>/evaluation_summary.log",
    params:
        models={model: PROJECT.models[model].label for model in PLAN.tested},
        metrics=list(PROJECT.plots.metrics),
    script:
        "../scripts/evaluation_summary.py"


rule evaluation_figures:
    input:
        materials=rules.evaluate.output.materials,
        predictions=rules.evaluate.output.predictions,
        code=library("evaluation/figures.py", "plots/evaluation.py", "plots/spectra.py"),
    output:
        *reported(
            {
                label: f"<results>/figures/evaluation/{{ensemble}}/{figure}.png"
                for figure, label in EVALUATION_FIGURES.items()
            },
            "evaluation/{name}",
            "Evaluation",
            lambda wildcards: PROJECT.models[wildcards.ensemble.partition("/")[0]].label,
        ),
        pdf=expand(
            "<results>/figures/evaluation/{{ensemble}}/{figure}.pdf",
            figure=EVALUATION_FIGURES,
        ),
    log:
        "<logs>/evaluation_figures/{ensemble}.log",
    params:
        plots=PROJECT.plots.model_dump(mode="json"),
    script:
        "../scripts/evaluation_figures.py"
