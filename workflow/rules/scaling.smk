# One table of trainings -> scaling laws -> tables and figures.


rule fit_curves:
    input:
        runs="<results>/runs.parquet",
        code=library(
            "scaling/laws.py",
            "scaling/fits.py",
            "scaling/bootstrap.py",
            "scaling/settings.py",
            "scaling/tables.py",
        ),
    output:
        fits="<results>/scaling/{study}/fits.parquet",
        html=law_tables(PROJECT.scaling.laws),
        text=expand(
            "<results>/tables/{{study}}/{table}.{suffix}",
            table=(*PROJECT.scaling.laws, *COMPARISONS),
            suffix=("csv", "tex"),
        ),
    log:
        "<logs>/fit/{study}.log",
    wildcard_constraints:
        study=any_of(SCALING.fitted("num_train", "num_params")),
    params:
        axis=lambda wildcards: SCALING.studies[wildcards.study].fit,
        split_by=lambda wildcards: SCALING.split_by(wildcards.study),
        laws=lambda wildcards: SCALING.laws(wildcards.study),
        published_solver=PROJECT.scaling.published_solver,
        bootstrap={
            "seed": PROJECT.scaling.bootstrap_seed,
            "num_samples": PROJECT.scaling.bootstrap_samples,
        },
    script:
        "../scripts/fit_laws.py"


use rule fit_curves as fit_grid with:
    output:
        fits="<results>/scaling/{study}/fits.parquet",
        html=law_tables(PROJECT.scaling.grid_laws),
        text=expand(
            "<results>/tables/{{study}}/{table}.{suffix}",
            table=(*PROJECT.scaling.grid_laws, *COMPARISONS),
            suffix=("csv", "tex"),
        ),
    wildcard_constraints:
        study=any_of(SCALING.fitted("grid")),


rule curve_figures:
    input:
        fits="<results>/scaling/{study}/fits.parquet",
        runs="<results>/runs.parquet",
        code=library(
            "plots/scaling.py", "plots/labels.py", "plots/legends.py", "scaling/settings.py"
        ),
    output:
        *reported(
            {
                label: f"<results>/figures/{{study}}/{figure}.png"
                for figure, label in CURVE_FIGURES.items()
            },
            "curves/{name}",
            "Scaling laws",
            study_label,
        ),
        pdf=expand("<results>/figures/{{study}}/{figure}.pdf", figure=CURVE_FIGURES),
    log:
        "<logs>/curve_figures/{study}.log",
    params:
        axis=lambda wildcards: SCALING.studies[wildcards.study].fit,
        split_by=lambda wildcards: SCALING.split_by(wildcards.study),
        law=lambda wildcards: SCALING.drawn_law(wildcards.study),
    script:
        "../scripts/curve_figures.py"


rule grid_figure:
    input:
        fits="<results>/scaling/{study}/fits.parquet",
        runs="<results>/runs.parquet",
        code=library("plots/scaling.py", "plots/labels.py"),
    output:
        report(
            "<results>/figures/{study}/{model}_{law}.png",
            caption="../report/grid_figure.rst",
            category="Scaling laws",
            subcategory=study_label,
            labels=lambda wildcards: {
                "result": f"{LAW_LABELS[wildcards.law]}, {model_label(wildcards.model)}"
            },
        ),
        pdf="<results>/figures/{study}/{model}_{law}.pdf",
    log:
        "<logs>/grid_figure/{study}_{model}_{law}.log",
    wildcard_constraints:
        study=any_of(SCALING.fitted("grid")),
        law=any_of(PROJECT.scaling.grid_laws),
    script:
        "../scripts/grid_figure.py"


rule scaling_plan:
    input:
        runs="<results>/runs.parquet",
        code=library(
            "scaling/compute.py",
            "scaling/laws.py",
            "scaling/fits.py",
            "scaling/bootstrap.py",
            "cost/published.py",
            "plots/compute.py",
            "plots/legends.py",
        ),
    output:
        html=list(
            reported(
                {
                    f"Table: {label}": f"<results>/tables/{{study}}/{table}.html"
                    for table, label in PLAN_TABLES.items()
                },
                "plan/{name}",
                "Scaling laws",
                study_label,
            )
        ),
        text=expand(
            "<results>/tables/{{study}}/{table}.{suffix}",
            table=PLAN_TABLES,
            suffix=("csv", "tex"),
        ),
        figure=report(
            "<results>/figures/{study}/compute_optimal.png",
            caption="../report/plan/figure.rst",
            category="Scaling laws",
            subcategory=study_label,
            labels={"result": "What to train for a loss"},
        ),
        pdf="<results>/figures/{study}/compute_optimal.pdf",
    log:
        "<logs>/scaling_plan/{study}.log",
    wildcard_constraints:
        study=any_of(SCALING.fitted("grid")),
    params:
        split_by=lambda wildcards: SCALING.split_by(wildcards.study),
        laws=lambda wildcards: SCALING.laws(wildcards.study),
        bootstrap={
            "seed": PROJECT.scaling.bootstrap_seed,
            "num_samples": PROJECT.scaling.bootstrap_samples,
        },
        asked={"losses": PROJECT.scaling.loss_targets, "budgets": PROJECT.scaling.budgets},
        published=PUBLISHED,
    script:
        "../scripts/scaling_plan.py"


rule learning_rate_figures:
    input:
        runs="<results>/runs.parquet",
        code=library("plots/scaling.py", "plots/labels.py", "scaling/learning_rate.py"),
    output:
        *(
            report(
                f"<results>/figures/{{study}}/{{model}}_{figure}.png",
                caption=f"../report/learning_rates/{figure}.rst",
                category="Scaling laws",
                subcategory=study_label,
                labels=labelled(label),
            )
            for figure, label in LEARNING_RATE_FIGURES.items()
        ),
        pdf=expand(
            "<results>/figures/{{study}}/{{model}}_{figure}.pdf",
            figure=LEARNING_RATE_FIGURES,
        ),
        html=report(
            "<results>/tables/{study}/{model}.html",
            caption="../report/learning_rates/exponent.rst",
            category="Scaling laws",
            subcategory=study_label,
            labels=labelled("Table: learning-rate exponent"),
        ),
        best=report(
            "<results>/tables/{study}/{model}_best.html",
            caption="../report/learning_rates/best.rst",
            category="Scaling laws",
            subcategory=study_label,
            labels=labelled("Table: best learning rates"),
        ),
        tables=multiext(
            "<results>/tables/{study}/{model}",
            ".csv",
            ".tex",
            "_best.csv",
            "_best.tex",
        ),
    log:
        "<logs>/learning_rate/{study}_{model}.log",
    wildcard_constraints:
        study=any_of(SCALING.learning_rates()),
    params:
        reference_width=lambda wildcards: reference_width(wildcards.model),
        first=next(iter(LEARNING_RATE_FIGURES)),
    script:
        "../scripts/learning_rate_figures.py"
