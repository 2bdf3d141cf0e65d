# Studies that follow from results: best settings of others -> searches for learning rates -> trainings.
#
# Which trainings there are is known only when the results are there, so two checkpoints tell Snakemake to look again.
# Others wait for these rules, so they come before other trainings (priority).


checkpoint take_over:
    input:
        unpack(followed_metrics),
        code=library("search/findings.py", "scaling/learning_rate.py"),
    output:
        findings="<results>/studies/{study}/taken_over.json",
    log:
        "<logs>/studies/{study}_take_over.log",
    wildcard_constraints:
        study=any_of(name for name in PLAN.later if PROJECT.studies[name].follows),
    priority: 1
    params:
        follows=lambda wildcards: PROJECT.studies[wildcards.study].follows,
        best_of=lambda wildcards: {
            other: {"varied": PLAN.settings(other), "number": number}
            for other, number in PROJECT.studies[wildcards.study].best_of.items()
        },
        rates=lambda wildcards: PLAN.fitted_rates(wildcards.study),
    script:
        "../scripts/take_over.py"


rule search:
    input:
        train="<results>/graphs/train.h5",
        val="<results>/graphs/val.h5",
        # several jobs share the trials; then this one has none left to do
        shares=search_shares,
    output:
        # The trials themselves are no output: an interrupted search goes on where it was.
        best="<results>/searches/{search}/best.json",
        trials="<results>/searches/{search}/trials.csv",
    log:
        "<logs>/search/{search}.log",
    benchmark:
        "<benchmarks>/search/{search}.tsv"
    priority: 1
    threads: 1
    resources:
        mem_mb=8000,
        runtime=2880,
    params:
        folder=lambda wildcards, output: str(Path(output[0]).parent),
        run=lambda wildcards: find_search(wildcards.search)[0].model_dump(mode="json"),
        settings=lambda wildcards: find_search(wildcards.search)[1].model_dump(
            mode="json", exclude={"jobs"}
        ),
    script:
        "../scripts/search.py"


use rule search as share_search with:
    input:
        train="<results>/graphs/train.h5",
        val="<results>/graphs/val.h5",
    output:
        done=touch("<results>/searches/{search}/share{number}.done"),
    log:
        "<logs>/search/{search}_share{number}.log",
    benchmark:
        "<benchmarks>/search/{search}_share{number}.tsv"
    wildcard_constraints:
        number=r"\d+",


checkpoint searched_rates:
    input:
        best=lambda wildcards: [
            f"<results>/searches/{search}/best.json" for search in searches(wildcards.study)
        ],
    output:
        rates="<results>/studies/{study}/rates.json",
    log:
        "<logs>/studies/{study}_rates.log",
    wildcard_constraints:
        study=any_of(name for name in PLAN.later if PROJECT.studies[name].search),
    priority: 1
    params:
        searches=lambda wildcards: list(searches(wildcards.study)),
    script:
        "../scripts/searched_rates.py"
