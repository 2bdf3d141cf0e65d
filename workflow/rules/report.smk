# What the report tells beside results: the configuration.


rule configuration:
    output:
        html=report(
            "<results>/configuration.html",
            caption="../report/configuration.rst",
            category="Configuration",
            labels={"result": "Table: all settings"},
        ),
        csv="<results>/configuration.csv",
        given="<results>/configuration.yaml",
        page=report(
            "<results>/configuration_given.html",
            caption="../report/configuration_given.rst",
            category="Configuration",
            labels={"result": "As given (YAML)"},
        ),
    log:
        "<logs>/configuration.log",
    localrule: True
    params:
        given=config,
    script:
        "../scripts/configuration.py"
