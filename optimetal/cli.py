"""The command ``optimetal``: what a person types; the workflow calls the library itself.

Commands import what they need when they run, so that help and version come at once.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Optical spectra of metals from crystal structure.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


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


@contextmanager
def _faults_in_one_line() -> Iterator[None]:
    """What is wrong with the input goes to stderr as one line; exit code 1."""
    try:
        yield
    except (ValueError, OSError) as error:
        typer.echo(f"error: {' '.join(str(error).split())}", err=True)
        raise typer.Exit(1) from error


@app.command()
def convert_checkpoint(
    old: Annotated[Path, typer.Argument(help="Published checkpoint, best_model.pt.")],
    new: Annotated[Path, typer.Argument(help="File to write, *.safetensors.")],
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Turn a published checkpoint into a model of this library; nothing in it is executed."""
    with _faults_in_one_line():
        if new.exists() and not force:
            raise FileExistsError(f"{new} exists: overwrite it with --force")
        from optimetal.compat import load_published_checkpoint
        from optimetal.models.weights import save_model

        model, architecture, card = load_published_checkpoint(old)
        save_model(model, new, card)
        typer.echo(f"wrote {new}: {architecture.type}, epoch {card['epoch']}")
