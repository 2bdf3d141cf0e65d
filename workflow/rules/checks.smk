# Assertions on the results. The table of findings is made in any case; a rule of its own fails where one is a failure.


rule checks:
    input:
        runs=rules.collect_runs.output.runs,
        trainings=run_files(PLAN.runs, "config.json") + run_files(PLAN.runs, "history.csv"),
        later=lambda wildcards: later_files("config.json") + later_files("history.csv"),
        findings=FINDINGS,
        splits="<results>/dataset/splits.csv",
        graphs=expand("<results>/graphs/{split}.h5", split=SPLITS),
        code=library("checks.py"),
    output:
        html=report(
            "<results>/checks.html",
            caption="../report/checks.rst",
            category="Checks",
            labels={"result": "Table: what was checked"},
        ),
        csv="<results>/checks.csv",
    log:
        "<logs>/checks.log",
    params:
        # in these a divergence is a result
        exploratory=exploratory_runs,
        published_data=PUBLISHED_DATA,
    script:
        "../scripts/checks.py"


rule checks_passed:
    input:
        csv=rules.checks.output.csv,
        html=rules.checks.output.html,
    output:
        verdict="<results>/checks_passed.txt",
    log:
        "<logs>/checks_passed.log",
    script:
        "../scripts/checks_passed.py"
