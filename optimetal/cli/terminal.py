"""Tables, colours and faults on a terminal or in a pipe."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_WIDTH_OF_PIPE: Final = 160  # a file or pipe has no width of its own; wide enough not to wrap


@contextmanager
def faults_in_one_line() -> Iterator[None]:
    """What is wrong with the input goes to stderr as one line; exit code 1."""
    try:
        yield
    except (ValueError, OSError) as error:
        typer.echo(f"error: {' '.join(str(error).split())}", err=True)
        raise typer.Exit(1) from error


def usable_device(device: str) -> str:
    """The device, after a try.

    Raises:
        ValueError: If nothing can be computed there.
    """
    import torch

    from optimetal.training.devices import resolve_device

    try:
        torch.empty(1, device=resolve_device(device))
    except (RuntimeError, AssertionError) as error:  # the latter where torch has no CUDA
        reason = str(error).splitlines()[0]
        raise ValueError(f"expected a device such as auto, cpu or cuda: {reason}") from error
    return device


def console(stderr: bool = False) -> "Console":
    """Where tables go: text stays as it is, without markup or guesses at what to highlight."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(
        stderr=stderr,
        width=None if stream.isatty() else _WIDTH_OF_PIPE,
        markup=False,
        emoji=False,
        highlight=False,
    )


def plain_table() -> "Table":
    """Table with one rule below its head, narrow enough for 80 columns of a terminal."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    return Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))


def number(value: float) -> str:
    """Three digits, without an exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def duration(seconds: float) -> str:
    """In the unit that suits: 40 s, 12 min, 3.5 h, 12 days."""
    for limit, size, unit in ((90, 1, "s"), (5400, 60, "min"), (172800, 3600, "h")):
        if seconds < limit:
            return f"{number(seconds / size)} {unit}"
    return f"{number(seconds / 86400)} days"
