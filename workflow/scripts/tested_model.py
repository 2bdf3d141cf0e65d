"""Make a tested ensemble ready for predictions."""

import json
from pathlib import Path

from optimetal.evaluation.members import publish_members
from optimetal.workflow import logged

if __name__ == "__main__":
    with logged(snakemake.log[0]):
        publish_members(
            snakemake.input.models,
            json.loads(Path(snakemake.input.metrics).read_text()),
            snakemake.params.label,
            Path(snakemake.output.folder),
        )
