"""The table of RESULTS.md."""

from typing import Any, Final

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


def markdown_table(kind: dict[str, Any], results: dict[str, dict[str, Any]]) -> str:
    """Kind of machine, and a row per measurement.

    Args:
        kind: Of the machine: processor, cores, threads, device and versions.
        results: Name -> what, plain and our cost, ratio.
    """
    where = ", ".join(f"{key} {value}" for key, value in kind.items())
    return "\n".join(
        [f"Measured with {where}.", "", _HEADER, *map(_row, *zip(*results.items(), strict=True))]
    )


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
