# Figures of the data and of the trainings.


rule dataset_figures:
    input:
        records=expand("<results>/dataset/{split}.h5", split=SPLITS),
        code=library("plots/dataset.py"),
    output:
        *reported(cell_histograms(), "atoms_per_cell", "Data", None),
        *reported(element_tables(), "periodic_table", "Data", None),
        pdf=[figure.replace(".png", ".pdf") for figure in dataset_files()],
    log:
        "<logs>/dataset_figures.log",
    params:
        sizes=training_sizes(),
    script:
        "../scripts/dataset_figures.py"


# All in one job: to start one takes longer than to draw a figure.
rule learning_curves:
    input:
        histories=run_files(PLAN.runs, "history.csv"),
        later=lambda wildcards: later_files("history.csv"),
        runs=rules.collect_runs.output.runs,
        findings=FINDINGS,
        code=library("plots/evaluation.py", "plots/legends.py"),
    output:
        figures=[
            report(
                f"<results>/figures/{study}/learning_curves.png",
                caption="../report/learning_curves.rst",
                category="Trainings",
                labels={"result": f"Learning curves: {SCALING.label(study)}"},
            )
            for study in PROJECT.studies
        ],
        pdf=[f"<results>/figures/{study}/learning_curves.pdf" for study in PROJECT.studies],
    log:
        "<logs>/learning_curves.log",
    params:
        varied={study: PLAN.axes(study) for study in PROJECT.studies},
    script:
        "../scripts/learning_curves.py"


rule setting_figures:
    input:
        runs=rules.collect_runs.output.runs,
        fits=lambda wildcards: [
            f"<results>/scaling/{study}/fits.parquet"
            for study in filter(None, [SCALING.size_study(wildcards.study)])
        ],
        code=library(
            "plots/settings.py", "plots/labels.py", "plots/legends.py", "scaling/settings.py"
        ),
    output:
        figure=report(
            "<results>/figures/{study}/settings.png",
            caption="../report/setting_figures.rst",
            category="Settings",
            subcategory=study_label,
            labels={"result": "Loss over the settings"},
        ),
        pdf="<results>/figures/{study}/settings.pdf",
        html=report(
            "<results>/tables/{study}/settings.html",
            caption="../report/setting_table.rst",
            category="Settings",
            subcategory=study_label,
            labels={"result": "Table: loss of every setting"},
        ),
        text=multiext("<results>/tables/{study}/settings", ".csv", ".tex"),
    log:
        "<logs>/setting_figures/{study}.log",
    params:
        varied=lambda wildcards: PLAN.axes(wildcards.study),
        law=lambda wildcards: (
            SCALING.drawn_law(SCALING.size_study(wildcards.study))
            if SCALING.size_study(wildcards.study)
            else None
        ),
    script:
        "../scripts/setting_figures.py"


if PROJECT.ablation:
    # Captions of its figures where they are not about a kind of layer.
    ABLATION_CAPTIONS = {
        "improvements": "improvements",
        PROJECT.ablation.combinations: "combinations",
    }

    rule ablation_figures:
        input:
            runs=rules.collect_runs.output.runs,
            configs=lambda wildcards: [
                file
                for study in PROJECT.ablation.studies
                for file in run_files(members(study), "config.json")
            ],
            code=library("plots/architecture.py", "scaling/ablation.py"),
        output:
            figures=[
                figure
                for name, label in ABLATION_FIGURES.items()
                for figure in reported(
                    {label: f"<results>/figures/ablation/{name}.png"},
                    f"search/{ABLATION_CAPTIONS.get(name, 'layer')}",
                    "Settings",
                    "Search for architectures",
                )
            ],
            pdf=expand("<results>/figures/ablation/{figure}.pdf", figure=ABLATION_FIGURES),
            html=[
                table
                for name, label in ABLATION_TABLES.items()
                for table in reported(
                    {f"Table: {label}": f"<results>/tables/ablation/{name}.html"},
                    f"search/{'improvements' if name == 'improvements' else 'layer'}_table",
                    "Settings",
                    "Search for architectures",
                )
            ],
            text=expand(
                "<results>/tables/ablation/{table}.{suffix}",
                table=ABLATION_TABLES,
                suffix=("csv", "tex"),
            ),
        log:
            "<logs>/ablation_figures.log",
        params:
            layers={study: SCALING.label(study) for study in PROJECT.ablation.layers},
            combinations=PROJECT.ablation.combinations,
            three_body={
                study: SCALING.label(study)
                for study in filter(None, [PROJECT.ablation.three_body])
            },
            by_multiplier=BY_MULTIPLIER,
            settings={
                study: (
                    PLAN.axes(study)
                    if study == PROJECT.ablation.combinations
                    else PROJECT.studies[study].axes
                )
                for study in PROJECT.ablation.studies
            },
            starts={
                study: PLAN.start(study)
                for study in PROJECT.ablation.studies
                if study != PROJECT.ablation.combinations
            },
            figures=lambda wildcards, output: str(Path(output.pdf[0]).parent),
            tables=lambda wildcards, output: str(Path(output.text[0]).parent),
        script:
            "../scripts/ablation_figures.py"
