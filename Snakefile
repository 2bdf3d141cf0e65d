# From a database of dielectric functions to networks, scaling laws and figures.
#
#   snakemake --cores all                                    the embedded default study
#   snakemake --cores all --configfile config/paper.yaml     the published study
#   snakemake paper_figures --configfile config/published.yaml    its figures, from its own measurements
#
# All rules run in the environment in which Snakemake itself is installed (see environment.yml).
from snakemake.utils import min_version

min_version("9.14")


# A configuration given on the command line replaces the default one, instead of being merged with it.
configfile: next(iter(workflow.overwrite_configfiles), "config/config.yaml")


# Run times of the rules; the folder benchmarks/ is for those of the library.
pathvars:
    benchmarks="<results>/run_times",


include: "workflow/rules/common.smk"


if PUBLISHED:

    include: "workflow/rules/published.smk"

else:

    include: "workflow/rules/data.smk"
    include: "workflow/rules/graphs.smk"
    include: "workflow/rules/studies.smk"
    include: "workflow/rules/train.smk"
    include: "workflow/rules/evaluate.smk"
    include: "workflow/rules/checks.smk"
    include: "workflow/rules/figures.smk"


include: "workflow/rules/scaling.smk"


report: "workflow/report/workflow.rst"


rule all:
    default_target: True
    input:
        published_files() if PUBLISHED else study_files(),
