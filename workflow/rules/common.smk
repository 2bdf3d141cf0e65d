# Configuration, validated, and the files that follow from it.
import re
from pathlib import Path

import optimetal
from optimetal.config.project import ConfigurationError, read_project
from optimetal.config.studies import Plan
from optimetal.scaling.laws import get_law

try:
    PROJECT = read_project(config)
except ConfigurationError as error:
    raise WorkflowError(str(error)) from None

PLAN = Plan(PROJECT)
SPLITS = ("train", "val", "test")
EVALUATION_FIGURES = {
    "histograms": "Distribution of the metrics",
    "drude_frequency": "Drude frequency",
    "random_materials": "Random materials",
    "quartiles": "From best to worst",
}
CURVE_FIGURES = {
    "scaling": "Loss and the chosen law",
    "laws": "All laws",
    "aicc": "Comparison of the laws",
}
LAW_LABELS = {
    law: get_law(law).label for law in (*PROJECT.scaling.laws, *PROJECT.scaling.grid_laws)
}


wildcard_constraints:
    split="|".join(SPLITS),
    run=r"[^/]+/[^/]+_seed\d+",
    ensemble=r"[^/]+/[^/]+",
    study=r"[^/]+",
    model=r"[^/]+",


def any_of(names):
    """Wildcard constraint: one of these names; nothing where there is none."""
    return "|".join(map(re.escape, names)) or "(?!)"


def library(*modules):
    """Source files of the library, listed as input so that editing them reruns the (cheap) rule."""
    root = Path(optimetal.__file__).parent
    return [str(root / module) for module in modules]


def reported(files, caption, category, subcategory):
    """Files of the report, each with its label: label -> path."""
    place = {
        "caption": f"../report/{caption}.rst",
        "category": category,
        "subcategory": subcategory,
    }
    return [report(file, labels={"result": name}, **place) for name, file in files.items()]


def law_tables(laws):
    """Tables of the laws of one study and of their comparison: label -> path."""
    labels = {f"Table: {LAW_LABELS[law]}": law for law in laws} | {"Table: AICc": "aicc"}
    return {label: f"<results>/tables/{{study}}/{law}.html" for label, law in labels.items()}


def run_files(names, file):
    """One file of each of the given trainings."""
    return [f"<results>/runs/{name}/{file}" for name in names]


def dataset_files():
    """Figures of elements and unit cells of each split."""
    folder = "<results>/figures/dataset"
    tables = [f"{folder}/periodic_table_{split}.png" for split in SPLITS]
    return [f"{folder}/atoms_per_cell.png", *tables]


def training_files():
    """Table of all trainings, and the learning curves of every study."""
    curves = [f"<results>/figures/{study}/learning_curves.png" for study in PLAN.studies]
    return ["<results>/runs.parquet", *curves]


def evaluation_files():
    """Tables and figures of the tested ensembles."""
    return [
        "<results>/tables/evaluation.csv",
        *(
            f"<results>/figures/evaluation/{ensemble}/{figure}.png"
            for ensemble in PLAN.tested.values()
            for figure in EVALUATION_FIGURES
        ),
    ]


def scaling_files():
    """Tables and figures of the fitted laws."""
    studies = PLAN.fitted("num_train", "num_params", "grid")
    tables = [
        f"<results>/tables/{study}/{name}.csv"
        for study in studies
        for name in (*PLAN.laws(study), "aicc")
    ]
    curves = [
        f"<results>/figures/{study}/{figure}.png"
        for study in PLAN.fitted("num_train", "num_params")
        for figure in CURVE_FIGURES
    ]
    maps = [
        f"<results>/figures/{study}/{model}_{law}.png"
        for study in PLAN.fitted("grid")
        for model in PROJECT.studies[study].models
        for law in PLAN.laws(study)
    ]
    return tables + curves + maps
