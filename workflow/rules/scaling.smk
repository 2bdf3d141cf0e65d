# Trainings -> one table -> scaling laws -> tables and figures.


rule collect_runs:
    input:
        metrics=run_files(PLAN.runs, "metrics.json"),
        code=library("training/table.py"),
    output:
        runs="<results>/runs.parquet",
        html=report(
            "<results>/tables/runs.html",
            caption="../report/runs.rst",
            category="Trainings",
            labels={"result": "Table: all trainings"},
        ),
        csv="<results>/tables/runs.csv",
    log:
        "<logs>/collect_runs.log",
    params:
        studies=PLAN.studies,
        labels={model: settings.label for model, settings in PROJECT.models.items()},
    script:
        "../scripts/collect_runs.py"


rule fit_curves:
    input:
        runs=rules.collect_runs.output.runs,
        code=library("scaling/laws.py", "scaling/fits.py", "scaling/tables.py"),
    output:
        fits="<results>/scaling/{study}/fits.parquet",
        html=reported(law_tables(PROJECT.scaling.laws), "law_tables", "Scaling laws", "{study}"),
        text=expand(
            "<results>/tables/{{study}}/{table}.{suffix}",
            table=(*PROJECT.scaling.laws, "aicc"),
            suffix=("csv", "tex"),
        ),
    log:
        "<logs>/fit/{study}.log",
    wildcard_constraints:
        study=any_of(PLAN.fitted("num_train", "num_params")),
    params:
        axis=lambda wildcards: PROJECT.studies[wildcards.study].fit,
        laws=lambda wildcards: PLAN.laws(wildcards.study),
    script:
        "../scripts/fit_laws.py"


use rule fit_curves as fit_grid with:
    output:
        fits="<results>/scaling/{study}/fits.parquet",
        html=reported(
            law_tables(PROJECT.scaling.grid_laws),
            "law_tables",
            "Scaling laws",
            "{study}",
        ),
        text=expand(
            "<results>/tables/{{study}}/{table}.{suffix}",
            table=(*PROJECT.scaling.grid_laws, "aicc"),
            suffix=("csv", "tex"),
        ),
    wildcard_constraints:
        study=any_of(PLAN.fitted("grid")),


rule curve_figures:
    input:
        fits="<results>/scaling/{study}/fits.parquet",
        runs=rules.collect_runs.output.runs,
        code=library("plots/scaling.py", "plots/labels.py"),
    output:
        *reported(
            {
                label: f"<results>/figures/{{study}}/{figure}.png"
                for figure, label in CURVE_FIGURES.items()
            },
            "curve_figures",
            "Scaling laws",
            "{study}",
        ),
        pdf=expand("<results>/figures/{{study}}/{figure}.pdf", figure=CURVE_FIGURES),
    log:
        "<logs>/curve_figures/{study}.log",
    params:
        axis=lambda wildcards: PROJECT.studies[wildcards.study].fit,
        law=lambda wildcards: PLAN.drawn_law(wildcards.study),
    script:
        "../scripts/curve_figures.py"


rule grid_figure:
    input:
        fits="<results>/scaling/{study}/fits.parquet",
        runs=rules.collect_runs.output.runs,
        code=library("plots/scaling.py", "plots/labels.py"),
    output:
        report(
            "<results>/figures/{study}/{model}_{law}.png",
            caption="../report/grid_figure.rst",
            category="Scaling laws",
            subcategory="{study}",
            labels={"result": "{model}, {law} form"},
        ),
        pdf="<results>/figures/{study}/{model}_{law}.pdf",
    log:
        "<logs>/grid_figure/{study}_{model}_{law}.log",
    wildcard_constraints:
        study=any_of(PLAN.fitted("grid")),
        law=any_of(PROJECT.scaling.grid_laws),
    script:
        "../scripts/grid_figure.py"
