# The workflow itself is workflow/Snakefile, where other workflows and the catalogue of workflows look for it.
include: "workflow/Snakefile"


rule everything:
    default_target: True  # an included file has none
    input:
        rules.all.input,
