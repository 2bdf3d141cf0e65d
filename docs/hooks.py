"""What MkDocs cannot do by itself: pages and tables that are made from the code, formulae as drawings.

Everything happens when the site is built, so a page can neither go stale nor need a script, a font
or the network at its reader's.
"""

import html
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from xml.etree.ElementTree import tostring

import ziafont
from mkdocs.structure.files import File, Files

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # how ziamath finds its font
    from ziamath.zmath import Latex

ROOT: Final = Path(__file__).parents[1]

# Every glyph drawn where it stands: names would clash between formulae.
ziafont.config.svg2 = False  # pyright: ignore[reportPrivateImportUsage]

_FORMULA: Final = re.compile(
    r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</(?:span|div)>', re.DOTALL
)
_EM: Final = 16.0
_TABLE: Final = re.compile(r"<!-- table: (\w+) -->")


def on_files(files: Files, config: Any, **_: Any) -> Files:
    """Add the page of the command line."""
    files.append(File.generated(config, "reference/command_line.md", content=command_line_page()))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put in the tables that pages ask for."""
    return _TABLE.sub(lambda match: TABLES[match[1]](), markdown)


def on_page_content(content: str, **_: Any) -> str:
    """Draw the LaTeX between the marks of arithmatex."""
    return _FORMULA.sub(_drawing, content)


def _drawing(match: re.Match) -> str:
    """SVG with sizes in em, so that it goes with the text around it."""
    latex = html.unescape(match[2]).strip()
    inline = match[1] == "span"
    formula = Latex(latex, size=_EM, color="currentColor", inline=inline)
    svg = formula.svgxml()
    width, height = (float(svg.get(side, 0)) / _EM for side in ("width", "height"))
    svg.set("style", f"width: {width:.3f}em; height: {height:.3f}em")
    if inline:
        svg.set("style", f"{svg.get('style')}; vertical-align: {formula.getyofst() / _EM:.3f}em")
    svg.set("class", "formula")
    svg.set("role", "img")
    svg.set("aria-label", latex)
    drawn = tostring(svg, encoding="unicode")
    return drawn if inline else f'<div class="formula">{drawn}</div>'


def command_line_page() -> str:
    """The help of every command, as a terminal shows it."""
    from typer.main import get_group
    from typer.testing import CliRunner

    from optimetal.cli import app

    def shown(*command: str) -> str:
        arguments = [*command, "--help"]
        result = CliRunner().invoke(app, arguments, prog_name="optimetal")
        return f"```text\n{result.output.rstrip()}\n```\n"

    names = list(get_group(app).commands)
    sections = [f"## optimetal {name}\n\n{shown(name)}" for name in names]
    return "\n".join(["# Command line", "", shown(), *sections])


def parameters_table() -> str:
    """Parameters of the published models and of those of the default study."""
    import yaml

    from optimetal.config.project import read_project
    from optimetal.models import count_parameters

    studies = {
        name: read_project(yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text()))
        for name in ("paper", "config")
    }

    def counted(study: str, name: str) -> str:
        model = studies[study].models.get(name)
        return f"{count_parameters(model.architecture):,}" if model else "–"

    rows = [
        f"| {model.label} | `{model.architecture.type}` | {counted('paper', name)} | {counted('config', name)} |"
        for name, model in studies["paper"].models.items()
    ]
    head = "| model | architecture | published (width 256) | default study (width 16) |"
    return "\n".join([head, "|---|---|---:|---:|", *rows])


def quotients_table() -> str:
    """Rows of the full graph and of the quotient of the example crystals."""
    import numpy as np
    from pymatgen.core import Structure

    from optimetal.graphs.neighbours import crystal_graph
    from optimetal.graphs.quotient import quotient_graph

    rows = []
    for file in sorted((ROOT / "examples").glob("*.cif")):
        crystal = Structure.from_file(file)
        full = crystal_graph(
            crystal.lattice.matrix, np.array(crystal.atomic_numbers), crystal.cart_coords, 5.5, 4.0
        )
        sizes = zip(_sizes(full), _sizes(quotient_graph(full, 1e-4)), strict=True)
        rows.append(f"| {file.stem} | " + " | ".join(f"{a:,} → {b:,}" for a, b in sizes) + " |")
    return "\n".join(
        ["| cubic cell | atoms | edges | three-body pairs |", "|---|---:|---:|---:|", *rows]
    )


def _sizes(graph: Any) -> tuple[int, int, int]:
    return graph.atomic_numbers.size, graph.edge_length.size, graph.triplet_cosine.size


def laws_table() -> str:
    """Name, formula and parameters of every scaling law."""
    from optimetal.scaling.laws import GRID_LAWS, LAWS

    rows = [
        f"| `{law.name}` | {law.label} | $L = {law.formula_of('D')}$ | {len(law.parameters)} |"
        for law in (*LAWS.values(), *GRID_LAWS.values())
    ]
    return "\n".join(["| key | law | formula | free parameters |", "|---|---|---|---:|", *rows])


TABLES: Final[dict[str, Callable[[], str]]] = {
    "laws": laws_table,
    "parameters": parameters_table,
    "quotients": quotients_table,
}
"""Name in ``<!-- table: name -->`` -> Markdown."""
