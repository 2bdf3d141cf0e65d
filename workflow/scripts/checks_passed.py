"""Fail if a check found something that cannot be right."""

import logging
import sys

import pandas as pd

from optimetal.checks import verdict
from optimetal.files import write_text
from optimetal.workflow import logged

if __name__ == "__main__":
    with logged(snakemake.log[0]):
        passed, message = verdict(pd.read_csv(snakemake.input.csv, comment="#"))
        message = f"{message}\nThe whole table: {snakemake.input.csv}"
        if not passed:
            logging.getLogger("optimetal").error(message)
            sys.exit(message)
        write_text(snakemake.output.verdict, f"{message}\n")
