"""Train one network: ``python -m optimetal.training run.json train.h5 val.h5 folder``.

Exit codes: 0 done, or diverged, as ``metrics.json`` says; 75 interrupted by Ctrl-C, SIGTERM or SIGUSR1 with its state
saved, so start again; 1 failed.
On several GPUs: ``torchrun --nproc-per-node 4 -m optimetal.training …``.
"""

import argparse
import json
import logging
import sys
from pathlib import Path

import torch

from optimetal.config.run import Run
from optimetal.training.train import launch


def main(arguments: list[str] | None = None) -> None:
    """Train and exit."""
    parser = argparse.ArgumentParser(prog="python -m optimetal.training", description=__doc__)
    parser.add_argument("run", type=Path, help="JSON file with the run (see config.json of a run)")
    parser.add_argument("train", type=Path, help="graphs of the training set")
    parser.add_argument("val", type=Path, help="graphs of the validation set")
    parser.add_argument("folder", type=Path, help="folder of the run; an earlier start goes on")
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:N, instead of what the run says")
    parser.add_argument("--threads", type=int, default=1, help="threads on the CPU")
    parser.add_argument(
        "--ahead", action="store_true", help="leave the outcome ready for the job of the training"
    )
    given = parser.parse_args(arguments)
    console = logging.StreamHandler()
    console.setLevel(logging.WARNING if sys.stderr.isatty() else logging.INFO)  # beside the bar
    logging.basicConfig(handlers=[console], format="%(asctime)s %(levelname)s: %(message)s")
    torch.set_num_threads(given.threads)
    run = json.loads(given.run.read_text(encoding="utf-8"))
    if given.device:
        run["training"]["device"] = given.device
    run = Run.model_validate(run)
    sys.exit(launch(run, given.train, given.val, given.folder, ahead=given.ahead))


if __name__ == "__main__":
    main()
