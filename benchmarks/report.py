"""The tables of RESULTS.md."""

from typing import Any, Final

from benchmarks.gpu import MODELS, WIDTHS
from benchmarks.networks import LABELS

WANTED: Final = {
    "train_2b_tc_w256": 4,
    "train_2b_cgc_w256": 6,
    "train_3b_tc_w256": 12,
    "infer_3b_tc_w256": 15,
    "evaluate": 20,
    "open_data": 50,
}
"""Ratios that the project has set itself (two CPU cores)."""

_HEADER: Final = """\
| name | what | plain | ours | ratio | wanted | operations |
| --- | --- | ---: | ---: | ---: | ---: | ---: |"""


_EPOCHS_HEADER: Final = """\
| width | network | epoch | utilisation | peak memory |
| ---: | --- | ---: | ---: | ---: |"""


def markdown_table(kind: dict[str, Any], results: dict[str, dict[str, Any]]) -> str:
    """Kind of machine, and a row per measurement.

    Args:
        kind: Of the machine: processor, cores, threads, device and versions.
        results: Name -> what, plain and our cost, ratio.
    """
    return "\n".join(
        [_measured_with(kind), "", _HEADER, *map(_row, *zip(*results.items(), strict=True))]
    )


def epochs_table(kind: dict[str, Any] | None, results: dict[str, dict[str, Any]]) -> str:
    """Kind of machine, and a row per network of each width; cells of what was not measured are empty.

    Args:
        kind: Of the machine, as for :func:`markdown_table`; none: nothing was measured yet.
        results: Name -> seconds per epoch, utilisation, peak memory.
    """
    first = _measured_with(kind) if kind else "No GPU was at hand yet."
    rows = [
        f"| {width} | {LABELS[model]} | {_epoch_cells(results.get(f'epoch_{model}_w{width}'))} |"
        for width in WIDTHS
        for model in MODELS
    ]
    return "\n".join([first, "", _EPOCHS_HEADER, *rows])


def _measured_with(kind: dict[str, Any]) -> str:
    return f"Measured with {', '.join(f'{key} {value}' for key, value in kind.items())}."


def _epoch_cells(result: dict[str, Any] | None) -> str:
    if result is None:
        return "| |"
    seconds, memory = _rounded(result["seconds_per_epoch"]), _rounded(result["peak_memory_mb"])
    return f"{seconds} s | {result['utilisation']:.0%} | {memory} MB"


def _row(name: str, result: dict[str, Any]) -> str:
    unit = "MB" if "plain_mb" in result else "ms"
    plain, ours = (result[f"{path}_{unit.lower()}"] for path in ("plain", "ours"))
    counted = result.get("ours_mflop")
    operations = f"{result['plain_mflop']:.0f} / {counted:.0f}" if counted else ""
    cells = (
        f"`{name}`",
        result["what"],
        f"{_rounded(plain)} {unit}",
        f"{_rounded(ours)} {unit}",
        f"{result['ratio']:.3g}",
        str(WANTED.get(name, "")),
        operations,
    )
    return f"| {' | '.join(cells)} |"


def _rounded(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"
