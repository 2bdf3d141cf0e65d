"""What the searches of one study found, in one file."""

import json
from pathlib import Path

from optimetal.files import write_text
from optimetal.workflow import logged

if __name__ == "__main__":
    with logged(snakemake.log[0]):
        found = {
            search: json.loads(Path(file).read_text())
            for search, file in zip(snakemake.params.searches, snakemake.input.best, strict=True)
        }
        write_text(snakemake.output.rates, json.dumps(found, indent=2))
