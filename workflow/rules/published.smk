# The published study from its own measurements: the same tables and figures as of ours, and its own.

from optimetal.scaling.published_files import FILES

# Captions of figure and table.
ARCHITECTURE_CAPTIONS = dict.fromkeys(ARCHITECTURE_FIGURES, ("layer", "layer_table")) | {
    "interaction": ("combinations", "layer_table"),
    "improvements": ("improvements", "published_improvements_table"),
    "residual_block": ("residual_block", "study_table"),
    "spectra_width": ("spectra_width", "study_table"),
}
PUBLISHED_FOLDER = PROJECT.published.folder or "<results>/files"


if not PROJECT.published.folder:

    rule download_published:
        output:
            files=expand("<results>/files/{file}", file=FILES),
        log:
            "<logs>/download_published.log",
        retries: 2
        resources:
            runtime=30,
        params:
            folder=lambda wildcards, output: str(Path(output.files[0]).parent),
            url=PROJECT.published.url,
            commit=PROJECT.published.commit,
        script:
            "../scripts/download_published.py"


rule published_runs:
    input:
        files=[f"{PUBLISHED_FOLDER}/{file}" for file in FILES],
        code=library("scaling/published.py", "scaling/ablation.py"),
    output:
        runs="<results>/runs.parquet",
        ablation="<results>/ablation.parquet",
        html=report(
            "<results>/tables/runs.html",
            caption="../report/published_runs.rst",
            category="Trainings",
            labels={"result": "Table: all trainings"},
        ),
        csv="<results>/tables/runs.csv",
    log:
        "<logs>/published_runs.log",
    params:
        folder=lambda wildcards, input: str(Path(input.files[0]).parent),
    script:
        "../scripts/published_runs.py"


rule printed_tables:
    input:
        runs=rules.published_runs.output.runs,
        fits=expand("<results>/scaling/{study}/fits.parquet", study=printed_tables()),
        code=library("scaling/printed.py"),
    output:
        html=[
            report(
                f"<results>/tables/{study}/published/{name}.html",
                caption="../report/printed_tables.rst",
                category="Scaling laws",
                subcategory=SCALING.label(study),
                labels={"result": f"Table as published: {(LAW_LABELS | COMPARISONS)[name]}"},
            )
            for study, laws in printed_tables().items()
            for name in (*laws, "aicc")
        ],
        text=printed_files("csv") + printed_files("tex"),
    log:
        "<logs>/printed_tables.log",
    params:
        laws=printed_tables(),
        tables=lambda wildcards, output: str(Path(output.html[0]).parents[2]),
    script:
        "../scripts/printed_tables.py"


rule architecture_figures:
    input:
        runs=rules.published_runs.output.runs,
        ablation=rules.published_runs.output.ablation,
        fits="<results>/scaling/parameter_scaling/fits.parquet",
        code=library("plots/architecture.py", "scaling/ablation.py", "scaling/printed.py"),
    output:
        figures=[
            figure
            for name, label in ARCHITECTURE_FIGURES.items()
            for figure in reported(
                {label: f"<results>/figures/architecture/{name}.png"},
                f"search/{ARCHITECTURE_CAPTIONS[name][0]}",
                "Architecture",
                "Figures",
            )
        ],
        pdf=expand("<results>/figures/architecture/{figure}.pdf", figure=ARCHITECTURE_FIGURES),
        html=[
            table
            for name, label in ARCHITECTURE_TABLES.items()
            for table in reported(
                {f"Table: {label}": f"<results>/tables/architecture/{name}.html"},
                f"search/{ARCHITECTURE_CAPTIONS[name][1]}",
                "Architecture",
                "Tables",
            )
        ],
        text=expand(
            "<results>/tables/architecture/{table}.{suffix}",
            table=ARCHITECTURE_TABLES,
            suffix=("csv", "tex"),
        ),
    log:
        "<logs>/architecture_figures.log",
    params:
        law=PROJECT.scaling.parameter_law,
        figures=lambda wildcards, output: str(Path(output.pdf[0]).parent),
        tables=lambda wildcards, output: str(Path(output.text[0]).parent),
    script:
        "../scripts/architecture_figures.py"


rule paper_figures:
    input:
        published_files(),
