"""The configuration: as it was given, and all settings with their defaults."""

import html
import json
from pathlib import Path

import yaml

from optimetal.config.project import read_project
from optimetal.config.published import read_published_project
from optimetal.config.table import all_settings
from optimetal.files import write_text
from optimetal.tables import write_table
from optimetal.workflow import logged

if __name__ == "__main__":
    with logged(snakemake.log[0]):
        given = snakemake.params.given
        read = read_published_project if "published" in given else read_project
        write_table(Path(snakemake.output.html).with_suffix(""), all_settings(read(given)))
        plain = json.loads(json.dumps(given))  # nothing shared, which YAML would refer to
        text = yaml.safe_dump(plain, sort_keys=False)
        write_text(snakemake.output.given, text)
        write_text(snakemake.output.page, f'<meta charset="utf-8"><pre>{html.escape(text)}</pre>')
