"""Measure everything, or some of it, and write results.json (results_gpu.json and epochs_gpu.json on a GPU) and the
tables of RESULTS.md.

``python -m benchmarks [--only TEXT] [--device cuda] [--crystals N] [--threads N]``
"""

import argparse
import json
import logging
import os
import platform
import re
import tempfile
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Final

import torch

from benchmarks import data, gpu, jobs, networks
from benchmarks.report import epochs_table, markdown_table
from benchmarks.timing import Comparison, compare, peak_megabytes
from optimetal.files import write_text
from optimetal.training.devices import device_name

log = logging.getLogger("benchmarks")

HERE: Final = Path(__file__).parent
MEMORY: Final = (("2b_tc", 256), ("3b_tc", 256), ("3b_tc", 16))
"""Variants and widths whose training step's memory is measured."""


def main() -> None:
    """Read the arguments, measure, write."""
    arguments = _arguments()
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log.info("making %d crystals", arguments.crystals)
        data.write_inputs(folder, arguments.crystals)
        kind, only = machine(arguments), re.compile(arguments.only)
        on_gpu = arguments.device == "cuda"
        results = "results_gpu.json" if on_gpu else "results.json"
        for name, result in measured(folder, arguments.device, only):
            keep(results, name, result, kind, markdown_table)
        if on_gpu:
            for name, result in gpu.epochs(folder, arguments.device, only):
                log.info("%-26s %s", name, result)
                keep("epochs_gpu.json", name, result, kind, epochs_table)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", default="", help="regular expression: measure what matches it")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--crystals", type=int, default=1024, help="size of the data set")
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--threads", type=int, default=cores, help="of torch; default: all cores")
    return parser.parse_args()


def measured(folder: Path, device: str, only: re.Pattern) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and result of each measurement whose name matches."""
    kinds = (
        data.comparisons(folder),
        networks.comparisons(folder, device),
        jobs.comparisons(folder, device),
    )
    for name, comparison in chain(*kinds):
        if only.search(name):
            yield name, _logged(name, comparison)
    if device == "cpu":
        for model, width in MEMORY:
            name = f"memory_train_{model}_w{width}"
            if only.search(name):
                yield name, _memory(name, folder, model, width)


def _logged(name: str, comparison: Comparison) -> dict[str, Any]:
    row = compare(comparison)
    log.info(
        "%-26s plain %9.4f ms  ours %9.4f ms  ratio %7.1f",
        name,
        row["plain_ms"],
        row["ours_ms"],
        row["ratio"],
    )
    return row


def _memory(name: str, folder: Path, model: str, width: int) -> dict[str, Any]:
    arguments = "step", folder, model, width
    plain = peak_megabytes(networks.plain_call, *arguments)
    ours = peak_megabytes(networks.our_call, *arguments)
    log.info("%-26s plain %9.0f MB  ours %9.0f MB  ratio %7.1f", name, plain, ours, plain / ours)
    what = f"memory of a training step, {networks.LABELS[model]}, width {width}"
    return {"what": what, "plain_mb": plain, "ours_mb": ours, "ratio": plain / ours}


def machine(arguments: argparse.Namespace) -> dict[str, Any]:
    """Kind of machine and versions."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return {
        "processor": cpu[1] if cpu else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": arguments.threads,
        "device": device_name(torch.device(arguments.device)),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "crystals": arguments.crystals,
    }


def keep(
    file: str,
    name: str,
    result: dict[str, Any],
    kind: dict[str, Any],
    table: Callable[[dict[str, Any], dict[str, Any]], str],
) -> None:
    """Add a result to those of the same machine, in a file and in its table of RESULTS.md."""
    path, page = HERE / file, HERE / "RESULTS.md"
    old = json.loads(path.read_text()) if path.exists() else {}
    results = {**(old["results"] if old.get("machine") == kind else {}), name: result}
    write_text(path, json.dumps({"machine": kind, "results": results}, indent=2) + "\n")
    begin, end = (f"<!-- {mark} {file} -->" for mark in ("begin", "end"))
    before, rest = page.read_text().split(begin)
    after = rest.split(end)[1]
    write_text(page, f"{before}{begin}\n{table(kind, results)}\n{end}{after}")


if __name__ == "__main__":
    main()
