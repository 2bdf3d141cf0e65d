"""Pictures of the documentation: ``python docs/figures.py``, in the repository after ``make demo``.

Writes ``docs/images`` and ``docs/data_scaling.png`` from the results of the default study.
"""

import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Final

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch
from pymatgen.core import Element, Lattice, Structure
from rich.console import Console
from rich.text import Text

from optimetal import Prediction, predict
from optimetal.files import write_text
from optimetal.graphs.neighbours import CrystalGraph, crystal_graph
from optimetal.graphs.quotient import quotient_graph
from optimetal.optics.measured import default_measurement
from optimetal.plots import style

HERE: Final = Path(__file__).parent
IMAGES: Final = HERE / "images"
COLUMNS: Final = 88
COLORS: Final = {"Cu": "#c77f52", "Au": "#e8c15a"}
BOND: Final = 2.9  # Å: nearest neighbours of Cu3Au alone


def main() -> None:
    """Draw all."""
    style.use()
    IMAGES.mkdir(exist_ok=True)
    results = Path("results", "figures")
    shutil.copy(results / "data_scaling" / "scaling.png", HERE / "data_scaling.png")
    shutil.copy(results / "parameter_scaling" / "scaling.png", IMAGES / "parameter_scaling.png")
    terminal_picture(IMAGES / "predict.svg", ["optimetal", "predict", "examples"])
    terminal_picture(IMAGES / "compare.svg", ["optimetal", "predict", "examples", "--compare"])
    gold = predict(Structure.from_file("examples/Au.cif"), names="Au")
    assert isinstance(gold, Prediction)
    gold.plot(default_measurement("Au")).savefig(IMAGES / "prediction.png", dpi=120)
    quotient_picture(IMAGES / "quotient.svg")


def terminal_picture(path: Path, command: Sequence[str]) -> None:
    """What a command prints on a terminal, colours and all, as SVG."""
    console = Console(record=True, width=COLUMNS, file=StringIO())
    console.print(Text.from_ansi(terminal_output(command)), end="\n\n")
    svg = console.export_svg(title=" ".join(command))
    write_text(path, re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL))  # no web fonts


def terminal_output(command: Sequence[str]) -> str:
    """Run a command that believes to be on a terminal; its standard output."""
    ours, theirs = pty.openpty()
    program = Path(sys.executable).parent / command[0]
    environment = os.environ | {
        "COLUMNS": str(COLUMNS),
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
    }
    process = subprocess.Popen(
        [program, *command[1:]], stdout=theirs, stderr=subprocess.DEVNULL, env=environment
    )
    os.close(theirs)
    chunks = []
    try:
        while chunk := os.read(ours, 65536):
            chunks.append(chunk)
    except OSError:  # how a terminal says that its program has gone
        pass
    if process.wait():
        raise RuntimeError(f"{' '.join(command)} ended with code {process.returncode}")
    return b"".join(chunks).decode().replace("\r\n", "\n").rstrip()


# A crystal and its quotient graph


def quotient_picture(path: Path) -> None:
    """Cu3Au with its nearest neighbours, and its quotient graph; all numbers from the code."""
    sites = [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    crystal = Structure(Lattice.cubic(3.75), ["Au", "Cu", "Cu", "Cu"], sites)
    graph = crystal_graph(
        crystal.lattice.matrix, np.array(crystal.atomic_numbers), crystal.cart_coords, BOND
    )
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "quotient"}):
        fig, (left, right) = plt.subplots(1, 2, figsize=style.figure_size(2, 0.42))
        quotient = quotient_graph(graph, 1e-4)
        draw_crystal(left, crystal)
        draw_quotient(right, quotient)
        left.set_title(f"one cell: {graph.class_size.size} atoms, {graph.edge_length.size} edges")
        nodes, edges = quotient.class_size.size, quotient.edge_length.size
        right.set_title(f"quotient: {nodes} nodes, {edges} edges")
        fig.savefig(path, metadata={"Date": None})
    plt.close(fig)


def draw_crystal(ax: Axes, crystal: Structure) -> None:
    """The cubic cell in oblique projection, with bonds between nearest neighbours."""
    project = np.array([[1, 0], [0.42, 0.32], [0, 1]])
    box = crystal * (2, 2, 2)
    inside = [site for site in box if (site.frac_coords < 0.51).all()]
    points = np.array([site.coords for site in inside])
    for first in range(len(points)):
        for second in range(first):
            if np.linalg.norm(points[first] - points[second]) < BOND:
                ax.plot(*(points[[first, second]] @ project).T, color="0.75", lw=0.7, zorder=1)
    depth = points @ [0, 1, 0]
    for site, point, behind in zip(inside, points @ project, depth, strict=True):
        atom = Circle(tuple(point), 0.32, color=COLORS[site.species_string], zorder=3 - behind / 9)
        atom.set(ec="0.25", lw=0.5)
        ax.add_patch(atom)
    ax.set(aspect="equal")
    ax.set_axis_off()
    ax.autoscale_view()


def draw_quotient(ax: Axes, graph: CrystalGraph) -> None:
    """Nodes with their class sizes; at every arrow, its multiplicity."""
    places = np.array([[0.0, 0.0], [3.2, 0.0]])
    for (source, target), times in zip(graph.edge_index.T, graph.edge_multiplicity, strict=True):
        _draw_arrow(ax, places, source, target, f"{times} ×")
    for place, number, size in zip(places, graph.atomic_numbers, graph.class_size, strict=True):
        symbol = Element.from_Z(number).symbol
        ax.add_patch(Circle(tuple(place), 0.5, fc=COLORS[symbol], ec="0.25", lw=0.8, zorder=3))
        ax.text(place[0], place[1], symbol, ha="center", va="center", zorder=4)
        atoms = "atom" if size == 1 else "atoms"
        ax.text(place[0], -0.72, f"{size} {atoms}", ha="center", va="top", fontsize=7)
    ax.set(aspect="equal", xlim=(-1, 5.2), ylim=(-1.6, 1.9))
    ax.set_axis_off()


def _draw_arrow(ax: Axes, places: np.ndarray, source: int, target: int, text: str) -> None:
    """From node to node on a bow, to itself on a loop at its right."""
    look = {"arrowstyle": "-|>", "mutation_scale": 9, "color": "0.2", "shrinkA": 0, "shrinkB": 0}
    if source == target:
        start, end = places[source] + [0.36, 0.36], places[source] + [0.36, -0.36]
        bend, label = -1.9, places[source] + [1.4, 0]
    else:
        side = 1 if source < target else -1
        start = places[source] + [side * 0.4, side * 0.32]
        end = places[target] + [-side * 0.4, side * 0.32]
        bend, label = -0.35, (start + end) / 2 + [0, side * 0.73]
    bow = f"arc3,rad={bend}"
    ax.add_patch(FancyArrowPatch(tuple(start), tuple(end), connectionstyle=bow, **look))
    ax.text(label[0], label[1], text, ha="center", va="center")


if __name__ == "__main__":
    main()
