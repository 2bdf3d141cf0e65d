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
        histories=lambda wildcards: run_files(PLAN.studies[wildcards.study], "history.csv"),
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
    script:
        "../scripts/learning_curves.py"
