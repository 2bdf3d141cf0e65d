# Figures of the data and of the trainings.


rule dataset_figures:
    input:
        records=expand("<results>/dataset/{split}.h5", split=SPLITS),
        code=library("plots/dataset.py"),
    output:
        report(
            "<results>/figures/dataset/atoms_per_cell.png",
            caption="../report/atoms_per_cell.rst",
            category="Data",
            labels={"result": "Atoms per unit cell"},
        ),
        *(
            report(
                f"<results>/figures/dataset/periodic_table_{split}.png",
                caption="../report/periodic_table.rst",
                category="Data",
                labels={"result": f"Elements of the {split} set"},
            )
            for split in SPLITS
        ),
        pdf=[figure.replace(".png", ".pdf") for figure in dataset_files()],
    log:
        "<logs>/dataset_figures.log",
    script:
        "../scripts/dataset_figures.py"


rule learning_curves:
    input:
        histories=lambda wildcards: run_files(members(wildcards.study), "history.csv"),
        runs=rules.collect_runs.output.runs,
        code=library("plots/evaluation.py"),
    output:
        report(
            "<results>/figures/{study}/learning_curves.png",
            caption="../report/learning_curves.rst",
            category="Trainings",
            labels={"result": "Learning curves of {study}"},
        ),
        pdf="<results>/figures/{study}/learning_curves.pdf",
    log:
        "<logs>/learning_curves/{study}.log",
    params:
        varied=lambda wildcards: PLAN.axes(wildcards.study),
    script:
        "../scripts/learning_curves.py"


rule setting_figures:
    input:
        runs=rules.collect_runs.output.runs,
        code=library("plots/settings.py", "plots/labels.py", "scaling/settings.py"),
    output:
        figure=report(
            "<results>/figures/{study}/settings.png",
            caption="../report/setting_figures.rst",
            category="Settings",
            subcategory="{study}",
            labels={"result": "Loss over the settings"},
        ),
        pdf="<results>/figures/{study}/settings.pdf",
        html=report(
            "<results>/tables/{study}/settings.html",
            caption="../report/setting_table.rst",
            category="Settings",
            subcategory="{study}",
            labels={"result": "Table: loss of every setting"},
        ),
        text=multiext("<results>/tables/{study}/settings", ".csv", ".tex"),
    log:
        "<logs>/setting_figures/{study}.log",
    params:
        varied=lambda wildcards: PLAN.axes(wildcards.study),
    script:
        "../scripts/setting_figures.py"


if PROJECT.ablation:

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
            figures=list(
                reported(
                    {
                        label: f"<results>/figures/ablation/{figure}.png"
                        for figure, label in ABLATION.items()
                    },
                    "ablation_figures",
                    "Settings",
                    "Search for architectures",
                )
            ),
            pdf=expand("<results>/figures/ablation/{figure}.pdf", figure=ABLATION),
            html=list(
                reported(
                    {
                        f"Table: {label}": f"<results>/tables/ablation/{table}.html"
                        for table, label in ABLATION.items()
                    },
                    "ablation_figures",
                    "Settings",
                    "Search for architectures",
                )
            ),
            text=expand(
                "<results>/tables/ablation/{table}.{suffix}", table=ABLATION, suffix=("csv", "tex")
            ),
        log:
            "<logs>/ablation_figures.log",
        params:
            layers={study: PLAN.label(study) for study in PROJECT.ablation.layers},
            combinations=PROJECT.ablation.combinations,
            three_body={
                study: PLAN.label(study) for study in filter(None, [PROJECT.ablation.three_body])
            },
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
