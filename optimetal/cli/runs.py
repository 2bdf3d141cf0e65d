"""``optimetal runs``: how trainings are doing, one line each."""

import json
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import pandas as pd
from rich.console import Group
from rich.live import Live
from rich.text import Text

from optimetal.cli.terminal import console, duration
from optimetal.files import whole_file
from optimetal.training.table import STATE_COLUMNS, all_runs, list_runs

INTERVAL: Final = 3.0
"""Time between two looks, s."""

ROOM: Final = 30
"""Characters of a reason that are worth more than other columns."""

BAR: Final = 10
"""Width of a bar, characters."""

_STYLES: Final = {
    "done": "green",
    "waiting": "dim",
    "interrupted": "yellow",
    "unknown": "magenta",
    "silent": "magenta",
    "killed": "red",
    "diverged": "red",
    "failed": "bold red",
    "running": "bold",
}
"""State -> style, in the order of the lines: what matters most comes last, next to what is typed next."""

_LAST: Final = "Time or reason"
_HEADINGS: Final = ("State", "Training", "Epochs", "", "Val. loss", "LR", "Host", _LAST)
_RIGHT: Final = ("Epochs", "Val. loss", "LR")
_SPARED: Final = ("LR", "", "Host", "Val. loss")  # on a narrow screen, the first one first
_ENDED: Final = ("done", "interrupted")


class Request(NamedTuple):
    """What is asked for."""

    states: tuple[str, ...]
    watch: bool
    write: Path | None
    as_json: bool


class Study(NamedTuple):
    """What a configuration asks for."""

    runs: dict[str, list[str]]
    """Study -> names of its trainings, as far as they are known."""
    labels: dict[str, str]
    varied: list[str]


class Look(NamedTuple):
    """What was seen at one moment."""

    runs: pd.DataFrame
    trials: pd.DataFrame
    """Of searches."""


def run(folder: Path | None, config: Path | None, request: Request) -> None:
    """Look, once or again and again, and print or write.

    Raises:
        ValueError: If the configuration is none of a study.
        OSError: If there is no such folder or file.
    """
    results, study = folder or Path("results"), None
    if config:
        study, results = _study(config, folder)
    if not results.is_dir():
        raise FileNotFoundError(f"Expected a folder of results at {results}, found none.")
    see = partial(_look, results, study)
    if request.write:
        _write(results, study, request.write)
    elif request.as_json:
        console().print(json.dumps(_report(see(), request.states), indent=2), soft_wrap=True)
    elif request.watch and console().is_terminal:
        _watch(see, request.states)
    else:
        _print(see(), request.states)


def _study(config: Path, folder: Path | None) -> tuple[Study, Path]:
    """What a configuration asks for, and where its results are."""
    from optimetal.cli.project import study_project  # takes a second
    from optimetal.config.studies import Plan

    project = study_project(config)
    plan, results = Plan(project), folder or Path(project.pathvars.get("results", "results"))
    later = {name: _later_runs(plan, name, results) for name in plan.later}
    runs = {name: (plan.studies | later)[name] for name in project.studies}
    labels = {model: settings.label for model, settings in project.models.items()}
    return Study(runs, labels, plan.varied), results


def _later_runs(plan: Any, study: str, results: Path) -> list[str]:
    """Trainings of a study that follows from results, once these are there."""
    from optimetal.search.findings import read_findings

    files = {name: results / "studies" / study / f"{name}.json" for name in plan.found_in(study)}
    if not all(file.is_file() for file in files.values()):
        return []
    return list(plan.later_runs(study, read_findings(files.get("taken_over"), files.get("rates"))))


def _look(results: Path, study: Study | None) -> Look:
    runs = list_runs(_runs_folder(results))
    if study:
        asked = {name for names in study.runs.values() for name in names}
        waiting = pd.DataFrame({"run": sorted(asked - set(runs["run"])), "state": "waiting"})
        runs = pd.concat([runs.loc[runs["run"].isin(list(asked))], waiting], ignore_index=True)
    trials = list_runs(results / "searches", outcomes=False)
    trials["run"] = [_trial_name(Path(name)) for name in trials["run"]]
    return Look(_sorted(runs), _sorted(trials))


def _runs_folder(results: Path) -> Path:
    """Where trainings are; a folder that is none of results is one of trainings."""
    parts = ("runs", "searches", "dataset", "database")
    return results / "runs" if any((results / part).is_dir() for part in parts) else results


def _trial_name(path: Path) -> str:
    """Search and number of a trial, from ``<search>/trials/<fingerprint>/<number>``."""
    return f"{path.parents[2]} trial {path.name}"


def _sorted(runs: pd.DataFrame) -> pd.DataFrame:
    """By state, then by name."""
    order = {state: place for place, state in enumerate(_STYLES)}
    return runs.sort_values(
        ["state", "run"], key=lambda values: values.replace(order), ignore_index=True
    )


def _write(results: Path, study: Study | None, file: Path) -> None:
    """Write the table of trainings as the workflow does."""
    folder = _runs_folder(results)
    runs = all_runs(folder, study and study.runs, study and study.labels)
    if study:
        from optimetal.scaling.settings import with_settings

        configs = [folder / name / "config.json" for name in runs["run"]]
        runs = with_settings(runs, [file for file in configs if file.is_file()], study.varied)
    with whole_file(file) as temporary:
        runs.to_parquet(temporary, index=False)
    console().print(f"Written to {file}: {_totals(runs, 'trainings')}", soft_wrap=True)


def _report(look: Look, states: Sequence[str]) -> dict[str, Any]:
    """Everything as JSON knows it."""
    return {
        name: json.loads(str(_chosen(runs, states)[list(STATE_COLUMNS)].to_json(orient="records")))
        for name, runs in look._asdict().items()
    }


def _chosen(runs: pd.DataFrame, states: Sequence[str]) -> pd.DataFrame:
    return runs.loc[runs["state"].isin(states)] if states else runs


def _print(look: Look, states: Sequence[str]) -> None:
    """Print once; reasons in full where that is asked for, or where lines may be long."""
    out = console()
    full = bool(states) or not out.is_terminal
    table, totals = _shown(look, states, out.width)
    if table:
        out.print(table, soft_wrap=full, no_wrap=True, overflow="ignore" if full else "ellipsis")
    out.print(totals)


def _watch(see: partial[Look], states: Sequence[str]) -> None:
    """Look again and again until nothing runs, or until Ctrl-C."""
    out = console()
    try:
        with Live(console=out, auto_refresh=False, vertical_overflow="crop") as live:
            while True:
                look = see()
                live.update(Group(*_shown(look, states, out.width, out.height)), refresh=True)
                if "running" not in {*look.runs["state"], *look.trials["state"]}:
                    break
                time.sleep(INTERVAL)
    except KeyboardInterrupt:  # the usual end
        pass


def _shown(
    look: Look, states: Sequence[str], width: int, height: int | None = None
) -> tuple[Text, Text]:
    """Table and totals; of a screen of some height, the last lines that fit."""
    runs, trials = _chosen(look.runs, states), _chosen(look.trials, states)
    if not states:
        runs = runs.loc[runs["state"] != "waiting"]
        trials = trials.loc[~trials["state"].isin(_ENDED)]  # with the others, they are counted
    lines = [*_lines(runs), *_lines(trials)]
    room = len(lines) if height is None else max(height - 8, 1)
    totals = list(_summary(look))
    if len(lines) > room:
        totals.insert(0, f"... and {len(lines) - room:,} more above")
    table = _table(lines[-room:], width) if lines else []
    return (
        Text("\n", no_wrap=True, overflow="ellipsis").join(table),
        Text("\n".join(totals)),
    )


def _table(lines: Sequence[dict[str, str]], width: int) -> list[Text]:
    """Columns with their headings; on a narrow screen, only those that leave room for reasons.

    It is not one of Rich's, which takes a second for a thousand lines.
    """
    widths = {name: max(len(line[name]) for line in lines) for name in _HEADINGS}
    widths = {name: max(n, len(name)) + 2 for name, n in widths.items() if n}
    for name in _SPARED:
        if sum(widths.values()) > width + max(widths.get(_LAST, 0) - ROOM, 0):
            widths.pop(name, None)
    head = _padded(dict(zip(_HEADINGS, _HEADINGS, strict=True)), widths)
    rule = "─" * min(sum(widths.values()), width)
    styles = [_STYLES.get(line["State"], "") for line in lines]
    return [
        Text(head, "bold"),
        Text(rule),
        *(
            Text.assemble((padded[: widths["State"]], style), padded[widths["State"] :])
            for padded, style in zip((_padded(line, widths) for line in lines), styles, strict=True)
        ),
    ]


def _padded(line: dict[str, str], widths: dict[str, int]) -> str:
    cells = (
        f"{line[name]:>{room - 2}}  " if name in _RIGHT else f"{line[name]:<{room}}"
        for name, room in widths.items()
    )
    return "".join(cells).rstrip()


def _lines(runs: pd.DataFrame) -> list[dict[str, str]]:
    """Heading -> text of each training."""
    rows = runs.astype(object).where(runs.notna(), None).to_dict(orient="records")
    return [dict(zip(_HEADINGS, _cells(row), strict=True)) for row in rows]


def _cells(row: dict[str, Any]) -> Iterator[str]:
    known = {name: value for name, value in row.items() if value is not None}
    yield known["state"]
    yield known["run"]
    yield f"{known.get('epoch', '')}/{known['epochs']}" if "epochs" in known else ""
    yield _bar(known.get("epoch", 0), known.get("epochs", 0))
    yield f"{known['val_loss']:.4g}" if "val_loss" in known else ""
    yield f"{known['lr']:.2g}" if "lr" in known else ""
    yield known.get("host", "")
    yield " ".join(known.get("reason", "").split()) or _time(known)


def _bar(done: int, whole: int) -> str:
    """Share of the epochs that are done, to half a character."""
    halves = min(2 * BAR * done // whole, 2 * BAR) if whole else 0
    return ("━" * (halves // 2) + "╸" * (halves % 2)).ljust(BAR)


def _time(known: dict[str, Any]) -> str:
    """How long it took, or what is left at most."""
    if known["state"] == "done" and "seconds" in known:
        return duration(known["seconds"])
    if known["state"] == "running" and {"epoch", "epochs", "seconds_per_epoch"} <= known.keys():
        left = (known["epochs"] - known["epoch"]) * known["seconds_per_epoch"]
        return f"{duration(left)} left"
    return ""


def _summary(look: Look) -> Iterator[str]:
    """Numbers of each state."""
    yield _totals(look.runs, "trainings") if len(look.runs) else "No training has started."
    if len(look.trials):
        yield _totals(look.trials, "trials of searches")


def _totals(runs: pd.DataFrame, what: str) -> str:
    counts = runs["state"].value_counts()
    parts = [f"{counts[state]:,} {state}" for state in reversed(_STYLES) if state in counts]
    return f"{len(runs):,} {what}: {', '.join(parts)}" if parts else f"no {what}"
