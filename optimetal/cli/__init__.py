"""The command ``optimetal``: what a person types; the workflow calls the library itself.

Commands import what they need when they run, so that help and version come at once.
"""

from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from optimetal.cli.terminal import faults_in_one_line

app = typer.Typer(
    help="Optical spectra of metals from crystal structure.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class Format(StrEnum):
    """Formats of spectra."""

    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


class State(StrEnum):
    """How trainings are doing."""

    RUNNING = "running"
    FAILED = "failed"
    DIVERGED = "diverged"
    KILLED = "killed"
    SILENT = "silent"
    UNKNOWN = "unknown"
    INTERRUPTED = "interrupted"
    WAITING = "waiting"
    DONE = "done"


Device = Annotated[str, typer.Option(help="auto (the GPU when there is one), cpu, cuda, cuda:1.")]
Model = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        "-m",
        help="Name of a model (see `optimetal info`), *.safetensors file or folder of them; given "
        "more than once, all become one ensemble. Without it: the model with the lowest loss in "
        "its test.",
    ),
]


Force = Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")]


def _refuse_to_overwrite(file: Path, force: bool) -> None:
    if file.exists() and not force:
        raise FileExistsError(f"{file} exists: overwrite it with --force")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"optimetal {version('optimetal')}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Optical spectra of metals from crystal structure."""


@app.command()
def predict(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="CIF, POSCAR, vasprun.xml, JSON of pymatgen, extended XYZ and other formats of ASE "
            "that are plain text; a folder stands for all such files in it and below.",
        ),
    ],
    model: Model = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for summary.csv and all that is asked for."),
    ] = None,
    form: Annotated[
        list[Format] | None,
        typer.Option(
            "--format",
            help="Write spectra: csv or json, one file per crystal, or parquet, one file with one "
            "row per crystal. May be given more than once.",
        ),
    ] = None,
    quantities: Annotated[
        str,
        typer.Option(help="Spectra to write, of these; each with its uncertainty."),
    ] = "eps,n,k,reflectivity,absorption,energy_loss,conductivity",
    figure: Annotated[
        bool, typer.Option("--figure", help="Draw each crystal's spectra, colour and facts.")
    ] = False,
    compare: Annotated[
        bool,
        typer.Option(
            "--compare",
            help="Set measured n and k of refractiveindex.info beside the prediction, where there "
            "are any for the composition.",
        ),
    ] = False,
    passive: Annotated[
        bool, typer.Option("--passive", help="Set negative interband Im ε (a gain) to 0.")
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1, help="Processes that read files. Without it: one per core, fewer for few files."
        ),
    ] = None,
    device: Device = "auto",
    batch_size: Annotated[int, typer.Option(min=1, help="Crystals per forward pass.")] = 64,
) -> None:
    """Predict optical spectra and colours of crystals.

    Prints the first crystals as a table. A file that cannot be read or predicted is named and
    skipped; the others go on.

    Exit code: 0 if all were predicted, 3 if some were skipped, 1 if nothing could be done, 2 for a
    wrong command line.
    """
    if output is None and (form or figure):
        raise typer.BadParameter("say where to write, with --output FOLDER", param_hint="--output")
    with faults_in_one_line():
        from optimetal.cli.predict import Request, run

        request = Request(
            output=output,
            formats=tuple(dict.fromkeys(one.value for one in form or ())),
            quantities=tuple(name.strip() for name in quantities.split(",")),
            figure=figure,
            compare=compare,
            passive=passive,
            jobs=jobs,
            batch_size=batch_size,
        )
        code = run(files, model, device, request)
    raise typer.Exit(code)


@app.command()
def info(
    model: Annotated[
        str | None, typer.Argument(help="Name, file or folder of a model; none: list them all.")
    ] = None,
) -> None:
    """Show what a model is, what it learned from and how good it is; or which models there are."""
    with faults_in_one_line():
        from optimetal.cli.info import show_model, show_models

        if model is None:
            show_models()
        else:
            show_model(model)


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="Name, file or folder of a model.")],
    dataset: Annotated[
        Path,
        typer.Argument(help="Crystals with known spectra: dataset/test.h5 or graphs/test.h5."),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for tables, predictions and figures."),
    ] = None,
    device: Device = "auto",
    batch_size: Annotated[int, typer.Option(min=1, help="Crystals per forward pass.")] = 256,
) -> None:
    """Test a model on crystals with known spectra, as the workflow does."""
    with faults_in_one_line():
        from optimetal.cli.evaluate import run

        run(model, dataset, output, device, batch_size)


@app.command()
def plan(
    config: Annotated[
        Path, typer.Argument(help="Configuration of a study, such as config/paper.yaml.")
    ],
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", min=1, help="Cores or GPUs. Without it: the cores at hand."),
    ] = None,
    calibrate: Annotated[
        bool,
        typer.Option(
            "--calibrate",
            help="First measure how fast the device at hand trains these networks, and keep that for later plans.",
        ),
    ] = False,
    machine: Annotated[
        str | None,
        typer.Option(
            help="Part of the name of a device that was measured elsewhere, such as H100. Without it: the one at hand."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Estimate what a study costs, before it starts: trainings, hours, longest job, disk.

    The work of every network is counted; how fast a device does it is measured by --calibrate, within minutes. Without
    that the times are those of one core of another machine, which is said.
    """
    with faults_in_one_line():
        from optimetal.cli.plan import run

        run(config, jobs, calibrate, machine, as_json)


@app.command()
def runs(
    folder: Annotated[
        Path | None,
        typer.Argument(
            help="Results of a study, or a folder of trainings. Without it: those of the configuration, or results."
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            help="Configuration of the study: only its trainings, and how many have not begun.",
        ),
    ] = None,
    state: Annotated[
        list[State] | None, typer.Option(help="Only these. May be given more than once.")
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Look again every few seconds while any runs.")
    ] = False,
    write: Annotated[
        Path | None,
        typer.Option(
            help="Write the table of trainings, *.parquet, from their own files: that of the workflow, "
            "and those that are not done. It knows the studies only with --config."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show how trainings are doing, one per line, and why those failed that did.

    interrupted: by a signal, its state is saved. killed: its process is gone. silent: no sign of life for five minutes,
    such as on another machine that failed. unknown: its files are damaged or missing. waiting: has not begun.
    """
    with faults_in_one_line():
        from optimetal.cli.runs import Request, run

        run(folder, config, Request(tuple(one.value for one in state or ()), watch, write, as_json))


@app.command()
def check_download(
    folder: Annotated[
        Path, typer.Argument(help="Where a source on figshare was downloaded: data/figshare_full.")
    ],
) -> None:
    """Ask figshare whether its data are still those that were downloaded; nothing is changed.

    Exit code: 0 if they are, 3 if not, with one line for each difference, 1 if that cannot be known.
    """
    with faults_in_one_line():
        from optimetal.config.database import DatabaseSettings
        from optimetal.database.figshare import changes_since

        changes = changes_since(folder, DatabaseSettings.model_fields["url"].default)
    typer.echo("\n".join(changes) or f"figshare has the contents of {folder / 'lock.json'}")
    raise typer.Exit(3 if changes else 0)


@app.command()
def convert_checkpoint(
    old: Annotated[Path, typer.Argument(help="Published checkpoint, best_model.pt.")],
    new: Annotated[Path, typer.Argument(help="File to write, *.safetensors.")],
    force: Force = False,
) -> None:
    """Turn a published checkpoint into a model of this library; nothing in it is executed."""
    with faults_in_one_line():
        _refuse_to_overwrite(new, force)
        from optimetal.compat import load_published_checkpoint
        from optimetal.models.weights import save_model

        model, architecture, card = load_published_checkpoint(old)
        save_model(model, new, card)
        typer.echo(f"wrote {new}: {architecture.type}, epoch {card['epoch']}")


@app.command()
def export_dataset(
    dataset: Annotated[
        Path, typer.Argument(help="Crystals with known spectra: dataset/train.h5, records.h5 ...")
    ],
    new: Annotated[Path, typer.Argument(help="File to write, *.h5.")],
    force: Force = False,
) -> None:
    """Write a dataset in the layout of the published files, one HDF5 group per crystal."""
    with faults_in_one_line():
        _refuse_to_overwrite(new, force)
        from tqdm import tqdm

        from optimetal.database.published_h5 import write_published
        from optimetal.database.store import CrystalStore

        with CrystalStore(dataset) as store:
            records = store.records(range(len(store)))
            write_published(new, tqdm(records, new.name, len(store), disable=None))
            typer.echo(f"wrote {new}: {len(store)} crystals, {store.source}")
