# Configuration, validated, and the files that follow from it.
import re
from pathlib import Path

import optimetal
from optimetal.config.project import ConfigurationError, read_project
from optimetal.config.published import REFERENCE_WIDTH, STUDIES, read_published_project
from optimetal.config.studies import Plan, ScalingPlan
from optimetal.config.variation import hidden_multiplier
from optimetal.scaling.laws import PUBLISHED_GRID_LAWS, PUBLISHED_LAWS, get_law
from optimetal.search.findings import read_findings
from snakemake.exceptions import IncompleteCheckpointException

# The published study from its own measurements, or a study of ours.
PUBLISHED = "published" in config

try:
    PROJECT = read_published_project(config) if PUBLISHED else read_project(config)
    PLAN = None if PUBLISHED else Plan(PROJECT)
    if PLAN:
        PLAN.check()
except ConfigurationError as error:
    # where this workflow is a module, the default configuration is not ours to replace
    merged = workflow.overwrite_configfiles and workflow.modifier.skip_configfile
    hint = "\n(--configfile adds to config/config.yaml here; copy the file over it instead.)"
    raise WorkflowError(str(error) + (hint if merged else "")) from None

SCALING = ScalingPlan(STUDIES if PUBLISHED else PROJECT.studies, PROJECT.scaling)
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
LEARNING_RATE_FIGURES = {
    "loss_over_width": "Loss over width",
    "loss_over_exponent": "Loss over exponent",
    "loss_over_lr": "Loss over learning rate",
    "best_lr": "Best learning rate",
}
# Tables of every fit beside those of the single laws.
COMPARISONS = {
    "aicc": "AICc",
    "weights": "Akaike weights",
    "uncertainty": "95 % intervals",
    "hold_out": "prediction of the largest size",
}
# What to train, from the fits of a grid.
PLAN_TABLES = {
    "compute_optimal": "optimal network for each number of crystals",
    "loss_targets": "cheapest way to a loss",
    "budgets": "lowest loss for a cost",
    "cost": "cost of a training",
}
ARCHITECTURE_FIGURES = {
    "node_embedding": "Node embedding",
    "edge_embedding": "Edge embedding",
    "message_passing": "Message passing",
    "message_passing_multiplier": "Message passing, by multiplier",
    "pooling": "Pooling",
    "interaction": "Combinations of the best",
    "message_passing_3b": "Message passing (3B)",
    "message_passing_3b_multiplier": "Message passing (3B), by multiplier",
    "improvements": "Improvements",
    "residual_block": "MLP + add & norm",
    "spectra_width": "Width of the spectrum head",
}
ARCHITECTURE_TABLES = {
    name: label for name, label in ARCHITECTURE_FIGURES.items() if "multiplier" not in name
}
# Tables of a search for architectures of ours: name -> label.
ABLATION_TABLES = (
    {
        **{study: SCALING.label(study) for study in PROJECT.ablation.studies},
        "improvements": "Improvements",
    }
    if PLAN and PROJECT.ablation
    else {}
)
# Kinds of layers that it tried with several hidden multipliers.
BY_MULTIPLIER = [
    study
    for study in ABLATION_TABLES
    if study in PROJECT.studies
    and study != PROJECT.ablation.combinations
    and len({hidden_multiplier(choice) for choice in PLAN.choices(study)} - {None}) > 1
]
# Its figures: name -> label.
ABLATION_FIGURES = ABLATION_TABLES | {
    f"{study}_multiplier": f"{SCALING.label(study)}, by multiplier" for study in BY_MULTIPLIER
}
# What decides the trainings of studies that follow from results: an input of every rule whose parameters tell of all
# trainings.
FINDINGS = [
    f"<results>/studies/{study}/{file}.json"
    for study in (PLAN.later if PLAN else ())
    for file in PLAN.found_in(study)
]
LAW_LABELS = {
    law: get_law(law).label for law in (*PROJECT.scaling.laws, *PROJECT.scaling.grid_laws)
}


wildcard_constraints:
    split="|".join(SPLITS),
    run=r"[^/]+/[^/]+_seed\d+",
    ensemble=r"[^/]+/[^/]+",
    search=r"[^/]+/[^/]+",
    study=r"[^/]+",
    model=r"[^/]+",


def any_of(names):
    """Wildcard constraint: one of these names; nothing where there is none."""
    return "|".join(map(re.escape, names)) or "(?!)"


def library(*modules):
    """Source files of the library, listed as input so that editing them reruns the rule.

    For cheap rules after the trainings only: all trainings would follow what comes before them.
    """
    root = Path(optimetal.__file__).parent
    return [str(root / module) for module in modules]


def reported(files, caption, category, subcategory):
    """Files of the report, each with its label: label -> path. In the caption, {name} is that of the file."""

    def marked(file, label):
        path = f"../report/{caption}.rst".replace("{name}", Path(file).stem)
        return report(file, path, category, subcategory, {"result": label})

    return [marked(file, label) for label, file in files.items()]


def study_label(wildcards):
    """Name of a study in the report."""
    return SCALING.label(wildcards.study)


def model_label(model):
    """Name of a model in the report."""
    if not PUBLISHED:
        return PROJECT.models[model].label
    from optimetal.plots.labels import MODELS  # imports matplotlib, which most runs do not need

    return MODELS[model].label


def labelled(label):
    """Label of a result of one model."""
    return lambda wildcards: {"result": f"{label}, {model_label(wildcards.model)}"}


def law_tables(laws):
    """Tables of the laws of one study and of their comparison, in the report."""
    names = {law: LAW_LABELS[law] for law in laws}
    return [
        table
        for labels, caption in ((names, "laws/law"), (COMPARISONS, "laws/{name}"))
        for table in reported(
            {
                f"Table: {label}": f"<results>/tables/{{study}}/{name}.html"
                for name, label in labels.items()
            },
            caption,
            "Scaling laws",
            study_label,
        )
    ]


def reference_width(model):
    """Width at which the learning rate of a model holds."""
    if PUBLISHED:
        return REFERENCE_WIDTH
    settings = PROJECT.models[model]
    return settings.reference_width or settings.architecture.hidden_dim


def found_by(checkpoint, study):
    """Output of a checkpoint of a study; until it is there, Snakemake is told to wait for it.

    The Snakemake inside a job of a cluster knows its own rule alone, and no checkpoint as done, so it looks at the files.
    """
    output, _ = checkpoint.rule.expand_output({"study": study})
    if not workflow.is_main_process and all(Path(file).exists() for file in output):
        return output
    return checkpoint.get(study=study).output


def findings(study, with_rates=True):
    """What a study takes over from results."""
    settings, files = PROJECT.studies[study], {"taken_over": None, "rates": None}
    if settings.follows:
        files["taken_over"] = found_by(checkpoints.take_over, study).findings
    if settings.search and with_rates:
        files["rates"] = found_by(checkpoints.searched_rates, study).rates
    return read_findings(**files)


def members(study):
    """Trainings of a study by name."""
    if study in PLAN.members:
        return PLAN.members[study]
    return PLAN.later_runs(study, findings(study))


def searches(study):
    """Searches of a study by name, each with the training that its trials vary."""
    if study in PLAN.known_searches:
        return PLAN.known_searches[study]
    return PLAN.searches(study, findings(study, with_rates=False))


def find(name, kind, studies):
    """Training or search of a name among those of studies that follow from results."""
    for study in studies:
        try:
            if found := kind(study).get(name):
                return found, PROJECT.studies[study]
        except IncompleteCheckpointException:
            continue
    raise WorkflowError(f"No study asks for {name}.")


def find_run(name):
    """The training of a name."""
    return PLAN.runs.get(name) or find(name, members, PLAN.later)[0]


def packs(group):
    """Jobs that do several trainings, by name; none where each training has a job of its own.

    A group is a study that follows from results, or stands for all trainings that are known beforehand.
    """
    if group not in PLAN.later:
        return PLAN.packs(group, PLAN.runs)
    own = {name: run for name, run in members(group).items() if name not in PLAN.runs}
    return PLAN.packs(group, own)


def pack_of(wildcards):
    """Mark of the job that does a training ahead of its own, where trainings are packed."""
    if not PROJECT.packing:
        return []
    name, group = wildcards.run, "known"
    if name not in PLAN.runs:
        group = find(name, lambda study: dict.fromkeys(members(study), study), PLAN.later)[0]
    (pack,) = (pack for pack, runs in packs(group).items() if name in runs)
    return f"<results>/packs/{pack}.done"


def find_pack(name):
    """Trainings of a job that does several, by name."""
    return packs(name.rpartition("/")[0])[name]


def find_search(name):
    """The search of a name: the training that its trials vary, and its settings."""
    known = {}
    for study in PLAN.later:
        try:
            known[study] = searches(study)
        except IncompleteCheckpointException:
            continue
    try:
        return PLAN.shared_searches(known)[name]
    except ConfigurationError as error:
        raise WorkflowError(str(error)) from None
    except KeyError:
        raise WorkflowError(f"No study asks for {name}.") from None


def search_shares(wildcards):
    """Marks of the jobs that share the trials of a search, where there are several."""
    number = find_search(wildcards.search)[1].jobs
    folder = f"<results>/searches/{wildcards.search}"
    return [f"{folder}/share{share}.done" for share in range(number)] if number > 1 else []


def all_members(wildcards=None):
    """Study -> names of its trainings, once all are known."""
    return {study: list(members(study)) for study in PROJECT.studies}


def all_searches(wildcards=None):
    """Study -> names of its searches, once all are known."""
    return {
        study: list(searches(study))
        for study, settings in PROJECT.studies.items()
        if settings.search
    }


def searched_trials(wildcards):
    """Tables of the trials of all searches, each once."""
    names = dict.fromkeys(search for found in all_searches().values() for search in found)
    return [f"<results>/searches/{search}/trials.csv" for search in names]


def later_files(file):
    """One file of each training that follows from results."""
    return [path for study in PLAN.later for path in run_files(members(study), file)]


def later_metrics(wildcards):
    """Outcomes of all trainings that follow from results."""
    return later_files("metrics.json")


def followed_metrics(wildcards):
    """Outcomes of the trainings of every study that one follows."""
    return {
        study: run_files(members(study), "metrics.json")
        for study in PROJECT.studies[wildcards.study].follows
    }


def run_files(names, file):
    """One file of each of the given trainings."""
    return [f"<results>/runs/{name}/{file}" for name in names]


def study_sizes():
    """What each study asks for, as text; what several ask for is done once."""
    width = max(map(len, PROJECT.studies))
    rows = [("study", ("trainings", "searches")), *PLAN.sizes().items()]
    return "\n".join(f"{name:{width}} {runs:>10} {found or '-':>9}" for name, (runs, found) in rows)


def training_sizes():
    """Sizes of the training subsets of all studies."""
    return sorted({size for study in PROJECT.studies.values() for size in study.num_train})


def cell_histograms():
    """Figures of the sizes of unit cells: label -> path."""
    names = {
        "Atoms per unit cell": "atoms_per_cell",
        "Atoms per unit cell, training subsets": "atoms_per_cell_subsets",
    }
    return {label: f"<results>/figures/dataset/{name}.png" for label, name in names.items()}


def element_tables():
    """Figures of the elements of each split and training subset: label -> path."""
    names = {f"Elements of the {split} set": split for split in SPLITS}
    for size in training_sizes():
        names[f"Elements of {size:,} training crystals"] = f"train_{size}"
    return {
        label: f"<results>/figures/dataset/periodic_table_{name}.png"
        for label, name in names.items()
    }


def dataset_files():
    """Figures of what the splits and training subsets consist of."""
    return [*cell_histograms().values(), *element_tables().values()]


def training_files():
    """Tables of all trainings and of what they cost, and the learning curves of every study."""
    curves = [f"<results>/figures/{study}/learning_curves.png" for study in PROJECT.studies]
    return ["<results>/runs.parquet", "<results>/tables/cost.csv", *curves]


def evaluation_files():
    """Tables and figures of the tested ensembles, and their weights for predictions."""
    return [
        "<results>/tables/evaluation.csv",
        *(f"<results>/models/{model}" for model in PLAN.tested),
        *(
            f"<results>/figures/evaluation/{ensemble}/{figure}.png"
            for ensemble in PLAN.tested.values()
            for figure in EVALUATION_FIGURES
        ),
    ]


def setting_files():
    """Tables and figures of the studies that vary settings, and of the search for architectures."""
    return [f"<results>/figures/ablation/{name}.png" for name in ABLATION_FIGURES] + [
        f"<results>/{file}"
        for study in SCALING.with_settings()
        for file in (f"figures/{study}/settings.png", f"tables/{study}/settings.csv")
    ]


def scaling_files():
    """Tables and figures of the fitted laws and learning rates."""
    tables = [
        f"<results>/tables/{study}/{name}.csv"
        for study in SCALING.fitted("num_train", "num_params", "grid")
        for name in (*SCALING.laws(study), *COMPARISONS)
    ]
    curves = [
        f"<results>/figures/{study}/{figure}.png"
        for study in SCALING.fitted("num_train", "num_params")
        for figure in CURVE_FIGURES
    ]
    maps = [
        f"<results>/figures/{study}/{model}_{law}.png"
        for study in SCALING.fitted("grid")
        for model in SCALING.studies[study].models
        for law in SCALING.laws(study)
    ]
    plans = [f"<results>/figures/{study}/compute_optimal.png" for study in SCALING.fitted("grid")]
    learning_rates = [
        f"<results>/figures/{study}/{model}_{figure}.png"
        for study in SCALING.learning_rates()
        for model in SCALING.studies[study].models
        for figure in LEARNING_RATE_FIGURES
    ]
    return tables + curves + maps + plans + learning_rates


def exploratory_runs(wildcards):
    """Trainings that only studies ask for which try out settings or learning rates."""
    trying = {*SCALING.with_settings(), *SCALING.learning_rates()}
    runs = {True: set(), False: set()}
    for study, names in all_members().items():
        runs[study in trying].update(names)
    return sorted(runs[True] - runs[False])


def configuration_files():
    """The configuration, for the report."""
    return ["<results>/configuration.html"]


def check_files():
    """Table of everything that was checked; the second file is there if nothing failed."""
    return ["<results>/checks.html", "<results>/checks_passed.txt"]


def study_files():
    """Everything that a study of ours ends in."""
    return [
        *configuration_files(),
        *dataset_files(),
        *training_files(),
        *evaluation_files(),
        *setting_files(),
        *scaling_files(),
        *check_files(),
    ]


def printed_tables():
    """Tables in the published form: study -> laws."""
    fitted = SCALING.fitted("num_train", "num_params", "grid")
    tried = {study: SCALING.laws(study) for study in fitted}
    return {
        study: [law for law in laws if law in (*PUBLISHED_LAWS, *PUBLISHED_GRID_LAWS)]
        for study, laws in tried.items()
    }


def printed_files(suffix):
    """The files of these tables."""
    return [
        f"<results>/tables/{study}/published/{name}.{suffix}"
        for study, laws in printed_tables().items()
        for name in (*laws, "aicc")
    ]


def published_files():
    """All tables and figures of the published study."""
    architectures = [
        f"<results>/figures/architecture/{figure}.png" for figure in ARCHITECTURE_FIGURES
    ]
    return configuration_files() + scaling_files() + printed_files("tex") + architectures
