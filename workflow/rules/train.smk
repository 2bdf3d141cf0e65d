# One job = one training, or several where `packing` says so; all outcomes in one table. Editing the library does not
# repeat trainings; each records version and commit. A training that is stopped, by a signal or by force, goes on where
# it was when it is started again. Several GPUs share one training where the resource `gpu` says so: `gpus` in the
# profile for Slurm, `--set-resources train:gpu=4` elsewhere.


if PROJECT.packing:

    # The job of a training then only takes over what a pack has done ahead of it.
    localrules:
        train,

    rule train_pack:
        input:
            train="<results>/graphs/train.h5",
            val="<results>/graphs/val.h5",
        output:
            # While the mark is there, each outcome waits in the folder of its training.
            done=temp(touch("<results>/packs/{pack}.done")),
        log:
            "<logs>/train_pack/{pack}.log",
        benchmark:
            "<benchmarks>/train_pack/{pack}.tsv"
        wildcard_constraints:
            pack=r"[^/]+/\d+",
        threads: lambda wildcards: min(PROJECT.packing.at_once, len(find_pack(wildcards.pack)))
        resources:
            mem_mb=lambda wildcards, threads: 4000 + 4000 * threads,
            runtime=2880,
        params:
            folder=lambda wildcards, output: str(Path(output.done).parents[2] / "runs"),
            runs=lambda wildcards: {
                name: run.model_dump(mode="json")
                for name, run in find_pack(wildcards.pack).items()
            },
            # how many go on together changes no outcome, so it is not recorded
            at_once=lambda wildcards, output: PROJECT.packing.at_once,
        script:
            "../scripts/train_pack.py"


rule train:
    input:
        train="<results>/graphs/train.h5",
        val="<results>/graphs/val.h5",
        pack=pack_of,
    output:
        config="<results>/runs/{run}/config.json",
        history="<results>/runs/{run}/history.csv",
        model="<results>/runs/{run}/model.safetensors",
        metrics="<results>/runs/{run}/metrics.json",
    log:
        "<logs>/train/{run}.log",
    benchmark:
        "<benchmarks>/train/{run}.tsv"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=2880,
    params:
        run=lambda wildcards: find_run(wildcards.run).model_dump(mode="json"),
    script:
        "../scripts/train.py"


rule collect_runs:
    input:
        metrics=run_files(PLAN.runs, "metrics.json"),
        later=later_metrics,
        findings=FINDINGS,
        code=library("training/table.py", "scaling/settings.py"),
    output:
        runs="<results>/runs.parquet",
        html=report(
            "<results>/tables/runs.html",
            caption="../report/runs.rst",
            category="Trainings",
            labels={"result": "Table: all trainings"},
        ),
        csv="<results>/tables/runs.csv",
    log:
        "<logs>/collect_runs.log",
    params:
        studies=all_members,
        labels={model: settings.label for model, settings in PROJECT.models.items()},
        varied=PLAN.varied,
    script:
        "../scripts/collect_runs.py"


rule cost:
    input:
        runs=rules.collect_runs.output.runs,
        trials=searched_trials,
        findings=FINDINGS,
        code=library("cost/spent.py", "cost/published.py"),
    output:
        html=report(
            "<results>/tables/cost.html",
            caption="../report/cost.rst",
            category="Trainings",
            labels={"result": "Table: what the studies cost"},
        ),
        text=multiext("<results>/tables/cost", ".csv", ".tex"),
    log:
        "<logs>/cost.log",
    params:
        searches=all_searches,
        labels={study: SCALING.label(study) for study in PROJECT.studies},
    script:
        "../scripts/cost.py"
